/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfdeleg run: has itself moved into the delegation by the helper, joins its namespaces, and becomes the command.
 * Nothing of the tool is left then: working directory, terminal, signals and exit status are the command's own. What is
 * left beside it is the attach proxy (proxy.h).
 *
 * no_new_privs comes first: the helper moves no process without it, because a setuid program in the delegated cgroup
 * would run under the user's own BPF programs.
 */

#include "config.h"

#include <getopt.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

#include "cmd.h"
#include "proxy.h"
#include "sysapi.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"

/* What the command finds at /sys/fs/cgroup: cgroup2 with the subtree as its root. Older mounts there, and their
 * siblings, are covered. */
static int mount_cgroup2(void) {
        _cleanup_close_ int fs_fd = -1, mount_fd = -1;

        fs_fd = sys_fsopen("cgroup2");
        if (fs_fd < 0)
                return take_fd(&fs_fd);
        mount_fd = sys_new_mount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return take_fd(&mount_fd);
        return sys_move_mount(mount_fd, AT_FDCWD, CGROUP_MOUNT);
}

/* Ambient, because exec by another uid than 0 drops all others (capabilities(7)). */
static int keep_capabilities(uint64_t caps) {
        int r;

        r = sys_capset(caps, caps, caps);
        for (unsigned cap = 0; r >= 0 && cap < 64; cap++)
                if (((caps >> cap) & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
                        r = -errno;
        return r;
}

/* The user namespace first: it is what gives the right to all that follows. */
static int join_namespaces(const struct proto_entered *entered, const struct sock_received *received) {
        static const struct {
                int flag;
                const char *name;
        } namespaces[] = {
                [PROTO_ENTERED_FD_USER] = {CLONE_NEWUSER, "user"},
                [PROTO_ENTERED_FD_CGROUP] = {CLONE_NEWCGROUP, "cgroup"},
                [PROTO_ENTERED_FD_MOUNT] = {0, NULL}, /* a mount, not a namespace */
                [PROTO_ENTERED_FD_NETWORK] = {CLONE_NEWNET, "network"},
        };
        size_t n = entered->flags & PROTO_ENTERED_NETWORK ? PROTO_ENTERED_FD_NETWORK + 1 : PROTO_ENTERED_FD_CGROUP + 1;

        for (size_t i = 0; i < n; i++)
                if (namespaces[i].flag && setns(received->fds[i], namespaces[i].flag) < 0) {
                        int r = -errno;

                        cmd_error("cannot join the %s namespace: %s", namespaces[i].name, strerror(-r));
                        return r;
                }
        return 0;
}

/* One can do without it, unless the program has threads. */
static void start_proxy(struct proxy *proxy) {
        int r = proxy_start(proxy);

        if (r < 0)
                cmd_error(
                        "the attach proxy cannot be started: %s; going on without it: programs with threads can load, "
                        "but may be refused to attach",
                        strerror(-r));
}

/* Last, because it is in force for all that follows. */
static int hook_proxy(struct proxy *proxy) {
        int r;

        if (proxy->fd < 0)
                return 0;
        r = proxy_hook(proxy);
        proxy_done(proxy);
        if (r == PROXY_LOST) {
                cmd_error("the attach proxy has gone before it was used, and without it nothing can be attached any "
                          "more; "
                          "run the command again, or with --no-proxy");
                return -ESRCH;
        }
        if (r < 0)
                cmd_error("the attach proxy cannot be used: %s%s; going on without it: programs with threads can load, "
                          "but "
                          "may be refused to attach",
                          strerror(-r), r == -EBUSY ? " (there is another seccomp listener above)" : "");
        return 0;
}

static int go_in(const struct proto_entered *entered, const struct sock_received *received, struct proxy *proxy) {
        int r;

        r = join_namespaces(entered, received);
        if (r < 0)
                return r;
        /* A copy of the caller's own mount namespace: what is mounted now is seen by the command alone, and goes with
         * it. */
        if (unshare(CLONE_NEWNS) < 0) {
                r = -errno;
                cmd_error("cannot make a mount namespace: %s", strerror(-r));
                return r;
        }
        r = sys_move_mount(received->fds[PROTO_ENTERED_FD_MOUNT], AT_FDCWD, entered->path);
        if (r < 0) {
                cmd_error("cannot mount the delegated bpffs on %s: %s", entered->path, strerror(-r));
                return r;
        }
        r = mount_cgroup2();
        if (r < 0) {
                cmd_error("cannot mount the delegated cgroup subtree on %s: %s", CGROUP_MOUNT, strerror(-r));
                return r;
        }
        if (proxy)
                start_proxy(proxy);
        r = keep_capabilities(entered->caps);
        if (r < 0)
                cmd_error("cannot keep the delegated capabilities: %s", strerror(-r));
        else if (setenv("LIBBPF_BPF_TOKEN_PATH", entered->path, true) < 0) {
                r = -errno;
                cmd_error("cannot set LIBBPF_BPF_TOKEN_PATH: %m");
        }
        return r;
}

/* Asks the helper. Says why not. */
static int enter(const char *socket, struct proto_entered *ret, struct sock_received *received) {
        struct proto_enter request = PROTO_INIT(PROTO_ENTER);
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        union proto_message answer;
        size_t want;
        int r;

        r = cmd_cookie(&request.cookie);
        if (r >= 0)
                r = cmd_connect(socket, CMD_TIMEOUT_USEC, &client);
        if (r < 0)
                return r;
        r = client_send(&client, &request);
        if (r >= 0)
                r = client_receive(&client, &answer, PROTO_ENTERED_FDS_MAX, received);
        if (r >= 0 && answer.head.type != PROTO_ENTERED)
                r = -EBADMSG;
        if (r < 0) {
                cmd_error("not possible: %s", cmd_no_answer(r));
                return r;
        }
        if (answer.entered.result < 0) {
                cmd_error("not possible: %s", answer.entered.text);
                return answer.entered.result;
        }
        want = answer.entered.flags & PROTO_ENTERED_INSIDE ? 0 : answer.entered.flags & PROTO_ENTERED_NETWORK ? 4 : 3;
        if (received->n_fds != want) {
                cmd_error("not possible: %s", cmd_no_answer(-EBADMSG));
                return -EBADMSG;
        }
        *ret = answer.entered;
        return 0;
}

static int become(char **command) {
        int e;

        (void) execvp(command[0], command);
        e = errno;
        cmd_error("%s: %s", command[0], strerror(e));
        return e == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int go_in_with(const struct proto_entered *entered, const struct sock_received *received, bool with_proxy) {
        _cleanup_(proxy_done) struct proxy proxy = PROXY_INIT;
        int r;

        r = go_in(entered, received, with_proxy ? &proxy : NULL);
        return r < 0 ? r : hook_proxy(&proxy);
}

static const char usage[] =
        "Usage: bpfdeleg run [--no-proxy] [--] CMD…\n"
        "Runs CMD with the BPF that was delegated to this login: its token at /sys/fs/bpf, its cgroup subtree at\n"
        "/sys/fs/cgroup.\n"
        "  --no-proxy   without the attach proxy: CMD can have a seccomp listener of its own, and attaches only from\n"
        "               processes with one thread\n"
        "Exit status: CMD's own; 125 not possible, 126 CMD not executable, 127 CMD not found.\n";

int cmd_run(int argc, char **argv, const char *socket) {
        static const struct option longs[] = {{"no-proxy", no_argument, NULL, 'n'},
                                              {"help", no_argument, NULL, 'h'},
                                              {NULL, 0, NULL, 0}};
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct proto_entered entered = {.result = 0};
        bool with_proxy = true;
        int c, r;

        optind = 0; /* glibc: start anew, on the subcommand's arguments */
        while ((c = getopt_long(argc, argv, "+", longs, NULL)) >= 0)
                switch (c) {
                case 'n':
                        with_proxy = false;
                        break;
                case 'h':
                        (void) fputs(usage, stdout);
                        return EXIT_SUCCESS;
                default:
                        return EXIT_NOT_POSSIBLE;
                }
        if (optind >= argc) {
                (void) fputs(usage, stderr);
                return EXIT_NOT_POSSIBLE;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
                cmd_error("cannot set no_new_privs: %m");
                return EXIT_NOT_POSSIBLE;
        }
        r = enter(socket, &entered, &received);
        if (r >= 0 && !(entered.flags & PROTO_ENTERED_INSIDE))
                r = go_in_with(&entered, &received, with_proxy);
        sock_received_done(&received);
        return r < 0 ? EXIT_NOT_POSSIBLE : become(argv + optind);
}
