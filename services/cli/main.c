/* chancery: the command line. */
#include <stdio.h>

#include "cli.h"
#include "os/os.h"

int main(int argc, char **argv)
{
    os_harden(); /* PINs and identity keys pass through this process */
    return cli_main(argc, argv, stdout, stderr);
}
