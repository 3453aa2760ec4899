#include <stdio.h>
#include <stdlib.h>

long add(long a, long b);

int main(int argc, char **argv)
{
	long total = 0;

	for (int i = 1; i < argc; i++)
		total = add(total, atol(argv[i]));
	return printf("%ld\n", total) < 0;
}
