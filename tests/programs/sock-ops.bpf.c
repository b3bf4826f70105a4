/* SPDX-License-Identifier: GPL-2.0-or-later */

/* TCP connections of the cgroup: their round trip times, a longer time-out, and a map of them. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_SOCKHASH);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, __u64);
} connections SEC(".maps");

__u64 rtt_sum, rtts;

SEC("sockops")
int watch(struct bpf_sock_ops *ctx) {
        int seconds = 60;
        __u64 cookie;

        switch (ctx->op) {
        case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
        case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
                cookie = bpf_get_socket_cookie(ctx);
                bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RTT_CB_FLAG);
                bpf_setsockopt(ctx, 6 /* SOL_TCP */, 4 /* TCP_KEEPIDLE */, &seconds, sizeof(seconds));
                bpf_sock_hash_update(ctx, &connections, &cookie, BPF_ANY);
                break;
        case BPF_SOCK_OPS_RTT_CB:
                __sync_fetch_and_add(&rtt_sum, ctx->srtt_us >> 3);
                __sync_fetch_and_add(&rtts, 1);
                break;
        }
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
