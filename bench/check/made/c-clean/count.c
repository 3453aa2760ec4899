#include "count.h"

struct counts count(const char *text, long size)
{
	struct counts found = {0, 0, size};
	int inside = 0;

	for (long i = 0; i < size; i++) {
		int blank = text[i] == ' ' || text[i] == '\t' || text[i] == '\n';

		found.lines += text[i] == '\n';
		found.words += !blank && !inside;
		inside = !blank;
	}
	return found;
}
