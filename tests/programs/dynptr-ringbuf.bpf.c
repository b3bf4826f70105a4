/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Events of any size: a ring buffer record through a dynptr. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 16);
} events SEC(".maps");

SEC("cgroup_skb/egress")
int copy(struct __sk_buff *skb) {
        struct bpf_dynptr record;
        __u8 head[20];
        __u32 len = skb->len;

        if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)) < 0)
                return 1;
        if (bpf_ringbuf_reserve_dynptr(&events, sizeof(head) + (len & 1023), 0, &record) == 0) {
                bpf_dynptr_write(&record, 0, head, sizeof(head), 0);
                bpf_ringbuf_submit_dynptr(&record, 0);
        } else {
                bpf_ringbuf_discard_dynptr(&record, 0);
        }
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
