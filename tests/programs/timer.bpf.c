/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Empties a counter each second with a timer. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define SECOND 1000000000ULL

struct counter {
#ifdef INSTEAD
        __u64 second;
#else
        struct bpf_timer timer;
#endif
        __u64 packets;
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct counter);
} counters SEC(".maps");

#ifndef INSTEAD
static int empty(void *map, __u32 *key, struct counter *counter) {
        (void) map;
        (void) key;
        counter->packets = 0;
        bpf_timer_start(&counter->timer, SECOND, 0);
        return 0;
}
#endif

SEC("cgroup_skb/egress")
int limit(struct __sk_buff *skb) {
        __u32 zero = 0;
        struct counter *counter = bpf_map_lookup_elem(&counters, &zero);

        (void) skb;
        if (!counter)
                return 1;
#ifdef INSTEAD
        __u64 second = bpf_ktime_get_ns() / SECOND;

        if (__sync_lock_test_and_set(&counter->second, second) != second)
                counter->packets = 0;
#else
        if (bpf_timer_init(&counter->timer, &counters, 1 /* CLOCK_MONOTONIC */) == 0) {
                bpf_timer_set_callback(&counter->timer, empty);
                bpf_timer_start(&counter->timer, SECOND, 0);
        }
#endif
        return __sync_fetch_and_add(&counter->packets, 1) < 1000;
}

char LICENSE[] SEC("license") = "GPL";
