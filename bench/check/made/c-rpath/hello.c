const char *hello(void)
{
	return "hello";
}
