/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Counts what leaves through the sockets of a cgroup, and lets it pass. The plainest program of a type that the demo
 * delegates: one map, no helper beyond the lookup, nothing that needs BTF of the running kernel.
 */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* packets.c reads it by these keys. */
enum { PACKETS, BYTES, COUNTERS };

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, COUNTERS);
        __type(key, __u32);
        __type(value, __u64);
} counters SEC(".maps");

static __always_inline void add(__u32 key, __u64 n) {
        __u64 *value = bpf_map_lookup_elem(&counters, &key);

        if (value)
                __sync_fetch_and_add(value, n);
}

SEC("cgroup_skb/egress")
int count_packets(struct __sk_buff *skb) {
        add(PACKETS, 1);
        add(BYTES, skb->len);
        return 1; /* pass */
}

char _license[] SEC("license") = "GPL";
