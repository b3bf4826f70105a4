/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which of several listeners takes a connection: by its hash. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
        __uint(max_entries, 8);
        __type(key, __u32);
        __type(value, __u64);
} listeners SEC(".maps");

SEC("sk_reuseport")
int choose(struct sk_reuseport_md *ctx) {
        __u32 key = ctx->hash & 7;

        return bpf_sk_select_reuseport(ctx, &listeners, &key, 0) == 0 ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
