/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A histogram in a global array, indexed by a number that is worked out. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 32);
        __type(key, __u32);
        __type(value, __u64);
} buckets SEC(".maps");
#else
__u64 buckets[32];
#endif

static __u32 log2_of(__u32 v) {
        __u32 r = 0;

        for (int shift = 16; shift > 0; shift >>= 1)
                if (v >> shift) {
                        v >>= shift;
                        r += (__u32) shift;
                }
        return r;
}

SEC("cgroup_skb/ingress")
int sizes(struct __sk_buff *skb) {
        __u32 slot = log2_of(skb->len);

#ifdef INSTEAD
        __u64 *bucket = bpf_map_lookup_elem(&buckets, &slot);

        if (bucket)
                __sync_fetch_and_add(bucket, 1);
#else
        if (slot < 32)
                __sync_fetch_and_add(&buckets[slot], 1);
#endif
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
