/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Sums up the first bytes of a packet in a loop whose end the compiler knows, up to the length that the packet has. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("socket")
int sum(struct __sk_buff *skb) {
        __u32 total = 0;
        __u8 byte;

#ifdef INSTEAD
#pragma clang loop unroll(full)
        for (__u32 i = 0; i < 16; i++) {
#else
        for (__u32 i = 0; i < 64 && i < skb->len; i++) {
#endif
                if (bpf_skb_load_bytes(skb, i, &byte, 1) < 0)
                        break;
                total += byte;
        }
        return total & 1 ? (int) skb->len : 0;
}

char LICENSE[] SEC("license") = "GPL";
