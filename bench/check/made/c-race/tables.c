const int tables[] = {2, 3, 5, 7, 11, 13};
