/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A hash of hashes: one inner map for each cgroup, filled in by the loader. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 64);
        __type(key, __u32);
        __type(value, __u64);
} first SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
        __uint(max_entries, 16);
        __type(key, __u64);
        __array(values, struct inner);
} by_cgroup SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, 2);
        __type(key, __u32);
        __array(values, struct inner);
} generations SEC(".maps") = {.values = {[0] = &first}};

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb) {
        __u64 cgroup = bpf_skb_cgroup_id(skb), one = 1, *value;
        __u32 zero = 0, protocol = skb->protocol;
        void *map = bpf_map_lookup_elem(&by_cgroup, &cgroup);

        if (!map)
                map = bpf_map_lookup_elem(&generations, &zero);
        if (!map)
                return 1;
        value = bpf_map_lookup_elem(map, &protocol);
        if (value)
                __sync_fetch_and_add(value, 1);
        else
                bpf_map_update_elem(map, &protocol, &one, BPF_NOEXIST);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
