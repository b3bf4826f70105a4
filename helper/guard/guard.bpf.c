/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The guard (ARCHITECTURE.md): LSM programs, and one syscall program that the helper runs. Programs and tokens of a
 * delegation never leave its user namespace, and inside it every verdict is made where nothing can be swapped. What is
 * not ours is let by at the first look.
 *
 * LSM programs only: fentry, fexit and fmod_ret are skipped while another task is preempted inside the same program on
 * that CPU, so a flood gets through.
 */

#include <linux/bpf.h>
#include <linux/btf.h>
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
#define ENOENT 2
#define ESRCH 3
#define EOPNOTSUPP 95

/* What is looked at of the kernel's own, by name: CO-RE finds the rest. */
#define KERNEL __attribute__((preserve_access_index))

typedef struct {
        __u32 val;
} KERNEL kuid_t;
struct user_namespace {
        struct user_namespace *parent;
        int level;
        kuid_t owner;
} KERNEL;
struct super_block {
        unsigned long s_magic;
        struct user_namespace *s_user_ns;
} KERNEL;
struct dentry {
        struct dentry *d_parent;
        struct super_block *d_sb;
} KERNEL;
struct path {
        struct dentry *dentry;
} KERNEL;
struct kernfs_node {
        __u64 id;
        const char *name;
        void *priv;
} KERNEL;
struct inode {
        unsigned short i_mode;
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
typedef struct {
        __u64 val;
} KERNEL kernel_cap_t;
struct cred {
        kernel_cap_t cap_effective;
        struct user_namespace *user_ns;
} KERNEL;
struct ns_common {
        unsigned int inum;
} KERNEL;
struct net {
        struct user_namespace *user_ns;
        struct ns_common ns;
} KERNEL;
struct nsproxy {
        struct net *net_ns;
} KERNEL;
struct task_struct {
        struct files_struct *files;
        const struct cred *cred;
        const struct cred *real_cred;
        struct nsproxy *nsproxy;
} KERNEL;
struct upid {
        int nr;
} KERNEL;
struct pid {
        struct upid numbers[0];
} KERNEL;
struct sock {
        unsigned short sk_protocol;
} KERNEL;
struct sk_buff {
        unsigned int len;
        unsigned char *data;
} KERNEL;
struct bpf_token {
        struct user_namespace *userns;
} KERNEL;
struct bpf_map {
        struct bpf_map *inner_map_meta;
        enum bpf_map_type map_type;
        __u32 key_size, value_size, max_entries;
} KERNEL;
struct bpf_func_info_aux {
        __u16 linkage;
} KERNEL;
struct bpf_prog_aux {
        struct bpf_token *token;
        char name[16];
        __u32 used_map_cnt, func_info_cnt, verified_insns;
        struct bpf_map **used_maps;
        struct bpf_func_info_aux *func_info_aux;
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
struct hlist_node {
        struct hlist_node *next;
} KERNEL;
struct hlist_head {
        struct hlist_node *first;
} KERNEL;
struct bpf_prog_list {
        struct hlist_node node;
        struct bpf_prog *prog;
} KERNEL;
struct cgroup_bpf {
        struct hlist_head progs[1];
        __u8 flags[1];
} KERNEL;
struct cgroup {
        int level;
        struct kernfs_node *kn;
        struct cgroup_bpf bpf;
        struct cgroup *ancestors[0];
} KERNEL;
/* Values are the kernel's, also by name. */
enum cgroup_bpf_attach_type {
        CGROUP_INET_INGRESS,
        CGROUP_INET_EGRESS,
        CGROUP_INET_SOCK_CREATE,
        CGROUP_SOCK_OPS,
        CGROUP_DEVICE,
        CGROUP_INET4_BIND,
        CGROUP_INET6_BIND,
        CGROUP_INET4_CONNECT,
        CGROUP_INET6_CONNECT,
        CGROUP_UNIX_CONNECT,
        CGROUP_INET4_POST_BIND,
        CGROUP_INET6_POST_BIND,
        CGROUP_UDP4_SENDMSG,
        CGROUP_UDP6_SENDMSG,
        CGROUP_UNIX_SENDMSG,
        CGROUP_SYSCTL,
        CGROUP_UDP4_RECVMSG,
        CGROUP_UDP6_RECVMSG,
        CGROUP_UNIX_RECVMSG,
        CGROUP_GETSOCKOPT,
        CGROUP_SETSOCKOPT,
        CGROUP_INET4_GETPEERNAME,
        CGROUP_INET6_GETPEERNAME,
        CGROUP_UNIX_GETPEERNAME,
        CGROUP_INET4_GETSOCKNAME,
        CGROUP_INET6_GETSOCKNAME,
        CGROUP_UNIX_GETSOCKNAME,
        CGROUP_INET_SOCK_RELEASE,
};

struct task_struct *bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;

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
        __type(value, struct guard_token);
} tokens SEC(".maps");
/* Of GUARD_TOKENS_COMMON, how many a user holds, by uid modulo GUARD_USERS; the last counts all. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, GUARD_USERS + 1);
        __type(key, __u32);
        __type(value, __u32);
} users SEC(".maps");
/* Id of a <root> → delegation, until it is revoked: for who comes with a cgroup and nothing else of a delegation. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_DELEGATIONS);
        __type(key, __u64);
        __type(value, __u64);
} roots SEC(".maps");

/*
 * The anchor of each delegation, dead or alive. A task that is referred to keeps its credentials, and these the user
 * namespace: so its address is nobody else's as long as this stands, though the last token and superblock have gone,
 * and no helper runs.
 */
typedef struct task_struct held_task; /* clang 14 forgets __kptr of a struct that it knows */
struct guard_holder {
        held_task __kptr *task;
};
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_DELEGATIONS);
        __type(key, __u64);
        __type(value, struct guard_holder);
} holders SEC(".maps");

/* Maps of local storage and of sockets by address → their delegation. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_COUNTED_ALL);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, __u64);
        __type(value, __u64);
} counted SEC(".maps");

/* Allow-lists: class * GUARD_HELPERS + helper; BTF id of a kfunc → bit of each class. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, GUARD_CLASSES *GUARD_HELPERS);
        __type(key, __u32);
        __type(value, __u8);
} helpers SEC(".maps");
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, GUARD_KFUNCS);
        __type(key, __u32);
        __type(value, __u32);
} kfuncs SEC(".maps");
/* What a step of a program may take (remember_cost()), by the address of its aux. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, GUARD_LOADING);
        __type(key, __u64);
        __type(value, __u32);
} loading SEC(".maps");
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

        id = key == 0 ? NULL : bpf_map_lookup_elem(map, &key);
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

        return task->files->count.counter == 1;
}

#define CAP_NET_BIND_SERVICE 10
#define CAP_NET_ADMIN 12
#define CAP_SYS_ADMIN 21
#define CAP_BPF 39

/* Root of the host: nothing is kept from it. */
static bool is_admin(const struct cred *cred) {
        return cred->user_ns->level == 0 && cred->cap_effective.val & 1ULL << CAP_SYS_ADMIN;
}

/* ---- telling ---- */

struct refusal {
        enum guard_what what;
        __u32 cmd; /* NO_CMD: not in bpf(2) */
        __u32 detail, interface;
        struct bpf_prog *prog;
        struct cgroup *cgroup;
};
#define NO_CMD ~0u

/* Names from the root on. What is deeper than this is cut. */
#define PATH_PARTS 16

static void write_path(struct guard_report *report, struct cgroup *cgroup) {
        int level = BPF_CORE_READ(cgroup, level);
        __u32 n = 0;

        for (int i = 1; i <= PATH_PARTS && i <= level; i++) {
                struct cgroup *at = NULL;
                long size;

                if (n >= GUARD_PATH - 1)
                        return;
                (void) bpf_probe_read_kernel(&at, sizeof(at),
                                             (const char *) cgroup + bpf_core_field_offset(cgroup->ancestors) +
                                                     (__u32) i * sizeof(at));
                report->path[n++ & (GUARD_PATH - 1)] = '/';
                size = bpf_probe_read_kernel_str(report->path + (n & (GUARD_PATH - 1)), GUARD_NAME,
                                                 BPF_CORE_READ(at, kn, name));
                if (size <= 1)
                        return;
                n += (__u32) size - 1;
        }
        if (level == 0)
                report->path[0] = '/';
}

