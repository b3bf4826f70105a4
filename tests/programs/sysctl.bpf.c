/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which settings the cgroup's processes may write, and what they write. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("cgroup/sysctl")
int only_ttl(struct bpf_sysctl *ctx) {
        char name[32] = "", value[16] = "";
        unsigned long ttl;

        if (!ctx->write)
                return 1;
        if (bpf_sysctl_get_name(ctx, name, sizeof(name), 0) < 0 ||
            bpf_strncmp(name, 23, "net/ipv4/ip_default_ttl") != 0)
                return 0;
        if (bpf_sysctl_get_new_value(ctx, value, sizeof(value)) < 0 || bpf_strtoul(value, sizeof(value), 0, &ttl) < 0)
                return 0;
        return ttl >= 32;
}

char LICENSE[] SEC("license") = "GPL";
