/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Packets of each flow, in an LRU hash. The key has a hole after its last member. */

#include <linux/bpf.h>
#include <linux/ip.h>

#include <bpf/bpf_helpers.h>

struct flow {
        __u32 from, to;
        __u8 protocol;
};

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, struct flow);
        __type(value, __u64);
} flows SEC(".maps");

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb) {
        __u64 one = 1, *value;
        struct flow flow;
        struct iphdr ip;

        if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0)
                return 1;
#ifdef INSTEAD
        __builtin_memset(&flow, 0, sizeof(flow));
#endif
        flow.from = ip.saddr;
        flow.to = ip.daddr;
        flow.protocol = ip.protocol;
        value = bpf_map_lookup_elem(&flows, &flow);
        if (value)
                __sync_fetch_and_add(value, 1);
        else
                bpf_map_update_elem(&flows, &flow, &one, BPF_ANY);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
