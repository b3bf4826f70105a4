/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * memory_max = 64M, and bpf(2) in a loop: one command a row, by several processes, until the kernel says no, the limit
 * kills them, or there was time enough. What counts is how far MemAvailable falls meanwhile, which is the whole
 * machine's: what a command takes and charges to nobody shows there, and nowhere else.
 */

#include "escape.h"

#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/btf.h>

#define WORKERS 4
#define ALLOWED_MB 128
#define TOO_MUCH_MB 400 /* enough is seen, and the machine goes on */
#define MAP_TYPES 36

enum {
        CMD_UPDATE = 2,
        CMD_LOAD = 5,
        CMD_NEXT = 4,
        CMD_TEST_RUN = 10,
        CMD_BTF_LOAD = 18,
        CMD_FREEZE = 22,
        CMD_LOOKUP_BATCH = 24,
        CMD_UPDATE_BATCH = 26,
        CMD_ENABLE_STATS = 32,
        CMD_ITER_CREATE = 33,
        CMD_BIND_MAP = 35,
        CMD_TOKEN_CREATE = 36
};
enum {
        MAP_HASH = 1,
        MAP_PERCPU_HASH = 5,
        MAP_PERCPU_ARRAY = 6,
        MAP_CGROUP_ARRAY = 8,
        MAP_LPM_TRIE = 11,
        MAP_HASH_OF_MAPS = 13,
        MAP_SOCKHASH = 18,
        MAP_CGROUP_STORAGE = 19,
        MAP_PERCPU_CGROUP_STORAGE = 21,
        MAP_QUEUE = 22,
        TYPE_STACK = 23,
        MAP_SK_STORAGE = 24,
        MAP_RINGBUF = 27,
        MAP_INODE_STORAGE = 28,
        MAP_TASK_STORAGE = 29,
        MAP_BLOOM = 30,
        MAP_USER_RINGBUF = 31,
        MAP_CGRP_STORAGE = 32,
        MAP_PERF = 4,
        MAP_STACK_TRACE = 7
};
enum { NO_PREALLOC = 1, PROG_SK_REUSEPORT = 21 };
#define TOKEN (1U << 16)

/* ---- what the workers and the one who looks on share ---- */

struct worker {
        unsigned calls;
        int error; /* of the last */
        bool done;
};
static struct worker *workers;
static struct play *play;
static int scratch[4]; /* descriptors that a row makes before it begins */

struct row {
        const char *name;
        int (*once)(unsigned n);
        unsigned seconds; /* 0: 2 */
        unsigned most;    /* calls of one worker; 0: any number */
};

static uint64_t available_kb(void) {
        char text[512], *at;
        int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        (void) close_fd(fd);
        if (n < 0)
                return 0;
        text[n] = '\0';
        at = strstr(text, "MemAvailable:");
        return at ? strtoull(at + strlen("MemAvailable:"), NULL, 10) : 0;
}

