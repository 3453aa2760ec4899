#include <stdio.h>

int sides_of_circle(int), sides_of_square(int), sides_of_star(int);
int sides_of_line(int), sides_of_cube(int), sides_of_cone(int);

int main(int argc, char **argv)
{
	(void)argv;
	return printf("%d\n", sides_of_circle(argc) + sides_of_square(argc) + sides_of_star(argc) +
	              sides_of_line(argc) + sides_of_cube(argc) + sides_of_cone(argc)) < 0;
}
