/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One listener for many ports: sk_lookup. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_SOCKMAP);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} listener SEC(".maps");

SEC("sk_lookup")
int many_ports(struct bpf_sk_lookup *ctx) {
        __u32 zero = 0;
        struct bpf_sock *sk;
        long r;

        if (ctx->local_port < 8000 || ctx->local_port > 8999)
                return SK_PASS;
        sk = bpf_map_lookup_elem(&listener, &zero);
        if (!sk)
                return SK_DROP;
        r = bpf_sk_assign(ctx, sk, 0);
        bpf_sk_release(sk);
        return r == 0 ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
