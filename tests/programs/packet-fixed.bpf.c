/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reads a packet in place, with offsets that the compiler knows. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int no_icmp(struct xdp_md *ctx) {
        void *data = (void *) (long) ctx->data, *end = (void *) (long) ctx->data_end;
        struct ethhdr *eth = data;
        struct iphdr *ip = (void *) (eth + 1);

        if ((void *) (ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
                return XDP_PASS;
        return ip->protocol == 1 ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
