/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The end, by ways that the descriptor, the mount and the cgroup tree do not tell of: a ring's registered files, a
 * timer, a cgroup that its maker has removed before the end, a program that only a socket still knows. As in end.c:
 * kept while the session lives, used when it is over.
 */

#include "escape.h"

#include <bpf/btf.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "ring.h"

/* ---- a cgroup below the own one that is removed before the end: its sockets, and what is attached to it, live on
 * ---- */

#define SUB "/sys/fs/cgroup/late"

static int move_to(const char *procs) {
        int fd = open(procs, O_WRONLY | O_CLOEXEC), r = 0;

        if (fd < 0)
                return -errno;
        if (write(fd, "0", 1) != 1)
                r = -errno;
        (void) close(fd);
        return r;
}

/* A socket that was made in SUB belongs to it for good. */
static int socket_of_sub(void) {
        int fd, r;

        if (mkdir(SUB, 0755) < 0)
                return -errno;
        r = move_to(SUB "/cgroup.procs");
        if (r < 0)
                return r;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        r = move_to("/sys/fs/cgroup/run/cgroup.procs");
        return r < 0 ? r : fd;
}

static enum result remove_and_give(struct play *play, int fd) {
        if (rmdir(SUB) < 0)
                return say(play, BROKEN, "rmdir: %s", strerror(errno));
        if (send_one(fd) != -EPERM)
                return say(play, BROKEN, "the program does not drop packets");
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}

static enum result legacy_removed(struct play *play) {
        int fd = socket_of_sub(), prog, r;

        if (fd < 0)
                return say(play, BROKEN, "a socket in %s: %s", SUB, strerror(-fd));
        prog = dropping_prog(play);
        r = prog < 0 ? prog : attach(prog, open(SUB, O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_EGRESS, 2);
        return r < 0 ? refused(play, r, "prog_attach below the root of the own subtree") : remove_and_give(play, fd);
}

static enum result link_removed(struct play *play) {
        int fd = socket_of_sub(), prog, link;

        if (fd < 0)
                return say(play, BROKEN, "a socket in %s: %s", SUB, strerror(-fd));
        prog = dropping_prog(play);
        link = prog < 0 ? prog : make_link_at(prog, open(SUB, O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_EGRESS);
        if (link < 0)
                return refused(play, link, "link_create");
        /* The pin keeps it; the bpffs is kept by the other. */
        link = pin(link, "/sys/fs/bpf/late");
        return link < 0 ? refused(play, link, "pin") : remove_and_give(play, fd);
}

/* ---- a pinned program, opened through the kept mount ---- */

static enum result attach_filter(struct play *play, int prog) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (setsockopt(fd, SOL_SOCKET, 50 /* SO_ATTACH_BPF */, &prog, sizeof(prog)) < 0)
                return refused(play, -errno, "SO_ATTACH_BPF");
        return say(play, ESCAPED, "the program was attached to a socket");
}

static enum result pin_filter(struct play *play) {
        int prog = load_return(play, PROG_SOCKET_FILTER, 0, 0), r;

        r = prog < 0 ? prog : pin(prog, "/sys/fs/bpf/late");
        if (r < 0)
                return refused(play, r, "load or pin");
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}
static enum result keep_mount(struct play *play) {
        return keep(play, "the mount");
}
static enum result pin_after(struct play *play) {
        char path[64];
        int prog;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/late", play->bpffs);
        prog = get_pin(path);
        return prog < 0 ? refused(play, prog, "obj_get") : attach_filter(play, prog);
}

/* ---- a ring with registered files: fetched by pidfd, since no ring is passed over a socket ---- */

#define RING_FD 100

static enum result show_ring(struct play *play, int registered) {
        struct ring ring;
        int r;

