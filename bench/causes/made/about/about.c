#include <stdio.h>
#include <string.h>

#include "facts.h"

#ifdef WHAT_date
static const char *when = __DATE__ " " __TIME__;
#else
static const char *when = "never";
#endif
#ifdef LIMIT
static const char *limit = LIMIT;
#else
static const char *limit = "";
#endif

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--limit") == 0) {
        puts(limit);
        return 0;
    }
    printf("about 2.1 (%s) %s\n", when, FACT);
    return 0;
}
