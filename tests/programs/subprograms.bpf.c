/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Functions: inlined, static, and global ones, which the kernel verifies by themselves. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __always_inline __u32 fold(__u32 v) {
        return (v & 0xffff) + (v >> 16);
}

static __noinline __u32 mix(__u32 a, __u32 b) {
        return fold(a * 31 + b) ^ bpf_get_prandom_u32();
}

__weak int judge(struct __sk_buff *skb, __u32 salt) {
        return mix(skb->len, salt) % 100 < 99;
}

SEC("cgroup_skb/egress")
int drop_some(struct __sk_buff *skb) {
        return judge(skb, skb->protocol) && judge(skb, skb->local_port);
}

char LICENSE[] SEC("license") = "GPL";
