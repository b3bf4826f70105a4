/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The guard (DESIGN section 3): LSM programs, and one syscall program that the helper runs. Programs and tokens of a
 * delegation never leave its user namespace, and inside it every verdict is made where nothing can be swapped. What is
 * not ours is let by at the first look.
 *
 * LSM programs only: fentry, fexit and fmod_ret are skipped while another task is preempted inside the same program on
 * that CPU, so a flood gets through.
 */

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "guard.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define EPERM 1
#define EACCES 13
#define ENOMEM 12
#define E2BIG 7
#define ENOENT 2

/* What is looked at of the kernel's own, by name: CO-RE finds the rest. */
#define KERNEL __attribute__((preserve_access_index))

struct user_namespace {
        struct user_namespace *parent;
        int level;
} KERNEL;
struct super_block {
        struct user_namespace *s_user_ns;
} KERNEL;
struct dentry {
        struct super_block *d_sb;
} KERNEL;
struct path {
        struct dentry *dentry;
} KERNEL;
struct vfsmount {
        struct super_block *mnt_sb;
} KERNEL;
struct kernfs_node {
        __u64 id;
        void *priv;
} KERNEL;
struct inode {
        void *i_private;
        struct super_block *i_sb;
} KERNEL;
struct file_operations;
struct file {
        const struct file_operations *f_op;
        void *private_data;
        struct inode *f_inode;
        struct path f_path;
} KERNEL;
struct fdtable {
        unsigned int max_fds;
        struct file **fd;
} KERNEL;
typedef struct {
        int counter;
} atomic_t;
struct files_struct {
        atomic_t count;
        struct fdtable *fdt;
} KERNEL;
struct cred {
        struct user_namespace *user_ns;
} KERNEL;
struct ns_common {
        unsigned int inum;
} KERNEL;
struct net {
        struct user_namespace *user_ns;
} KERNEL;
struct nsproxy {
        struct net *net_ns;
} KERNEL;
struct task_struct {
        struct files_struct *files;
        const struct cred *cred;
        const struct cred *real_cred;
        struct nsproxy *nsproxy;
        int tgid;
} KERNEL;
struct bpf_token {
        struct user_namespace *userns;
} KERNEL;
struct bpf_prog_aux {
        struct bpf_token *token;
} KERNEL;
struct bpf_prog {
        enum bpf_prog_type type;
        enum bpf_attach_type expected_attach_type;
        __u32 len;
        struct bpf_prog_aux *aux;
        struct bpf_insn insnsi[0];
} KERNEL;
struct bpf_link {
        struct bpf_prog *prog;
        enum bpf_link_type type;
} KERNEL;
struct cgroup {
        int level;
        struct kernfs_node *kn;
        struct cgroup *ancestors[0];
} KERNEL;
struct bpf_cgroup_link {
        struct bpf_link link;
        struct cgroup *cgroup;
} KERNEL;

/* ---- maps ---- */

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_DELEGATIONS);
        __type(key, __u64);
        __type(value, struct guard_delegation);
} delegations SEC(".maps");

/* By kernel address, removed only when the kernel frees the object: superblock, token, user namespace → delegation. */
struct by_address {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_DELEGATIONS);
        __type(key, __u64);
        __type(value, __u64);
};
struct by_address supers SEC(".maps");
struct by_address namespaces SEC(".maps");
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_TOKENS);
        __type(key, __u64);
        __type(value, __u64);
} tokens SEC(".maps");

/* Allow-lists: class * GUARD_HELPERS + helper; BTF id of a kfunc → bit of each class. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, GUARD_CLASSES * GUARD_HELPERS);
        __type(key, __u32);
        __type(value, __u8);
} helpers SEC(".maps");
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_KFUNCS);
        __type(key, __u32);
        __type(value, __u32);
} kfuncs SEC(".maps");
/* Class of a program type, plus 1; 0: not known, refused. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 64);
        __type(key, __u32);
        __type(value, __u8);
} classes SEC(".maps");
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct guard_kinds);
} kinds SEC(".maps");
struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 18);
} reports SEC(".maps");

/* ---- who ---- */

