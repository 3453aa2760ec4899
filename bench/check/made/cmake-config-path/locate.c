#include <stdio.h>

#include "config.h"

int main(void)
{
	return puts("locate-data " LOCATE_VERSION "\ndata in " LOCATE_SOURCE "/data") < 0;
}
