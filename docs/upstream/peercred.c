// SPDX-License-Identifier: LGPL-2.1-or-later
// peercred CGROUP-DIRECTORY: a client in that cgroup2 directory has SO_PEERCRED of a server outside it say uid 0.
#define _GNU_SOURCE
#include "bpf.h"
#include <sys/un.h>

int main(int argc, char **argv)
{
        struct bpf_insn lie[] = {
                INSN(0x61, 2, 1, 24, 0),              // r2 = ctx->level
                INSN(0x55, 2, 0, 9, SOL_SOCKET),
                INSN(0x61, 2, 1, 28, 0),              // r2 = ctx->optname
                INSN(0x55, 2, 0, 7, SO_PEERCRED),
                INSN(0x79, 2, 1, 8, 0),               // r2 = ctx->optval
                INSN(0x79, 3, 1, 16, 0),              // r3 = ctx->optval_end
                INSN(0xbf, 4, 2, 0, 0),
                INSN(0x07, 4, 0, 0, 12),
                INSN(0x2d, 4, 3, 2, 0),
                INSN(0x62, 2, 0, 4, 0),               // uid
                INSN(0x62, 2, 0, 8, 0),               // gid
                MOV(0, 1), EXIT,
        };
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        socklen_t len = sizeof(a.sun_family), n = sizeof(a);
        struct ucred cred;
        int server = socket(AF_UNIX, SOCK_STREAM, 0), cgroup = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1, c;
        char path[4096], b = 0;
        pid_t pid;

        if (cgroup < 0 || bind(server, (struct sockaddr *)&a, len) || listen(server, 1) ||
            getsockname(server, (struct sockaddr *)&a, &n))
                err(1, "a cgroup2 directory and a socket");
        attach(load(BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT, lie, sizeof(lie) / sizeof(*lie)), cgroup,
               BPF_CGROUP_GETSOCKOPT);
        if ((pid = fork()) == 0) {
                snprintf(path, sizeof(path), "%s/cgroup.procs", argv[1]);
                c = open(path, O_WRONLY);
                if (c < 0 || write(c, "0", 1) != 1 || setgid(65534) || setuid(65534))
                        err(1, "the client cannot move");
                c = socket(AF_UNIX, SOCK_STREAM, 0);
                if (connect(c, (struct sockaddr *)&a, n))
                        err(1, "connect");
                _exit(read(c, &b, 1) != 1);
        }
        c = accept(server, NULL, NULL);
        len = sizeof(cred);
        if (c < 0 || getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len))
                err(1, "getsockopt");
        printf("the client is uid 65534; SO_PEERCRED says uid %u gid %u\n", cred.uid, cred.gid);
        (void)!write(c, &b, 1);
        waitpid(pid, NULL, 0);
        return 0;
}
