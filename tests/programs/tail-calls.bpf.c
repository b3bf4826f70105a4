/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A dispatcher and its handlers: the compiler's own table of tail calls. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int handle_v4(struct __sk_buff *skb);
int handle_v6(struct __sk_buff *skb);

struct {
        __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
        __uint(max_entries, 2);
        __uint(key_size, sizeof(__u32));
        __array(values, int(void *));
} handlers SEC(".maps") = {.values = {[0] = (void *) &handle_v4, [1] = (void *) &handle_v6}};

SEC("cgroup_skb/ingress")
int handle_v4(struct __sk_buff *skb) {
        return skb->len >= 20;
}

SEC("cgroup_skb/ingress")
int handle_v6(struct __sk_buff *skb) {
        return skb->len >= 40;
}

SEC("cgroup_skb/ingress")
int dispatch(struct __sk_buff *skb) {
        bpf_tail_call(skb, &handlers, skb->protocol == 0xdd86);
        return 0;
}

char LICENSE[] SEC("license") = "GPL";
