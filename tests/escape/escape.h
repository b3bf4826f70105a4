/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The attacks that the guard is there to stop. One program, one vector a call:
 *
 *   escape [--hold] NAME     in a session: tries it. One line says how it went, then with --hold everything is kept
 *   until
 *                            stdin ends. 0: escaped; 1: refused; 77: this kernel does not offer it; 2: the test is
 *                            broken.
 *                            Those of the group "end" say "ready" first and wait for a line: the session is over then
 *   escape --list            name and group of each, a line
 *   escape --receive NAME    in a delegation: another user, who receives things at that abstract address
 *   escape --admin-link CGROUP PIN, --admin-xdp INTERFACE PIN
 *                            for root: links that some of them need to be there
 *   escape --pry             for root: what the vectors pry-… do
 *   escape --tracing         for root: whether this kernel takes tracing programs
 *   escape --writer NAME     for root: a daemon at that abstract address, which writes to who connects
 *   escape --outsider CGROUP, --foreign UID CGROUP
 *                            who has BPF from elsewhere: by capabilities; by a token that root delegates to UID
 *
 * Two processes of the same user play it. `outside` is the one that was called, in the session and in the host's
 * namespaces; `inside` is what it starts by `bpfdeleg run`. A socket joins them (an inherited one: the host's network
 * namespace may not be shared), and whichever knows the result says it.
 */

#include "config.h"

#include <linux/bpf.h>
#include <linux/btf.h>
#include <sys/types.h>

#include "sock.h"
#include "util.h"

enum result { ESCAPED = 0, REFUSED = 1, BROKEN = 2, ABSENT = 77, UNDECIDED = -1 };

struct play {
        int peer; /* the other process */
        bool is_inside;
        pid_t inside, outside;
        int bpffs;         /* root directory of the delegated bpffs */
        int token;         /* made of it when first wanted */
        int at_start;      /* descriptor that outside opened before it started inside, or -1 */
        char cgroup2[512]; /* outside only: where the host's is mounted */
        char said[2048];   /* with the result */
};

/* A process that is started by another finds the number of its socket there. */
#define PEER_ENV "ESCAPE_PEER"

struct vector {
        const char *name, *group;
        enum result (*inside)(struct play *);  /* NULL: does nothing, and stays */
        enum result (*outside)(struct play *); /* NULL: waits for what inside says */
        int (*at_start)(struct play *);        /* opens at_start */
        enum result (*after)(struct play *);   /* outside, when the session has ended: --hold only */
        bool without_proxy;                    /* around the attach proxy: by `run --no-proxy` */
};

extern const struct vector target_vectors[], memory_vectors[], outside_vectors[], race_vectors[], uring_vectors[],
        receiver_vectors[], nested_vectors[], end_vectors[], late_vectors[], runner_vectors[], netlink_vectors[],
        privilege_vectors[], itself_vectors[], blind_vectors[], own_vectors[], name_vectors[], time_vectors[],
        btf_vectors[], map_vectors[], detach_vectors[], limit_vectors[];

/* ---- escape.c ---- */

/* Keeps the text that goes with a result, and returns the result. */
enum result say(struct play *play, enum result result, const char *format, ...) _printf_(3, 4);
/* REFUSED with strerror(-r). */
enum result refused(struct play *play, int r, const char *what);

/* One descriptor, or the word to go on (fd -1), to the other process. Returns 0 or -errno. */
int give(struct play *play, int fd);
/* The same without forgetting what is to be said with the result. */
int give_on(struct play *play);
/* What the other gave; *ret is -1 for a mere word. An error is for untaken(): a result that was said instead, or
 * -EACCES: the kernel delivered the message without its descriptor. */
int take(struct play *play, int *ret);
/* After a failed take() or give(): the result to return. */
enum result untaken(struct play *play, int r, const char *what);

/* After the last word, which need not be a result: keeps everything until the other has gone. */
enum result tell_and_stay(struct play *play, enum result result);

/* Outside: becomes a process with every capability in the delegation's user namespace, which its owner may always do,
 * whatever the policy's caps are. With its cgroup, mount and network namespaces as they were. 0 or -errno. */
int join(struct play *play);
/* Outside: opens /proc/INSIDE/NAME. */
int open_of_inside(const struct play *play, const char *name, int flags);
/* Outside: opens a directory of the host's cgroup2. WHAT: root, parent, sibling, own. flags are open(2)'s. */
int open_cgroup(const struct play *play, const char *what, int flags);
int pidfd_getfd_of(pid_t pid, int fd);
uint64_t inode_of(int fd);

/* ---- targets.c ---- */

/* Outside: gives the root cgroup. */
enum result give_root(struct play *play);
/* Inside: takes it, loads a program and links that to it. */
enum result link_given(struct play *play);

/* ---- outside.c ---- */

