/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One record for each connection, to a ring buffer. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct event {
        __u64 time, cookie;
        __u32 pid, uid, address;
        __u16 port;
};

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 16);
} events SEC(".maps");

SEC("cgroup/connect4")
int log_connect(struct bpf_sock_addr *ctx) {
        struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

        if (!event)
                return 1;
        event->time = bpf_ktime_get_ns();
        event->cookie = bpf_get_socket_cookie(ctx);
        event->pid = bpf_get_current_pid_tgid() >> 32;
        event->uid = (__u32) bpf_get_current_uid_gid();
        event->address = ctx->user_ip4;
        event->port = (__u16) ctx->user_port;
        bpf_ringbuf_submit(event, 0);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
