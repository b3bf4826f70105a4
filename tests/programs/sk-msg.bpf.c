/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Messages between two processes of the same host, past the network stack: sk_msg on a sockhash. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_SOCKHASH);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, __u64);
} peers SEC(".maps");

SEC("sk_msg")
int shortcut(struct sk_msg_md *msg) {
        __u64 key = (__u64) msg->local_port << 32 | msg->remote_port;
        void *data = msg->data, *end = msg->data_end;

        if (data + 4 > end || *(__u32 *) data == 0)
                return SK_DROP;
        return bpf_msg_redirect_hash(msg, &peers, &key, BPF_F_INGRESS);
}

char LICENSE[] SEC("license") = "GPL";
