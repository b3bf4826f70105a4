/* SPDX-License-Identifier: GPL-2.0-or-later */

/* An option of one's own, and a limit to another. */

#include <linux/bpf.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#define SOL_CUSTOM 0xdeadbeef

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, __u32);
} options SEC(".maps");

#ifdef INSTEAD
#define SOL_TCP 6
#define TCP_NODELAY 1

SEC("cgroup/connect4")
int set(struct bpf_sock_addr *ctx) {
        struct bpf_sock *sk = ctx->sk;
        __u32 *stored;
        int one = 1;

        stored = sk ? bpf_sk_storage_get(&options, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
        if (stored)
                *stored = bpf_setsockopt(ctx, SOL_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
        return 1;
}
#else
SEC("cgroup/getsockopt")
int get(struct bpf_sockopt *ctx) {
        __u8 *value = ctx->optval, *end = ctx->optval_end;
        __u32 *stored;

        if (ctx->level != (int) SOL_CUSTOM)
                return 1;
        stored = bpf_sk_storage_get(&options, ctx->sk, 0, 0);
        if (!stored || value + 1 > end)
                return 0;
        value[0] = (__u8) *stored;
        bpf_set_retval(0);
        ctx->optlen = 1;
        return 1;
}

SEC("cgroup/setsockopt")
int set(struct bpf_sockopt *ctx) {
        __u8 *value = ctx->optval, *end = ctx->optval_end;
        __u32 *stored;

        if (ctx->level != (int) SOL_CUSTOM)
                return 1;
        stored = bpf_sk_storage_get(&options, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!stored || value + 1 > end)
                return 0;
        *stored = value[0];
        ctx->optlen = -1; /* the kernel need not see it */
        return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";