static __always_inline struct guard_delegation *delegation_of(void *map, const void *address, __u64 *ret_id) {
        __u64 key = (__u64) address, *id;

        id = bpf_map_lookup_elem(map, &key);
        if (!id)
                return NULL;
        *ret_id = *id;
        return bpf_map_lookup_elem(&delegations, ret_id);
}

/* Whether ns is root or below it. */
static bool is_below(struct user_namespace *ns, __u64 root) {
        for (int i = 0; i < GUARD_DEPTH && ns; i++) {
                if ((__u64) ns == root)
                        return true;
                ns = BPF_CORE_READ(ns, parent);
        }
        return false;
}

/* Both, because an io_uring personality lends cred to an outsider. */
static bool current_is_inside(const struct guard_delegation *d) {
        struct task_struct *task = bpf_get_current_task_btf();

        return is_below(BPF_CORE_READ(task, cred, user_ns), d->userns) &&
               is_below(BPF_CORE_READ(task, real_cred, user_ns), d->userns);
}

static bool own_table(void) {
        struct task_struct *task = bpf_get_current_task_btf();

        return BPF_CORE_READ(task, files, count.counter) == 1;
}

static __always_inline int refuse(int error, enum guard_what what, __u64 id, __u32 cmd, struct bpf_prog *prog, __u32 detail, __u64 target) {
        struct guard_report *report;

        report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);
        if (!report)
                return -error;
        __builtin_memset(report, 0, sizeof(*report));
        report->delegation = id;
        report->what = what;
        report->cmd = cmd;
        report->pid = bpf_get_current_pid_tgid() >> 32;
        report->uid = (__u32) bpf_get_current_uid_gid();
        report->detail = detail;
        report->target = target;
        report->has_prog = !!prog;
        if (prog)
                report->prog_type = BPF_CORE_READ(prog, type);
        bpf_get_current_comm(report->comm, sizeof(report->comm));
        bpf_ringbuf_submit(report, 0);
        return -error;
}

/* ---- superblocks and tokens: exact lifetimes ---- */

/* A token and the superblock each hold the user namespace, so its address is nobody else's before both have gone. */
static __always_inline void forget_if_last(struct guard_delegation *d, __u64 id) {
        __u64 userns = d->userns;

        if (!(d->flags & GUARD_REVOKED) || d->tokens > 0 || d->supers > 0)
                return;
        bpf_map_delete_elem(&namespaces, &userns);
        bpf_map_delete_elem(&delegations, &id);
}

SEC("lsm/bpf_token_create")
int BPF_PROG(guard_token_create, struct bpf_token *token, union bpf_attr *attr, const struct path *path) {
        struct super_block *sb = BPF_CORE_READ(path, dentry, d_sb);
        __u64 id, key = (__u64) token;
        struct guard_delegation *d;

        d = delegation_of(&supers, sb, &id);
        if (!d)
                return 0;
        if (d->flags & GUARD_REVOKED)
                return refuse(EPERM, GUARD_REVOKED_USE, id, BPF_TOKEN_CREATE, NULL, 0, 0);
        if (d->tokens >= GUARD_TOKENS_EACH || bpf_map_update_elem(&tokens, &key, &id, BPF_NOEXIST) < 0)
                return refuse(EPERM, GUARD_TOO_MANY, id, BPF_TOKEN_CREATE, NULL, 0, 0);
        __sync_fetch_and_add(&d->tokens, 1);
        return 0;
}

SEC("lsm/bpf_token_free")
void BPF_PROG(guard_token_free, struct bpf_token *token) {
        __u64 id, key = (__u64) token;
        struct guard_delegation *d;

        d = delegation_of(&tokens, token, &id);
        if (bpf_map_delete_elem(&tokens, &key) == 0 && d) {
                __sync_fetch_and_add(&d->tokens, -1);
                forget_if_last(d, id);
        }
}

SEC("lsm/sb_free_security")
void BPF_PROG(guard_sb_free, struct super_block *sb) {
        __u64 id, key = (__u64) sb;
        struct guard_delegation *d;

        d = delegation_of(&supers, sb, &id);
        if (bpf_map_delete_elem(&supers, &key) == 0 && d) {
                __sync_fetch_and_add(&d->supers, -1);
                forget_if_last(d, id);
        }
}

/* ---- every use of a token ---- */

