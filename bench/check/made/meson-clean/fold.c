#include <stdio.h>

int main(void)
{
	int column = 0;

	fprintf(stderr, "fold %s\n", FOLD_VERSION);
	for (int c; (c = getchar()) != EOF; column = c == '\n' ? 0 : column + 1) {
		if (column == 72) {
			putchar('\n');
			column = 0;
		}
		putchar(c);
	}
	return 0;
}
