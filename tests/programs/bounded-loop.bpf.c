/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Sums up the first bytes of a packet in a loop whose end the compiler knows, up to the length that the packet has. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
struct sum {
        struct __sk_buff *skb;
        __u32 total;
};

static long add(__u32 i, struct sum *sum) {
        __u8 byte;

        if (i >= sum->skb->len || bpf_skb_load_bytes(sum->skb, i, &byte, 1) < 0)
                return 1;
        sum->total += byte;
        return 0;
}

SEC("socket")
int sum(struct __sk_buff *skb) {
        struct sum sum = {.skb = skb};

        bpf_loop(64, add, &sum, 0);
        return sum.total & 1 ? (int) skb->len : 0;
}
#else
SEC("socket")
int sum(struct __sk_buff *skb) {
        __u32 total = 0;
        __u8 byte;

        for (__u32 i = 0; i < 64 && i < skb->len; i++) {
                if (bpf_skb_load_bytes(skb, i, &byte, 1) < 0)
                        break;
                total += byte;
        }
        return total & 1 ? (int) skb->len : 0;
}
#endif

char LICENSE[] SEC("license") = "GPL";