/* Inside: what others are to get. Descriptor or -errno. */
int own_prog(struct play *play);
int own_link(struct play *play);
/* Inside: gives it; fd may be an error. */
enum result give_made(struct play *play, int fd, const char *what);
/* Whether what has come is of use here: a program on the root cgroup, a token that makes a map, a link that tells its
 * cgroup. */
typedef enum result use_function(struct play *play, int fd);
use_function use_prog, use_token, use_link;
/* Inside: pins it in the bpffs at /sys/fs/bpf. Outside: opens that pin through /proc, and uses the program. */
enum result show_pin(struct play *play, int fd);
enum result open_pinned_prog(struct play *play);

/* ---- receivers.c ---- */

/* Takes one thing, uses it or hands it back, says how that went, and stays until the other side is gone. */
enum result receive_one(struct play *play);
/* That for each who connects to the abstract address of that name. Returns if there can be none. */
int receive_at(const struct play *play, const char *name);

/* ---- itself.c ---- */

int pry_as_root(void);

/* ---- blind.c ---- */

int load_tracing_as_root(void);

/* ---- outsiders.c ---- */

int outsider(const char *dir);
int foreign(const char *user, const char *dir);

/* ---- detach.c ---- */

int detach_as_anybody(const char *where, bool shared);
int attach_as_admin(const char *where);

/* ---- time.c ---- */

int write_to_clients(const char *name);

/* ---- own.c ---- */

int hold_tokens(unsigned n);

/* ---- kept.c ---- */

/* One vector a process: what is kept over the end of the session. */
extern int kept, kept_too;
/* Outside: takes one thing, of that name, and keeps it. */
enum result keep(struct play *play, const char *what);
enum result keep_socket(struct play *play);
/* Outside: takes two sockets, which it keeps, and a map. */
enum result keep_sockmap(struct play *play);
/* After: whether what the kept socket sends is still dropped. */
enum result socket_after(struct play *play);
/* A cgroup_skb program that drops all. Descriptor or -errno. */
int dropping_prog(struct play *play);
/* A datagram to this host. 0 or -errno: -EPERM if a program drops it. */
int send_one(int fd);
/* Two connected sockets. 0 or -errno. */
int tcp_pair(int *ret_from, int *ret_to);

/* ---- calls.c ---- */

/* Structs of bpf(2) by their layout: the header of the machine that builds may be older than the kernel that is
 * attacked. */
int make_token(struct play *play);
struct map_wish {
        uint32_t type, key_size, value_size, entries, flags;
        int inner;
        uint32_t struct_ops; /* BTF id of the value */
        int btf;             /* with the ids of both types; 0: none */
        uint32_t key_type, value_type;
};
int make_map(struct play *play, const struct map_wish *wish);
int make_map_by(int token, const struct map_wish *wish);
int map_put(int map, uint32_t key, const void *value);
int map_get(int map, uint32_t key, void *value);

struct prog_wish {
        uint32_t type, attach_type, flags;
        const struct bpf_insn *insns;
        size_t n;
        int btf; /* with funcs: which instruction begins a function, and its BTF id; 0: none */
        const struct bpf_func_info *funcs;
        size_t n_funcs;
        uint32_t attach_btf; /* BTF id of the kernel's function that it hangs on */
};
/* Descriptor or -errno; what the verifier said last goes to play->said. */
int load(struct play *play, const struct prog_wish *wish);
#define LOAD(play, type_, attach_, insns_) \
        load((play), &(struct prog_wish){  \
                             .type = (type_), .attach_type = (attach_), .insns = (insns_), .n = ELEMENTSOF(insns_)})
/* A program of that kind that does nothing but return `value`. */
int load_return(struct play *play, uint32_t type, uint32_t attach_type, int value);
int load_btf(struct play *play, const void *data, uint32_t size);

struct link_wish {
        uint32_t prog, target, attach_type, flags;
        uint32_t extra[4]; /* netfilter: pf, hook, priority (signed), flags */
};
int make_link(const struct link_wish *wish);
int make_link_at(int prog, int target, uint32_t attach_type);
int update_link(int link, int prog);
int attach(int prog, int target, uint32_t attach_type, uint32_t flags);
int detach(int prog, int target, uint32_t attach_type);
/* LSM and tracing programs have their target from their load. */
int attach_tracing(int prog);
int pin(int fd, const char *path);
int get_pin(const char *path);
/* By its number: for root only, says the kernel. */
enum object { OF_PROG = 13, OF_MAP = 14, OF_LINK = 30 };
int open_id(enum object kind, uint32_t id);
int detach_link(int link);

struct run_wish {
        int prog;
        const void *data;
        uint32_t size;
        const void *ctx;
        uint32_t ctx_size, repeat, flags;
        uint32_t ret; /* out */
};
int test_run(struct run_wish *wish);
/* The nth number of its bpf_prog_info or bpf_link_info (0: type, 1: id, 2 of a link: its program's id), or 0. */
uint32_t object_number(int fd, size_t n);
/* Whether the descriptor is a program, or a link: its id, or 0. */
uint32_t object_id(int fd);
/* The cgroup that a link is on, or 0. */
uint64_t link_cgroup(int link);

