/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A token bucket, two numbers that change together: a spin lock in a map's value. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bucket {
        struct bpf_spin_lock lock;
        __u64 tokens, last;
};

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, struct bucket);
} buckets SEC(".maps");

SEC("cgroup_skb/egress")
int limit(struct __sk_buff *skb) {
        __u64 key = bpf_skb_cgroup_id(skb), now = bpf_ktime_get_ns();
        struct bucket *bucket = bpf_map_lookup_elem(&buckets, &key);
        int pass = 0;

        if (!bucket)
                return 1;
        bpf_spin_lock(&bucket->lock);
        bucket->tokens += (now - bucket->last) / 1000;
        bucket->last = now;
        if (bucket->tokens >= skb->len) {
                bucket->tokens -= skb->len;
                pass = 1;
        }
        bpf_spin_unlock(&bucket->lock);
        return pass;
}

char LICENSE[] SEC("license") = "GPL";