static int refuse(struct guard_delegation *d, __u64 id, const struct refusal *why) {
        struct bpf_prog *prog = why->prog;
        struct guard_report *report;

        __sync_fetch_and_add(&d->refusals, 1);
        report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);
        if (!report)
                return -EPERM;
        __builtin_memset(report, 0, sizeof(*report));
        report->delegation = id;
        report->what = why->what;
        report->cmd = why->cmd;
        report->pid = bpf_get_current_pid_tgid() >> 32;
        report->uid = (__u32) bpf_get_current_uid_gid();
        report->detail = why->detail;
        report->interface = why->interface;
        bpf_get_current_comm(report->comm, sizeof(report->comm));
        if (prog) {
                report->has_prog = 1;
                report->prog_type = BPF_CORE_READ(prog, type);
                BPF_CORE_READ_STR_INTO(&report->prog_name, prog, aux, name);
        }
        if (why->cgroup)
                write_path(report, why->cgroup);
        bpf_ringbuf_submit(report, 0);
        return -EPERM;
}
#define REFUSE(...) refuse(d, id, &(struct refusal){__VA_ARGS__})

/* ---- superblocks and tokens: exact lifetimes ---- */

/*
 * A token and the superblock each hold the user namespace, and are counted until just before they let go of it, and
 * so does the anchor in `holders': so its address is nobody else's as long as it is here. Programs hold their token.
 * While somebody may be left in the namespace the entry stays. Who comes here last removes it, or both do.
 */
static __always_inline void forget_if_last(struct guard_delegation *d, __u64 id) {
        __u64 userns = d->userns;

        if (d->tokens > 0 || d->supers > 0 || (d->flags & (GUARD_HELD | GUARD_SWEPT)) == GUARD_HELD)
                return;
        bpf_map_delete_elem(&namespaces, &userns);
        if (d->flags & GUARD_REVOKED)
                bpf_map_delete_elem(&delegations, &id);
}

/* Counts one more unless there are as many as may be. Never more, however many try at once. */
static __always_inline bool count_up(__u32 *counter, __u32 max) {
        if (__sync_fetch_and_add(counter, 1) < max)
                return true;
        __sync_fetch_and_add(counter, -1);
        return false;
}

static __always_inline __u32 *tokens_of_user(__u32 uid) {
        __u32 key = uid % GUARD_USERS;

        return bpf_map_lookup_elem(&users, &key);
}

static __always_inline __u32 *tokens_of_all(void) {
        __u32 key = GUARD_USERS;

        return bpf_map_lookup_elem(&users, &key);
}

/* One of those kept for the delegation, or a common one. */
static __always_inline bool take_place(struct guard_delegation *d, struct guard_token *token) {
        __u32 *user = tokens_of_user(d->uid), *all = tokens_of_all();

        if (count_up(&d->tokens_kept, GUARD_TOKENS_KEPT))
                return true;
        token->common = 1;
        if (!user || !all || !count_up(user, GUARD_TOKENS_USER))
                return false;
        if (count_up(all, GUARD_TOKENS_COMMON))
                return true;
        __sync_fetch_and_add(user, -1);
        return false;
}

static __always_inline void leave_place(struct guard_delegation *d, const struct guard_token *token) {
        __u32 *user = tokens_of_user(d->uid), *all = tokens_of_all();

        if (!token->common)
                __sync_fetch_and_add(&d->tokens_kept, -1);
        else if (user && all) {
                __sync_fetch_and_add(user, -1);
                __sync_fetch_and_add(all, -1);
        }
}

SEC("lsm/bpf_token_create")
int BPF_PROG(guard_token_create, struct bpf_token *token, union bpf_attr *attr, const struct path *path) {
        struct super_block *sb = BPF_CORE_READ(path, dentry, d_sb);
        __u64 id, key = (__u64) token;
        struct guard_token entry = {0};
        struct guard_delegation *d;

        d = delegation_of(&supers, sb, &id);
        if (!d)
                return 0;
        entry.delegation = id;
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = BPF_TOKEN_CREATE);
        /* While one helper takes over from another both their programs are called. */
        if (bpf_map_lookup_elem(&tokens, &key))
                return 0;
        if (d->tokens >= GUARD_TOKENS_EACH || !take_place(d, &entry))
                return REFUSE(.what = GUARD_TOO_MANY, .cmd = BPF_TOKEN_CREATE);
        if (bpf_map_update_elem(&tokens, &key, &entry, BPF_NOEXIST) < 0) {
                leave_place(d, &entry);
                return REFUSE(.what = GUARD_TOO_MANY, .cmd = BPF_TOKEN_CREATE);
        }
        __sync_fetch_and_add(&d->tokens, 1);
        return 0;
}

SEC("lsm/bpf_token_free")
void BPF_PROG(guard_token_free, struct bpf_token *token) {
        __u64 id, key = (__u64) token;
        struct guard_token entry = {0}, *present;
        struct guard_delegation *d;

        d = delegation_of(&tokens, token, &id);
        present = bpf_map_lookup_elem(&tokens, &key);
        if (present)
                entry = *present;
        if (bpf_map_delete_elem(&tokens, &key) == 0 && d) {
                leave_place(d, &entry);
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

/* One that is not known, of a namespace that is: there can be none, and if there is, it is good for nothing. */
static __always_inline bool is_lost(const struct bpf_token *token) {
        __u64 userns = (__u64) BPF_CORE_READ(token, userns);

        return bpf_map_lookup_elem(&namespaces, &userns);
}

SEC("lsm/bpf_token_cmd")
int BPF_PROG(guard_token_cmd, const struct bpf_token *token, enum bpf_cmd cmd) {
        struct guard_delegation *d;
        __u64 id;

        d = delegation_of(&tokens, token, &id);
        if (!d)
                return is_lost(token) ? -EPERM : 0;
        return d->flags & GUARD_REVOKED ? REFUSE(.what = GUARD_REVOKED_USE, .cmd = cmd) : 0;
}

SEC("lsm/bpf_token_capable")
int BPF_PROG(guard_token_capable, const struct bpf_token *token, int cap) {
        struct guard_delegation *d;
        __u64 id;

        d = delegation_of(&tokens, token, &id);
        if (!d)
                return is_lost(token) ? -EPERM : 0;
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = NO_CMD, .detail = cap);
        /* Not reported: the kernel asks for more than a program needs, and goes on without. */
        return cap < 64 && cap != CAP_SYS_ADMIN && d->caps & 1ULL << (cap & 63) ? 0 : -EPERM;
}

/* ---- what a program may contain ---- */

#define NOTHING_WRONG ~0u
#ifndef BPF_JCOND
#define BPF_JCOND 0xe0 /* may_goto */
#endif

struct scan {
        const struct bpf_insn *insns;
        __u32 len, class_bit, class;
        __u32 what, detail; /* the first that is refused, or NOTHING_WRONG */
        bool half;          /* the second half of a 16-byte load comes */
        bool long_loops;
        __u32 step;
        __u32 bytes; /* GUARD_RUN_BYTES or 0 */
};

static __always_inline void cost(struct scan *scan, __u32 step) {
        if (step > scan->step)
                scan->step = step;
}

static __always_inline void cost_of_helper(struct scan *scan, __u8 allowed) {
        if (allowed == GUARD_COSTLY)
                cost(scan, GUARD_RUN_COSTLY);
        if (allowed == GUARD_WALKING)
                cost(scan, GUARD_RUN_WALK);
        if (allowed == GUARD_SENDING)
                cost(scan, GUARD_RUN_SEND);
        if (allowed == GUARD_BYTE_BY_BYTE)
                scan->bytes = GUARD_RUN_BYTES;
}

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
                /* Maps, their values, and functions of its own; a variable of the kernel (BTF id) and what is newer
                 * not. */
                if (insn.src_reg == BPF_PSEUDO_BTF_ID || insn.src_reg > BPF_PSEUDO_MAP_IDX_VALUE) {
                        scan->what = GUARD_LOAD_SOURCE;
                        scan->detail = insn.src_reg;
                        return 1;
                }
                return 0;
        }
        if (insn.code == (BPF_JMP | BPF_JCOND) && !scan->long_loops) {
                scan->what = GUARD_LONG_JUMP;
                return 1;
        }
        /* A load from the packet by a single instruction. */
        if (BPF_CLASS(insn.code) == BPF_LD && (BPF_MODE(insn.code) == BPF_ABS || BPF_MODE(insn.code) == BPF_IND))
                cost(scan, GUARD_RUN_SEND);
        if (BPF_OP(insn.code) != BPF_CALL || (BPF_CLASS(insn.code) != BPF_JMP && BPF_CLASS(insn.code) != BPF_JMP32))
                return 0;
        /* A call of another kind: no kernel takes one yet. */
        if (insn.code != (BPF_JMP | BPF_CALL)) {
                scan->what = GUARD_LOAD_SOURCE;
                scan->detail = insn.code;
                return 1;
        }
        if (insn.src_reg == BPF_PSEUDO_CALL)
                return 0;
        if (insn.src_reg == BPF_PSEUDO_KFUNC_CALL) {
                __u32 *classes, id = (__u32) insn.imm;

                classes = insn.off == 0 ? bpf_map_lookup_elem(&kfuncs, &id) : NULL;
                scan->detail = id;
                scan->what = !classes || !(*classes & scan->class_bit)   ? GUARD_LOAD_KFUNC :
                             *classes & GUARD_LOOPS && !scan->long_loops ? GUARD_LONG_KFUNC :
                                                                           NOTHING_WRONG;
                if (classes && *classes & GUARD_COSTS)
                        cost(scan, GUARD_RUN_COSTLY);
                if (classes && *classes & GUARD_WALKS)
                        cost(scan, GUARD_RUN_WALK);
                return scan->what != NOTHING_WRONG;
        }
        key = scan->class * GUARD_HELPERS + (__u32) insn.imm;
        allowed = insn.src_reg == 0 && (__u32) insn.imm < GUARD_HELPERS ? bpf_map_lookup_elem(&helpers, &key) : NULL;
        scan->detail = (__u32) insn.imm;
        scan->what = !allowed || *allowed == GUARD_NEVER            ? GUARD_LOAD_HELPER :
                     *allowed == GUARD_IF_LONG && !scan->long_loops ? GUARD_LONG_HELPER :
                                                                      NOTHING_WRONG;
        if (allowed)
                cost_of_helper(scan, *allowed);
        return scan->what != NOTHING_WRONG;
}

