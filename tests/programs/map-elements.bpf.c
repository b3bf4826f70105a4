/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Walks over all entries of a hash with bpf_for_each_map_elem(). */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
#ifdef INSTEAD
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 32);
#else
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 1024);
#endif
        __type(key, __u32);
        __type(value, __u64);
} quotas SEC(".maps");

#ifndef INSTEAD
static long drain(void *map, const __u32 *key, __u64 *value, __u64 *total) {
        (void) map;
        (void) key;
        *total += *value;
        *value = 0;
        return 0;
}
#endif

SEC("cgroup_skb/egress")
int refill(struct __sk_buff *skb) {
        __u64 total = 0;

        (void) skb;
#ifdef INSTEAD
#pragma clang loop unroll(full)
        for (__u32 i = 0; i < 32; i++) {
                __u32 key = i;
                __u64 *value = bpf_map_lookup_elem(&quotas, &key);

                if (value) {
                        total += *value;
                        *value = 0;
                }
        }
#else
        bpf_for_each_map_elem(&quotas, drain, &total, 0);
#endif
        return total < 4096;
}

char LICENSE[] SEC("license") = "GPL";
