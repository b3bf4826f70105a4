/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Bytes of each socket, kept with the socket. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, __u64);
} sent SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb) {
        struct bpf_sock *sk = skb->sk;
        __u64 *bytes;

        if (!sk)
                return 1;
        sk = bpf_sk_fullsock(sk);
        if (!sk)
                return 1;
        bytes = bpf_sk_storage_get(&sent, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (bytes)
                __sync_fetch_and_add(bytes, skb->len);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