/* The kernel takes a million instructions, and bpf_loop() more than that. */
#define INSNS_MAX (1 << 20)

/* GUARD_CLASSES: of a type that is not known. */
static __always_inline __u32 class_of(__u32 type) {
        __u8 *class = bpf_map_lookup_elem(&classes, &type);

        return class && *class > 0 && *class <= GUARD_CLASSES ? *class - 1u : GUARD_CLASSES;
}

/* For judge_length(): the verifier makes another program of it, which keeps its aux. */
static __always_inline void remember_cost(struct bpf_prog *prog, __u32 step) {
        __u64 aux = (__u64) BPF_CORE_READ(prog, aux);

        (void) bpf_map_update_elem(&loading, &aux, &step, BPF_ANY);
}

/* What one instruction may take besides its maps. One that was crowded out of the map may call anything. */
static __always_inline __u32 remembered_cost(struct bpf_prog *prog) {
        __u64 aux = (__u64) BPF_CORE_READ(prog, aux);
        __u32 *step = bpf_map_lookup_elem(&loading, &aux);

        return step ? *step : GUARD_RUN_SEND | GUARD_RUN_BYTES;
}

SEC("lsm/bpf_prog_load")
int BPF_PROG(guard_prog_load, struct bpf_prog *prog, union bpf_attr *attr, struct bpf_token *token) {
        /* Not the argument: it is NULL before 7.3. */
        struct bpf_token *its = BPF_CORE_READ(prog, aux, token);
        struct scan scan = {.what = NOTHING_WRONG, .step = GUARD_RUN_STEP};
        struct guard_delegation *d;
        __u32 type, attach;
        __u64 id;

        d = delegation_of(&tokens, its, &id);
        if (!d)
                return its && is_lost(its) ? -EPERM : 0;
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = BPF_PROG_LOAD, .prog = prog);
        type = BPF_CORE_READ(prog, type);
        scan.class = class_of(type);
        if (scan.class == GUARD_HOST && d->flags & GUARD_HOST_WIDE)
                return 0;
        if (scan.class >= GUARD_HOST)
                return REFUSE(.what = GUARD_LOAD_TYPE, .cmd = BPF_PROG_LOAD, .prog = prog);
        attach = BPF_CORE_READ(prog, expected_attach_type);
        /* One that returns 3 binds a port below 1024. */
        if (type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR &&
            (attach == BPF_CGROUP_INET4_BIND || attach == BPF_CGROUP_INET6_BIND) &&
            !(d->caps & 1ULL << CAP_NET_BIND_SERVICE))
                return REFUSE(.what = GUARD_CAPABILITY, .cmd = BPF_PROG_LOAD, .prog = prog,
                              .detail = CAP_NET_BIND_SERVICE);
        scan.insns = (const struct bpf_insn *) ((const char *) prog + bpf_core_field_offset(prog->insnsi));
        scan.len = BPF_CORE_READ(prog, len);
        scan.class_bit = 1u << (scan.class & 31);
        scan.long_loops = d->flags & GUARD_LONG_LOOPS;
        /* Judged before the verifier takes memory for it: the kernel charges that to nobody before 6.17. */
        if (scan.len > GUARD_RUN_INSNS && !scan.long_loops)
                return REFUSE(.what = GUARD_LONG_INSNS, .cmd = BPF_PROG_LOAD, .prog = prog, .detail = scan.len);
        if (scan.len > INSNS_MAX || bpf_loop(scan.len, scan_one, &scan, 0) < 0)
                return REFUSE(.what = GUARD_TOO_LONG, .cmd = BPF_PROG_LOAD, .prog = prog);
        if (scan.what == NOTHING_WRONG) {
                remember_cost(prog, scan.step | scan.bytes);
                return 0;
        }
        return REFUSE(.what = scan.what, .cmd = BPF_PROG_LOAD, .prog = prog, .detail = scan.detail);
}

/* ---- maps ---- */

static __always_inline bool holds_sockets(__u32 type) {
        return type == BPF_MAP_TYPE_SOCKMAP || type == BPF_MAP_TYPE_SOCKHASH;
}

static __always_inline bool is_counted(__u32 type) {
        return type == BPF_MAP_TYPE_SK_STORAGE || type == BPF_MAP_TYPE_INODE_STORAGE ||
               type == BPF_MAP_TYPE_TASK_STORAGE || type == BPF_MAP_TYPE_CGRP_STORAGE || holds_sockets(type);
}

static __always_inline int count_map(struct guard_delegation *d, __u64 id, __u64 map) {
        /* While one helper takes over from another both their programs are called. */
        if (bpf_map_lookup_elem(&counted, &map))
                return 0;
        if (!count_up(&d->counted, GUARD_COUNTED))
                return REFUSE(.what = GUARD_COUNTED_FULL, .cmd = BPF_MAP_CREATE);
        if (bpf_map_update_elem(&counted, &map, &id, BPF_NOEXIST) < 0) {
                __sync_fetch_and_add(&d->counted, -1);
                return REFUSE(.what = GUARD_COUNTED_FULL, .cmd = BPF_MAP_CREATE);
        }
        return 0;
}

SEC("lsm/bpf_map_create")
int BPF_PROG(guard_map_create, struct bpf_map *map, union bpf_attr *attr, struct bpf_token *token) {
        __u32 type = BPF_CORE_READ(map, map_type);
        struct guard_delegation *d;
        __u64 id;

        d = delegation_of(&tokens, token, &id);
        if (!d)
                return 0;
        if ((__u64) BPF_CORE_READ(map, key_size) + BPF_CORE_READ(map, value_size) > GUARD_ELEMENT)
                return REFUSE(.what = GUARD_ELEMENT_SIZE, .cmd = BPF_MAP_CREATE);
        if (holds_sockets(type) && BPF_CORE_READ(map, max_entries) > GUARD_SOCKETS)
                return REFUSE(.what = GUARD_SOCKETS_SIZE, .cmd = BPF_MAP_CREATE);
        return is_counted(type) ? count_map(d, id, (__u64) map) : 0;
}

