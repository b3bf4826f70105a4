/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How long a program may run: no longer than some 20 ms, whatever it does. Each of these would hold a processor, and
 * whatever process or packet it runs for, for seconds to years. It is enough that the kernel loads it.
 */

#include "escape.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <bpf/btf.h>

enum { DO_GET_PID = 14, DO_LOOP = 181 };

/* ---- functions ---- */

struct types {
        int main, callback;
};

/* int main(void *), and one more of that kind: a callback of bpf_loop(), or a function that is called. */
static struct btf *describe(enum btf_func_linkage linkage, bool callback, struct types *ret) {
        struct btf *btf = btf__new_empty();
        int number, wide, proto;

        if (!btf)
                return NULL;
        number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
        wide = btf__add_int(btf, "unsigned long", 8, 0);
        proto = btf__add_func_proto(btf, number);
        ret->main = btf__add_func(btf, "begin", BTF_FUNC_GLOBAL, proto);
        proto = btf__add_func_proto(btf, number);
        (void) btf__add_func_param(btf, "a", callback ? wide : number);
        if (callback)
                (void) btf__add_func_param(btf, "b", wide);
        ret->callback = btf__add_func(btf, "go_on", linkage, proto);
        return btf;
}

/* A program of several functions: the others begin at `at`, and are all of one type. */
static int load_several(struct play *play, struct prog_wish wish, const uint32_t *at, size_t n_at,
                        enum btf_func_linkage linkage, bool callback) {
        struct bpf_func_info funcs[3] = {{.insn_off = 0}};
        struct types types;
        struct btf *btf = describe(linkage, callback, &types);
        const void *data;
        uint32_t size;
        int fd, r;

        if (!btf)
                return -ENOMEM;
        data = btf__raw_data(btf, &size);
        fd = load_btf(play, data, size);
        if (fd < 0) {
                btf__free(btf);
                return fd;
        }
        funcs[0].type_id = (uint32_t) types.main;
        for (size_t i = 0; i < n_at; i++)
                funcs[i + 1] = (struct bpf_func_info){.insn_off = at[i], .type_id = (uint32_t) types.callback};
        wish.btf = fd;
        wish.funcs = funcs;
        wish.n_funcs = n_at + 1;
        r = load(play, &wish);
        (void) close_fd(fd);
        btf__free(btf);
        return r;
}

static int load_two(struct play *play, const struct bpf_insn *insns, size_t n, uint32_t second_at,
                    enum btf_func_linkage linkage, bool callback) {
        const struct prog_wish wish = {.type = PROG_SOCKET_FILTER, .insns = insns, .n = n};

        return load_several(play, wish, &second_at, 1, linkage, callback);
}

static enum result loaded(struct play *play, int prog, const char *what) {
        return prog < 0 ? refused(play, prog, "load") : say(play, ESCAPED, "loaded %s", what);
}

/* ---- the ways ---- */

static enum result loop(struct play *play) {
        static const struct bpf_insn insns[] = {
                MOV(1, 1 << 23), FUNCTION(2, 6), MOV(3, 0), MOV(4, 0), CALL(DO_LOOP), MOV(0, 0), EXIT, /* 0 to 7 */
                MOV(0, 0),       EXIT,
        };

        return loaded(play, load_two(play, insns, ELEMENTSOF(insns), 8, BTF_FUNC_STATIC, true),
                      "a loop of 8 million turns");
}

#define CALLS 2000

/* A function that the verifier follows once. */
static enum result global_calls(struct play *play) {
        static struct bpf_insn insns[2 * CALLS + 2 + 1002];
        size_t n = 0;

        for (int i = 0; i < CALLS; i++) {
                insns[n] = MOV(1, 0);
                insns[n + 1] = I(0x85, 0, 1, 0, 2 * CALLS + 2 - (int) (n + 1) - 1);
                n += 2;
        }
        insns[n++] = MOV(0, 0);
        insns[n++] = EXIT;
        insns[n++] = MOV(0, 0);
        for (int i = 0; i < 1000; i++)
                insns[n++] = ADD(0, 1);
        insns[n++] = EXIT;
        return loaded(play, load_two(play, insns, n, 2 * CALLS + 2, BTF_FUNC_GLOBAL, false),
                      "2000 calls of one function");
}

static enum result may_goto(struct play *play) {
        static const struct bpf_insn insns[] = {MOV(0, 0), I(0xe5, 0, 0, 1, 0), I(0x05, 0, 0, -2, 0), EXIT};

        return loaded(play, LOAD(play, PROG_SOCKET_FILTER, 0, insns), "a loop by may_goto");
}

#define LONG 600000

static enum result long_way(struct play *play) {
        struct bpf_insn *insns = calloc(LONG, sizeof(*insns));
        enum result result;

        if (!insns)
                return say(play, BROKEN, "out of memory");
        for (size_t i = 0; i < LONG; i++)
                insns[i] = i == 0 ? MOV(0, 0) : ADD(0, 1);
        insns[LONG - 1] = EXIT;
        result = loaded(play, load(play, &(struct prog_wish){.type = PROG_SOCKET_FILTER, .insns = insns, .n = LONG}),
                        "600000 instructions");
        free(insns);
        return result;
}

/* ---- in the write(2) of a daemon ---- */

/*
 * A daemon of root's, outside of every delegation, writes to a unix connection of which this user has the other end.
 * Its sk_skb program runs there and then, in the daemon's system call (unix_stream_sendmsg → sk_data_ready). The loop
 * here has an end, so that the test has one; nested once more it would have none in anybody's lifetime, and no signal
 * ends it. That it was the daemon that turned all its rounds is told by no clock: the program notes whom it runs for
 * and how often it has gone round.
 */

