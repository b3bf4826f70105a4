/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * BPF_PROG_DETACH, which asks for no capability, and for no program where the attachment was made without
 * BPF_F_ALLOW_MULTI. What is on the own subtree, taken off by processes that are not in the delegation; and what is an
 * admin's, by those that are. See detach.sh.
 */

#include "escape.h"

#include <pthread.h>

#define NO_PROG (-1)

static void *sleep_on(void *unused) {
        (void) unused;
        for (;;)
                (void) pause();
        return NULL;
}

static int share_table(void) {
        pthread_t thread;

        return -pthread_create(&thread, NULL, sleep_on, NULL);
}

static int open_dir(const char *path) {
        int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        return fd < 0 ? -ENOENT : fd;
}

static enum result take_off(struct play *play, int cgroup, bool shared) {
        int r = shared ? share_table() : 0;

        if (cgroup < 0 || r < 0)
                return say(play, BROKEN, "the cgroup, or a thread: %s", strerror(r < 0 ? -r : -cgroup));
        r = detach(NO_PROG, cgroup, AT_EGRESS);
        return r < 0 ? refused(play, r, "prog_detach") : say(play, ESCAPED, "detached without naming a program");
}

/* ---- what is the delegation's own ---- */

/* Inside: attaches it as bpftool does, and takes it off itself when the other has tried. */
static enum result attach_own(struct play *play) {
        int cgroup = open_dir("/sys/fs/cgroup"), prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), fd, r;

        r = prog < 0 ? prog : attach(prog, cgroup, AT_EGRESS, 0);
        if (r < 0)
                return refused(play, r, "prog_attach");
        if (give(play, -1) < 0 || take(play, &fd) < 0)
                return BROKEN;
        (void) detach(prog, cgroup, AT_EGRESS);
        return UNDECIDED;
}

static enum result detach_other(struct play *play, bool shared) {
        enum result result;
        int fd, r;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "waiting");
        result = take_off(play, open_cgroup(play, "own", O_RDONLY), shared);
        return give_on(play) < 0 ? BROKEN : result;
}
static enum result detach_outside(struct play *play) {
        return detach_other(play, false);
}
static enum result detach_outside_shared(struct play *play) {
        return detach_other(play, true);
}

/* Inside: attaches it, and stays. */
static enum result stay_attached(struct play *play) {
        int cgroup = open_dir("/sys/fs/cgroup"), prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), r;

        r = prog < 0 ? prog : attach(prog, cgroup, AT_EGRESS, 0);
        return r < 0 ? refused(play, r, "prog_attach") : say(play, ESCAPED, "attached without a link");
}

/* ---- what is an admin's ---- */

/* With a program of one's own: the kernel does not look at which is named. */
static enum result detach_path(struct play *play, const char *path) {
        int cgroup = open_dir(path), prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), r;

        if (cgroup < 0 || prog < 0)
                return say(play, BROKEN, "%s, or a program: %s", path ?: "no path",
                           strerror(cgroup < 0 ? -cgroup : -prog));
        r = detach(prog, cgroup, AT_EGRESS);
        return r < 0 ? refused(play, r, "prog_detach") : say(play, ESCAPED, "detached the admin's by naming another");
}
static enum result detach_admins(struct play *play) {
        return detach_path(play, "/sys/fs/cgroup");
}
static enum result detach_elsewhere(struct play *play) {
        return detach_path(play, getenv("ESCAPE_ELSEWHERE"));
}
static enum result replace_admins(struct play *play) {
        int cgroup = open_dir("/sys/fs/cgroup"), prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1), r;

        r = prog < 0 ? prog : attach(prog, cgroup, AT_EGRESS, 0);
        return r < 0 ? refused(play, r, "prog_attach") : say(play, ESCAPED, "put in the place of the admin's");
}
const struct vector detach_vectors[] = {
        {.name = "detach-outside", .group = "detach", .inside = attach_own, .outside = detach_outside},
        {.name = "detach-outside-threads", .group = "detach", .inside = attach_own, .outside = detach_outside_shared},
        {.name = "detach-admins", .group = "detach-alone", .inside = detach_admins},
        {.name = "detach-replace", .group = "detach-alone", .inside = replace_admins},
        {.name = "detach-elsewhere", .group = "detach-alone", .inside = detach_elsewhere},
        {.name = "stay-attached", .group = "detach-alone", .inside = stay_attached},
        {.name = NULL},
};

/* ---- by whoever starts this ---- */

int detach_as_anybody(const char *where, bool shared) {
        struct play play = {.bpffs = -1, .token = -1};
        enum result result = take_off(&play, open_dir(where), shared);

        printf("%s: %s\n", result == ESCAPED ? "escaped" : result == REFUSED ? "refused" : "broken", play.said);
        return (int) result;
}

/* As an admin may, without a link. */
int attach_as_admin(const char *where) {
        struct play play = {.bpffs = -1, .token = -1};
        int cgroup = open_dir(where), prog = load_return(&play, PROG_CGROUP_SKB, AT_EGRESS, 1), r;

        r = prog < 0 ? prog : attach(prog, cgroup, AT_EGRESS, 0);
        if (r < 0)
                fprintf(stderr, "escape: attaching to %s: %s %s\n", where, strerror(-r), play.said);
        return r < 0 ? BROKEN : 0;
}
