/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who connects: the name of the process, kept with its number. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct process {
        __u32 pid;
        char name[16];
};

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, struct process);
} processes SEC(".maps");

SEC("cgroup/connect4")
int remember(struct bpf_sock_addr *ctx) {
        struct process process = {.pid = bpf_get_current_pid_tgid() >> 32};
        __u64 cookie = bpf_get_socket_cookie(ctx);

#ifndef INSTEAD
        bpf_get_current_comm(process.name, sizeof(process.name));
#endif
        bpf_map_update_elem(&processes, &cookie, &process, BPF_ANY);
        return 1;
}

char LICENSE[] SEC("license") = "GPL";