        if (registered < 0)
                return refused(play, registered, "what the ring is to keep");
        r = ring_open(&ring, 0);
        if (r == 0)
                r = ring_keep(ring.fd, &registered, 1);
        if (r == 0 && dup3(ring.fd, RING_FD, O_CLOEXEC) < 0)
                r = -errno;
        if (r < 0)
                return say(play, BROKEN, "a ring: %s", strerror(-r));
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}

static enum result ring_token(struct play *play) {
        return show_ring(play, make_token(play));
}
static enum result ring_prog(struct play *play) {
        return show_ring(play, load_return(play, PROG_SOCKET_FILTER, 0, 0));
}
/* Only the ring keeps the link, and the socket the cgroup. */
static enum result ring_link(struct play *play) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), prog = dropping_prog(play), link;

        link = prog < 0 ? prog :
                          make_link_at(prog, open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_EGRESS);
        if (link < 0)
                return refused(play, link, "link_create");
        if (send_one(fd) != -EPERM)
                return say(play, BROKEN, "the program does not drop packets");
        return give(play, fd) < 0 ? BROKEN : show_ring(play, link);
}

static enum result fetch_ring(struct play *play, int *ret) {
        int go, r = take(play, &go);

        if (r < 0)
                return untaken(play, r, "waiting");
        *ret = pidfd_getfd_of(play->inside, RING_FD);
        return *ret < 0 ? refused(play, *ret, "pidfd_getfd") : say(play, ESCAPED, "has the ring");
}
static enum result keep_ring(struct play *play) {
        return fetch_ring(play, &kept);
}
static enum result keep_ring_and_socket(struct play *play) {
        int r = take(play, &kept);

        return r < 0 ? untaken(play, r, "a socket") : fetch_ring(play, &kept_too);
}

static int installed(void) {
        struct ring ring;
        int r = ring_adopt(&ring, kept, 0);

        return r < 0 ? r : ring_install(&ring, 0);
}
static enum result ring_token_after(struct play *play) {
        int token = installed(), map;

        if (token < 0)
                return refused(play, token, "installing the registered token");
        map = make_map_by(token, &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = 8, .entries = 1});
        return map < 0 ? refused(play, map, "map_create") : say(play, ESCAPED, "the ring's token still makes maps");
}
static enum result ring_prog_after(struct play *play) {
        int prog = installed();

        return prog < 0 ? refused(play, prog, "installing the registered program") : attach_filter(play, prog);
}

/* ---- threads: their first one has ended, so that /proc/PID shows a zombie ---- */

static struct play *threads_play;

static void *use_token_for_ever(void *unused) {
        (void) unused;
        for (;;) {
                int map = make_map(threads_play,
                                   &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = 8, .entries = 1});

                (void) say(threads_play, UNDECIDED, "%d", map);
                if (give(threads_play, -1) < 0)
                        return NULL;
                (void) close_fd(map);
                (void) usleep(20000);
        }
}

/* A process of the session, outside of the delegation's cgroup, that has joined its namespace. */
static int threaded_stray(struct play *play) {
        pthread_t thread;
        int r;

        r = join(play);
        if (r == 0)
                r = make_token(play);
        if (r < 0)
                return r;
        threads_play = play;
        if (pthread_create(&thread, NULL, use_token_for_ever, NULL) != 0)
                return -EAGAIN;
        (void) syscall(SYS_exit, 0); /* of the first thread alone */
        return 0;
}

static enum result keep_threads(struct play *play) {
        struct play stray = *play;
        int pair[2], r, fd;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return say(play, BROKEN, "socketpair: %s", strerror(errno));
        r = fork();
        if (r < 0)
                return say(play, BROKEN, "fork: %s", strerror(errno));
        if (r == 0) {
                stray.peer = pair[1];
                (void) close(pair[0]);
                _exit(threaded_stray(&stray) < 0);
        }
        (void) close(pair[1]);
        kept = play->peer;
        play->peer = pair[0];
        r = take(play, &fd);
        kept_too = play->peer;
        play->peer = kept;
        return r < 0 ? say(play, REFUSED, "the thread makes no map") : say(play, ESCAPED, "a thread makes maps");
}

/* What it has said before the end is read first; then it lives, and goes on, or has gone. */
static enum result threads_after(struct play *play) {
        int fd, r = 0;

        play->peer = kept_too;
        for (unsigned n = 0; n < 2000 && r == 0; n++)
                r = take(play, &fd);
        play->peer = kept;
        play->said[0] = '\0';
        return r == 0 ? say(play, ESCAPED, "the thread still makes maps") : say(play, REFUSED, "the thread has gone");
}

/* ---- a sockmap whose program only the socket still knows ---- */

static int new_sockmap(struct play *play) {
        return make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 1});
}

