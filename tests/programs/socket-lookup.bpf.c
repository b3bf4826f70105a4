/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Asks whether somebody listens before it lets a connection through. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
struct {
        __uint(type, BPF_MAP_TYPE_SOCKHASH);
        __uint(max_entries, 64);
        __type(key, __u32);
        __type(value, __u64);
} listeners SEC(".maps");

SEC("sk_skb/stream_verdict")
int only_listened(struct __sk_buff *skb) {
        __u32 port = skb->local_port;
        struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &port);

        if (!sk)
                return SK_DROP;
        bpf_sk_release(sk);
        return SK_PASS;
}
#else
SEC("cgroup_skb/ingress")
int only_listened(struct __sk_buff *skb) {
        struct bpf_sock_tuple tuple = {};
        struct bpf_sock *sk;

        tuple.ipv4.daddr = skb->local_ip4;
        tuple.ipv4.dport = (__u16) skb->local_port;
        sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
        if (!sk)
                return 0;
        bpf_sk_release(sk);
        return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";
