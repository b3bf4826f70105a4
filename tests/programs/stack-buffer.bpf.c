/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Collects the printable bytes of a packet in a buffer on the stack, one after the other. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 16);
} events SEC(".maps");

#ifdef INSTEAD
SEC("socket")
int words(struct __sk_buff *skb) {
        struct bpf_dynptr text;
        __u32 n = 0;
        char c;

        if (bpf_ringbuf_reserve_dynptr(&events, 32, 0, &text) < 0) {
                bpf_ringbuf_discard_dynptr(&text, 0);
                return 0;
        }
#pragma clang loop unroll(full)
        for (__u32 i = 0; i < 32; i++) {
                if (bpf_skb_load_bytes(skb, i, &c, 1) < 0)
                        break;
                if (c >= ' ')
                        bpf_dynptr_write(&text, n++, &c, 1, 0);
        }
        bpf_ringbuf_submit_dynptr(&text, 0);
        return 0;
}
#else
SEC("socket")
int words(struct __sk_buff *skb) {
        char text[32] = "", c;
        __u32 n = 0;

        for (__u32 i = 0; i < 32; i++) {
                if (bpf_skb_load_bytes(skb, i, &c, 1) < 0)
                        break;
                if (c >= ' ')
                        text[n++ & 31] = c;
        }
        bpf_ringbuf_output(&events, text, sizeof(text), 0);
        return 0;
}
#endif

char LICENSE[] SEC("license") = "GPL";