/* The map with the program is closed before the end; a second one, without any, keeps what the socket got from it. */
static enum result give_second_sockmap(struct play *play) {
        int from = -1, to = -1, map = new_sockmap(play), second = new_sockmap(play), prog, r;

        if (map < 0 || second < 0)
                return refused(play, map < 0 ? map : second, "map_create");
        prog = load_return(play, PROG_SK_MSG, AT_SK_MSG_VERDICT, 0);
        r = prog < 0 ? prog : attach(prog, map, AT_SK_MSG_VERDICT, 0);
        if (r < 0)
                return refused(play, r, "load or prog_attach");
        r = tcp_pair(&from, &to);
        if (r == 0)
                r = map_put(map, 0, &from);
        if (r == 0)
                r = map_put(second, 0, &from);
        if (r < 0)
                return say(play, BROKEN, "a socket in two maps: %s", strerror(-r));
        (void) close(map);
        (void) close(prog);
        r = give(play, from);
        if (r == 0)
                r = give(play, to);
        if (r == 0)
                r = give(play, second);
        return r < 0 ? BROKEN : UNDECIDED;
}
static enum result message_after(struct play *play) {
        if (send(kept, "x", 1, MSG_NOSIGNAL) == 1)
                return say(play, REFUSED, "the program no longer runs");
        return errno == EACCES ? say(play, ESCAPED, "the program still drops what the socket sends") :
                                 say(play, BROKEN, "send: %s", strerror(errno));
}

/* ---- a timer, for which the map that it sits in is enough: maps may leave ---- */

/* The timer comes first: to a pointer with an offset into it the verifier says no, without CAP_PERFMON. */
struct ticker {
        uint64_t timer[2];
        uint64_t ticks;
        int64_t made; /* what timer_init said */
};

struct ticker_btf {
        int key, value, callback, main;
};

/* struct bpf_timer by its name: the verifier wants to know where in the value it is. */
static struct btf *describe_ticker(struct ticker_btf *ret) {
        struct btf *btf = btf__new_empty();
        int number, pair, timer, proto;

        if (!btf)
                return NULL;
        ret->key = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
        number = btf__add_int(btf, "unsigned long", 8, 0);
        pair = btf__add_array(btf, ret->key, number, 2);
        timer = btf__add_struct(btf, "bpf_timer", 16);
        (void) btf__add_field(btf, "__opaque", pair, 0, 0);
        ret->value = btf__add_struct(btf, "ticker", sizeof(struct ticker));
        (void) btf__add_field(btf, "timer", timer, 0, 0);
        (void) btf__add_field(btf, "ticks", pair, offsetof(struct ticker, ticks) * 8, 0);
        proto = btf__add_func_proto(btf, ret->key);
        ret->main = btf__add_func(btf, "tick_start", BTF_FUNC_GLOBAL, proto);
        proto = btf__add_func_proto(btf, ret->key);
        (void) btf__add_func_param(btf, "map", number);
        (void) btf__add_func_param(btf, "key", number);
        (void) btf__add_func_param(btf, "value", number);
        ret->callback = btf__add_func(btf, "tick", BTF_FUNC_STATIC, proto);
        return btf;
}

#define CALLBACK_AT 24
#define TICK_NSEC 1000000

static int load_ticker(struct play *play, int map, int btf, const struct ticker_btf *types) {
        const struct bpf_insn insns[] = {
                SET4(10, -4, 0),
                COPY(2, 10),
                ADD(2, -4),
                MAP(1, map),
                CALL(DO_LOOKUP),
                IF_ZERO(0, 15), /* 0 to 6 */
                COPY(6, 0),
                COPY(1, 6),
                MAP(2, map),
                MOV(3, CLOCK_MONOTONIC),
                CALL(DO_TIMER_INIT), /* 7 to 12 */
                STORE8(6, 0, offsetof(struct ticker, made)),
                COPY(1, 6),
                FUNCTION(2, CALLBACK_AT - 16),
                CALL(DO_TIMER_SET_CALLBACK), /* 14 to 17 */
                COPY(1, 6),
                MOV(2, TICK_NSEC),
                MOV(3, 0),
                CALL(DO_TIMER_START),
                MOV(0, 0),
                EXIT, /* 18 to 23 */
                /* the callback: map, key, value */
                LOAD8(1, 3, offsetof(struct ticker, ticks)),
                ADD(1, 1),
                STORE8(3, 1, offsetof(struct ticker, ticks)),
                COPY(1, 3),
                MOV(2, TICK_NSEC),
                MOV(3, 0),
                CALL(DO_TIMER_START),
                MOV(0, 0),
                EXIT,
        };
        const struct bpf_func_info funcs[] = {{.insn_off = 0, .type_id = (uint32_t) types->main},
                                              {.insn_off = CALLBACK_AT, .type_id = (uint32_t) types->callback}};

        return load(play, &(struct prog_wish){.type = PROG_SOCKET_FILTER,
                                              .insns = insns,
                                              .n = ELEMENTSOF(insns),
                                              .btf = btf,
                                              .funcs = funcs,
                                              .n_funcs = ELEMENTSOF(funcs)});
}

