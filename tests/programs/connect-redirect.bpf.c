/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Sends connections to a name server of one's own, and bind addresses with them. */

#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup/connect4")
int to_own_resolver(struct bpf_sock_addr *ctx) {
        struct sockaddr_in from = {.sin_family = 2 /* AF_INET */, .sin_addr = {bpf_htonl(0x7f000001)}};

        if (ctx->user_port != bpf_htons(53))
                return 1;
        ctx->user_ip4 = bpf_htonl(0x7f000001);
        ctx->user_port = bpf_htons(5353);
        return bpf_bind(ctx, (struct sockaddr *) &from, sizeof(from)) == 0;
}

SEC("cgroup/getpeername4")
int as_if_not(struct bpf_sock_addr *ctx) {
        if (ctx->user_port == bpf_htons(5353))
                ctx->user_port = bpf_htons(53);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