/* By the kernel's threads, for every map of the host. */
SEC("lsm/bpf_map_free")
void BPF_PROG(guard_map_free, struct bpf_map *map) {
        __u64 id, key = (__u64) map;
        struct guard_delegation *d;

        if (!is_counted(BPF_CORE_READ(map, map_type)))
                return;
        d = delegation_of(&counted, map, &id);
        if (bpf_map_delete_elem(&counted, &key) == 0 && d)
                __sync_fetch_and_add(&d->counted, -1);
}

/* ---- descriptors ---- */

static struct file *file_of(__u32 fd) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct fdtable *fdt = task->files->fdt;
        struct file **table = fdt->fd, *file = NULL;

        if (fd >= fdt->max_fds)
                return NULL;
        (void) bpf_probe_read_kernel(&file, sizeof(file), table + fd);
        return file;
}

static struct guard_kinds *known_kinds(void) {
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

/* A program, a link or a token of ours, received or opened: only inside. */
static __always_inline int judge_receipt(struct bpf_prog *prog, struct guard_delegation *d, __u64 id) {
        struct task_struct *task = bpf_get_current_task_btf();

        if (is_admin(task->cred))
                return 0;
        /* Whoever has kept the namespace may join it again, and then be inside; SO_ATTACH_BPF asks nobody. */
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = NO_CMD, .prog = prog);
        return current_is_inside(d) ? 0 : REFUSE(.what = GUARD_LEFT_NAMESPACE, .cmd = NO_CMD, .prog = prog);
}

#define BPF_FS_MAGIC 0xcafe4a11
#define ANON_INODE_FS_MAGIC 0x09041934

SEC("lsm/file_receive")
int BPF_PROG(guard_file_receive, struct file *file) {
        unsigned long magic = file->f_inode->i_sb->s_magic;
        struct guard_delegation *d;
        struct bpf_prog *prog;
        __u64 id;

        /* Programs and links are anonymous, tokens are on their bpf file system: other files are let by at once. */
        if (magic != ANON_INODE_FS_MAGIC && magic != BPF_FS_MAGIC)
                return 0;
        prog = prog_of(file);
        d = prog ? owner_of(prog, &id) : delegation_of(&tokens, file->private_data, &id);
        return d ? judge_receipt(prog, d, id) : 0;
}

/* binder puts what it carries into the other's table itself, without file_receive. Nobody needs it for these. */
SEC("lsm/binder_transfer_file")
int BPF_PROG(guard_binder_file, const struct cred *from, const struct cred *to, struct file *file) {
        struct bpf_prog *prog = prog_of(file);
        struct guard_delegation *d;
        __u64 id;

        d = prog ? owner_of(prog, &id) : delegation_of(&tokens, file->private_data, &id);
        return d ? REFUSE(.what = GUARD_LEFT_NAMESPACE, .cmd = NO_CMD, .prog = prog) : 0;
}

/* ---- how long it can run ---- */

/* The most that a look into one of its maps takes, and how many programs may follow one another. */
struct reach {
        struct bpf_map **maps;
        __u64 bytes;
        __u32 times;
};

static __always_inline __u64 element_of(struct bpf_map *map, __u64 ringbuf) {
        __u32 type = BPF_CORE_READ(map, map_type);
        __u64 key = BPF_CORE_READ(map, key_size), value = BPF_CORE_READ(map, value_size);

        if (type == BPF_MAP_TYPE_RINGBUF)
                return ringbuf;
        /* A node for each bit, as deep as it gets; the first four bytes say how many there are. Each compares the key
         * from its start. */
        if (type == BPF_MAP_TYPE_LPM_TRIE)
                return key * 8 * (GUARD_RUN_BIT + key * GUARD_RUN_BYTE);
        return type == BPF_MAP_TYPE_BLOOM_FILTER ? value * GUARD_RUN_BLOOM : (key + value) * GUARD_RUN_BYTE;
}

static long reach_of_map(__u32 index, struct reach *reach) {
        struct bpf_map *map = NULL, *inner;
        __u64 bytes;

        (void) bpf_probe_read_kernel(&map, sizeof(map), reach->maps + index);
        bytes = element_of(map, BPF_CORE_READ(map, max_entries));
        inner = BPF_CORE_READ(map, inner_map_meta);
        if (inner && element_of(inner, GUARD_RUN_UNKNOWN) > bytes)
                bytes = element_of(inner, GUARD_RUN_UNKNOWN);
        if (BPF_CORE_READ(map, map_type) == BPF_MAP_TYPE_PROG_ARRAY)
                reach->times = GUARD_RUN_TAILS;
        if (bytes > reach->bytes)
                reach->bytes = bytes;
        return 0;
}

struct functions {
        const char *aux; /* struct bpf_func_info_aux of each */
        __u32 global;
};

static long count_global(__u32 index, struct functions *functions) {
        const struct bpf_func_info_aux *aux = NULL;
        __u16 linkage = 0;

        /* The first is the program itself. */
        (void) bpf_probe_read_kernel(&linkage, sizeof(linkage),
                                     functions->aux + (index + 1) * bpf_core_type_size(struct bpf_func_info_aux) +
                                             bpf_core_field_offset(aux->linkage));
        functions->global += linkage == BTF_FUNC_GLOBAL;
        return 0;
}

/* 0, which the verifier takes for any number: one that it knows, and that grows in a loop, it follows for each turn. */
static __always_inline __u32 some_zero(void) {
        __u64 zero = bpf_get_prandom_u32();

        asm volatile("%0 ^= %0" : "+r"(zero));
        return (__u32) zero;
}

static __always_inline __u32 global_functions(struct bpf_prog *prog) {
        struct functions functions = {.aux = (const char *) BPF_CORE_READ(prog, aux, func_info_aux),
                                      .global = some_zero()};
        __u32 n = BPF_CORE_READ(prog, aux, func_info_cnt);

        if (functions.aux && n > 1)
                (void) bpf_loop(n - 1, count_global, &functions, 0);
        return functions.global;
}

/*
 * The longest way, in instructions: no longer than what the verifier has followed. But it follows a global function
 * once, however often it is called, which is at most once for each instruction, and so for each that calls another.
 */
static __always_inline __u64 longest_way(__u64 insns, __u32 global) {
        __u64 way = insns;

        for (__u32 i = 0; i < GUARD_FRAMES && i < global && way <= GUARD_RUN_MAX; i++)
                way *= insns;
        return way <= GUARD_RUN_MAX ? way : GUARD_RUN_MAX;
}

/* Here, and not before the load: the kernel asks once more when it is verified, and nobody has a descriptor of it
 * yet. */
static __always_inline int judge_length(struct bpf_prog *prog, struct guard_delegation *d, __u64 id) {
        struct reach reach = {.maps = BPF_CORE_READ(prog, aux, used_maps), .times = 1};
        __u32 insns = BPF_CORE_READ(prog, aux, verified_insns), maps = BPF_CORE_READ(prog, aux, used_map_cnt), global,
              step;

        if (d->flags & GUARD_LONG_LOOPS || class_of(BPF_CORE_READ(prog, type)) >= GUARD_HOST)
                return 0;
        global = global_functions(prog);
        if (maps > GUARD_MAPS_EACH)
                maps = GUARD_MAPS_EACH;
        (void) bpf_loop(maps, reach_of_map, &reach, 0);
        step = remembered_cost(prog);
        if (step & GUARD_RUN_BYTES)
                reach.bytes *= GUARD_RUN_BYTE;
        if (longest_way(insns, global) * reach.times <= GUARD_RUN_MAX / (step + reach.bytes))
                return 0;
        return REFUSE(.what = global > 0 ? GUARD_LONG_CALLS : GUARD_LONG_RUN, .cmd = BPF_PROG_LOAD, .prog = prog,
                      .detail = insns);
}

SEC("lsm/bpf_prog")
int BPF_PROG(guard_prog, struct bpf_prog *prog) {
        struct guard_delegation *d;
        __u64 id;
        int r;

        d = owner_of(prog, &id);
        if (!d)
                return 0;
        r = judge_receipt(prog, d, id);
        return r < 0 ? r : judge_length(prog, d, id);
}

#define S_IFMT 00170000
#define S_IFREG 0100000

/*
 * A token through /proc/PID/fd; there is no other way. Of what is on a bpf file system it alone is a regular file that
 * is in no directory: its dentry is its own parent. What is opened so is no token, but reading its fdinfo oopses the
 * kernel.
 */
