/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Maker and anchor (ARCHITECTURE.md, "A login, step by step"). Two children and the helper pass one thing after
 * another over sockets, each step begun by a message of the one before:
 *
 *   maker   born in <root>, or moved there by the scope's job while it works; joins the nursery; becomes the user,
 *           keeping CAP_SYS_ADMIN alone; makes user, mount [and network]
 *           namespaces, so that their owner is the user                                            → STEP_NAMESPACES
 *   helper  maps one uid and one gid                                                               → GO
 *   maker   fsopen("bpf"): from here on the file system's user namespace is fixed                   → STEP_CONTEXT +
 *           context
 *   helper  sets the masks (the one act that needs CAP_SYS_ADMIN of the initial namespace), creates, mounts: it knows
 *   the
 *           superblock from its own descriptor, never from the maker's word; waits until the maker sits in <root>
 *                                                                                                  → GO + mount
 *   maker   puts the mount on its own /bpf; makes the cgroup namespace, rooted at <root>            → STEP_READY
 *   helper  opens the maker's namespaces; anchor, born in <root>/supervisor
 *   anchor  becomes the user, joins, drops everything                                              → STEP_ANCHORED
 *   helper  ends the maker, waits for its exit: done
 *
 * The user may stop or kill both from the moment they have the user's uid. That costs the user their own delegation,
 * at the latest at the deadline. The user cannot trace maker and anchor nor open anything of them: both are not
 * dumpable, and their memory belongs to the initial user namespace.
 */

#include "config.h"

#include "maker.h"

#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "file.h"
#include "sock.h"
#include "task.h"

#define CAP_BIT(c) (UINT64_C(1) << (c))

/* Steps of the children, in order; a step's message says that it is done, or that it failed. */
enum step {
        STEP_NURSERY,
        STEP_BECOME_USER,
        STEP_NAMESPACES,
        STEP_CONTEXT,
        STEP_MOUNT,
        STEP_NETWORK,
        STEP_CGROUP_NAMESPACE,
        STEP_READY,
        STEP_JOIN,
        STEP_ANCHORED,
        STEP_ALONE,
};

static const char *const step_words[] = {
        [STEP_NURSERY] = "joining the nursery",
        [STEP_BECOME_USER] = "becoming the user",
        [STEP_NAMESPACES] =
                "making the namespaces (are user namespaces switched off, or used up? user.max_user_namespaces)",
        [STEP_CONTEXT] = "opening a bpf file system",
        [STEP_MOUNT] = "mounting it (or systemd's scope, where it must sit by then)",
        [STEP_NETWORK] = "bringing up lo in the private network namespace",
        [STEP_CGROUP_NAMESPACE] = "making the cgroup namespace",
        [STEP_READY] = "finishing",
        [STEP_JOIN] = "joining the namespaces as anchor",
        [STEP_ANCHORED] = "finishing as anchor",
        [STEP_ALONE] = "the maker's exit",
};

/* ---- in the children ---- */

/* Waits for the helper's next word, with a descriptor if one is due. A closed channel ends the child. */
static int wait_for_helper(int channel) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct child_message message;

        if (sock_recv(channel, &message, sizeof(message), 1, &received) < 0)
                _exit(1);
        return received.fds[0];
}

/*
 * Raw system calls, because glibc's wrappers signal all threads and this is a child of clone3. Each change of uid
 * sets dumpable back and forgets PDEATHSIG, so those come last.
 */
static int become_user(uid_t uid, gid_t gid, uint64_t keep_caps) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
            syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
                return -errno;
        return sys_capset(keep_caps, keep_caps, 0);
}

