/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A user namespace inside the delegation, which anybody may make. In it every capability is there, but it is below the
 * delegation's, and a process in it is as much inside as any other. And a second bpffs, mounted there.
 */

#include "escape.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

static int put_line(const char *path, const char *line) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, line, strlen(line)) < 0 ? -errno : 0;
}

/* This process goes down, with its own ids. flags: CLONE_NEW… besides. */
static int go_below(int flags) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        char line[64];
        int r;

        if (unshare(CLONE_NEWUSER | flags) < 0)
                return -errno;
        r = put_line("/proc/self/setgroups", "deny");
        (void) snprintf(line, sizeof(line), "%u %u 1", gid, gid);
        if (r == 0)
                r = put_line("/proc/self/gid_map", line);
        (void) snprintf(line, sizeof(line), "%u %u 1", uid, uid);
        if (r == 0)
                r = put_line("/proc/self/uid_map", line);
        return r;
}

static enum result not_below(struct play *play, int r) {
        return say(play, BROKEN, "a user namespace below: %s", strerror(-r));
}

/* ---- the root cgroup from there: no capability is asked for with this type ---- */

static enum result link_from_below(struct play *play) {
        int prog = load_return(play, PROG_CGROUP_SOCK, AT_SOCK_CREATE, 1), target, link, r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = go_below(0);
        if (r < 0)
                return not_below(play, r);
        r = take(play, &target);
        if (r < 0)
                return untaken(play, r, "taking the root cgroup");
        link = make_link_at(prog, target, AT_SOCK_CREATE);
        if (link < 0)
                return refused(play, link, "link_create");
        return say(play, ESCAPED, "link %u on cgroup %llu", object_id(link), (unsigned long long) link_cgroup(link));
}

static int stay_there(void *argument) {
        (void) argument;
        (void) pause();
        return 0;
}

/* With a table that a sibling of before shares: nothing seen in it holds. */
static enum result link_from_below_shared(struct play *play) {
        static char stack[1 << 16] __attribute__((aligned(16)));
        enum result result;
        pid_t pid;

        pid = clone(stay_there, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);
        if (pid < 0)
                return say(play, BROKEN, "clone: %s", strerror(errno));
        result = link_from_below(play);
        (void) kill(pid, SIGKILL);
        return result;
}

/* ---- tokens ---- */

static enum result use_token_below(struct play *play) {
        int token = make_token(play), r;

        r = token < 0 ? token : go_below(0);
        return r < 0 ? not_below(play, r) : link_given(play);
}
static enum result make_token_below(struct play *play) {
        int r = go_below(0);

        return r < 0 ? not_below(play, r) : link_given(play);
}

/* ---- a second bpffs, in a namespace whose mounts are ours to make ---- */

static int mount_second(void) {
        int r = go_below(CLONE_NEWNS);

        return r == 0 && mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0 ? -errno : r;
}

static enum result make_token_of_second(struct play *play) {
        int r = mount_second();

        if (r < 0)
                return refused(play, r, "mount of a second bpffs");
        play->bpffs = open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return link_given(play);
}

static enum result pin_in_second(struct play *play) {
        int prog = own_prog(play), r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = mount_second();
        return r < 0 ? refused(play, r, "mount of a second bpffs") : show_pin(play, prog);
}

/* ---- and what is theirs works ---- */

static enum result own_below(struct play *play) {
        struct link_wish wish = {.attach_type = AT_XDP, .target = 1 /* lo */, .flags = 2};
        int prog = load_return(play, PROG_XDP, AT_XDP, 2), link, r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = go_below(CLONE_NEWNET);
        if (r < 0)
                return not_below(play, r);
        wish.prog = (uint32_t) prog;
        link = make_link(&wish);
        if (link < 0)
                return refused(play, link, "link_create");
        return say(play, ESCAPED, "link %u in a network of a namespace below", object_id(link));
}

const struct vector nested_vectors[] = {
        {.name = "cgroup-nested", .group = "nested", .inside = link_from_below, .outside = give_root},
        {.name = "cgroup-nested-shared", .group = "nested", .inside = link_from_below_shared, .outside = give_root},
        {.name = "token-nested-use", .group = "nested", .inside = use_token_below, .outside = give_root},
        {.name = "token-nested-create", .group = "nested", .inside = make_token_below, .outside = give_root},
        {.name = "token-second-bpffs", .group = "nested", .inside = make_token_of_second, .outside = give_root},
        {.name = "prog-second-bpffs", .group = "nested", .inside = pin_in_second, .outside = open_pinned_prog},
        {.name = "own-nested-network", .group = "own-nested", .inside = own_below},
        {.name = NULL},
};