SEC("lsm/file_open")
int BPF_PROG(guard_file_open, struct file *file) {
        struct super_block *sb = file->f_inode->i_sb;
        struct dentry *dentry;
        struct guard_delegation *d;
        __u64 id;

        if (sb->s_magic != BPF_FS_MAGIC || (file->f_inode->i_mode & S_IFMT) != S_IFREG)
                return 0;
        dentry = BPF_CORE_READ(file, f_path.dentry);
        if (BPF_CORE_READ(dentry, d_parent) != dentry)
                return 0;
        d = delegation_of(&supers, sb, &id);
        return d ? REFUSE(.what = GUARD_TOKEN_OPENED, .cmd = NO_CMD) : 0;
}

/* The kernel charges the target to nobody (bpf_symlink()), and nothing of BPF needs one. */
SEC("lsm/inode_symlink")
int BPF_PROG(guard_symlink, struct inode *dir, struct dentry *dentry, const char *target) {
        struct super_block *sb = dir->i_sb;
        struct guard_delegation *d;
        __u64 id;

        if (sb->s_magic != BPF_FS_MAGIC)
                return 0;
        d = delegation_of(&supers, sb, &id);
        return d ? REFUSE(.what = GUARD_SYMLINK, .cmd = NO_CMD) : 0;
}

#define CAP_OPT_NOAUDIT 2 /* linux/security.h */

/* Joining the delegation's user namespace, or one below it: with a table that somebody outside shares, or when it has
 * ended, for then the sweep would never be done with those who come and go. */
static __always_inline int judge_join(struct guard_delegation *d, __u64 id) {
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_JOINED_ENDED, .cmd = NO_CMD);
        return own_table() ? 0 : REFUSE(.what = GUARD_JOINED_SHARED, .cmd = NO_CMD);
}

SEC("lsm/capable")
int BPF_PROG(guard_capable, const struct cred *cred, struct user_namespace *ns, int cap, unsigned int opts) {
        struct user_namespace *at = ns;
        struct guard_delegation *d;
        __u64 id;

        /* Who may join is asked by ns_capable(). A question without audit is about something else, and none of ours:
         * listmount(2) and statmount(2) of its mount namespace, for one. */
        if (cap != CAP_SYS_ADMIN || opts & CAP_OPT_NOAUDIT || ns->level == 0 || is_admin(cred))
                return 0;
        for (int i = 0; i < GUARD_DEPTH && at; i++) {
                d = delegation_of(&namespaces, at, &id);
                if (d)
                        return is_below(BPF_CORE_READ(cred, user_ns), (__u64) at) ? 0 : judge_join(d, id);
                at = at->parent;
        }
        return 0;
}

/* ---- targets ---- */

/* The id of the one above it, or itself, at that level; 0: there is none. */
static __always_inline __u64 ancestor_id(struct cgroup *cgroup, __u32 level) {
        struct cgroup *at = NULL;

        if (!cgroup || BPF_CORE_READ(cgroup, level) < (int) level || level > GUARD_LEVELS)
                return 0;
        (void) bpf_probe_read_kernel(&at, sizeof(at),
                                     (const char *) cgroup + bpf_core_field_offset(cgroup->ancestors) +
                                             level * sizeof(at));
        return BPF_CORE_READ(at, kn, id);
}

static __always_inline bool cgroup_in_bounds(const struct guard_delegation *d, struct cgroup *cgroup) {
        return cgroup && ancestor_id(cgroup, d->level) == d->cgroup;
}

/* The delegation whose subtree it is in. */
static struct guard_delegation *delegation_of_cgroup(struct cgroup *cgroup, __u64 *ret_id) {
        for (__u32 level = 1; level <= GUARD_LEVELS; level++) {
                __u64 key = ancestor_id(cgroup, level), *id;

                if (key == 0)
                        return NULL;
                id = bpf_map_lookup_elem(&roots, &key);
                if (id) {
                        *ret_id = *id;
                        return bpf_map_lookup_elem(&delegations, ret_id);
                }
        }
        return NULL;
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

/* A descriptor of a network namespace: f_inode->i_private is its ns_common. If it is anything else, the kernel
 * refuses it. */
static __always_inline bool network_fd_in_bounds(const struct guard_delegation *d, __u32 fd) {
        const char *ns = BPF_CORE_READ(file_of(fd), f_inode, i_private);
        const struct net *net = (const struct net *) (ns - bpf_core_field_offset(struct net, ns));

        return ns && is_below(BPF_CORE_READ(net, user_ns), d->userns);
}

/* What is to be attached, and where: gathered from one of the commands. */
struct attempt {
        __u32 cmd, prog_fd, attach, target_fd; /* or interface */
        __u32 link_fd;                         /* LINK_UPDATE: an existing one says where */
        __u32 flags, replaced_fd;              /* PROG_ATTACH */
};

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
                a->link_fd = attr->link_update.link_fd;
                return true;
        case BPF_PROG_ATTACH:
                a->prog_fd = attr->attach_bpf_fd;
                a->target_fd = attr->target_fd;
                a->attach = attr->attach_type;
                a->flags = attr->attach_flags;
                a->replaced_fd = attr->replace_bpf_fd;
                return true;
        case BPF_PROG_TEST_RUN:
                a->prog_fd = attr->test.prog_fd;
                return true;
        case BPF_RAW_TRACEPOINT_OPEN:
                a->prog_fd = attr->raw_tracepoint.prog_fd;
                return true;
        default:
                return false;
        }
}

/* Whether it names a network namespace by descriptor: else it is the current one. */
static __always_inline bool names_network(const struct attempt *a) {
        return a->cmd == BPF_LINK_CREATE && (a->attach == BPF_SK_LOOKUP || a->attach == BPF_FLOW_DISSECTOR);
}

static __always_inline int judge_network(struct guard_delegation *d, __u64 id, struct bpf_prog *prog,
                                         const struct attempt *a) {
        bool by_fd = names_network(a),
             by_index = !by_fd && a->attach != BPF_NETFILTER && a->attach != BPF_FLOW_DISSECTOR;

        if (by_fd ? network_fd_in_bounds(d, a->target_fd) : network_in_bounds(d))
                return 0;
        return REFUSE(.what = GUARD_TARGET_NETWORK, .cmd = a->cmd, .prog = prog, .detail = a->attach,
                      .interface = by_index ? a->target_fd : 0);
}

/* What is attached to a cgroup without a link, and without BPF_F_ALLOW_MULTI, is the one of its kind there. */
static __always_inline int attach_index(__u32 attach) {
#define INDEX(type)                                                                 \
        case BPF_##type:                                                            \
                if (!bpf_core_enum_value_exists(enum cgroup_bpf_attach_type, type)) \
                        break;                                                      \
                return (int) bpf_core_enum_value(enum cgroup_bpf_attach_type, type)
        switch (attach) {
                INDEX(CGROUP_INET_INGRESS);
                INDEX(CGROUP_INET_EGRESS);
                INDEX(CGROUP_INET_SOCK_CREATE);
                INDEX(CGROUP_SOCK_OPS);
                INDEX(CGROUP_DEVICE);
                INDEX(CGROUP_INET4_BIND);
                INDEX(CGROUP_INET6_BIND);
                INDEX(CGROUP_INET4_CONNECT);
                INDEX(CGROUP_INET6_CONNECT);
                INDEX(CGROUP_UNIX_CONNECT);
                INDEX(CGROUP_INET4_POST_BIND);
                INDEX(CGROUP_INET6_POST_BIND);
                INDEX(CGROUP_UDP4_SENDMSG);
                INDEX(CGROUP_UDP6_SENDMSG);
                INDEX(CGROUP_UNIX_SENDMSG);
                INDEX(CGROUP_SYSCTL);
                INDEX(CGROUP_UDP4_RECVMSG);
                INDEX(CGROUP_UDP6_RECVMSG);
                INDEX(CGROUP_UNIX_RECVMSG);
                INDEX(CGROUP_GETSOCKOPT);
                INDEX(CGROUP_SETSOCKOPT);
                INDEX(CGROUP_INET4_GETPEERNAME);
                INDEX(CGROUP_INET6_GETPEERNAME);
                INDEX(CGROUP_UNIX_GETPEERNAME);
                INDEX(CGROUP_INET4_GETSOCKNAME);
                INDEX(CGROUP_INET6_GETSOCKNAME);
                INDEX(CGROUP_UNIX_GETSOCKNAME);
                INDEX(CGROUP_INET_SOCK_RELEASE);
        }
#undef INDEX
        return -1;
}

