/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Out of the namespace: what was made inside, in the hands of a process of the same user that is not there. It counts
 * as escaped when it is of use there, not when a number has merely arrived.
 */

#include "escape.h"

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PIN "/sys/fs/bpf/escape"

/* ---- of use outside ---- */

enum result use_prog(struct play *play, int prog) {
        uint32_t type = object_number(prog, 0);
        int cgroup = open_cgroup(play, "root", O_RDONLY), link;

        if (object_id(prog) == 0)
                return say(play, BROKEN, "what has come is no program");
        link = make_link_at(prog, cgroup, type == PROG_CGROUP_SOCK ? AT_SOCK_CREATE : AT_EGRESS);
        if (link < 0)
                return refused(play, link, "link_create outside");
        return say(play, ESCAPED, "program %u came out, link %u on cgroup %llu", object_id(prog), object_id(link),
                   (unsigned long long) link_cgroup(link));
}

enum result use_token(struct play *play, int token) {
        int map =
                make_map_by(token, &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = 8, .entries = 1});

        return map < 0 ? refused(play, map, "map_create outside") :
                         say(play, ESCAPED, "the token came out, and made a map");
}

enum result use_link(struct play *play, int link) {
        uint64_t cgroup = link_cgroup(link);

        if (cgroup == 0)
                return say(play, BROKEN, "what has come is no link");
        return say(play, ESCAPED, "link %u of cgroup %llu came out", object_id(link), (unsigned long long) cgroup);
}

/* ---- made inside ---- */

int own_prog(struct play *play) {
        return load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
}

int own_link(struct play *play) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog = own_prog(play);

        return prog < 0 ? prog : make_link_at(prog, cgroup, AT_EGRESS);
}

enum result give_made(struct play *play, int fd, const char *what) {
        if (fd < 0)
                return say(play, BROKEN, "%s cannot be made: %s", what, strerror(-fd));
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}
static enum result give_prog(struct play *play) {
        return give_made(play, own_prog(play), "a program");
}
static enum result give_token(struct play *play) {
        return give_made(play, make_token(play), "a token");
}
static enum result give_link(struct play *play) {
        return give_made(play, own_link(play), "a link on the own subtree");
}

static enum result use_taken(struct play *play, use_function *use) {
        int fd, r;

        r = take(play, &fd);
        return r < 0 ? untaken(play, r, "SCM_RIGHTS") : use(play, fd);
}
static enum result take_prog(struct play *play) {
        return use_taken(play, use_prog);
}
static enum result take_token(struct play *play) {
        return use_taken(play, use_token);
}
static enum result take_link(struct play *play) {
        return use_taken(play, use_link);
}

/* ---- pidfd_getfd: the owner of the namespace may look into every process in it ---- */

/* It is always number 100, and the word to go on says that it is there. */
#define KNOWN_FD 100

static enum result show(struct play *play, int fd, const char *what) {
        if (fd < 0)
                return say(play, BROKEN, "%s cannot be made: %s", what, strerror(-fd));
        if (dup3(fd, KNOWN_FD, O_CLOEXEC) < 0)
                return say(play, BROKEN, "dup3: %s", strerror(errno));
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}
static enum result show_prog(struct play *play) {
        return show(play, own_prog(play), "a program");
}
static enum result show_token(struct play *play) {
        return show(play, make_token(play), "a token");
}
static enum result show_link(struct play *play) {
        return show(play, own_link(play), "a link on the own subtree");
}

static enum result use_fetched(struct play *play, use_function *use) {
        int fd, r;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "waiting");
        fd = pidfd_getfd_of(play->inside, KNOWN_FD);
        return fd < 0 ? refused(play, fd, "pidfd_getfd") : use(play, fd);
}
static enum result fetch_prog(struct play *play) {
        return use_fetched(play, use_prog);
}
static enum result fetch_token(struct play *play) {
        return use_fetched(play, use_token);
}
static enum result fetch_link(struct play *play) {
        return use_fetched(play, use_link);
}

/* ---- pins ---- */

enum result show_pin(struct play *play, int fd) {
        int r = fd < 0 ? fd : pin(fd, PIN);

