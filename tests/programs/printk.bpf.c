/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Prints to the kernel's trace buffer, which everybody on the host shares. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 16);
} lines SEC(".maps");
#endif

SEC("cgroup/connect4")
int tell(struct bpf_sock_addr *ctx) {
        __u32 port = ctx->user_port;

#ifdef INSTEAD
        bpf_ringbuf_output(&lines, &port, sizeof(port), 0);
#else
        bpf_printk("to port %u", port);
#endif
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