#define OUTER 4
#define INNER (1 << 22)

struct noted {
        uint64_t turns, process;
};

static socklen_t writer_address(const char *name, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        (void) snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", name ? name : "");
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

static uint64_t system_time_ms(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (uint64_t) usage.ru_stime.tv_sec * 1000 + (uint64_t) usage.ru_stime.tv_usec / 1000;
}

/* For root: the daemon. It greets who says something, and tells how much of its time that has taken. */
int write_to_clients(const char *name) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        socklen_t size = writer_address(name, &address);
        char byte;

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) < 0 || listen(fd, 1) < 0) {
                perror("escape: the daemon");
                return BROKEN;
        }
        for (;;) {
                _cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                uint64_t before, took;

                if (client < 0 || recv(client, &byte, 1, 0) <= 0)
                        continue;
                before = system_time_ms();
                (void) send(client, "x", 1, MSG_NOSIGNAL);
                took = system_time_ms() - before;
                (void) send(client, &took, sizeof(took), MSG_NOSIGNAL);
                (void) recv(client, &byte, 1, 0);
        }
}

/* Once: what the daemon writes then is let by. */
static int load_hanger(struct play *play, int map) {
        const struct bpf_insn insns[] = {
                /* 0 to 6 */
                VALUE(7, map),
                LOAD8(0, 7, 8),
                I(0x55, 0, 0, 12, 0),
                CALL(DO_GET_PID),
                STORE8(7, 0, 8),
                SET8(10, -8, 0),
                /* 7 to 14 */
                MOV(1, OUTER),
                FUNCTION(2, 9),
                COPY(3, 10),
                ADD(3, -8),
                MOV(4, 0),
                CALL(DO_LOOP),
                LOAD8(0, 10, -8),
                /* 15 to 17 */
                STORE8(7, 0, 0),
                MOV(0, 1),
                EXIT,
                /* 18 to 25, and behind them the inner one */
                COPY(3, 2),
                MOV(1, INNER),
                FUNCTION(2, 5),
                MOV(4, 0),
                CALL(DO_LOOP),
                MOV(0, 0),
                EXIT,
                LOAD8(3, 2, 0),
                ADD(3, 1),
                STORE8(2, 3, 0),
                MOV(0, 0),
                EXIT,
        };
        const uint32_t at[] = {18, 26};

        return load_several(play,
                            (struct prog_wish){.type = PROG_SK_SKB,
                                               .attach_type = AT_SK_SKB_VERDICT,
                                               .insns = insns,
                                               .n = ELEMENTSOF(insns)},
                            at, ELEMENTSOF(at), BTF_FUNC_STATIC, true);
}

/* Of a socket in a sockmap the kernel may say EAGAIN though it was to wait (unix_bpf_recvmsg). */
static bool hear_daemon(int fd, void *buf, size_t size) {
        for (size_t n = 0; n < size;) {
                ssize_t r = recv(fd, (char *) buf + n, size - n, 0);

                if (r == 0 || (r < 0 && errno != EAGAIN))
                        return false;
                if (r > 0)
                        n += (size_t) r;
                else
                        (void) usleep(1000);
        }
        return true;
}

static enum result hang_writer(struct play *play) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), map = -1, table = -1, prog = -1;
        struct sockaddr_un address;
        socklen_t size = writer_address(getenv("ESCAPE_WRITER"), &address), cred_size = sizeof(struct ucred);
        struct noted noted = {0};
        struct ucred daemon;
        uint64_t took;
        char byte;
        int r;

        map = make_map(play,
                       &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = sizeof(noted), .entries = 1});
        table = make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 1});
        if (map < 0 || table < 0)
                return refused(play, map < 0 ? map : table, "map_create");
        prog = load_hanger(play, map);
        if (prog < 0)
                return refused(play, prog, "load");
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, size) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &daemon, &cred_size) < 0)
                return say(play, BROKEN, "the daemon: %s", strerror(errno));
        r = attach(prog, table, AT_SK_SKB_VERDICT, 0);
        if (r >= 0)
                r = map_put(table, 0, &fd);
        if (r < 0)
                return refused(play, r, "the sockmap");
        if (send(fd, "x", 1, 0) < 0 || !hear_daemon(fd, &byte, 1) || !hear_daemon(fd, &took, sizeof(took)))
                return say(play, BROKEN, "the daemon has not answered: %s", strerror(errno));
        r = map_get(map, 0, &noted);
        if (r < 0)
                return say(play, BROKEN, "reading the map: %s", strerror(-r));
        /* In here root has no number but nobody's. */
        if (noted.turns != (uint64_t) OUTER * INNER || daemon.uid == getuid())
                return say(play, BROKEN, "%llu turns, for uid %u", (unsigned long long) noted.turns,
                           (unsigned) daemon.uid);
        if (noted.process >> 32 != (uint64_t) daemon.pid)
                return say(play, BROKEN, "process %d was made to go round, and the daemon is %d",
                           (int) (noted.process >> 32), (int) daemon.pid);
        return say(play, ESCAPED, "root's process %d went round %llu times in its write(2), for %llu ms",
                   (int) daemon.pid, (unsigned long long) noted.turns, (unsigned long long) took);
}

const struct vector time_vectors[] = {
        {.name = "long-loop", .group = "time", .inside = loop},
        {.name = "long-global-calls", .group = "time", .inside = global_calls},
        {.name = "long-may-goto", .group = "time", .inside = may_goto},
        {.name = "long-way", .group = "time", .inside = long_way},
        {.name = "hang-writer", .group = "writer", .inside = hang_writer},
        {.name = NULL},
};
