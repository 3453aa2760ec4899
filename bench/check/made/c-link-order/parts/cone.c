int sides_of_cone(int scale)
{
	return scale * 4 + 1;
}
