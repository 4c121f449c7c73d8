/* Prints its arguments, a line each, or copies standard input when there are none: the command in C. */

#include <stdio.h>

static int copy(void) {
    int byte;
    while ((byte = getchar()) != EOF) {
        putchar(byte);
    }
    return ferror(stdin) || fflush(stdout) == EOF;
}

int main(int count, char **arguments) {
    if (count < 2) {
        return copy();
    }
    puts("Hello from C!");
    for (int index = 1; index < count; index++) {
        puts(arguments[index]);
    }
    return 0;
}