#define INDEX_MAX 128

/*
 * What goes when this is done: the program that another replaces, or that is detached. NULL: none. Without
 * BPF_F_ALLOW_MULTI it is the only one there, whatever program the command names; with it the one that is named.
 */
static __always_inline struct bpf_prog *victim_of(struct cgroup *cgroup, __u32 attach, bool multi, __u32 named_fd) {
        int index = attach_index(attach);
        struct hlist_node *first = NULL;
        struct bpf_prog *prog = NULL;
        __u8 flags = 0;

        if (index < 0 || index >= INDEX_MAX)
                return NULL;
        (void) bpf_probe_read_kernel(&flags, sizeof(flags),
                                     (const char *) cgroup + bpf_core_field_offset(cgroup->bpf.flags) + index);
        if (flags & BPF_F_ALLOW_MULTI || multi)
                return prog_of(file_of(named_fd));
        (void) bpf_probe_read_kernel(&first, sizeof(first),
                                     (const char *) cgroup + bpf_core_field_offset(cgroup->bpf.progs) +
                                             (__u32) index * sizeof(struct hlist_head *));
        if (first)
                (void) bpf_probe_read_kernel(&prog, sizeof(prog),
                                             (const char *) first - bpf_core_field_offset(struct bpf_prog_list, node) +
                                                     bpf_core_field_offset(struct bpf_prog_list, prog));
        return prog;
}

/* PROG_ATTACH may put one in the place of another: of the delegation's own only. */
static __always_inline int judge_replaced(struct guard_delegation *d, __u64 id, struct bpf_prog *prog,
                                          const struct attempt *a, struct cgroup *cgroup) {
        bool multi = a->flags & BPF_F_ALLOW_MULTI;
        struct bpf_prog *victim;
        __u64 its;

        if (a->cmd != BPF_PROG_ATTACH || (multi && !(a->flags & BPF_F_REPLACE)))
                return 0;
        victim = victim_of(cgroup, a->attach, multi, a->replaced_fd);
        if (!victim || (owner_of(victim, &its) && its == id))
                return 0;
        return REFUSE(.what = GUARD_TARGET_OTHERS, .cmd = a->cmd, .prog = prog, .detail = a->attach, .cgroup = cgroup);
}

static __always_inline int judge_target(struct guard_delegation *d, __u64 id, struct bpf_prog *prog,
                                        const struct attempt *a) {
        enum guard_target target = guard_target_of(a->attach);
        struct cgroup *cgroup;

        if (target == GUARD_AT_MAP)
                return 0;
        if (target == GUARD_AT_NETWORK)
                return judge_network(d, id, prog, a);
        if (target != GUARD_AT_CGROUP)
                return REFUSE(.what = GUARD_TARGET_UNKNOWN, .cmd = a->cmd, .prog = prog, .detail = a->attach);
        cgroup = cgroup_of(a->target_fd);
        if (cgroup_in_bounds(d, cgroup))
                return judge_replaced(d, id, prog, a, cgroup);
        return REFUSE(.what = GUARD_TARGET_CGROUP, .cmd = a->cmd, .prog = prog, .detail = a->attach, .cgroup = cgroup);
}

/* An existing link: its container was judged when it was made, if its program is the delegation's, too. */
static __always_inline int judge_link(struct guard_delegation *d, __u64 id, struct bpf_prog *prog,
                                      const struct attempt *a) {
        struct bpf_prog *present = prog_of(file_of(a->link_fd));
        __u64 its;

        if (owner_of(present, &its) && its == id)
                return 0;
        return REFUSE(.what = GUARD_TARGET_LINK, .cmd = a->cmd, .prog = prog);
}

static __always_inline int judge_test_run(struct guard_delegation *d, __u64 id, struct bpf_prog *prog,
                                          const struct attempt *a) {
        __u32 type = BPF_CORE_READ(prog, type);

        if (type == BPF_PROG_TYPE_SOCKET_FILTER || type == BPF_PROG_TYPE_SK_REUSEPORT ||
            type == BPF_PROG_TYPE_CGROUP_SKB || network_in_bounds(d))
                return 0;
        return REFUSE(.what = GUARD_TARGET_NETWORK, .cmd = a->cmd, .prog = prog);
}

/* What the end will have to look for. Only ever set: an attempt that the kernel refuses does no harm here. Before the
 * look at GUARD_REVOKED, as the end sets that and then looks at these. */
static __always_inline void remember(struct guard_delegation *d, const struct attempt *a) {
        __u32 flags = a->cmd == BPF_LINK_CREATE || a->cmd == BPF_RAW_TRACEPOINT_OPEN ? GUARD_LINKED :
                      a->cmd == BPF_PROG_ATTACH                                      ? GUARD_LEGACY :
                                                                                       0;

        if (flags && guard_target_of(a->attach) == GUARD_AT_MAP)
                flags |= GUARD_SOCKMAP;
        if ((d->flags & flags) != flags)
                __sync_fetch_and_or(&d->flags, flags);
}

/* What is attached to a network namespace without a link can be undone only from inside of it, and nobody finds them
 * all: its user makes as many as they like, and a descriptor outside keeps each. Confined or not. */
static __always_inline bool cannot_be_undone(const struct attempt *a) {
        return a->cmd == BPF_PROG_ATTACH && guard_target_of(a->attach) == GUARD_AT_NETWORK;
}

/* With a table that others share a descriptor may mean something else by the time it is used. */
static __always_inline int judge_shared(struct guard_delegation *d, __u64 id, const struct attempt *a) {
        remember(d, a);
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = a->cmd);
        if (cannot_be_undone(a))
                return REFUSE(.what = GUARD_NO_LINK, .cmd = a->cmd, .detail = a->attach);
        /* Only types of the whole machine are attached by it. */
        if (!(d->flags & GUARD_CONFINE) || a->cmd == BPF_RAW_TRACEPOINT_OPEN ||
            (a->cmd == BPF_PROG_TEST_RUN && network_in_bounds(d)))
                return 0;
        (void) REFUSE(.what = GUARD_SHARED_TABLE, .cmd = a->cmd, .detail = a->attach);
        return -EACCES;
}

static __always_inline int judge(struct guard_delegation *d, __u64 id, struct bpf_prog *prog, const struct attempt *a) {
        remember(d, a);
        if (d->flags & GUARD_REVOKED)
                return REFUSE(.what = GUARD_REVOKED_USE, .cmd = a->cmd, .prog = prog);
        if (cannot_be_undone(a))
                return REFUSE(.what = GUARD_NO_LINK, .cmd = a->cmd, .prog = prog, .detail = a->attach);
        /* What is of the whole machine was granted as such: it could not have been loaded otherwise. */
        if (!(d->flags & GUARD_CONFINE) || class_of(BPF_CORE_READ(prog, type)) == GUARD_HOST)
                return 0;
        switch (a->cmd) {
        case BPF_PROG_TEST_RUN:
                return judge_test_run(d, id, prog, a);
        case BPF_LINK_UPDATE:
                return judge_link(d, id, prog, a);
        case BPF_LINK_CREATE:
        case BPF_PROG_ATTACH:
                return judge_target(d, id, prog, a);
        default:
                return REFUSE(.what = GUARD_TARGET_UNKNOWN, .cmd = a->cmd, .prog = prog);
        }
}

static __always_inline struct guard_delegation *delegation_above(struct user_namespace *ns, __u64 *ret_id) {
        struct guard_delegation *d;

        for (int i = 0; i < GUARD_DEPTH && ns && BPF_CORE_READ(ns, level) > 0; i++) {
                d = delegation_of(&namespaces, ns, ret_id);
                if (d)
                        return d;
                ns = BPF_CORE_READ(ns, parent);
        }
        return NULL;
}

/* The delegation whose user namespace the caller sits in, by either of its credentials. */
static struct guard_delegation *inside_of(__u64 *ret_id) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct guard_delegation *d;

        d = delegation_above(BPF_CORE_READ(task, cred, user_ns), ret_id);
        return d ?: delegation_above(BPF_CORE_READ(task, real_cred, user_ns), ret_id);
}

/* ---- the end ---- */

/*
 * A task below the user namespace of an ended delegation: a chain of them, each of which forks and exits, is seen by
 * no look at /proc. Counted, and told of once: a chain asks for as many as it can.
 */
