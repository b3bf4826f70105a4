/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A proxy in the kernel: parser and verdict of a sockmap, by the first byte of the stream, to a backend that is
 * there. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_SOCKMAP);
        __uint(max_entries, 16);
        __type(key, __u32);
        __type(value, __u64);
} backends SEC(".maps");

#ifdef INSTEAD
SEC("sk_msg")
int verdict(struct sk_msg_md *msg) {
        __u8 *first = msg->data, *end = msg->data_end;

        if (first + 1 > end)
                return SK_DROP;
        return (int) bpf_msg_redirect_map(msg, &backends, *first & 15, 0);
}
#else
SEC("sk_skb/stream_parser")
int parser(struct __sk_buff *skb) {
        return (int) skb->len;
}

SEC("sk_skb/stream_verdict")
int verdict(struct __sk_buff *skb) {
        struct bpf_sock *backend;
        __u32 key, state;
        __u8 first;

        if (bpf_skb_load_bytes(skb, 0, &first, 1) < 0)
                return SK_DROP;
        key = first & 15;
        backend = bpf_map_lookup_elem(&backends, &key);
        if (!backend)
                return SK_DROP;
        state = backend->state;
        bpf_sk_release(backend);
        return state == BPF_TCP_ESTABLISHED ? (int) bpf_sk_redirect_map(skb, &backends, key, 0) : SK_DROP;
}
#endif

char LICENSE[] SEC("license") = "GPL";
