// SPDX-License-Identifier: LGPL-2.1-or-later
// detach CGROUP-DIRECTORY: what root attached there is detached by uid 65534 without any capability.
#define _GNU_SOURCE
#include "bpf.h"

static unsigned attached(int cgroup)
{
        union bpf_attr attr = { .query.target_fd = (unsigned)cgroup, .query.attach_type = BPF_CGROUP_INET_EGRESS };

        if (sys_bpf(BPF_PROG_QUERY, &attr))
                err(1, "BPF_PROG_QUERY");
        return attr.query.prog_cnt;
}

int main(int argc, char **argv)
{
        struct bpf_insn pass[] = { MOV(0, 1), EXIT };
        int cgroup = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1, fd, status;
        unsigned before;

        if (cgroup < 0)
                err(1, "a cgroup2 directory");
        attach(load(BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, pass, 2), cgroup, BPF_CGROUP_INET_EGRESS);
        before = attached(cgroup);
        if (fork() == 0) {
                if (setgid(65534) || setuid(65534) || (fd = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0)
                        err(1, "the user");
                union bpf_attr attr = { .target_fd = (unsigned)fd, .attach_type = BPF_CGROUP_INET_EGRESS };
                _exit(sys_bpf(BPF_PROG_DETACH, &attr) ? errno : 0);
        }
        wait(&status);
        printf("attached %u; BPF_PROG_DETACH by uid 65534: %s; attached %u\n", before,
               strerror(WEXITSTATUS(status)), attached(cgroup));
        return 0;
}
