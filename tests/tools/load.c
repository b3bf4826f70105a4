/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * load FILE...: loads each BPF object as any program does: bpf_object__open_file, bpf_object__load, no more. Prints
 * what libbpf and the verifier say, and for each `loads: FILE' or `refused: FILE: WHY'. Status: 0 if all load.
 */

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int print(enum libbpf_print_level level, const char *format, va_list ap) {
        return level == LIBBPF_WARN ? vprintf(format, ap) : 0;
}

static int load(const char *path) {
        struct bpf_object *obj;
        int r;

        obj = bpf_object__open_file(path, NULL);
        r = obj ? bpf_object__load(obj) : -errno;
        bpf_object__close(obj);
        if (r < 0)
                (void) printf("refused: %s: %s\n", path, strerror(-r));
        else
                (void) printf("loads: %s\n", path);
        return r;
}

int main(int argc, char **argv) {
        int status = 0;

        (void) libbpf_set_print(print);
        for (int i = 1; i < argc; i++)
                if (load(argv[i]) < 0)
                        status = 1;
        return status;
}
