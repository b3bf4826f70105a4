/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Walks over all entries of a hash with bpf_for_each_map_elem(). */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 1024);
        __type(key, __u32);
        __type(value, __u64);
} quotas SEC(".maps");

static long drain(void *map, const __u32 *key, __u64 *value, __u64 *total) {
        (void) map;
        (void) key;
        *total += *value;
        *value = 0;
        return 0;
}

SEC("cgroup_skb/egress")
int refill(struct __sk_buff *skb) {
        __u64 total = 0;

        (void) skb;
        bpf_for_each_map_elem(&quotas, drain, &total, 0);
        return total < 4096;
}

char LICENSE[] SEC("license") = "GPL";
