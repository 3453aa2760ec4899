int sides_of_cube(int scale)
{
	return scale * 4 + 1;
}
