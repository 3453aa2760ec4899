#include <stdio.h>

int main(void)
{
	long lines = 0;

	for (int c; (c = getchar()) != EOF;)
		lines += c == '\n';
	return printf("%ld\n", lines) < 0;
}
