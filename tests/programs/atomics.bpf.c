/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Atomic operations that give the old value. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u64 owner, sequence, peak;

SEC("cgroup/sock_create")
int claim(struct bpf_sock *ctx) {
        __u64 n = __sync_fetch_and_add(&sequence, 1), old = peak;

        (void) ctx;
        if (n > old)
                __sync_val_compare_and_swap(&peak, old, n);
        return __sync_lock_test_and_set(&owner, n) != n;
}

char LICENSE[] SEC("license") = "GPL";
