#include <assert.h>
#include <stdio.h>

static int digits(const char *text)
{
	int count = 0;

	assert(text != NULL);
	for (; *text; text++)
		count += *text >= '0' && *text <= '9';
	return count;
}

int main(int argc, char **argv)
{
	return argc > 1 ? printf("%d\n", digits(argv[1])) < 0 : 2;
}
