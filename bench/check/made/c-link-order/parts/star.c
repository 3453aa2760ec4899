int sides_of_star(int scale)
{
	return scale * 4 + 1;
}
