/* SPDX-License-Identifier: GPL-2.0-or-later */

/* An open-coded iterator, bpf_for(), over a map. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 256);
        __type(key, __u32);
        __type(value, __u64);
} slots SEC(".maps");

static void add(__u32 key, __u64 *sum) {
        __u64 *value = bpf_map_lookup_elem(&slots, &key);

        if (value)
                *sum += *value;
}

SEC("cgroup_skb/egress")
int total(struct __sk_buff *skb) {
        __u64 sum = 0;

        (void) skb;
#ifdef INSTEAD
#pragma clang loop unroll(full)
        for (__u32 i = 0; i < 32; i++)
                add(i, &sum);
#else
        int i;

        bpf_for(i, 0, 256) add((__u32) i, &sum);
#endif
        return sum < 1000000;
}

char LICENSE[] SEC("license") = "GPL";