/* The BTF id of a name in the kernel's, or -ENOENT. kind: BTF_KIND_… */
int kernel_btf(const char *name, uint32_t kind);
/* Of bpf_struct_ops_OPS: where its data lie, where in them the field is, and its size. 0 or -ENOENT. */
int struct_ops_layout(const char *ops, const char *field, uint32_t *ret_data, uint32_t *ret_field, uint32_t *ret_size);

/* ---- numbers that an old header lacks ---- */

enum {
        PROG_SOCKET_FILTER = 1,
        PROG_SCHED_CLS = 3,
        PROG_SCHED_ACT = 4,
        PROG_XDP = 6,
        PROG_CGROUP_SKB = 8,
        PROG_CGROUP_SOCK = 9,
        PROG_LWT_OUT = 11,
        PROG_SK_SKB = 14,
        PROG_SK_MSG = 16,
        PROG_CGROUP_SOCK_ADDR = 18,
        PROG_FLOW_DISSECTOR = 22,
        PROG_TRACING = 26,
        PROG_LSM = 29,
        PROG_SK_LOOKUP = 30,
        PROG_SYSCALL = 31,
        PROG_NETFILTER = 32,
};
enum {
        AT_INGRESS = 0,
        AT_EGRESS = 1,
        AT_SOCK_CREATE = 2,
        AT_SK_SKB_VERDICT_OLD = 5,
        AT_SK_MSG_VERDICT = 7,
        AT_INET4_BIND = 8,
        AT_INET6_BIND = 9,
        AT_INET4_CONNECT = 10,
        AT_FLOW_DISSECTOR = 17,
        AT_FENTRY = 24,
        AT_MODIFY_RETURN = 26,
        AT_LSM = 27,
        AT_SK_LOOKUP = 36,
        AT_XDP = 37,
        AT_SK_SKB_VERDICT = 38,
        AT_NETFILTER = 45,
        AT_TCX_INGRESS = 46,
        AT_NETKIT_PRIMARY = 54,
};
enum {
        MAP_ARRAY = 2,
        MAP_PROG_ARRAY = 3,
        MAP_ARRAY_OF_MAPS = 12,
        MAP_DEVMAP = 14,
        MAP_SOCKMAP = 15,
        MAP_STRUCT_OPS = 26
};
enum {
        DO_LOOKUP = 1,
        DO_TAIL_CALL = 12,
        DO_CLONE_REDIRECT = 13,
        DO_GET_TASK = 35,
        DO_REDIRECT_MAP = 51,
        DO_PROBE_READ_KERNEL = 113,
        DO_THIS_CPU_PTR = 154,
        DO_TIMER_INIT = 169,
        DO_TIMER_SET_CALLBACK = 170,
        DO_TIMER_START = 171,
        DO_DYNPTR_FROM_MEM = 197
};

/* ---- instructions ---- */

#define I(code_, dst, src, off_, imm_) \
        ((struct bpf_insn){.code = (code_), .dst_reg = (dst), .src_reg = (src), .off = (off_), .imm = (int32_t) (imm_)})
#define MOV(dst, v) I(0xb7, dst, 0, 0, v)
#define COPY(dst, src) I(0xbf, dst, src, 0, 0)
#define ADD(dst, v) I(0x07, dst, 0, 0, v)
#define ADDR(dst, src) I(0x0f, dst, src, 0, 0)
#define LOAD4(dst, src, off) I(0x61, dst, src, off, 0)
#define LOAD8(dst, src, off) I(0x79, dst, src, off, 0)
#define STORE8(dst, src, off) I(0x7b, dst, src, off, 0)
#define SET4(dst, off, v) I(0x62, dst, 0, off, v)
#define SET8(dst, off, v) I(0x7a, dst, 0, off, v)
#define IF_ZERO(dst, skip) I(0x15, dst, 0, skip, 0)
#define WIDE(dst, v) I(0x18, dst, 0, 0, (uint64_t) (v) &0xffffffff), I(0, 0, 0, 0, (uint64_t) (v) >> 32)
#define MAP(dst, fd) I(0x18, dst, 1, 0, fd), I(0, 0, 0, 0, 0)
#define VALUE(dst, fd) I(0x18, dst, 2, 0, fd), I(0, 0, 0, 0, 0)
#define FUNCTION(dst, skip) I(0x18, dst, 4, 0, skip), I(0, 0, 0, 0, 0)
#define KERNEL_VAR(dst, id) I(0x18, dst, 3, 0, id), I(0, 0, 0, 0, 0)
#define CALL(id) I(0x85, 0, 0, 0, id)
#define KFUNC(id) I(0x85, 0, 2, 0, id)
#define EXIT I(0x95, 0, 0, 0, 0)
