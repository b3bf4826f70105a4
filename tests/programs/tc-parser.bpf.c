/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Sets a packet's DSCP in place, behind any number of VLAN tags. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
SEC("tcx/egress")
int mark(struct __sk_buff *skb) {
        __u32 offset = sizeof(struct ethhdr);
        __u16 protocol;
        __u8 tos = 0x28;

        if (bpf_skb_load_bytes(skb, offset - 2, &protocol, 2) < 0)
                return TCX_NEXT;
        for (int i = 0; i < 2 && protocol == bpf_htons(ETH_P_8021Q); i++) {
                if (bpf_skb_load_bytes(skb, offset + 2, &protocol, 2) < 0)
                        return TCX_NEXT;
                offset += 4;
        }
        if (protocol == bpf_htons(ETH_P_IP))
                bpf_skb_store_bytes(skb, offset + offsetof(struct iphdr, tos), &tos, 1, BPF_F_RECOMPUTE_CSUM);
        return TCX_NEXT;
}
#else
SEC("tcx/egress")
int mark(struct __sk_buff *skb) {
        void *data = (void *) (long) skb->data, *end = (void *) (long) skb->data_end;
        __u32 offset = sizeof(struct ethhdr);
        __u16 *protocol = data + offset - 2;
        struct iphdr *ip;

        if (data + offset > end)
                return TCX_NEXT;
        for (int i = 0; i < 2 && *protocol == bpf_htons(ETH_P_8021Q); i++) {
                offset += 4;
                protocol = data + offset - 2;
                if (data + offset > end)
                        return TCX_NEXT;
        }
        ip = data + offset;
        if ((void *) (ip + 1) > end || *protocol != bpf_htons(ETH_P_IP))
                return TCX_NEXT;
        ip->tos = 0x28;
        return TCX_NEXT;
}
#endif

char LICENSE[] SEC("license") = "GPL";
