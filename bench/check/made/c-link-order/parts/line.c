int sides_of_line(int scale)
{
	return scale * 4 + 1;
}
