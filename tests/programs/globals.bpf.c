/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Global variables: constants that the loader sets (.rodata), counters (.bss), and ones with a value (.data). */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 sample_every = 10;
const char *const volatile unused_name = "words, too";
__u64 seen, bytes;
static volatile __u32 limit = 1500;
static __u64 sizes[3] = {64, 512, 1500};

SEC("cgroup_skb/egress")
int count(struct __sk_buff *skb) {
        __u64 n = __sync_fetch_and_add(&seen, 1);

        if (sample_every && n % sample_every == 0)
                bytes += skb->len;
        for (int i = 0; i < 3; i++)
                if (skb->len == sizes[i])
                        return 1;
        return skb->len <= limit;
}

char LICENSE[] SEC("license") = "GPL";
