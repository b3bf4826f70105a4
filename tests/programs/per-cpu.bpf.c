/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Counters without locks: a per-CPU array, and another CPU's slot of it. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 4);
        __type(key, __u32);
        __type(value, __u64);
} counters SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb) {
        __u32 key = skb->pkt_type & 3;
        __u64 *value = bpf_map_lookup_elem(&counters, &key), *first;

        if (value)
                *value += skb->len;
        first = bpf_map_lookup_percpu_elem(&counters, &key, 0);
        return !first || *first < 1 << 30;
}

char LICENSE[] SEC("license") = "GPL";
