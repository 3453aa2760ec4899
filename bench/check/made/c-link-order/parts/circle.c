int sides_of_circle(int scale)
{
	return scale * 6 + 1;
}
