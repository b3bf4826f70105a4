// SPDX-License-Identifier: LGPL-2.1-or-later
// credentials: root makes the map and the program, uid 65534 sends; the receiver sees SCM_CREDENTIALS of uid 0.
#define _GNU_SOURCE
#include "bpf.h"

int main(void)
{
        int out[2], in[2], map, one = 1;
        union { char b[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr h; } control;
        char text[32];
        struct iovec io = { text, sizeof(text) };
        struct ucred cred;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, in) || socketpair(AF_UNIX, SOCK_DGRAM, 0, out))
                err(1, "socketpair");
        setsockopt(out[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
        map = sockmap(2);
        struct bpf_insn redirect[] = {
                INSN(0x18, 2, 1, 0, map), INSN(0, 0, 0, 0, 0), MOV(3, 1), MOV(4, 0),
                CALL(BPF_FUNC_sk_redirect_map), EXIT,
        };
        attach(load(BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, redirect, sizeof(redirect) / sizeof(*redirect)), map,
               BPF_SK_SKB_VERDICT);
        put(map, 0, in[1]);
        put(map, 1, out[0]);
        if ((pid = fork()) == 0) {
                if (setgid(65534) || setuid(65534))
                        err(1, "setuid");
                // The one goes by itself, the other by the sockmap.
                _exit(send(out[0], "plain", 5, 0) != 5 || send(in[0], "redirected", 10, 0) != 10);
        }
        for (int i = 0; i < 2; i++) {
                struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
                                    .msg_controllen = sizeof(control) };
                ssize_t n = recvmsg(out[1], &m, 0);

                if (n < 0 || !CMSG_FIRSTHDR(&m))
                        err(1, "recvmsg");
                memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(cred));
                printf("\"%.*s\" sent by uid 65534, pid %d: SCM_CREDENTIALS uid %u pid %d\n", (int)n, text, pid,
                       cred.uid, cred.pid);
        }
        waitpid(pid, NULL, 0);
        return 0;
}