static enum result start_ticker(struct play *play, int prog, int map) {
        static const uint8_t packet[64];
        struct run_wish wish = {.prog = prog, .data = packet, .size = sizeof(packet), .repeat = 1};
        struct ticker ticker;
        int r = test_run(&wish);

        if (r == 0)
                r = map_get(map, 0, &ticker);
        if (r < 0)
                return say(play, BROKEN, "starting the timer: %s", strerror(-r));
        if (ticker.made < 0)
                return say(play, ABSENT, "no timers here: %s", strerror((int) -ticker.made));
        return give(play, map) < 0 ? BROKEN : UNDECIDED;
}

static enum result give_ticker(struct play *play) {
        struct map_wish wish = {.type = MAP_ARRAY, .key_size = 4, .value_size = sizeof(struct ticker), .entries = 1};
        struct ticker_btf types;
        struct btf *btf = describe_ticker(&types);
        const void *data;
        uint32_t size;
        int map, prog;

        data = btf ? btf__raw_data(btf, &size) : NULL;
        if (!data)
                return say(play, BROKEN, "no BTF can be made");
        wish.btf = load_btf(play, data, size);
        wish.key_type = (uint32_t) types.key;
        wish.value_type = (uint32_t) types.value;
        map = wish.btf < 0 ? wish.btf : make_map(play, &wish);
        if (map < 0)
                return refused(play, map, "btf_load or map_create");
        prog = load_ticker(play, map, wish.btf, &types);
        return prog < 0 ? refused(play, prog, "load") : start_ticker(play, prog, map);
}
static enum result keep_map(struct play *play) {
        return keep(play, "the timer's map");
}
static enum result ticker_after(struct play *play) {
        struct ticker first, now;
        int r = map_get(kept, 0, &first);

        for (unsigned i = 0; r == 0 && i < 500; i++) {
                r = map_get(kept, 0, &now);
                if (r == 0 && now.ticks > first.ticks)
                        return say(play, ESCAPED, "the timer still goes off");
                (void) usleep(20000);
        }
        return r < 0 ? say(play, BROKEN, "the map: %s", strerror(-r)) :
                       say(play, REFUSED, "the timer no longer goes off");
}

const struct vector late_vectors[] = {
        {.name = "late-legacy-removed",
         .group = "late",
         .inside = legacy_removed,
         .outside = keep_socket,
         .after = socket_after},
        {.name = "late-link-removed",
         .group = "late",
         .inside = link_removed,
         .outside = keep_socket,
         .after = socket_after},
        {.name = "late-pinned-prog", .group = "late", .inside = pin_filter, .outside = keep_mount, .after = pin_after},
        {.name = "late-ring-token",
         .group = "late",
         .inside = ring_token,
         .outside = keep_ring,
         .after = ring_token_after},
        {.name = "late-ring-prog",
         .group = "late",
         .inside = ring_prog,
         .outside = keep_ring,
         .after = ring_prog_after},
        {.name = "late-ring-link",
         .group = "late",
         .inside = ring_link,
         .outside = keep_ring_and_socket,
         .after = socket_after},
        {.name = "late-threads", .group = "late", .outside = keep_threads, .after = threads_after},
        {.name = "late-sockmap-second",
         .group = "late",
         .inside = give_second_sockmap,
         .outside = keep_sockmap,
         .after = message_after},
        {.name = "late-timer", .group = "late", .inside = give_ticker, .outside = keep_map, .after = ticker_after},
        {.name = NULL},
};
