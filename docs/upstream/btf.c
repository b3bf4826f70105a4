// SPDX-License-Identifier: LGPL-2.1-or-later
// btf MEMORY-CGROUP-DIRECTORY: loads 16 times 15 MiB of BTF in it, and says what the host has lost and what the cgroup
// was charged.
#define _GNU_SOURCE
#include "bpf.h"
#include <linux/btf.h>

static long number(const char *path, const char *format)
{
        char line[200];
        long n = -1;
        FILE *f = fopen(path, "r");

        while (f && fgets(line, sizeof(line), f) && sscanf(line, format, &n) != 1)
                ;
        if (f)
                fclose(f);
        return n;
}

int main(int argc, char **argv)
{
        const unsigned strings = 15u << 20;
        char path[4096], usage[4096], *b = calloc(1, strings + 64);
        struct btf_header *h = (void *)b;
        struct btf_type *t = (void *)(h + 1);
        unsigned *value = (unsigned *)(t + 1);
        long before, charged;
        int fd, i;

        snprintf(path, sizeof(path), "%s/cgroup.procs", argc > 1 ? argv[1] : ".");
        snprintf(usage, sizeof(usage), "%s/memory.current", argc > 1 ? argv[1] : ".");
        if (access(usage, R_OK))
                snprintf(usage, sizeof(usage), "%s/memory.usage_in_bytes", argc > 1 ? argv[1] : "."); // cgroup v1
        if ((fd = open(path, O_WRONLY)) < 0 || write(fd, "0", 1) != 1)
                err(1, "%s", path);
        *h = (struct btf_header){ .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(*h),
                                  .type_len = sizeof(*t) + 4, .str_off = sizeof(*t) + 4, .str_len = strings };
        *t = (struct btf_type){ .name_off = 1, .info = BTF_KIND_INT << 24, .size = 4 };
        *value = 32;
        memset(b + sizeof(*h) + h->str_off + 1, 'a', strings - 2);
        memcpy(b + sizeof(*h) + h->str_off + 1, "int", 4);
        // What is charged shows that the cgroup counts at all.
        union bpf_attr array = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 1u << 20,
                                 .max_entries = 64 };
        charged = number(usage, "%ld");
        if (sys_bpf(BPF_MAP_CREATE, &array) < 0)
                err(1, "BPF_MAP_CREATE");
        printf("an array of 64 MiB: the cgroup was charged %ld MiB\n", (number(usage, "%ld") - charged) >> 20);
        before = number("/proc/meminfo", "MemAvailable: %ld");
        charged = number(usage, "%ld");
        for (i = 0; i < 16; i++) {
                union bpf_attr attr = { .btf = (unsigned long)b,
                                        .btf_size = (unsigned)sizeof(*h) + h->type_len + strings };

                if (sys_bpf(BPF_BTF_LOAD, &attr) < 0)
                        err(1, "BPF_BTF_LOAD");
        }
        printf("%d loads of 15 MiB: MemAvailable fell by %ld MiB, the cgroup was charged %ld MiB\n", i,
               (before - number("/proc/meminfo", "MemAvailable: %ld")) >> 10, (number(usage, "%ld") - charged) >> 20);
        return 0;
}
