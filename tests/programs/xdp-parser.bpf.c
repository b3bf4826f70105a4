/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reads a TCP header in place, behind an IPv4 header whose length the packet says. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
SEC("xdp")
int no_smtp(struct xdp_md *ctx) {
        struct iphdr ip;
        struct tcphdr tcp;

        if (bpf_xdp_load_bytes(ctx, sizeof(struct ethhdr), &ip, sizeof(ip)) < 0 || ip.protocol != 6)
                return XDP_PASS;
        if (bpf_xdp_load_bytes(ctx, sizeof(struct ethhdr) + ip.ihl * 4u, &tcp, sizeof(tcp)) < 0)
                return XDP_PASS;
        return tcp.dest == bpf_htons(25) ? XDP_DROP : XDP_PASS;
}
#else
SEC("xdp")
int no_smtp(struct xdp_md *ctx) {
        void *data = (void *) (long) ctx->data, *end = (void *) (long) ctx->data_end;
        struct iphdr *ip = data + sizeof(struct ethhdr);
        struct tcphdr *tcp;

        if ((void *) (ip + 1) > end || ip->protocol != 6)
                return XDP_PASS;
        tcp = (void *) ip + ip->ihl * 4;
        if ((void *) (tcp + 1) > end)
                return XDP_PASS;
        return tcp->dest == bpf_htons(25) ? XDP_DROP : XDP_PASS;
}
#endif

char LICENSE[] SEC("license") = "GPL";
