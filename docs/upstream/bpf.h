/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs beside this need of bpf(2), so that each builds with `cc -o NAME NAME.c` alone. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define INSN(c, d, s, o, i) ((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV(d, i) INSN(0xb7, d, 0, 0, i)
#define CALL(helper) INSN(0x85, 0, 0, 0, helper)
#define EXIT INSN(0x95, 0, 0, 0, 0)

static inline int sys_bpf(int cmd, union bpf_attr *attr)
{
        return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static inline int load(unsigned type, unsigned attach_type, const struct bpf_insn *insns, size_t count)
{
        union bpf_attr attr = { .prog_type = type, .expected_attach_type = attach_type, .insns = (unsigned long)insns,
                                .insn_cnt = (unsigned)count, .license = (unsigned long)"GPL" };
        int fd = sys_bpf(BPF_PROG_LOAD, &attr);

        if (fd < 0)
                err(1, "BPF_PROG_LOAD");
        return fd;
}

static inline void attach(int prog, int target, unsigned attach_type)
{
        union bpf_attr attr = { .target_fd = (unsigned)target, .attach_bpf_fd = (unsigned)prog,
                                .attach_type = attach_type };

        if (sys_bpf(BPF_PROG_ATTACH, &attr))
                err(1, "BPF_PROG_ATTACH");
}

static inline int sockmap(unsigned entries)
{
        union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4,
                                .max_entries = entries };
        int fd = sys_bpf(BPF_MAP_CREATE, &attr);

        if (fd < 0)
                err(1, "BPF_MAP_CREATE");
        return fd;
}

static inline void put(int map, unsigned key, int socket)
{
        union bpf_attr attr = { .map_fd = (unsigned)map, .key = (unsigned long)&key,
                                .value = (unsigned long)&socket };

        if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr))
                err(1, "BPF_MAP_UPDATE_ELEM");
}
