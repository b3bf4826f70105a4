/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * For LD_PRELOAD: a kernel before 6.9, as far as a bpf file system's options go: it knows none that delegates. Nothing
 * else makes a kernel of today refuse them to root.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

long syscall(long number, ...);
long syscall(long number, ...) {
        long (*real)(long, ...) = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall"), arg[6];
        va_list ap;

        va_start(ap, number);
        for (int i = 0; i < 6; i++)
                arg[i] = va_arg(ap, long);
        va_end(ap);
        if (number == SYS_fsconfig && arg[1] == FSCONFIG_SET_STRING &&
            strncmp((const char *) arg[2], "delegate_", 9) == 0) {
                errno = EINVAL;
                return -1;
        }
        return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