SEC("lsm/task_alloc")
int BPF_PROG(guard_task_alloc, struct task_struct *task, unsigned long clone_flags) {
        struct guard_delegation *d;
        __u64 id;

        if (task->cred->user_ns->level == 0)
                return 0;
        d = delegation_above(BPF_CORE_READ(task, cred, user_ns), &id);
        if (!d || !(d->flags & GUARD_REVOKED))
                return 0;
        if (d->flags & GUARD_FORKED) {
                __sync_fetch_and_add(&d->refusals, 1);
                return -EPERM;
        }
        __sync_fetch_and_or(&d->flags, GUARD_FORKED);
        return REFUSE(.what = GUARD_NEW_TASK, .cmd = NO_CMD);
}

/*
 * Programs that netlink attaches: nobody finds them again in the end (cannot_be_undone() says why). What the message
 * names is a descriptor, which is looked up later; so it is refused by where one would be: IFLA_XDP of a link, "bpf"
 * for the kind of a filter or an action, a route's encapsulation, xt_bpf in a rule. Attributes begin at multiples of
 * 4, however deep they are, so every word is taken for the head of one.
 */
#define NETLINK_ROUTE 0
#define NETLINK_NETFILTER 12
#define RTM_NEWLINK 16
#define RTM_SETLINK 19
#define RTM_NEWROUTE 24
#define RTM_NEWTFILTER 44
#define RTM_NEWACTION 48
#define RTM_NEWNEXTHOP 104
#define NFT_MSG_NEWRULE (10 << 8 | 6)
#define IFLA_XDP 43
#define KIND 1 /* TCA_KIND, TCA_ACT_KIND, NFTA_MATCH_NAME */
#define RTA_ENCAP_TYPE 21
#define NHA_ENCAP_TYPE 7
#define ENCAP_BPF 6
#define ENCAP_SEG6_LOCAL 7
#define NLA_TYPE_MASK 0x3fff
#define ALIGN4(n) (((n) + 3) & ~3u)

struct message_head {
        __u32 len;
        __u16 type, flags;
        __u32 seq, pid;
};
struct attribute {
        __u16 len, type;
        union {
                char text[4];
                __u16 number;
        };
};

struct messages {
        const unsigned char *data;
        __u32 len;
        __u32 protocol;
        __u32 type, end, next; /* of the message that is looked at; where it ends, and the next begins */
        __u32 at, top;         /* the next word, and the next attribute that is in no other */
        bool named;            /* has a kind of its own */
        bool refused;
};

static __always_inline bool is_bpf(const struct attribute *a) {
        return a->len >= 7 && a->text[0] == 'b' && a->text[1] == 'p' && a->text[2] == 'f';
}

static __always_inline bool names_program(const struct messages *m, const struct attribute *a, bool top) {
        __u16 type = a->type & NLA_TYPE_MASK;

        if (m->protocol == NETLINK_NETFILTER)
                return m->type == NFT_MSG_NEWRULE && type == KIND && a->len == 8 && is_bpf(a) && a->text[3] == 0;
        switch (m->type) {
        case RTM_NEWLINK:
        case RTM_SETLINK:
                return top && type == IFLA_XDP;
        case RTM_NEWTFILTER:
        case RTM_NEWACTION:
                return type == KIND && is_bpf(a);
        case RTM_NEWROUTE:
        case RTM_NEWNEXTHOP:
                return type == (m->type == RTM_NEWROUTE ? RTA_ENCAP_TYPE : NHA_ENCAP_TYPE) && a->len >= 6 &&
                       (a->number == ENCAP_BPF || a->number == ENCAP_SEG6_LOCAL);
        default:
                return false;
        }
}

/* Of those whose attributes at the top tell something: how long what is before them is. */
static __always_inline __u32 fixed_part(__u32 type) {
        return type == RTM_NEWLINK || type == RTM_SETLINK ? 16 : type == RTM_NEWTFILTER ? 20 : 0;
}

/* A filter that is there already may be given a program without that its kind is said. */
static __always_inline bool kind_is_missing(const struct messages *m) {
        return m->protocol == NETLINK_ROUTE && m->type == RTM_NEWTFILTER && !m->named;
}

/* Returns 1 where the kernel looks no further. */
static __always_inline long next_message(struct messages *m) {
        struct message_head head;

        if (m->end > 0 && kind_is_missing(m)) {
                m->refused = true;
                return 1;
        }
        m->at = m->next;
        if (m->at > m->len || m->len - m->at < sizeof(head) ||
            bpf_probe_read_kernel(&head, sizeof(head), m->data + m->at) < 0 || head.len < sizeof(head) ||
            head.len > m->len - m->at)
                return 1;
        m->type = head.type;
        m->named = false;
        m->end = m->at + head.len;
        m->next = m->at + ALIGN4(head.len);
        m->at += sizeof(head);
        m->top = m->at + fixed_part(m->type);
        return 0;
}

static long one_word(__u32 index, struct messages *m) {
        struct attribute a = {};
        bool top = m->at == m->top;
        __u32 left = m->end - m->at;

        if (m->at >= m->end || left < 4)
                return next_message(m);
        if (bpf_probe_read_kernel(&a, left < sizeof(a) ? 4 : sizeof(a), m->data + m->at) < 0)
                return 1;
        /* What does not fit is none, and ends the list of those at the top. */
        if (top && (a.len < 4 || a.len > left)) {
                m->top = m->end;
                top = false;
        }
        if (names_program(m, &a, top)) {
                m->refused = true;
                return 1;
        }
        if (top) {
                m->named |= (a.type & NLA_TYPE_MASK) == KIND;
                m->top += ALIGN4(a.len);
        }
        m->at += 4;
        return 0;
}

SEC("lsm/netlink_send")
int BPF_PROG(guard_netlink_send, struct sock *sk, struct sk_buff *skb) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct messages m = {.protocol = sk->sk_protocol};
        struct guard_delegation *d;
        __u64 id;

        if ((task->cred->user_ns->level == 0 && task->real_cred->user_ns->level == 0) ||
            (m.protocol != NETLINK_ROUTE && m.protocol != NETLINK_NETFILTER))
                return 0;
        d = inside_of(&id);
        if (!d)
                return 0;
        m.data = skb->data;
        m.len = skb->len;
        /* A word a turn, and a turn for each message. */
        if (bpf_loop(m.len / 4 + m.len / sizeof(struct message_head) + 2, one_word, &m, 0) < 0)
                m.refused = true;
        return m.refused ? REFUSE(.what = GUARD_BY_NETLINK, .cmd = NO_CMD) : 0;
}

/* ---- detaching: the kernel asks for no capability, and often for no program ---- */

/* Whoever may attach to any cgroup by capabilities of the initial namespace. */
static __always_inline bool has_bpf(const struct cred *cred) {
        return cred->cap_effective.val & (1ULL << CAP_SYS_ADMIN | 1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN);
}

/* Whether root has made the namespace, or the outermost one above it: a container's, where an admin may have
 * delegated a token by hand. */
static __always_inline bool is_made_by_root(struct user_namespace *ns) {
        for (int i = 0; i < GUARD_DEPTH && ns; i++) {
                int level = BPF_CORE_READ(ns, level);

                if (level <= 1)
                        return level == 0 || BPF_CORE_READ(ns, owner.val) == 0;
                ns = BPF_CORE_READ(ns, parent);
        }
        return false;
}

static long stop_at_first(void *map, const void *key, void *value, void *found) {
        *(bool *) found = true;
        return 1;
}

static __always_inline bool is_any_alive(void) {
        bool found = false;

        (void) bpf_for_each_map_elem(&roots, stop_at_first, &found, 0);
        return found;
}

/* A descriptor may mean another cgroup by the time it is used. Outside, nobody who has no BPF of their own needs
 * this; of them nothing is reported, as it is no delegation's. */
static __always_inline int judge_detach_shared(const struct attempt *a) {
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        struct guard_delegation *d;
        __u64 id;

        d = inside_of(&id);
        if (d)
                return judge_shared(d, id, a);
        return (has_bpf(cred) && is_made_by_root(cred->user_ns)) || !is_any_alive() ? 0 : -EACCES;
}

