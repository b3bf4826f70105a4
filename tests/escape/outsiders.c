/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Those who have BPF without us, while a delegation is there: they do from threads, and with descriptors that others
 * have sent, just what a delegation's user may not. Started by root; see outsiders.sh.
 */

#include "escape.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sysapi.h"

static void *sleep_on(void *unused) {
        (void) unused;
        for (;;)
                (void) pause();
        return NULL;
}

static int fails(const char *what, int r, const struct play *play) {
        printf("broken: %s: %s %s\n", what, strerror(-r), play->said);
        return BROKEN;
}

/* Everything that is judged by its descriptors, from a table that is shared. *ret_prog stays open. */
static int use(struct play *play, const char *dir, int *ret_prog) {
        static const uint8_t packet[64] = {[12] = 8, [14] = 0x45};
        int cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), link, r;
        struct run_wish wish = {.data = packet, .size = sizeof(packet), .repeat = 1};
        pthread_t thread;

        if (pthread_create(&thread, NULL, sleep_on, NULL) != 0)
                return fails("a thread", -EAGAIN, play);
        *ret_prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (*ret_prog < 0)
                return fails("load", *ret_prog, play);
        link = make_link_at(*ret_prog, cgroup, AT_EGRESS);
        if (link < 0)
                return fails("link_create", link, play);
        r = update_link(link, *ret_prog);
        if (r < 0)
                return fails("link_update", r, play);
        (void) close(link);
        r = attach(*ret_prog, cgroup, AT_EGRESS, 2 /* BPF_F_ALLOW_MULTI */);
        if (r == 0)
                r = detach(*ret_prog, cgroup, AT_EGRESS);
        if (r < 0)
                return fails("prog_attach", r, play);
        wish.prog = load_return(play, PROG_XDP, AT_XDP, 2);
        r = wish.prog < 0 ? wish.prog : test_run(&wish);
        return r < 0 ? fails("load or test_run of xdp", r, play) : 0;
}

/* By capabilities of the initial user namespace, which setpriv has given us. */
int outsider(const char *dir) {
        struct play play = {.bpffs = -1, .token = -1};
        int prog, r = use(&play, dir, &prog);

        if (r == 0)
                printf("works: link, update, attach, test_run from threads\n");
        return r;
}

/* ---- a bpffs that root delegates by hand, in a user namespace that root has made ---- */

static int tell(int peer, int fd) {
        return sock_send(peer, "", 1, &fd, fd >= 0);
}
static int hear(int peer) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        char byte;
        int r = sock_recv(peer, &byte, 1, 1, &received);

        return r < 0 ? r : received.n_fds > 0 ? received.fds[0] : 0;
}

static int be_inside(int peer, const char *dir) {
        struct play play = {.token = -1};
        int fs, mount_fd, prog, r;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || tell(peer, -1) < 0 || hear(peer) < 0 ||
            setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return fails("a user namespace", -errno, &play);
        fs = sys_fsopen("bpf");
        if (fs < 0 || tell(peer, fs) < 0 || hear(peer) < 0)
                return fails("fsopen", fs, &play);
        mount_fd = sys_fsmount(fs, 0);
        play.bpffs = mount_fd < 0 ? mount_fd : openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (play.bpffs < 0)
                return fails("fsmount", play.bpffs, &play);
        r = use(&play, dir, &prog);
        if (r == 0 && (tell(peer, play.token) < 0 || tell(peer, prog) < 0))
                return fails("sending token and program", -errno, &play);
        return r;
}

static int write_map(pid_t pid, const char *name, uint32_t id) {
        char path[64], text[32];
        int fd, r = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        (void) snprintf(text, sizeof(text), "0 %u 1", id);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                r = -errno;
        (void) close_fd(fd);
        return r;
}

static int delegate(int fs) {
        static const char *const keys[] = {"delegate_cmds", "delegate_maps", "delegate_progs", "delegate_attachs"};
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTSOF(keys); i++)
                r = sys_fsconfig_string(fs, keys[i], "any");
        return r == 0 ? sys_fsconfig_create(fs) : r;
}

/* As that user, who is in no namespace of anybody's: what others send him is his. Of use is the token only where it
 * was made. */
static int receive(int peer, uint32_t uid) {
        struct play play = {.token = -1};
        int token, prog;

        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                return fails("becoming the user", -errno, &play);
        token = hear(peer);
        prog = token < 0 ? token : hear(peer);
        if (prog < 0)
                return fails("receiving token and program", prog, &play);
        if (object_id(prog) == 0)
                return fails("the program that came", -EBADF, &play);
        printf("works: all of it by a token of root's; it came out, and program %u too\n", object_id(prog));
        return 0;
}

int foreign(const char *user, const char *dir) {
        struct play play = {.token = -1};
        uint32_t uid = (uint32_t) atoi(user);
        int pair[2], r, fs;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return fails("socketpair", -errno, &play);
        pid = fork();
        if (pid == 0)
                exit(prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || be_inside(pair[1], dir) != 0);
        (void) close(pair[1]);
        r = pid < 0 ? -errno : hear(pair[0]);
        if (r >= 0)
                r = write_map(pid, "uid_map", uid);
        if (r >= 0)
                r = write_map(pid, "gid_map", uid);
        if (r >= 0)
                r = tell(pair[0], -1);
        fs = r < 0 ? r : hear(pair[0]);
        r = fs < 0 ? fs : delegate(fs);
        if (r >= 0)
                r = tell(pair[0], -1);
        if (r < 0)
                return fails("delegating by hand", r, &play);
        r = receive(pair[0], uid);
        (void) close(pair[0]);
        return waitpid(pid, NULL, 0) < 0 ? BROKEN : r;
}
