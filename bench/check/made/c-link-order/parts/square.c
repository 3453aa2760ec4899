int sides_of_square(int scale)
{
	return scale * 6 + 1;
}