SEC("lsm/bpf_token_cmd")
int BPF_PROG(guard_token_cmd, const struct bpf_token *token, enum bpf_cmd cmd) {
        struct guard_delegation *d;
        __u64 id;

        d = delegation_of(&tokens, token, &id);
        return d && d->flags & GUARD_REVOKED ? refuse(EPERM, GUARD_REVOKED_USE, id, cmd, NULL, 0, 0) : 0;
}

#define CAP_SYS_ADMIN 21

SEC("lsm/bpf_token_capable")
int BPF_PROG(guard_token_capable, const struct bpf_token *token, int cap) {
        struct guard_delegation *d;
        __u64 id;

        d = delegation_of(&tokens, token, &id);
        if (!d)
                return 0;
        if (d->flags & GUARD_REVOKED)
                return refuse(EPERM, GUARD_REVOKED_USE, id, ~0u, NULL, cap, 0);
        /* Not reported: the kernel asks for more than a program needs, and goes on without. */
        return cap < 64 && cap != CAP_SYS_ADMIN && d->caps & 1ULL << (cap & 63) ? 0 : -EPERM;
}

/* ---- what a program may contain ---- */

struct scan {
        const struct bpf_insn *insns;
        __u32 len, class_bit, class;
        __u32 what, detail; /* the first that is refused; what ~0: none */
        bool half; /* the second half of a 16-byte load comes */
};

static long scan_one(__u32 index, struct scan *scan) {
        struct bpf_insn insn;
        __u8 *allowed;
        __u32 key;

        if (index >= scan->len)
                return 1;
        if (bpf_probe_read_kernel(&insn, sizeof(insn), scan->insns + index) < 0) {
                scan->what = GUARD_LOAD_SOURCE;
                return 1;
        }
        if (scan->half) {
                scan->half = false;
                return 0;
        }
        if (insn.code == (BPF_LD | BPF_IMM | BPF_DW)) {
                scan->half = true;
                /* Maps, their values, and functions of its own; a variable of the kernel (BTF id) and what is newer not. */
                if (insn.src_reg == BPF_PSEUDO_BTF_ID || insn.src_reg > BPF_PSEUDO_MAP_IDX_VALUE) {
                        scan->what = GUARD_LOAD_SOURCE;
                        scan->detail = insn.src_reg;
                        return 1;
                }
                return 0;
        }
        if (insn.code != (BPF_JMP | BPF_CALL))
                return 0;
        if (insn.src_reg == BPF_PSEUDO_CALL)
                return 0;
        if (insn.src_reg == BPF_PSEUDO_KFUNC_CALL) {
                __u32 *classes, id = (__u32) insn.imm;

                classes = insn.off == 0 ? bpf_map_lookup_elem(&kfuncs, &id) : NULL;
                if (classes && *classes & scan->class_bit)
                        return 0;
                scan->what = GUARD_LOAD_KFUNC;
                scan->detail = id;
                return 1;
        }
        key = scan->class * GUARD_HELPERS + (__u32) insn.imm;
        allowed = insn.src_reg == 0 && (__u32) insn.imm < GUARD_HELPERS ? bpf_map_lookup_elem(&helpers, &key) : NULL;
        if (allowed && *allowed)
                return 0;
        scan->what = GUARD_LOAD_HELPER;
        scan->detail = (__u32) insn.imm;
        return 1;
}

/* The kernel takes a million instructions, and bpf_loop() more than that. */
#define INSNS_MAX (1 << 20)

