#include <stdio.h>

int main(void)
{
	return puts("show 1.0, built on " BUILT_ON) < 0;
}