static int hide(bool die_with_helper) {
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_SET_PDEATHSIG, die_with_helper ? SIGKILL : 0, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

/* Any socket will do for an interface's flags (netdevice(7)), and AF_UNIX is what the helper's unit permits. */
static int bring_up_lo(void) {
        struct ifreq ifr = {.ifr_name = "lo"};
        _cleanup_close_ int fd = -1;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
                return -errno;
        ifr.ifr_flags |= IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

/* fds: the nursery. */
static void maker_main(int channel, const int *fds, void *arg) {
        const struct maker_spec *spec = arg;
        int fd;

        child_must(channel, STEP_NURSERY, setns(fds[0], CLONE_NEWNS));
        (void) close(fds[0]);
        child_must(channel, STEP_BECOME_USER, become_user(spec->uid, spec->gid, CAP_BIT(CAP_SYS_ADMIN)));
        child_must(channel, STEP_BECOME_USER, hide(true));
        child_must(channel, STEP_NAMESPACES,
                   unshare(CLONE_NEWUSER | CLONE_NEWNS | (spec->private_network ? CLONE_NEWNET : 0)));
        child_must(channel, STEP_NAMESPACES, hide(true));
        child_send(channel, STEP_NAMESPACES, 0, -1);

        (void) wait_for_helper(channel); /* the maps are written */
        fd = sys_fsopen("bpf");
        child_must(channel, STEP_CONTEXT, fd);
        child_send(channel, STEP_CONTEXT, 0, fd);
        (void) close(fd);

        fd = wait_for_helper(channel);
        child_must(channel, STEP_MOUNT, sys_move_mount(fd, AT_FDCWD, MAKER_BPFFS));
        if (spec->private_network)
                child_must(channel, STEP_NETWORK, bring_up_lo());
        child_must(channel, STEP_CGROUP_NAMESPACE, unshare(CLONE_NEWCGROUP));
        child_send(channel, STEP_READY, 0, -1);
        (void) wait_for_helper(channel); /* keeps the namespaces until the anchor has them */
}

/* In the order in which they are joined: only inside the user namespace there are capabilities for the others. */
enum { NS_USER, NS_MNT, NS_CGROUP, NS_NET, NS_MAX };
static const struct {
        const char *name;
        int flag;
} namespaces[NS_MAX] = {
        [NS_USER] = {"ns/user", CLONE_NEWUSER},
        [NS_MNT] = {"ns/mnt", CLONE_NEWNS},
        [NS_CGROUP] = {"ns/cgroup", CLONE_NEWCGROUP},
        [NS_NET] = {"ns/net", CLONE_NEWNET},
};

struct anchor_spec {
        uid_t uid;
        gid_t gid;
};

/* fds: the namespaces (-1: none of this kind), and where its program is, or -1. */
static void anchor_main(int channel, const int *fds, void *arg) {
        const struct anchor_spec *spec = arg;
        sigset_t all;

        /* As the user, who owns the namespaces, and not as root: whatever might be done to this process from inside,
         * it has nothing of root's to give. Should the helper die from here on, its successor ends it with the
         * cgroup. */
        child_must(channel, STEP_BECOME_USER, become_user(spec->uid, spec->gid, 0));
        child_must(channel, STEP_BECOME_USER, hide(false));
        for (unsigned i = 0; i < NS_MAX; i++)
                if (fds[i] >= 0)
                        child_must(channel, STEP_JOIN, setns(fds[i], namespaces[i].flag));
        child_must(channel, STEP_JOIN, hide(false));
        child_must(channel, STEP_JOIN, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        child_must(channel, STEP_JOIN, sys_capset(0, 0, 0));
        child_must(channel, STEP_JOIN, chdir("/"));
        /* Not in the helper's session or process group, where a terminal's signals could reach it, and deaf to all
         * but SIGKILL and SIGSTOP. */
        (void) setsid();
        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        child_set_title("bpfdeleg-anchor");
        child_send(channel, STEP_ANCHORED, 0, -1);
        /* Behind the answer, for it takes as long as all before; where it fails, this sleeps as well, and is only
         * larger. */
        if (fds[NS_MAX] >= 0)
                (void) sys_execute_in(fds[NS_MAX], ANCHOR_PROGRAM);
        (void) syscall(SYS_close_range, 0U, ~0U, 0);
        for (;;)
                (void) pause();
}

/* ---- in the helper ---- */

struct maker {
        struct maker_spec spec;
        maker_done done;
        void *userdata;
        struct task maker, anchor;
        enum step next; /* the message that is due */
        int userns_fd;
        int mount_fd; /* made, and not sent yet: the maker does not sit in <root> */
};

/* The end of it, one way or the other. Nothing of `maker` may be touched after this. */
static int finish(struct maker *maker, int result, const char *why) {
        task_end(&maker->maker);
        task_forget(&maker->anchor);
        maker->done(maker->userdata, result, why);
        return 0;
}

static _printf_(3, 4) int finish_failed(struct maker *maker, int result, const char *format, ...) {
        struct errtext why;
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(why.s, sizeof(why.s), format, ap);
        va_end(ap);
        return finish(maker, result, why.s);
}

/* A step of the helper's that failed. The user may kill the maker at any moment, and what such a process lacks first,
 * its namespaces or its end of the socket, is not the cause. */
static int finish_step(struct maker *maker, int result, const char *step) {
        if (result == -ENOENT || result == -ESRCH || result == -EPIPE)
                return finish(maker, -ECHILD, "the maker was killed");
        return finish_failed(maker, result, "%s: %s", step, strerror(-result));
}

static int write_proc_file(int dirfd, const char *name, const char *format, unsigned id) {
        char value[64];

        (void) snprintf(value, sizeof(value), format, id, id);
        return file_write(dirfd, name, value);
}

/* One uid and one gid, mapped to themselves, and no way to drop groups that a file mode may deny something to
 * (user_namespaces(7)). */
static int write_maps(const struct maker *maker) {
        _cleanup_close_ int dirfd = -1;
        char path[32];
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d", (int) maker->maker.child.pid);
        dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dirfd < 0)
                return -errno;
        r = file_write(dirfd, "setgroups", "deny");
        if (r >= 0)
                r = write_proc_file(dirfd, "uid_map", "%u %u 1", maker->spec.uid);
        if (r >= 0)
                r = write_proc_file(dirfd, "gid_map", "%u %u 1", maker->spec.gid);
        return r;
}

static int say_go(const struct maker *maker, int fd) {
        struct child_message message = {.step = maker->next};

        return sock_send(maker->maker.child.channel, &message, sizeof(message), &fd, fd >= 0);
}

/* An empty mask is not set: each costs 160 us (a linear scan of BTF in the kernel), and 0 is what it is anyway. */
static int set_option(int fs_fd, const char *key, const char *format, uint64_t v) {
        char value[32];

        (void) snprintf(value, sizeof(value), format, (unsigned long long) v);
        return sys_fsconfig_string(fs_fd, key, value);
}

static const char *const mask_options[POLICY_AXES] = {
        [POLICY_CMDS] = "delegate_cmds",
        [POLICY_MAPS] = "delegate_maps",
        [POLICY_PROGS] = "delegate_progs",
        [POLICY_ATTACHS] = "delegate_attachs",
};

/* Makes the file system from the maker's context. Returns the mount's descriptor or -errno. */
static int make_bpffs(const struct maker_spec *spec, int fs_fd) {
        _cleanup_close_ int mount_fd = -1;
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < POLICY_AXES; i++)
                if (spec->masks[i] != 0)
                        r = set_option(fs_fd, mask_options[i], "0x%llx", spec->masks[i]);
        if (r >= 0)
                r = set_option(fs_fd, "uid", "%llu", spec->uid);
        if (r >= 0)
                r = set_option(fs_fd, "gid", "%llu", spec->gid);
        if (r >= 0)
                r = set_option(fs_fd, "mode", "%llo", spec->mode);
        if (r < 0)
                return r;
        mount_fd = sys_new_mount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return take_fd(&mount_fd);
        /* The context came over a socket: whatever it is, it must have become a bpffs. */
        if (sys_fs_magic(mount_fd) != BPF_FS_MAGIC)
                return -EPROTO;
        return TAKE_FD(mount_fd);
}

static int open_namespaces(const struct maker *maker, int ret[NS_MAX]) {
        for (unsigned i = 0; i < NS_MAX; i++) {
                if (i == NS_NET && !maker->spec.private_network)
                        continue;
                ret[i] = child_open_proc(&maker->maker.child, namespaces[i].name);
                if (ret[i] < 0)
                        return ret[i];
        }
        return 0;
}

/* 0, -errno, or -EPERM: users could read it. */
static int check_program(int dirfd) {
        struct stat st;

        if (fstatat(dirfd, ANCHOR_PROGRAM, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return S_ISREG(st.st_mode) && st.st_uid == 0 && (st.st_mode & 0777) == 0711 ? 0 : -EPERM;
}

/* For each anchor anew, as somebody may have changed its mode. Root can read it. */
static int usable_program(const struct maker_spec *spec) {
        return spec->anchor_dirfd >= 0 && spec->uid != 0 && check_program(spec->anchor_dirfd) == 0 ?
                       spec->anchor_dirfd :
                       -1;
}

static int start_anchor(struct maker *maker) {
        struct anchor_spec spec = {.uid = maker->spec.uid, .gid = maker->spec.gid};
        int fds[NS_MAX + 1] = {-1, -1, -1, -1, usable_program(&maker->spec)};
        _cleanup_close_ int supervisor_fd = -1;
        int r;

        supervisor_fd = cgroup_open_supervisor(maker->spec.cgroup);
        if (supervisor_fd < 0)
                return supervisor_fd;
        r = open_namespaces(maker, fds);
        if (r >= 0)
                r = task_start(&maker->anchor, supervisor_fd, anchor_main, &spec, fds, NS_MAX + 1);
        if (r >= 0)
                maker->userns_fd = TAKE_FD(fds[NS_USER]);
        for (unsigned i = 0; i < NS_MAX; i++)
                (void) close_fd(fds[i]);
        return r;
}

static int on_namespaces(struct maker *maker) {
        int r = write_maps(maker);

        if (r >= 0)
                r = say_go(maker, -1);
        if (r < 0)
                return finish_step(maker, r, "mapping uid and gid");
        maker->next = STEP_CONTEXT;
        return 0;
}

/* The next thing the maker does is to root its cgroup namespace where it sits. */
static int send_mount(struct maker *maker) {
        int r;

        r = maker->spec.made_mount(maker->userdata, maker->mount_fd);
        if (r < 0)
                return finish_failed(maker, r, "putting it under guard: %s", strerror(-r));
        r = say_go(maker, maker->mount_fd);
        maker->mount_fd = close_fd(maker->mount_fd);
        if (r < 0)
                return finish_step(maker, r, "sending the delegated bpf file system to the maker");
        maker->next = STEP_READY;
        return 0;
}

static int on_context(struct maker *maker, int fs_fd) {
        maker->mount_fd = make_bpffs(&maker->spec, fs_fd);
        if (maker->mount_fd < 0)
                return finish_failed(maker, maker->mount_fd,
                                     "making the delegated bpf file system (Linux 6.9 or later is needed): %s",
                                     strerror(-maker->mount_fd));
        maker->next = STEP_MOUNT;
        return maker->spec.cgroup ? send_mount(maker) : 0;
}

void maker_set_cgroup(struct maker *maker, const struct cgroup *cgroup) {
        maker->spec.cgroup = cgroup;
        if (maker->mount_fd >= 0)
                (void) send_mount(maker);
}

const struct child *maker_child(const struct maker *maker) {
        return &maker->maker.child;
}

static int on_ready(struct maker *maker) {
        int r = start_anchor(maker);

        if (r < 0)
                return finish_step(maker, r, "starting the anchor");
        maker->next = STEP_ANCHORED;
        return 0;
}

static int on_message(struct task *task) {
        struct maker *maker = task->userdata;
        bool anchor = task == &maker->anchor;
        _cleanup_close_ int got_fd = -1;
        struct child_message message;
        int r;

        r = child_recv(&task->child, &message, &got_fd);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                return finish_failed(maker, -ECHILD, "the %s was killed", anchor ? "anchor" : "maker");
        if (message.error < 0 && message.step < ELEMENTSOF(step_words))
                return finish_failed(maker, message.error, "%s: %s", step_words[message.step],
                                     strerror(-message.error));
        if (message.step != maker->next || anchor != (message.step == STEP_ANCHORED) ||
            (got_fd >= 0) != (message.step == STEP_CONTEXT))
                return finish_failed(maker, -EPROTO, "the %s said what it should not", anchor ? "anchor" : "maker");

        switch (maker->next) {
        case STEP_NAMESPACES:
                return on_namespaces(maker);
        case STEP_CONTEXT:
                return on_context(maker, got_fd);
        case STEP_READY:
                return on_ready(maker);
        case STEP_ANCHORED:
                /* Controllers can be enabled below <root> only when nobody is in it any more. */
                maker->next = STEP_ALONE;
                task_ignore(&maker->maker);
                task_ignore(&maker->anchor); /* it closes its end now */
                (void) sys_pidfd_send_signal(maker->maker.child.pidfd, SIGKILL);
                return 0;
        case STEP_NURSERY:
        case STEP_BECOME_USER:
        case STEP_MOUNT:
        case STEP_NETWORK:
        case STEP_CGROUP_NAMESPACE:
        case STEP_JOIN:
        case STEP_ALONE:
        default:
                return finish_failed(maker, -EPROTO, "out of step");
        }
}

static int on_exit_of_child(struct task *task) {
        struct maker *maker = task->userdata;

        if (maker->next == STEP_ALONE && task == &maker->maker)
                return finish(maker, 0, NULL);
        return finish_failed(maker, -ECHILD, "the %s was killed", task == &maker->anchor ? "anchor" : "maker");
}

static int on_deadline(struct task *task) {
        struct maker *maker = task->userdata;

        return finish_failed(maker, -ETIMEDOUT, "not done within %llu s, waiting for: %s",
                             (unsigned long long) (maker->spec.timeout_usec / USEC_PER_SEC), step_words[maker->next]);
}

int maker_start(struct maker **ret, sd_event *event, const struct maker_spec *spec, maker_done done, void *userdata,
                struct errtext *err) {
        static const struct task_callbacks callbacks = {
                .said = on_message,
                .exited = on_exit_of_child,
                .timed_out = on_deadline,
        };
        struct maker_spec own = *spec; /* the child's, on the stack */
        struct maker *maker;
        int r;

        maker = malloc(sizeof(*maker));
        if (!maker)
                return fail(err, -ENOMEM, "out of memory");
        *maker = (struct maker){
                .spec = *spec,
                .done = done,
                .userdata = userdata,
                .next = STEP_NAMESPACES,
                .userns_fd = -1,
                .mount_fd = -1,
                .maker = task_init(event, &callbacks, maker),
                .anchor = task_init(event, &callbacks, maker),
        };
        r = task_start(&maker->maker, spec->cgroup ? spec->cgroup->fd : -1, maker_main, &own, &own.nursery_fd, 1);
        if (r >= 0)
                r = task_limit(&maker->maker, spec->timeout_usec);
        if (r < 0) {
                maker_free(maker);
                return fail(err, r, "starting the maker: %s", strerror(-r));
        }
        *ret = maker;
        return 0;
}

void maker_take(struct maker *maker, struct child *ret_anchor, int *ret_userns_fd) {
        *ret_anchor = maker->anchor.child;
        maker->anchor.child = (struct child) CHILD_INIT;
        *ret_userns_fd = TAKE_FD(maker->userns_fd);
}

void maker_free(struct maker *maker) {
        if (!maker)
                return;
        task_end(&maker->maker);
        task_end(&maker->anchor);
        (void) close_fd(maker->userns_fd);
        (void) close_fd(maker->mount_fd);
        free(maker);
}

/* ---- the nursery ---- */

static int nursery_enter(const char *dir) {
        _cleanup_close_ int fs_fd = -1, mount_fd = -1;
        int r;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        fs_fd = sys_fsopen("tmpfs");
        if (fs_fd < 0)
                return take_fd(&fs_fd);
        r = sys_fsconfig_string(fs_fd, "mode", "0755");
        if (r < 0)
                return r;
        mount_fd = sys_new_mount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return take_fd(&mount_fd);
        r = sys_move_mount(mount_fd, AT_FDCWD, dir);
        if (r < 0)
                return r;
        /* pivot_root(".", "."): pivot_root(2). */
        if (fchdir(mount_fd) < 0 || mkdir(&MAKER_BPFFS[1], 0755) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
            umount2(".", MNT_DETACH) < 0 ||
            mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return -errno;
        return 0;
}

static void nursery_main(int channel, const int *fds, void *arg) {
        (void) fds;
        child_must(channel, STEP_NURSERY, nursery_enter(arg));
        child_send(channel, STEP_NURSERY, 0, -1);
        (void) wait_for_helper(channel);
}

int nursery_new(const char *dir, struct errtext *err) {
        struct child child = CHILD_INIT;
        struct child_message message = {.error = -ETIMEDOUT};
        int fd = -1, r;

        r = child_spawn(&child, -1, nursery_main, (void *) (uintptr_t) dir, NULL, 0);
        if (r < 0)
                return fail(err, r, "the nursery cannot be started: %s", strerror(-r));
        (void) poll((struct pollfd[]){{.fd = child.channel, .events = POLLIN}, {.fd = child.pidfd, .events = POLLIN}},
                    2, 5000);
        r = child_recv(&child, &message, &fd);
        if (r == -EAGAIN)
                r = sys_pidfd_exited(child.pidfd) ? -ECHILD : -ETIMEDOUT;
        (void) close_fd(fd);
        if (r >= 0)
                r = message.error;
        if (r >= 0)
                r = child_open_proc(&child, "ns/mnt");
        (void) sys_pidfd_send_signal(child.pidfd, SIGKILL);
        (void) waitid(P_PIDFD, (id_t) child.pidfd, &(siginfo_t){0}, WEXITED);
        child_done(&child, NULL);
        if (r < 0)
                return fail(err, r, "the nursery (a private mount namespace) cannot be made: %s", strerror(-r));
        return r;
}

/* ---- the anchor's program ---- */

int anchor_program_open(struct errtext *err) {
        _cleanup_close_ int fd = -1;
        char dir[PATH_MAX];
        int r;

        r = sys_own_dir(dir, sizeof(dir));
        if (r < 0)
                return fail(err, r, "bpfdelegd cannot tell where it is itself: %s", strerror(-r));
        fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : check_program(fd);
        if (r == -EPERM)
                return fail(err, r,
                            "%.200s/" ANCHOR_PROGRAM
                            " must be root's, with mode 0711: who can read a program can trace it",
                            dir);
        if (r < 0)
                return fail(err, r, "%.200s/" ANCHOR_PROGRAM ": %s", dir, strerror(-r));
        return TAKE_FD(fd);
}
