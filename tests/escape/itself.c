/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The guard itself: more of everything than it can count, and its maps, links and programs in the hands of the one
 * that they are there to hold. itself.sh says what is the guard's, in $ESCAPE_GUARD and more.
 */

#include "escape.h"

#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- numbers ---- */

#define MANY_TOKENS 2000
#define CHURNED_TOKENS 100000
#define CHURNED_LINKS 2000

static void take_all_descriptors(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int another_token(struct play *play) {
        play->token = -1;
        return make_token(play);
}

/* What is closed is counted until the kernel has freed it, some time later. */
static int token_in_turn(struct play *play) {
        int token = another_token(play);

        for (unsigned i = 0; token == -EPERM && i < 1000; i++) {
                (void) usleep(10000);
                token = another_token(play);
        }
        return token;
}

/* As many as there are descriptors for. Where there is a limit it counts those that live: one less, and one more is
 * given. */
static enum result many_tokens(struct play *play) {
        int token = -1, last = -1;
        unsigned n;

        take_all_descriptors();
        for (n = 0; n < MANY_TOKENS; n++) {
                token = another_token(play);
                if (token < 0)
                        break;
                last = token;
        }
        if (n == MANY_TOKENS)
                return say(play, ESCAPED, "%u tokens", n);
        if (token != -EPERM)
                return say(play, BROKEN, "after %u tokens: %s", n, strerror(-token));
        (void) close(last);
        if (token_in_turn(play) < 0)
                return say(play, BROKEN, "after %u tokens none is given in the place of one that was closed", n);
        return say(play, REFUSED, "after %u tokens: %s", n, strerror(-token));
}

static int one_link(struct play *play, int cgroup) {
        int prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), link;

        if (prog < 0)
                return prog;
        link = make_link_at(prog, cgroup, AT_EGRESS);
        (void) close(prog);
        if (link >= 0)
                (void) close(link);
        return link;
}

/* One after the other: nothing of it may stay in the guard's maps, or they would be full one day. */
static enum result churn(struct play *play) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        for (unsigned i = 0; i < CHURNED_TOKENS; i++) {
                r = token_in_turn(play);
                if (r >= 0 && i % (CHURNED_TOKENS / CHURNED_LINKS) == 0)
                        r = one_link(play, cgroup);
                if (r < 0)
                        return refused(play, r, "a token, or a program and a link");
                (void) close(play->token);
        }
        return say(play, ESCAPED, "%d tokens, %d programs and links", CHURNED_TOKENS, CHURNED_LINKS);
}

/* ---- hundreds of links, all of which the end must find ---- */

#define LINKS_EACH 64 /* the kernel's limit for one cgroup and attach type */

struct many {
        uint32_t type, attach_type;
};
static const struct many many[] = {
        {PROG_CGROUP_SKB, AT_EGRESS}, {PROG_CGROUP_SKB, AT_INGRESS}, {PROG_CGROUP_SOCK_ADDR, AT_INET4_CONNECT},
        {PROG_CGROUP_SOCK_ADDR, 11},  {PROG_CGROUP_SOCK_ADDR, 14},   {PROG_CGROUP_SOCK_ADDR, 19},
        {PROG_CGROUP_SOCK_ADDR, 20},  {PROG_CGROUP_SOCK_ADDR, 29},   {PROG_CGROUP_SOCK_ADDR, 30},
        {PROG_CGROUP_SOCK_ADDR, 31},  {PROG_CGROUP_SOCK_ADDR, 32},
};
#define N_LINKS (ELEMENTSOF(many) * LINKS_EACH)

static int pin_many(struct play *play, const struct many *one, int cgroup, unsigned from) {
        int prog = load_return(play, one->type, one->attach_type, 1), link, r = 0;
        char path[64];

        for (unsigned i = 0; prog >= 0 && r == 0 && i < LINKS_EACH; i++) {
                link = make_link_at(prog, cgroup, one->attach_type);
                (void) snprintf(path, sizeof(path), "/sys/fs/bpf/many%u", from + i);
                r = link < 0 ? link : pin(link, path);
                (void) close_fd(link);
                /* The same program twice is refused, with a link too. */
                if (r == 0) {
                        (void) close(prog);
                        prog = load_return(play, one->type, one->attach_type, 1);
                }
        }
        (void) close_fd(prog);
        return prog < 0 ? prog : r;
}

static enum result give_many(struct play *play) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        for (unsigned i = 0; r == 0 && i < ELEMENTSOF(many); i++)
                r = pin_many(play, &many[i], cgroup, i * LINKS_EACH);
        if (r < 0)
                return refused(play, r, "many links");
        /* It keeps the cgroup, and so what is attached to it. */
        return give(play, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ? BROKEN : UNDECIDED;
}
static enum result keep_many(struct play *play) {
        int fd, r = take(play, &fd);

        return r < 0 ? untaken(play, r, "a socket") : say(play, ESCAPED, "has a socket, and the mount");
}
static enum result many_after(struct play *play) {
        unsigned attached = 0, opened = 0;
        char path[64];
        int link;

        for (unsigned i = 0; i < N_LINKS; i++) {
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/many%u", play->bpffs, i);
                link = get_pin(path);
                opened += link >= 0;
                attached += link >= 0 && link_cgroup(link) != 0;
                (void) close_fd(link);
        }
        return attached > 0 ? say(play, ESCAPED, "%u of %zu links are still attached", attached, N_LINKS) :
                              say(play, REFUSED, "none of %zu links is attached any more, %u could be opened", N_LINKS,
                                  opened);
}

/* ---- a helper that is dead when it is needed ---- */

