/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Walks over a list of TLVs with bpf_loop(): as long as the packet says. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct walk {
        struct __sk_buff *skb;
        __u32 offset, found;
};

#ifdef INSTEAD
static __always_inline
#else
static
#endif
        long
        step(__u32 i, struct walk *walk) {
        __u8 head[2];

        (void) i;
        if (bpf_skb_load_bytes(walk->skb, walk->offset, head, sizeof(head)) < 0 || head[1] == 0)
                return 1;
        walk->found += head[0] == 7;
        walk->offset += head[1];
        return 0;
}

SEC("cgroup_skb/ingress")
int count(struct __sk_buff *skb) {
        struct walk walk = {.skb = skb};

#ifdef INSTEAD
#pragma clang loop unroll(full)
        for (__u32 i = 0; i < 16; i++)
                if (step(i, &walk))
                        break;
#else
        bpf_loop(1024, step, &walk, 0);
#endif
        return walk.found < 10;
}

char LICENSE[] SEC("license") = "GPL";
