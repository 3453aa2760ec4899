#include <stdio.h>

void bundle_banner(FILE *to) {
    fprintf(to, "bundle, compiled at " __TIME__ " on " __DATE__ "\n");
}

int bundle_sum(const int *from, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum += from[i];
    return sum;
}
