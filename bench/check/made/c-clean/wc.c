#include <stdio.h>

#include "count.h"

int main(void)
{
	static char text[1 << 20];
	struct counts found = count(text, (long)fread(text, 1, sizeof text, stdin));

	return printf("%ld %ld %ld\n", found.lines, found.words, found.bytes) < 0;
}