static uint64_t now_ms(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

/* ---- bpf(2), with what the other files do not need ---- */

union words {
        uint32_t w[42];
        uint64_t d[21];
};
static int call(int command, union words *request) {
        int r = (int) syscall(SYS_bpf, command, request, sizeof(*request));

        return r < 0 ? -errno : r;
}
static uint64_t address(const void *p) {
        return (uint64_t) (uintptr_t) p;
}

static int put(int map, const void *key, const void *value) {
        union words request = {.w = {[0] = (uint32_t) map}};

        request.d[1] = address(key);
        request.d[2] = address(value);
        return call(CMD_UPDATE, &request);
}

/* BTF that says int; storage maps want a key and a value. */
static int small_btf(void) {
        static int fd = -1;
        struct btf *btf;
        const void *data;
        uint32_t size;

        if (fd >= 0)
                return fd;
        btf = btf__new_empty();
        if (!btf || btf__add_int(btf, "int", 4, BTF_INT_SIGNED) < 0 || !(data = btf__raw_data(btf, &size)))
                return -ENOMEM;
        fd = load_btf(play, data, size);
        btf__free(btf);
        return fd;
}

/* A map of the type with about so many bytes in it, whatever its rules are. */
static int map_of(uint32_t type, uint32_t bytes) {
        uint32_t entries = bytes / 64 > 0 ? bytes / 64 : 1;
        struct map_wish wish = {.type = type, .key_size = 4, .value_size = 64, .entries = entries};

        switch (type) {
        case MAP_PROG_ARRAY:
        case MAP_PERF:
        case MAP_CGROUP_ARRAY:
        case MAP_DEVMAP:
        case 16:
        case 17:
        case 20:
        case MAP_SOCKMAP:
        case MAP_SOCKHASH:
        case 25:
                wish.value_size = 4;
                break;
        case MAP_ARRAY_OF_MAPS:
        case MAP_HASH_OF_MAPS:
                wish.value_size = 4;
                wish.inner = scratch[0];
                break;
        case MAP_LPM_TRIE:
                wish.key_size = 8;
                wish.flags = NO_PREALLOC;
                break;
        case MAP_STACK_TRACE:
                wish.value_size = 1016;
                wish.entries = bytes / 1024 > 0 ? bytes / 1024 : 1;
                break;
        case MAP_CGROUP_STORAGE:
        case MAP_PERCPU_CGROUP_STORAGE:
                wish.key_size = 8;
                wish.entries = 0;
                break;
        case MAP_QUEUE:
        case TYPE_STACK:
        case MAP_BLOOM:
                wish.key_size = 0;
                break;
        case MAP_RINGBUF:
        case MAP_USER_RINGBUF:
                wish.key_size = wish.value_size = 0;
                for (wish.entries = 4096; wish.entries < bytes;)
                        wish.entries *= 2;
                break;
        case MAP_SK_STORAGE:
        case MAP_INODE_STORAGE:
        case MAP_TASK_STORAGE:
        case MAP_CGRP_STORAGE:
                wish.value_size = 4;
                wish.entries = 0;
                wish.flags = NO_PREALLOC;
                wish.btf = small_btf();
                wish.key_type = wish.value_type = 1;
                break;
        }
        return make_map(play, &wish);
}

static uint32_t map_type; /* of the row at hand */
static int small_map(unsigned n) {
        (void) n;
        return map_of(map_type, 1);
}
static int large_map(unsigned n) {
        (void) n;
        return map_of(map_type, 1 << 20);
}

/* ---- BTF ---- */

static const void *btf_data;
static uint32_t btf_size;
static int btf_kept(unsigned n) {
        (void) n;
        if (!btf_data) {
                struct btf *btf = btf__new_empty();

                for (int i = 0; btf && i < 50000; i++)
                        (void) btf__add_int(btf, "number", 4, 0);
                btf_data = btf ? btf__raw_data(btf, &btf_size) : NULL;
        }
        return btf_data ? load_btf(play, btf_data, btf_size) : -ENOMEM;
}
/* The kernel copies it, and then says that it is none. */
static int btf_refused(unsigned n) {
        static void *data;
        int r;

        (void) n;
        if (!data)
                data = calloc(1, 1 << 20);
        r = data ? load_btf(play, data, 1 << 20) : -ENOMEM;
        return r == -EINVAL ? 0 : r;
}

/* ---- programs ---- */

static int small_prog(unsigned n) {
        (void) n;
        return load_return(play, PROG_SOCKET_FILTER, 0, 0);
}
/* The kernel keeps a table of kernel functions with it. */
static int kfunc_prog(unsigned n) {
        int lock = kernel_btf("bpf_rcu_read_lock", BTF_KIND_FUNC);
        int unlock = kernel_btf("bpf_rcu_read_unlock", BTF_KIND_FUNC);
        struct bpf_insn insns[] = {KFUNC(lock), KFUNC(unlock), MOV(0, 0), EXIT};

        (void) n;
        return LOAD(play, PROG_CGROUP_SKB, AT_EGRESS, insns);
}
#define LONG 8000
/* Each instruction with a line of its own, and with machine code as long as it gets. */
static int lines_prog(unsigned n) {
        static struct bpf_insn insns[LONG];
        static struct bpf_line_info lines[LONG];
        static int fd = -1;
        union words request = {.d = {0}};

        (void) n;
        if (fd < 0) {
                struct btf *btf = btf__new_empty();
                int type = btf__add_int(btf, "int", 4, BTF_INT_SIGNED), line = btf__add_str(btf, "x"), proto, function;
                uint32_t size;
                const void *data;

                proto = btf__add_func_proto(btf, type);
                function = btf__add_func(btf, "go", BTF_FUNC_GLOBAL, proto);
                data = btf__raw_data(btf, &size);
                fd = load_btf(play, data, size);
                btf__free(btf);
                if (fd < 0 || function < 0)
                        return fd;
                for (int i = 0; i < LONG; i++) {
                        insns[i] = SET8(10, -512, -1);
                        lines[i] = (struct bpf_line_info){.insn_off = (uint32_t) i,
                                                          .file_name_off = (uint32_t) line,
                                                          .line_off = (uint32_t) line};
                }
                insns[LONG - 2] = MOV(0, 0);
                insns[LONG - 1] = EXIT;
                scratch[3] = function;
        }
        {
                const struct bpf_func_info func = {.insn_off = 0, .type_id = (uint32_t) scratch[3]};
                int token = make_token(play);

                request.w[0] = PROG_SOCKET_FILTER;
                request.w[1] = LONG;
                request.d[1] = address(insns);
                request.d[2] = address("GPL");
                request.w[11] = TOKEN;
                request.w[18] = (uint32_t) fd;
                request.w[19] = sizeof(func);
                request.d[10] = address(&func);
                request.w[22] = 1;
                request.w[23] = sizeof(lines[0]);
                request.d[12] = address(lines);
                request.w[26] = LONG;
                request.w[36] = (uint32_t) token;
                return call(CMD_LOAD, &request);
        }
}
/* Many states of the verifier: each of these jumps may go either way, and leaves one that waits. */
#define JUMPS 8000
static int states_prog(unsigned n) {
        static struct bpf_insn insns[64 + 1 + 2 * JUMPS + 2];
        size_t k = 0;
        int r;

        (void) n;
        for (int i = 0; i < 64; i++)
                insns[k++] = SET8(10, -8 * (i + 1), i);
        insns[k++] = CALL(7 /* get_prandom_u32 */);
        insns[k++] = COPY(6, 0);
        for (int i = 0; i < JUMPS; i++) {
                insns[k++] = I(0x15, 6, 0, 1, i + 1);
                insns[k++] = STORE8(10, 6, -8 * (i % 64 + 1));
        }
        insns[k - 1] = MOV(0, 0);
        insns[k++] = EXIT;
        r = load(play, &(struct prog_wish){.type = PROG_SOCKET_FILTER, .insns = insns, .n = k});
        (void) close_fd(r);
        /* Too complex in the end: that is after it was looked at. */
        return r == -E2BIG || r == -EINVAL || r == -EPERM ? 0 : r;
}
/* Refused before the verifier begins: too many instructions for the guard. */
static int long_prog(unsigned n) {
        static struct bpf_insn *insns;
        enum { N = 900000 };
        int r;

        (void) n;
        if (!insns) {
                insns = calloc(N, sizeof(*insns));
                if (!insns)
                        return -ENOMEM;
                for (size_t i = 0; i < N; i++)
                        insns[i] = MOV(0, 0);
                insns[N - 1] = EXIT;
        }
        r = load(play, &(struct prog_wish){.type = PROG_SOCKET_FILTER, .insns = insns, .n = N});
        (void) close_fd(r);
        return r == -EPERM ? 0 : r;
}
static int big_log(unsigned n) {
        enum { SIZE = 16 << 20 };
        static char *log;
        struct bpf_insn insns[] = {MOV(0, 0), EXIT};
        union words request = {.d = {0}};

        (void) n;
        if (!log)
                log = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        request.w[0] = PROG_SOCKET_FILTER;
        request.w[1] = ELEMENTSOF(insns);
        request.d[1] = address(insns);
        request.d[2] = address("GPL");
        request.w[6] = 2;
        request.w[7] = SIZE;
        request.d[4] = address(log);
        request.w[11] = TOKEN;
        request.w[36] = (uint32_t) make_token(play);
        return call(CMD_LOAD, &request);
}
static int run_large(unsigned n) {
        static uint8_t *data;
        static int prog = -1;
        int r;

        (void) n;
        if (prog < 0) {
                data = calloc(1, 1 << 20);
                prog = load_return(play, PROG_SOCKET_FILTER, 0, 0);
        }
        r = prog < 0 ? prog : test_run(&(struct run_wish){.prog = prog, .data = data, .size = 2000, .repeat = 100});
        if (r < 0)
                return r;
        r = test_run(&(struct run_wish){.prog = prog, .data = data, .size = 1 << 20, .repeat = 1});
        return r == -EINVAL ? 0 : r; /* larger than it takes */
}
static int bind_map(unsigned n) {
        static int prog = -1;
        union words request = {.d = {0}};
        int map;

        (void) n;
        if (prog < 0)
                prog = load_return(play, PROG_SOCKET_FILTER, 0, 0);
        map = map_of(MAP_ARRAY, 64);
        if (prog < 0 || map < 0)
                return prog < 0 ? prog : map;
        request.w[0] = (uint32_t) prog;
        request.w[1] = (uint32_t) map;
        return call(CMD_BIND_MAP, &request);
}

/* ---- links and attachments ---- */

static int own_cgroup(void) {
        static int fd = -1;

        if (fd < 0)
                fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd;
}
static int link_cgroup_of(unsigned n) {
        int prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), link;

        (void) n;
        link = prog < 0 ? prog : make_link_at(prog, own_cgroup(), AT_EGRESS);
        (void) close_fd(prog);
        return link;
}
/* 64 programs on a cgroup, and one below another: the kernel makes an array for each. */
static int link_nested(unsigned n) {
        static int prog = -1;
        char path[100];
        int fd, r = 0;

        (void) snprintf(path, sizeof(path), "/sys/fs/cgroup/limit-%d-%u", (int) getpid(), n);
        if (mkdir(path, 0755) < 0)
                return -errno;
        if (prog < 0)
                prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; prog >= 0 && i < 60 && r >= 0; i++)
                r = make_link_at(load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), fd, AT_EGRESS);
        (void) close_fd(fd);
        return prog < 0 ? prog : r;
}
static int attach_cgroup(unsigned n) {
        int prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), r;

        (void) n;
        r = prog < 0 ? prog : attach(prog, own_cgroup(), AT_EGRESS, 2 /* BPF_F_ALLOW_MULTI */);
        (void) close_fd(prog);
        return r;
}
static int link_of_network(uint32_t type, uint32_t attach_type) {
        int prog = load_return(play, type, attach_type, 0), link;

        link = prog < 0 ? prog : make_link_at(prog, (int) if_nametoindex("lo"), attach_type);
        (void) close_fd(prog);
        return link;
}
static int link_tcx(unsigned n) {
        (void) n;
        return link_of_network(PROG_SCHED_CLS, AT_TCX_INGRESS);
}
static int link_xdp_and_end(unsigned n) {
        int link = link_of_network(PROG_XDP, AT_XDP);

        (void) n;
        if (link == -EBUSY) /* another worker's */
                return 0;
        return link < 0 ? link : close_fd(link) * 0;
}
static int link_lookup(unsigned n) {
        int prog = load_return(play, PROG_SK_LOOKUP, AT_SK_LOOKUP, 1);
        int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), link;

        (void) n;
        link = prog < 0 ? prog : make_link_at(prog, net, AT_SK_LOOKUP);
        (void) close_fd(prog);
        (void) close_fd(net);
        return link;
}
static int link_netfilter(unsigned n) {
        int prog = load_return(play, PROG_NETFILTER, AT_NETFILTER, 1), link;
        uint32_t priority = 100 + n * WORKERS + (uint32_t) getpid() % WORKERS;

        link = prog < 0 ? prog :
                          make_link(&(struct link_wish){.prog = (uint32_t) prog,
                                                        .attach_type = AT_NETFILTER,
                                                        .extra = {PF_INET, 3, priority, 0}});
        (void) close_fd(prog);
        return link;
}
static int pin_map(unsigned n) {
        char path[100];
        int map = map_of(MAP_ARRAY, 64), r;

        (void) snprintf(path, sizeof(path), "/sys/fs/bpf/limit-%d-%u", (int) getpid(), n);
        r = map < 0 ? map : pin(map, path);
        (void) close_fd(map);
        return r;
}
static int token_kept(unsigned n) {
        union words request = {.w = {[1] = (uint32_t) play->bpffs}};

        (void) n;
        return call(CMD_TOKEN_CREATE, &request);
}

