/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A program of a type that the demo's policy does not delegate. It is as harmless as can be, so that its type is all
 * that a kernel, or a guard, can have against it.
 */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx) {
        (void) ctx;
        return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