/* By one who is inside of `in`: what `in` has attached, in its own subtree. */
static __always_inline int judge_detach_inside(struct guard_delegation *d, __u64 id, const struct attempt *a,
                                               struct cgroup *cgroup) {
        struct bpf_prog *victim;
        __u64 its;

        if (!cgroup_in_bounds(d, cgroup) || !current_is_inside(d))
                return REFUSE(.what = GUARD_TARGET_CGROUP, .cmd = a->cmd, .detail = a->attach, .cgroup = cgroup);
        /* One of the whole machine, or of a kernel that is newer. */
        if (attach_index(a->attach) < 0)
                return d->flags & GUARD_HOST_WIDE ?
                               0 :
                               REFUSE(.what = GUARD_TARGET_UNKNOWN, .cmd = a->cmd, .detail = a->attach);
        victim = victim_of(cgroup, a->attach, false, a->prog_fd);
        if (!victim || (owner_of(victim, &its) && its == id))
                return 0;
        return REFUSE(.what = GUARD_TARGET_OTHERS, .cmd = a->cmd, .prog = victim, .detail = a->attach,
                      .cgroup = cgroup);
}

static __always_inline int judge_detach(const union bpf_attr *attr) {
        const struct attempt a = {.cmd = BPF_PROG_DETACH,
                                  .prog_fd = attr->attach_bpf_fd,
                                  .target_fd = attr->target_fd,
                                  .attach = attr->attach_type};
        const struct cred *cred = bpf_get_current_task_btf()->cred;
        enum guard_target target = guard_target_of(a.attach);
        struct guard_delegation *d, *in;
        struct cgroup *cgroup;
        __u64 id, in_id;

        /* A sockmap's program must be named to be detached. Of a type that it has not, the kernel itself says so. */
        if (target == GUARD_AT_MAP || is_admin(cred) ||
            a.attach >= bpf_core_enum_value(enum bpf_attach_type, __MAX_BPF_ATTACH_TYPE))
                return 0;
        in = inside_of(&in_id);
        if (target == GUARD_AT_NETWORK)
                return in && in->flags & GUARD_CONFINE ? judge_network(in, in_id, NULL, &a) : 0;
        if (!own_table())
                return judge_detach_shared(&a);
        cgroup = cgroup_of(a.target_fd);
        if (in && in->flags & GUARD_CONFINE)
                return judge_detach_inside(in, in_id, &a, cgroup);
        d = delegation_of_cgroup(cgroup, &id);
        if (!d || (in && in_id == id) || (cred->user_ns->level == 0 && has_bpf(cred)))
                return 0;
        return REFUSE(.what = GUARD_DETACHED_OUTSIDE, .cmd = a.cmd, .detail = a.attach, .cgroup = cgroup);
}

/* For GUARD_PROVE. */
static __always_inline void leave_trace(void) {
        struct guard_kinds *k = known_kinds();

        if (k && k->prover == bpf_get_current_pid_tgid())
                k->proven = 1;
}

/* Before it is loaded: the kernel's copy of attr can no longer change. What it refuses then stays counted until the
 * next count. */
static __always_inline int judge_btf(__u64 size) {
        struct guard_delegation *d;
        __u64 id;

        d = inside_of(&id);
        if (!d)
                return 0;
        if (size > GUARD_BTF_MAX)
                return REFUSE(.what = GUARD_BTF_SIZE, .cmd = BPF_BTF_LOAD, .detail = size);
        if (size < GUARD_BTF_LEAST)
                size = GUARD_BTF_LEAST;
        if (__sync_fetch_and_add(&d->btf, size) + size <= GUARD_BTF_ALL)
                return 0;
        __sync_fetch_and_add(&d->btf, -size);
        return REFUSE(.what = GUARD_BTF_FULL, .cmd = BPF_BTF_LOAD, .detail = size);
}

SEC("lsm/bpf")
int BPF_PROG(guard_bpf, int cmd, union bpf_attr *attr, unsigned int size) {
        struct attempt a = {.cmd = cmd};
        struct guard_delegation *d;
        struct bpf_prog *prog;
        __u64 id;

        if (cmd == BPF_BTF_LOAD)
                return attr->btf_flags & BPF_F_TOKEN_FD ? judge_btf(attr->btf_size) : 0;
        if (cmd == BPF_PROG_DETACH)
                return judge_detach(attr);
        if (!read_attempt(cmd, attr, &a))
                return 0;
        if (cmd == BPF_PROG_TEST_RUN)
                leave_trace();
        if (!own_table()) {
                d = inside_of(&id);
                return d ? judge_shared(d, id, &a) : 0;
        }
        prog = prog_of(file_of(a.prog_fd));
        d = owner_of(prog, &id);
        return d ? judge(d, id, prog, &a) : 0;
}

/* ---- run by the helper ---- */

static __always_inline int learn(const struct guard_request *request) {
        struct guard_kinds k = {.layout = GUARD_LAYOUT, .prover = bpf_get_current_pid_tgid()};
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
        if (bpf_map_update_elem(&supers, &key, &id, BPF_NOEXIST) == 0) {
                key = d->cgroup;
                if (bpf_map_update_elem(&roots, &key, &id, BPF_ANY) == 0)
                        return 0;
                key = (__u64) sb;
                bpf_map_delete_elem(&supers, &key);
        }
        key = d->userns;
        bpf_map_delete_elem(&namespaces, &key);
        return -ENOMEM;
}

/* The process that a pidfd of the helper's is, by its number in the initial pid namespace. */
static __always_inline int number_of(__u32 pidfd) {
        const char *pid = BPF_CORE_READ(file_of(pidfd), f_inode, i_private);
        int nr = 0;

        (void) bpf_probe_read_kernel(&nr, sizeof(nr),
                                     pid + bpf_core_field_offset(struct pid, numbers) +
                                             bpf_core_field_offset(struct upid, nr));
        return nr;
}

static __always_inline int hold(const struct guard_request *request, struct guard_delegation *d) {
        struct guard_holder empty = {}, *holder;
        __u64 id = request->delegation;
        struct task_struct *task;

        task = bpf_task_from_pid(number_of(request->fd));
        if (!task)
                return -ESRCH;
        (void) bpf_map_update_elem(&holders, &id, &empty, BPF_NOEXIST); /* an earlier helper's may be there */
        holder = bpf_map_lookup_elem(&holders, &id);
        if (!holder || (__u64) BPF_CORE_READ(task, cred, user_ns) != d->userns) {
                bpf_task_release(task);
                return holder ? -ESRCH : -ENOMEM;
        }
        task = bpf_kptr_xchg(&holder->task, task);
        if (task)
                bpf_task_release(task);
        __sync_fetch_and_or(&d->flags, GUARD_HELD);
        return 0;
}

/* The holder last: until then the address in `namespaces' is the delegation's. */
static __always_inline int forget(struct guard_delegation *d, __u64 id) {
        __sync_fetch_and_or(&d->flags, GUARD_SWEPT);
        forget_if_last(d, id);
        bpf_map_delete_elem(&holders, &id);
        return 0;
}

/* 1 if the program, or the link's, is that delegation's. */
static __always_inline int whose(const struct guard_request *request) {
        struct bpf_prog *prog = prog_of(file_of(request->fd));
        __u64 id;

        return owner_of(prog, &id) && id == request->delegation;
}

/* The hook of the very call that runs this has left its trace, or hooks are not called at all. */
static __always_inline int prove(void) {
        const struct guard_kinds *k = known_kinds();

        return k && k->proven ? 0 : -EOPNOTSUPP;
}

SEC("syscall")
int guard_run(struct guard_request *request) {
        __u64 id = request->delegation, key;
        struct guard_delegation *d;

        if (request->op == GUARD_LEARN)
                return learn(request);
        if (request->op == GUARD_WHOSE)
                return whose(request);
        if (request->op == GUARD_PROVE)
                return prove();
        d = bpf_map_lookup_elem(&delegations, &id);
        if (!d)
                return -ENOENT;
        if (request->op == GUARD_ADD)
                return add(request, d);
        if (request->op == GUARD_SET_BTF) {
                if (request->btf < d->btf)
                        d->btf = request->btf;
                return 0;
        }
        if (request->op == GUARD_HOLD)
                return hold(request, d);
        if (request->op == GUARD_FORGET)
                return forget(d, id);
        if (request->op != GUARD_REVOKE)
                return -ENOENT;
        __sync_fetch_and_or(&d->flags, GUARD_REVOKED);
        key = d->cgroup;
        bpf_map_delete_elem(&roots, &key);
        forget_if_last(d, id);
        return 0;
}