SEC("lsm/bpf_prog_load")
int BPF_PROG(guard_prog_load, struct bpf_prog *prog, union bpf_attr *attr, struct bpf_token *token) {
        /* Not the argument: it is NULL before 7.3. */
        struct bpf_token *its = BPF_CORE_READ(prog, aux, token);
        struct scan scan = {.what = ~0u};
        struct guard_delegation *d;
        __u32 type, attach;
        __u8 *class;
        __u64 id;

        d = delegation_of(&tokens, its, &id);
        if (!d)
                return 0;
        if (d->flags & GUARD_REVOKED)
                return refuse(EPERM, GUARD_REVOKED_USE, id, BPF_PROG_LOAD, prog, 0, 0);
        type = BPF_CORE_READ(prog, type);
        class = bpf_map_lookup_elem(&classes, &type);
        if (!class || *class == 0)
                return refuse(EPERM, GUARD_LOAD_TYPE, id, BPF_PROG_LOAD, prog, type, 0);
        scan.class = *class - 1;
        if (scan.class == GUARD_HOST)
                return d->flags & GUARD_HOST_WIDE ? 0 : refuse(EPERM, GUARD_LOAD_TYPE, id, BPF_PROG_LOAD, prog, type, 0);
        attach = BPF_CORE_READ(prog, expected_attach_type);
        /* One that returns 3 binds a port below 1024. */
        if (type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR && (attach == BPF_CGROUP_INET4_BIND || attach == BPF_CGROUP_INET6_BIND) &&
            !(d->caps & 1ULL << 10 /* CAP_NET_BIND_SERVICE */))
                return refuse(EPERM, GUARD_CAPABILITY, id, BPF_PROG_LOAD, prog, 10, 0);
        scan.insns = (const struct bpf_insn *) ((const char *) prog + bpf_core_field_offset(prog->insnsi));
        scan.len = BPF_CORE_READ(prog, len);
        scan.class_bit = 1u << (scan.class & 31);
        if (scan.len > INSNS_MAX || bpf_loop(scan.len, scan_one, &scan, 0) < 0)
                return refuse(E2BIG, GUARD_LOAD_SOURCE, id, BPF_PROG_LOAD, prog, scan.len, 0);
        return scan.what == ~0u ? 0 : refuse(EPERM, scan.what, id, BPF_PROG_LOAD, prog, scan.detail, 0);
}

/* ---- descriptors ---- */

static struct file *file_of(__u32 fd) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
        struct file **table = BPF_CORE_READ(fdt, fd), *file = NULL;

        if (fd >= BPF_CORE_READ(fdt, max_fds))
                return NULL;
        (void) bpf_probe_read_kernel(&file, sizeof(file), table + fd);
        return file;
}

static const struct guard_kinds *known_kinds(void) {
        __u32 zero = 0;

        return bpf_map_lookup_elem(&kinds, &zero);
}

/* The program that a descriptor is, or that its link has; NULL: neither. */
static struct bpf_prog *prog_of(struct file *file) {
        const struct guard_kinds *k = known_kinds();
        __u64 fops = (__u64) BPF_CORE_READ(file, f_op);
        void *data = BPF_CORE_READ(file, private_data);

        if (!k || fops == 0)
                return NULL;
        if (fops == k->prog_fops)
                return data;
        return fops == k->link_fops ? BPF_CORE_READ((struct bpf_link *) data, prog) : NULL;
}

static struct guard_delegation *owner_of(struct bpf_prog *prog, __u64 *ret_id) {
        return prog ? delegation_of(&tokens, BPF_CORE_READ(prog, aux, token), ret_id) : NULL;
}

/* A program, a link or a token of ours, received or opened: only inside. Root sees all. */
static __always_inline int judge_receipt(struct bpf_prog *prog, const struct guard_delegation *d, __u64 id) {
        struct task_struct *task = bpf_get_current_task_btf();

        if (current_is_inside(d))
                return 0;
        if (BPF_CORE_READ(task, cred, user_ns, level) == 0 && bpf_get_current_uid_gid() << 32 == 0)
                return 0;
        return refuse(EPERM, GUARD_LEFT_NAMESPACE, id, ~0u, prog, 0, 0);
}

SEC("lsm/file_receive")
int BPF_PROG(guard_file_receive, struct file *file) {
        struct bpf_prog *prog = prog_of(file);
        struct guard_delegation *d;
        __u64 id;

        d = prog ? owner_of(prog, &id) : delegation_of(&tokens, BPF_CORE_READ(file, private_data), &id);
        return d ? judge_receipt(prog, d, id) : 0;
}

SEC("lsm/bpf_prog")
int BPF_PROG(guard_prog, struct bpf_prog *prog) {
        struct guard_delegation *d;
        __u64 id;

        d = owner_of(prog, &id);
        return d ? judge_receipt(prog, d, id) : 0;
}

/* Through /proc/PID/fd; there is no other way. Nothing else has a token's address as its private data. */
SEC("lsm/file_open")
int BPF_PROG(guard_file_open, struct file *file) {
        __u64 id, data = (__u64) BPF_CORE_READ(file, f_inode, i_private);

        if (data == 0 || !delegation_of(&tokens, (void *) data, &id))
                return 0;
        return refuse(EPERM, GUARD_TOKEN_OPENED, id, ~0u, NULL, 0, 0);
}

