/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A list of networks that may be connected to: an LPM trie. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct prefix {
        __u32 len, address;
};

struct {
        __uint(type, BPF_MAP_TYPE_LPM_TRIE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, 1024);
        __type(key, struct prefix);
        __type(value, __u32);
} allowed SEC(".maps");

SEC("cgroup/connect4")
int only_allowed(struct bpf_sock_addr *ctx) {
        struct prefix key = {.len = 32, .address = ctx->user_ip4};

        return !!bpf_map_lookup_elem(&allowed, &key);
}

char LICENSE[] SEC("license") = "GPL";
