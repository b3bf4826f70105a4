/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reads headers through a dynptr, which says whether they are there. */

#include <linux/bpf.h>
#include <linux/ip.h>

#include <bpf/bpf_helpers.h>

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 buffer__szk) __ksym;

SEC("cgroup_skb/ingress")
int only_tcp(struct __sk_buff *skb) {
        struct bpf_dynptr packet;
#ifdef INSTEAD
        struct iphdr buffer = {}, *ip;
#else
        struct iphdr buffer, *ip;
#endif

        if (bpf_dynptr_from_skb(skb, 0, &packet) < 0)
                return 0;
        ip = bpf_dynptr_slice(&packet, 0, &buffer, sizeof(buffer));
        return ip && ip->protocol == 6;
}

char LICENSE[] SEC("license") = "GPL";