/* Joining the delegation's user namespace, or one below it, with a table that somebody outside shares. */
SEC("lsm/capable")
int BPF_PROG(guard_capable, const struct cred *cred, struct user_namespace *ns, int cap, unsigned int opts) {
        struct user_namespace *at = ns;
        __u64 id;

        if (cap != CAP_SYS_ADMIN || BPF_CORE_READ(ns, level) == 0 || own_table())
                return 0;
        for (int i = 0; i < GUARD_DEPTH && at; i++) {
                if (delegation_of(&namespaces, at, &id))
                        return is_below(BPF_CORE_READ(cred, user_ns), (__u64) at) || BPF_CORE_READ(cred, user_ns, level) == 0 ?
                                       0 :
                                       refuse(EPERM, GUARD_JOINED_SHARED, id, ~0u, NULL, cap, 0);
                at = BPF_CORE_READ(at, parent);
        }
        return 0;
}

/* ---- targets ---- */

static __always_inline bool cgroup_in_bounds(const struct guard_delegation *d, struct cgroup *cgroup) {
        struct cgroup *at;
        __u32 level = d->level;

        if (!cgroup || BPF_CORE_READ(cgroup, level) < (int) level || level > 64)
                return false;
        if (bpf_probe_read_kernel(&at, sizeof(at),
                                  (const char *) cgroup + bpf_core_field_offset(cgroup->ancestors) + level * sizeof(at)) < 0)
                return false;
        return BPF_CORE_READ(at, kn, id) == d->cgroup;
}

/* A descriptor of a cgroup directory: f_inode->i_private is its kernfs node, and priv of that its cgroup. Anything else
 * has no id of ours there. */
static __always_inline struct cgroup *cgroup_of(__u32 fd) {
        struct kernfs_node *kn = BPF_CORE_READ(file_of(fd), f_inode, i_private);

        return BPF_CORE_READ(kn, priv);
}

static __always_inline bool network_in_bounds(const struct guard_delegation *d) {
        struct task_struct *task = bpf_get_current_task_btf();

        return is_below(BPF_CORE_READ(task, nsproxy, net_ns, user_ns), d->userns);
}

enum target { TARGET_UNKNOWN, TARGET_CGROUP, TARGET_NETWORK, TARGET_NONE };

static __always_inline enum target target_of(__u32 attach) {
        switch (attach) {
        case BPF_CGROUP_INET_INGRESS ... BPF_CGROUP_SOCK_OPS:
        case BPF_CGROUP_DEVICE:
        case BPF_CGROUP_INET4_BIND ... BPF_CGROUP_INET6_POST_BIND:
        case BPF_CGROUP_UDP4_SENDMSG:
        case BPF_CGROUP_UDP6_SENDMSG:
        case BPF_CGROUP_SYSCTL ... BPF_CGROUP_SETSOCKOPT:
        case BPF_CGROUP_INET4_GETPEERNAME ... BPF_CGROUP_INET6_GETSOCKNAME:
        case BPF_CGROUP_INET_SOCK_RELEASE:
        case BPF_CGROUP_UNIX_CONNECT ... BPF_CGROUP_UNIX_GETSOCKNAME:
                return TARGET_CGROUP;
        case BPF_FLOW_DISSECTOR:
        case BPF_XDP:
        case BPF_SK_LOOKUP:
        case BPF_NETFILTER:
        case BPF_TCX_INGRESS:
        case BPF_TCX_EGRESS:
        case BPF_NETKIT_PRIMARY:
        case BPF_NETKIT_PEER:
                return TARGET_NETWORK;
        case BPF_SK_SKB_STREAM_PARSER:
        case BPF_SK_SKB_STREAM_VERDICT:
        case BPF_SK_SKB_VERDICT:
        case BPF_SK_MSG_VERDICT:
                return TARGET_NONE; /* a map, which holds its own sockets */
        default:
                return TARGET_UNKNOWN;
        }
}

/* What is to be attached, and where: gathered from one of four commands. */
struct attempt {
        __u32 cmd, prog_fd, attach, target_fd;
        struct bpf_link *link; /* LINK_UPDATE: an existing one says where */
};