/* More refusals than the ring that reports them can hold, and nobody reads it. */
#define REPORTS 4000

static int fill_reports(struct play *play) {
        struct bpf_insn insns[] = {CALL(DO_GET_TASK), MOV(0, 0), EXIT};
        int r = -EPERM;

        for (unsigned i = 0; i < REPORTS && r == -EPERM; i++)
                r = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        return r;
}

static enum result link_unheard(struct play *play) {
        int fd, prog, link;

        if (take(play, &fd) < 0)
                return BROKEN;
        if (fill_reports(play) >= 0)
                return say(play, ESCAPED, "a program that calls what is not allowed was loaded");
        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, fd, AT_EGRESS);
        return link < 0 ? refused(play, link, "link_create") :
                          say(play, ESCAPED, "link %u on the root cgroup", object_id(link));
}
static enum result be_ready(struct play *play) {
        return say(play, ESCAPED, "inside");
}
static enum result root_after(struct play *play) {
        enum result result = give_root(play);
        int fd;

        return result == UNDECIDED ? untaken(play, take(play, &fd), "waiting for the result") : result;
}

/* ---- what is the guard's ---- */

struct pry {
        char opened[400], closed[400];
        unsigned n;
};

/* r: what came of one way. A descriptor is closed. */
static void way(struct pry *pry, const char *name, int r) {
        char *list = r < 0 ? pry->closed : pry->opened;
        size_t used = strlen(list), size = r < 0 ? sizeof(pry->closed) : sizeof(pry->opened);

        (void) snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", name);
        pry->n++;
        if (r > 2)
                (void) close(r);
}

static int outcome(int r) {
        return r < 0 ? -errno : r;
}

static const char *in_guard(const char *name) {
        static char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", getenv("ESCAPE_GUARD"), name);
        return path;
}

static uint32_t number(const char *variable) {
        const char *text = getenv(variable);

        return text ? (uint32_t) strtoul(text, NULL, 10) : 0;
}

static int overwrite(int map) {
        static const char value[4096];

        return map < 0 ? map : map_put(map, 0, value);
}

static void pry_pins(struct pry *pry) {
        way(pry, "opening the pinned map", get_pin(in_guard("delegations")));
        way(pry, "writing to it", overwrite(get_pin(in_guard("delegations"))));
        way(pry, "opening the pinned link", get_pin(in_guard("guard_bpf")));
        way(pry, "detaching it", detach_link(get_pin(in_guard("guard_bpf"))));
        way(pry, "moving the pin", outcome(rename(in_guard("guard_bpf"), in_guard("guard_bpf"))));
        way(pry, "listing the pins", outcome(open(getenv("ESCAPE_GUARD"), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
        way(pry, "removing the pin", outcome(unlink(in_guard("guard_bpf"))));
}

static void pry_ids(struct pry *pry) {
        way(pry, "opening the map by its number", open_id(OF_MAP, number("ESCAPE_MAP_ID")));
        way(pry, "writing to that", overwrite(open_id(OF_MAP, number("ESCAPE_MAP_ID"))));
        way(pry, "opening the program by its number", open_id(OF_PROG, number("ESCAPE_PROG_ID")));
        way(pry, "opening the link by its number", open_id(OF_LINK, number("ESCAPE_LINK_ID")));
        way(pry, "detaching that", detach_link(open_id(OF_LINK, number("ESCAPE_LINK_ID"))));
}

static void pry_helper(struct pry *pry) {
        pid_t pid = (pid_t) number("ESCAPE_HELPER");
        char path[64];

        way(pry, "fetching its descriptors", pidfd_getfd_of(pid, 0));
        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        way(pry, "listing its descriptors", outcome(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
        (void) snprintf(path, sizeof(path), "/proc/%d/mem", (int) pid);
        way(pry, "opening its memory", outcome(open(path, O_RDWR | O_CLOEXEC)));
        way(pry, "tracing it", outcome((int) ptrace(PTRACE_SEIZE, pid, NULL, NULL)));
}

static enum result pry(struct play *play) {
        struct pry all = {.n = 0};

        if (!getenv("ESCAPE_GUARD") || number("ESCAPE_HELPER") == 0)
                return say(play, BROKEN, "$ESCAPE_GUARD or $ESCAPE_HELPER is not set");
        pry_helper(&all);
        pry_pins(&all);
        pry_ids(&all);
        if (all.opened[0])
                return say(play, ESCAPED, "%s%s%s", all.opened, all.closed[0] ? "; but not " : "", all.closed);
        return say(play, REFUSED, "all %u ways", all.n);
}

static enum result pry_joined(struct play *play) {
        int r = join(play);

        return r < 0 ? refused(play, r, "joining") : pry(play);
}

/* For the test: with root's powers every way is open, on things of the same kind. */
int pry_as_root(void) {
        struct play play = {.bpffs = -1, .token = -1};
        enum result result = pry(&play);

        printf("%s: %s\n", result == ESCAPED ? "escaped" : result == REFUSED ? "refused" : "broken", play.said);
        return (int) result;
}

const struct vector itself_vectors[] = {
        {.name = "many-tokens", .group = "itself", .inside = many_tokens},
        {.name = "own-churn", .group = "own-churn", .inside = churn},
        {.name = "late-many-links", .group = "late", .inside = give_many, .outside = keep_many, .after = many_after},
        {.name = "helper-dead", .group = "helper", .inside = link_unheard, .outside = be_ready, .after = root_after},
        {.name = "pry-session", .group = "pry", .outside = pry},
        {.name = "pry-inside", .group = "pry", .inside = pry},
        {.name = "pry-joined", .group = "pry", .outside = pry_joined},
        {.name = NULL},
};
