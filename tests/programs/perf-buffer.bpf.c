/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The older way to send events: a perf buffer. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
        __type(key, __u32);
        __type(value, __u32);
} events SEC(".maps");

SEC("cgroup_skb/egress")
int sample(struct __sk_buff *skb) {
        struct {
                __u64 time;
                __u32 len, mark;
        } event = {.time = bpf_ktime_get_ns(), .len = skb->len, .mark = skb->mark};

        /* The upper half: so many bytes of the packet behind it. */
        bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU | 64ULL << 32, &event, sizeof(event));
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
