/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reads Ethernet-less IPv4 and TCP headers of any length by copying them. */

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress")
int no_smtp(struct __sk_buff *skb) {
        struct iphdr ip;
        struct tcphdr tcp;

        if (skb->protocol != bpf_htons(0x0800) || bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) < 0 || ip.protocol != 6)
                return 1;
        if (bpf_skb_load_bytes(skb, ip.ihl * 4u, &tcp, sizeof(tcp)) < 0)
                return 1;
        return tcp.dest != bpf_htons(25);
}

char LICENSE[] SEC("license") = "GPL";