static __always_inline int judge_target(struct guard_delegation *d, __u64 id, struct bpf_prog *prog, const struct attempt *a) {
        enum target target = target_of(a->attach);
        struct cgroup *cgroup;

        if (target == TARGET_NONE)
                return 0;
        if (target == TARGET_NETWORK)
                return network_in_bounds(d) ? 0 : refuse(EPERM, GUARD_TARGET_NETWORK, id, a->cmd, prog, a->attach, a->target_fd);
        if (target == TARGET_UNKNOWN)
                return refuse(EPERM, GUARD_TARGET_UNKNOWN, id, a->cmd, prog, a->attach, 0);
        cgroup = cgroup_of(a->target_fd);
        if (cgroup_in_bounds(d, cgroup))
                return 0;
        return refuse(EPERM, GUARD_TARGET_CGROUP, id, a->cmd, prog, a->attach, BPF_CORE_READ(cgroup, kn, id));
}

/* The container of a link, by the link's own type. */
static __always_inline int judge_link(struct guard_delegation *d, __u64 id, struct bpf_prog *prog, const struct attempt *a) {
        struct bpf_link *link = a->link;
        struct bpf_cgroup_link *cgroup_link = (void *) link;
        __u32 type = BPF_CORE_READ(link, type);

        if (type == BPF_LINK_TYPE_CGROUP && cgroup_in_bounds(d, BPF_CORE_READ(cgroup_link, cgroup)))
                return 0;
        if ((type == BPF_LINK_TYPE_XDP || type == BPF_LINK_TYPE_NETNS || type == BPF_LINK_TYPE_TCX || type == BPF_LINK_TYPE_NETKIT ||
             type == BPF_LINK_TYPE_NETFILTER) && network_in_bounds(d))
                return 0;
        return refuse(EPERM, GUARD_TARGET_UNKNOWN, id, a->cmd, prog, type, 0);
}

static __always_inline bool read_attempt(int cmd, const union bpf_attr *attr, struct attempt *a) {
        a->cmd = cmd;
        switch (cmd) {
        case BPF_LINK_CREATE:
                a->prog_fd = attr->link_create.prog_fd;
                a->target_fd = attr->link_create.target_fd;
                a->attach = attr->link_create.attach_type;
                return true;
        case BPF_LINK_UPDATE:
                a->prog_fd = attr->link_update.new_prog_fd;
                return true;
        case BPF_PROG_ATTACH:
                a->prog_fd = attr->attach_bpf_fd;
                a->target_fd = attr->target_fd;
                a->attach = attr->attach_type;
                return true;
        case BPF_PROG_TEST_RUN:
                a->prog_fd = attr->test.prog_fd;
                return true;
        default:
                return false;
        }
}

static __always_inline int judge_test_run(struct guard_delegation *d, __u64 id, struct bpf_prog *prog, const struct attempt *a) {
        __u32 type = BPF_CORE_READ(prog, type);

        if (type == BPF_PROG_TYPE_SOCKET_FILTER || type == BPF_PROG_TYPE_SK_REUSEPORT || type == BPF_PROG_TYPE_CGROUP_SKB ||
            network_in_bounds(d))
                return 0;
        return refuse(EPERM, GUARD_TARGET_NETWORK, id, a->cmd, prog, type, 0);
}

/* The delegation whose user namespace the caller sits in, by either of his credentials. */
static __always_inline struct guard_delegation *inside_of(__u64 *ret_id) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct user_namespace *ns = BPF_CORE_READ(task, cred, user_ns);
        struct guard_delegation *d;

        for (int i = 0; i < GUARD_DEPTH && ns; i++) {
                d = delegation_of(&namespaces, ns, ret_id);
                if (d)
                        return d;
                ns = BPF_CORE_READ(ns, parent);
        }
        ns = BPF_CORE_READ(task, real_cred, user_ns);
        for (int i = 0; i < GUARD_DEPTH && ns; i++) {
                d = delegation_of(&namespaces, ns, ret_id);
                if (d)
                        return d;
                ns = BPF_CORE_READ(ns, parent);
        }
        return NULL;
}

