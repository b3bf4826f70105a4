// SPDX-License-Identifier: LGPL-2.1-or-later
// push: what bpf_msg_push_data inserts, as the other end of a TCP connection of one's own receives it.
#define _GNU_SOURCE
#include "bpf.h"
#include <netinet/in.h>
#include <poll.h>

enum { LEN = 32768, ROUNDS = 200 };

int main(void)
{
        static unsigned char b[LEN + 1];
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct bpf_insn push[] = { MOV(2, 0), MOV(3, LEN), MOV(4, 0), CALL(BPF_FUNC_msg_push_data), MOV(0, 1), EXIT };
        int server = socket(AF_INET, SOCK_STREAM, 0), map = sockmap(1), c, s;
        socklen_t n = sizeof(a);
        long got = 0, set = 0, pointers = 0;

        if (bind(server, (struct sockaddr *)&a, n) || listen(server, 1) ||
            getsockname(server, (struct sockaddr *)&a, &n))
                err(1, "listen");
        attach(load(BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, push, sizeof(push) / sizeof(*push)), map,
               BPF_SK_MSG_VERDICT);
        for (int i = 0; i < ROUNDS; i++) {
                size_t have = 0;

                c = socket(AF_INET, SOCK_STREAM, 0);
                if (connect(c, (struct sockaddr *)&a, n) || (s = accept(server, NULL, NULL)) < 0)
                        err(1, "connect");
                put(map, 0, c);
                if (send(c, "x", 1, 0) != 1)
                        err(1, "send");
                while (have < sizeof(b) && poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 1000) > 0) {
                        ssize_t r = read(s, b + have, sizeof(b) - have);

                        if (r <= 0)
                                break;
                        have += (size_t)r;
                }
                for (size_t k = 0; k + 8 < have; k += 8) {
                        unsigned long w;

                        memcpy(&w, b + k, 8);
                        set += w != 0;
                        pointers += w >> 47 == 0x1ffff && w != ~0ul;
                }
                got += (long)have - 1;
                close(c);
                close(s);
        }
        printf("sent %d bytes, received %ld more\nwords not zero: %ld, that look like kernel pointers: %ld\n", ROUNDS,
               got, set, pointers);
        return 0;
}