/* ---- what maps hold ---- */

static int element(uint32_t type, unsigned n) {
        static int map = -1;
        static char value[64];
        const uint32_t key[2] = {32, n};

        if (map < 0)
                map = make_map(play, &(struct map_wish){.type = type,
                                                        .key_size = type == MAP_LPM_TRIE ? 8 : 4,
                                                        .value_size = 64,
                                                        .entries = 1 << 24,
                                                        .flags = NO_PREALLOC});
        return map < 0 ? map : put(map, type == MAP_LPM_TRIE ? key : key + 1, value);
}
static int hash_element(unsigned n) {
        return element(MAP_HASH, n);
}
static int trie_element(unsigned n) {
        return element(MAP_LPM_TRIE, n);
}
static int percpu_element(unsigned n) {
        return element(MAP_PERCPU_HASH, n);
}
/* Maps that only a map keeps. */
static int inner_map(unsigned n) {
        static int outer = -1;
        int inner = map_of(MAP_ARRAY, 64), r;

        if (inner < 0)
                return inner;
        if (outer < 0)
                outer = make_map(play, &(struct map_wish){.type = MAP_HASH_OF_MAPS,
                                                          .key_size = 4,
                                                          .value_size = 4,
                                                          .entries = 1 << 18,
                                                          .inner = inner});
        r = outer < 0 ? outer : put(outer, &n, &inner);
        (void) close_fd(inner);
        return r;
}
static int program_in_table(unsigned n) {
        static int table = -1;
        int prog = small_prog(n), r;

        if (prog < 0)
                return prog;
        if (table < 0)
                table = make_map(play, &(struct map_wish){.type = MAP_PROG_ARRAY,
                                                          .key_size = 4,
                                                          .value_size = 4,
                                                          .entries = 1 << 18});
        r = table < 0 ? table : put(table, &n, &prog);
        (void) close_fd(prog);
        return r;
}
static int socket_in(uint32_t type, unsigned n) {
        static int map = -1;
        int pair[2], r;

        if (map < 0)
                map = make_map(play,
                               &(struct map_wish){.type = type, .key_size = 4, .value_size = 4, .entries = 1 << 18});
        if (map < 0)
                return map;
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        r = put(map, &n, &pair[0]);
        (void) close(pair[1]);
        return r;
}
static int socket_in_map(unsigned n) {
        return socket_in(MAP_SOCKMAP, n);
}
static int socket_in_hash(unsigned n) {
        return socket_in(MAP_SOCKHASH, n);
}
/* A socket that is in many maps, each as large as the guard takes: a link for each entry. */
static int socket_often(unsigned n) {
        enum { ENTRIES = 1 << 16 };
        static int map = -1, pair[2];
        uint32_t key = n % ENTRIES;

        if (n == 0 && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        if (key == 0)
                map = make_map(play, &(struct map_wish){
                                             .type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = ENTRIES});
        return map < 0 ? map : put(map, &key, &pair[0]);
}
/* Many maps' values on many sockets. */
static int storage_on_socket(unsigned n) {
        static int map = -1;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), value = 1;

        (void) n;
        if (fd < 0)
                return -errno;
        if (map < 0)
                map = map_of(MAP_SK_STORAGE, 4);
        return map < 0 ? map : put(map, &fd, &value);
}
static int storage_often(unsigned n) {
        static int fd = -1;
        int map = map_of(MAP_SK_STORAGE, 4), value = 1;

        (void) n;
        if (fd < 0)
                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return map < 0 ? map : put(map, &fd, &value);
}
static int storage_on_cgroup(unsigned n) {
        int map = map_of(MAP_CGRP_STORAGE, 4), value = 1, at = own_cgroup();

        (void) n;
        return map < 0 ? map : put(map, &at, &value);
}
static int frozen(unsigned n) {
        int map = map_of(MAP_ARRAY, 64);
        union words request = {.w = {[0] = (uint32_t) map}};

        (void) n;
        return map < 0 ? map : call(CMD_FREEZE, &request);
}
/* A large value, which the kernel copies for each call. */
static int batch(int command) {
        enum { VALUE_SIZE = (256 << 10) - 8 }; /* with its key what the guard takes */
        static char *value;
        static int map = -1;
        static uint32_t key, out;
        union words request = {.d = {0}};
        int r;

        if (map < 0) {
                value = calloc(1, VALUE_SIZE);
                map = make_map(play, &(struct map_wish){
                                             .type = MAP_ARRAY, .key_size = 4, .value_size = VALUE_SIZE, .entries = 1});
        }
        if (map < 0)
                return map;
        request.d[1] = address(&out);
        request.d[2] = address(&key);
        request.d[3] = address(value);
        request.w[8] = 1;
        request.w[9] = (uint32_t) map;
        r = call(command, &request);
        return r == -ENOENT ? 0 : r; /* that was all */
}
static int batch_update(unsigned n) {
        (void) n;
        return batch(CMD_UPDATE_BATCH);
}
static int batch_lookup(unsigned n) {
        (void) n;
        return batch(CMD_LOOKUP_BATCH);
}
static int enable_stats(unsigned n) {
        union words request = {.d = {0}};

        (void) n;
        return call(CMD_ENABLE_STATS, &request);
}
static int iterator(unsigned n) {
        static int link = -1;
        union words request = {.d = {0}};

        if (link < 0)
                link = link_cgroup_of(n);
        request.w[0] = (uint32_t) link;
        return link < 0 ? link : call(CMD_ITER_CREATE, &request);
}
static int raw_tracepoint(unsigned n) {
        static int prog = -1;

        if (prog < 0)
                prog = small_prog(n);
        return prog < 0 ? prog : attach_tracing(prog);
}
/* Not bpf(2), but its programs. */
static int filter_on_sockets(unsigned n) {
        static int prog = -1;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (prog < 0)
                prog = small_prog(n);
        if (prog < 0 || fd < 0)
                return prog < 0 ? prog : -errno;
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static const struct row rows[] = {
        {"btf_load", btf_kept, 20, 0},
        {"btf_load, no BTF", btf_refused, 0, 500},
        {"prog_load", small_prog, 5, 0},
        {"prog_load, kernel functions", kfunc_prog, 15, 0},
        {"prog_load, lines", lines_prog, 40, 0},
        {"prog_load, states", states_prog, 20, 2},
        {"prog_load, 900000 instructions", long_prog, 5, 2},
        {"prog_load, log of 16 MB", big_log, 0, 0},
        {"prog_bind_map", bind_map, 0, 0},
        {"prog_test_run", run_large, 0, 0},
        {"link_create, cgroup", link_cgroup_of, 0, 0},
        {"link_create, tcx", link_tcx, 0, 0},
        {"link_create, xdp", link_xdp_and_end, 0, 0},
        {"link_create, sk_lookup", link_lookup, 0, 0},
        {"link_create, netfilter", link_netfilter, 0, 0},
        {"prog_attach, cgroup", attach_cgroup, 0, 0},
        {"obj_pin", pin_map, 0, 0},
        {"token_create", token_kept, 0, 0},
        {"map_update, hash", hash_element, 5, 0},
        {"map_update, percpu_hash", percpu_element, 5, 0},
        {"map_update, lpm_trie", trie_element, 5, 0},
        {"map_update, hash_of_maps", inner_map, 5, 0},
        {"map_update, prog_array", program_in_table, 5, 0},
        {"map_update, sockmap", socket_in_map, 5, 0},
        {"map_update, sockhash", socket_in_hash, 5, 0},
        {"map_update, sockmap, one socket", socket_often, 5, 0},
        {"map_update, sk_storage", storage_on_socket, 0, 0},
        {"map_update, sk_storage of many", storage_often, 0, 0},
        {"map_update, cgrp_storage", storage_on_cgroup, 0, 0},
        {"map_freeze", frozen, 0, 0},
        {"map_update_batch", batch_update, 0, 0},
        {"map_lookup_batch", batch_lookup, 0, 0},
        {"enable_stats", enable_stats, 0, 0},
        {"iter_create", iterator, 0, 0},
        {"raw_tracepoint_open", raw_tracepoint, 0, 0},
        {"link_create, nested cgroups", link_nested, 20, 0},
        {"SO_ATTACH_BPF", filter_on_sockets, 0, 0},
};

/* ---- one row ---- */

static void work(const struct row *row, struct worker *self, uint64_t end) {
        struct rlimit limit;
        int fd, r = 0;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        /* Before the one who looks on. */
        fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        (void) !write(fd, "1000", 4);
        (void) close_fd(fd);
        for (unsigned n = 0; r >= 0 && (row->most == 0 || n < row->most) && now_ms() < end; n++) {
                r = row->once(n);
                self->calls = n + (r >= 0);
        }
        self->error = r < 0 ? r : 0;
        self->done = true;
        for (;;)
                (void) pause();
}

/* What the workers have made in the cgroup tree and in the bpffs. */
static void tidy(const char *where) {
        DIR *dir = opendir(where);
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (strncmp(entry->d_name, "limit-", 6) == 0)
                        (void) unlinkat(dirfd(dir), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
        if (dir)
                (void) closedir(dir);
}

/* How many MB it took at most. */
static unsigned try_row(const struct row *row) {
        uint64_t end = now_ms() + 1000 * (row->seconds > 0 ? row->seconds : 2);
        uint64_t begin = available_kb(), least = begin, now;
        unsigned left = WORKERS, calls = 0, killed = 0, took;
        int error = 0, status, first_error = 0;
        pid_t pids[WORKERS];

        memset(workers, 0, WORKERS * sizeof(*workers));
        (void) fflush(stdout);
        for (unsigned i = 0; i < WORKERS; i++) {
                pids[i] = fork();
                if (pids[i] == 0)
                        work(row, &workers[i], end);
        }
        while (left > 0) {
                left = 0;
                for (unsigned i = 0; i < WORKERS; i++) {
                        if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                                killed++;
                                pids[i] = -1;
                        }
                        left += pids[i] > 0 && !workers[i].done;
                }
                now = available_kb();
                if (now < least)
                        least = now;
                if (now + TOO_MUCH_MB * 1024 < begin || now_ms() > end + 30000)
                        break;
                (void) usleep(2000);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
                calls += workers[i].calls;
                if (workers[i].error < 0)
                        error = workers[i].error;
                if (workers[i].calls == 0 && workers[i].error < 0)
                        first_error = workers[i].error;
                if (pids[i] > 0) {
                        (void) kill(pids[i], SIGKILL);
                        (void) waitpid(pids[i], NULL, 0);
                }
        }
        took = (unsigned) ((begin - least) / 1024);
        printf("row: %-34s %4u MB in %6u calls%s%s%s\n", row->name, took, calls,
               calls == 0 && first_error < 0 ? ", not offered: " :
               error < 0                     ? ", then " :
                                               "",
               error < 0 ? strerror(-error) : "", killed > 0 ? ", killed by the limit" : "");
        (void) fflush(stdout);
        tidy("/sys/fs/cgroup");
        tidy("/sys/fs/bpf");
        /* What has ended is freed later: the next one begins from there. */
        for (end = now_ms() + 10000; now_ms() < end && available_kb() + 4096 < begin;)
                (void) usleep(20000);
        return took;
}

static unsigned try_maps(const char **ret_name) {
        static char name[64], most_name[64];
        unsigned most = 0, took;

        scratch[0] = map_of(MAP_ARRAY, 64);
        for (map_type = 1; map_type < MAP_TYPES; map_type++)
                for (unsigned large = 0; large < 2; large++) {
                        const struct row row = {.name = name, .once = large ? large_map : small_map};
                        int fd = row.once(0);

                        (void) close_fd(fd);
                        (void) snprintf(name, sizeof(name), "map_create, type %u, %s", map_type,
                                        large ? "1 MB" : "small");
                        if (fd < 0) {
                                printf("row: %-34s not offered: %s\n", name, strerror(-fd));
                                continue;
                        }
                        took = try_row(&row);
                        if (took > most) {
                                most = took;
                                copy_field_cut(most_name, sizeof(most_name), name);
                        }
                }
        *ret_name = most_name;
        return most;
}

/* Linux 6.17 was the first that charges the verifier's memory. SECURITY.md says what that means for those before. */
static bool charges_verifier(void) {
        unsigned major = 0, minor = 0;
        struct utsname uts;

        return uname(&uts) == 0 && sscanf(uts.release, "%u.%u", &major, &minor) == 2 &&
               (major > 6 || (major == 6 && minor >= 17));
}

static enum result limit(struct play *the_play) {
        const char *name = "", *most_name = "";
        unsigned most = 0, took, over = 0;

        play = the_play;
        workers = mmap(NULL, WORKERS * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (workers == MAP_FAILED)
                return say(play, BROKEN, "out of memory");
        if (make_token(play) < 0 || small_btf() < 0)
                return say(play, BROKEN, "no token, or no BTF");
        (void) kernel_btf("bpf_rcu_read_lock", BTF_KIND_FUNC); /* before the workers, which would each read it */
        for (size_t i = 0; i < ELEMENTSOF(rows) + 1; i++) {
                bool open = i < ELEMENTSOF(rows) && rows[i].once == states_prog && !charges_verifier();

                if (i == ELEMENTSOF(rows)) {
                        took = try_maps(&name);
                } else {
                        took = try_row(&rows[i]);
                        name = rows[i].name;
                }
                if (open) {
                        printf("row: %-34s %4u MB, which this kernel charges to nobody\n", name, took);
                        continue;
                }
                over += took > ALLOWED_MB;
                if (took > most) {
                        most = took;
                        most_name = name;
                }
                /* Without a guard the first is enough. */
                if (i == 0 && took > ALLOWED_MB)
                        break;
        }
        if (over > 0)
                return say(play, ESCAPED, "%u commands took more than %u MB, %s took %u", over, ALLOWED_MB, most_name,
                           most);
        return say(play, REFUSED, "no command takes more than %u MB: %s", most, most_name);
}

const struct vector limit_vectors[] = {
        {.name = "memory-limit", .group = "limit", .inside = limit},
        {.name = NULL},
};
