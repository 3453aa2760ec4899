// Prints what it was given, and where it stands when it was given nothing.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	if len(os.Args) < 2 {
		_, file, line, _ := runtime.Caller(0)
		fmt.Printf("%s:%d: nothing to print\n", file, line)
		os.Exit(2)
	}
	fmt.Println(os.Args[1:])
}
