/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which devices the cgroup's processes may open. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("cgroup/dev")
int only_usual(struct bpf_cgroup_dev_ctx *ctx) {
        __u32 type = ctx->access_type & 0xffff;

        return type == BPF_DEVCG_DEV_CHAR && ctx->major == 1 && ctx->minor != 1;
}

char LICENSE[] SEC("license") = "GPL";