        if (r < 0)
                return say(play, BROKEN, "pinning: %s", strerror(-r));
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}
static enum result pin_prog(struct play *play) {
        return show_pin(play, own_prog(play));
}
static enum result pin_link(struct play *play) {
        return show_pin(play, own_link(play));
}
static enum result use_pin(struct play *play, use_function *use) {
        enum result result;
        char path[100];
        int fd, r;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "waiting");
        (void) snprintf(path, sizeof(path), "/proc/%d/root%s", (int) play->inside, PIN);
        fd = get_pin(path);
        result = fd < 0 ? refused(play, fd, "obj_get") : use(play, fd);
        (void) unlink(path);
        return result;
}
enum result open_pinned_prog(struct play *play) {
        return use_pin(play, use_prog);
}

/* Opening a pinned link has no hook. It is of no use, though: what puts another program into it asks for one of the
 * delegation's, which cannot be had. */
static enum result open_pinned_link(struct play *play) {
        char path[100];
        int fd, r, prog;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "waiting");
        (void) snprintf(path, sizeof(path), "/proc/%d/root%s", (int) play->inside, PIN);
        fd = get_pin(path);
        if (fd < 0)
                return refused(play, fd, "obj_get");
        prog = open_id(OF_PROG, object_number(fd, 2));
        if (prog >= 0)
                return say(play, BROKEN, "and its program, too");
        return use_link(play, fd);
}

/* ---- a descriptor table that is inside and outside at once ---- */

static int joiner(void *argument) {
        struct play *play = argument;

        if (join(play) < 0)
                return 1;
        return make_token(play) >= 0 ? 0 : 2;
}

/* CLONE_FILES: the child joins and makes a token; being in one table, it is ours as well. */
static enum result companion(struct play *play) {
        static char stack[1 << 18] __attribute__((aligned(16)));
        int status, token;
        struct play *shared = play;
        pid_t pid;

        /* Its memory is its own: only the table is shared. The token is the lowest free descriptor. */
        token = dup(play->bpffs);
        (void) close(token);
        pid = clone(joiner, stack + sizeof(stack), CLONE_FILES | SIGCHLD, shared);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return say(play, BROKEN, "clone: %s", strerror(errno));
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 2)
                return say(play, REFUSED, "the companion joined but made no token");
        if (WEXITSTATUS(status) == 1)
                return say(play, REFUSED, "the companion cannot join with a shared table");
        /* join() closed what it had opened, the number below may be it or the next. */
        for (int fd = token; fd < token + 4; fd++)
                if (use_token(play, fd) == ESCAPED)
                        return ESCAPED;
        return say(play, BROKEN, "the companion made a token, which is not found here");
}

/* ---- /proc/PID/fd of a token ---- */

/* Only opened: reading the fdinfo of what comes is a NULL dereference in every kernel tried. */
static enum result open_at(struct play *play, const char *directory) {
        char path[64];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%d", directory, KNOWN_FD);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? refused(play, -errno, "opening /proc/PID/fd of a token") :
                        say(play, ESCAPED, "opened a token through /proc");
}

static enum result open_token(struct play *play) {
        char directory[32];
        int fd, r;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "waiting");
        (void) snprintf(directory, sizeof(directory), "/proc/%d/fd", (int) play->inside);
        return open_at(play, directory);
}

static enum result open_own_token(struct play *play) {
        int token = make_token(play);

        if (token < 0 || dup3(token, KNOWN_FD, O_CLOEXEC) < 0)
                return say(play, BROKEN, "a token cannot be made: %d", token);
        return open_at(play, "/proc/self/fd");
}

const struct vector outside_vectors[] = {
        {.name = "prog-scm", .group = "outside", .inside = give_prog, .outside = take_prog},
        {.name = "token-scm", .group = "outside", .inside = give_token, .outside = take_token},
        {.name = "link-scm", .group = "outside", .inside = give_link, .outside = take_link},
        {.name = "prog-pidfd-getfd", .group = "outside", .inside = show_prog, .outside = fetch_prog},
        {.name = "token-pidfd-getfd", .group = "outside", .inside = show_token, .outside = fetch_token},
        {.name = "link-pidfd-getfd", .group = "outside", .inside = show_link, .outside = fetch_link},
        {.name = "prog-pin-proc-root", .group = "outside", .inside = pin_prog, .outside = open_pinned_prog},
        {.name = "link-pin-proc-root", .group = "outside", .inside = pin_link, .outside = open_pinned_link},
        {.name = "clone-files", .group = "outside", .outside = companion},
        {.name = "token-proc-fd", .group = "outside", .inside = show_token, .outside = open_token},
        {.name = "token-proc-fd-inside", .group = "outside", .inside = open_own_token},
        {.name = NULL},
};