SEC("lsm/bpf")
int BPF_PROG(guard_bpf, int cmd, union bpf_attr *attr, unsigned int size) {
        struct attempt a = {.cmd = cmd};
        struct guard_delegation *d;
        struct bpf_prog *prog;
        struct file *file;
        __u64 id;

        if (!read_attempt(cmd, attr, &a))
                return 0;
        /* With a table that others share a descriptor may mean something else by the time it is used. */
        if (!own_table()) {
                d = inside_of(&id);
                if (!d || !(d->flags & GUARD_CONFINE) || (cmd == BPF_PROG_TEST_RUN && network_in_bounds(d)))
                        return 0;
                return refuse(EACCES, GUARD_SHARED_TABLE, id, cmd, NULL, 0, 0);
        }
        prog = prog_of(file_of(a.prog_fd));
        d = owner_of(prog, &id);
        if (!d)
                return 0;
        if (d->flags & GUARD_REVOKED)
                return refuse(EPERM, GUARD_REVOKED_USE, id, cmd, prog, 0, 0);
        if (!(d->flags & GUARD_CONFINE))
                return 0;
        if (cmd == BPF_PROG_TEST_RUN)
                return judge_test_run(d, id, prog, &a);
        if (cmd == BPF_LINK_UPDATE) {
                file = file_of(attr->link_update.link_fd);
                a.link = BPF_CORE_READ(file, private_data);
                return prog_of(file) ? judge_link(d, id, prog, &a) : refuse(EPERM, GUARD_TARGET_UNKNOWN, id, cmd, prog, 0, 0);
        }
        if (cmd == BPF_PROG_ATTACH)
                __sync_fetch_and_or(&d->flags, GUARD_LEGACY);
        return judge_target(d, id, prog, &a);
}

/* ---- run by the helper ---- */

static __always_inline int learn(const struct guard_request *request) {
        struct guard_kinds k;
        struct file *file;
        __u32 zero = 0;

        file = file_of(request->prog_fd);
        k.prog_fops = (__u64) BPF_CORE_READ(file, f_op);
        file = file_of(request->link_fd);
        k.link_fops = (__u64) BPF_CORE_READ(file, f_op);
        return bpf_map_update_elem(&kinds, &zero, &k, BPF_ANY);
}

/* The superblock by the helper's own descriptor, never by the word of a process of the user's. */
static __always_inline int add(const struct guard_request *request, struct guard_delegation *d) {
        __u64 id = request->delegation, key;
        struct cgroup *cgroup;
        struct super_block *sb;
        struct file *file;

        file = file_of(request->mount_fd);
        sb = BPF_CORE_READ(file, f_path.dentry, d_sb);
        cgroup = cgroup_of(request->cgroup_fd);
        if (!sb || !cgroup)
                return -ENOMEM;
        d->cgroup = BPF_CORE_READ(cgroup, kn, id);
        d->level = BPF_CORE_READ(cgroup, level);
        d->userns = (__u64) BPF_CORE_READ(sb, s_user_ns);
        d->supers = 1;
        key = d->userns;
        if (bpf_map_update_elem(&namespaces, &key, &id, BPF_NOEXIST) < 0)
                return -ENOMEM;
        key = (__u64) sb;
        if (bpf_map_update_elem(&supers, &key, &id, BPF_NOEXIST) == 0)
                return 0;
        key = d->userns;
        bpf_map_delete_elem(&namespaces, &key);
        return -ENOMEM;
}

/* 1 if the link's program is that delegation's. */
static __always_inline int whose(const struct guard_request *request) {
        struct bpf_prog *prog = prog_of(file_of(request->link_fd));
        __u64 id;

        return owner_of(prog, &id) && id == request->delegation;
}

SEC("syscall")
int guard_run(struct guard_request *request) {
        __u64 id = request->delegation;
        struct guard_delegation *d;

        if (request->op == GUARD_LEARN)
                return learn(request);
        if (request->op == GUARD_WHOSE)
                return whose(request);
        d = bpf_map_lookup_elem(&delegations, &id);
        if (!d)
                return -ENOENT;
        if (request->op == GUARD_ADD)
                return add(request, d);
        if (request->op != GUARD_REVOKE)
                return -ENOENT;
        __sync_fetch_and_or(&d->flags, GUARD_REVOKED);
        forget_if_last(d, id);
        return 0;
}
