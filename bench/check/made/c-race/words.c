const char *const words[] = {"two", "three", "five"};
