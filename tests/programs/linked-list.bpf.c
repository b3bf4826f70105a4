/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Objects of its own in a linked list. */

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#ifdef INSTEAD
struct {
        __uint(type, BPF_MAP_TYPE_QUEUE);
        __uint(max_entries, 64);
        __type(value, __u64);
} times SEC(".maps");

SEC("cgroup_skb/egress")
int remember(struct __sk_buff *skb) {
        __u64 now = bpf_ktime_get_ns();

        (void) skb;
        bpf_map_push_elem(&times, &now, BPF_EXIST);
        return 1;
}
#else
struct node {
        struct bpf_list_node link;
        __u64 time;
};

extern void *bpf_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta,
                                   __u64 off) __ksym;

static struct bpf_spin_lock lock SEC(".data.A");
static struct bpf_list_head head SEC(".data.A") __attribute__((btf_decl_tag("contains:node:link")));

SEC("cgroup_skb/egress")
int remember(struct __sk_buff *skb) {
        struct node *node = bpf_obj_new_impl(bpf_core_type_id_local(struct node), NULL);

        (void) skb;
        if (!node)
                return 1;
        node->time = bpf_ktime_get_ns();
        bpf_spin_lock(&lock);
        bpf_list_push_back_impl(&head, &node->link, NULL, 0);
        bpf_spin_unlock(&lock);
        return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";
