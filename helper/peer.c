/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A pid may be recycled between two system calls; a pidfd may not. So /proc/PID is opened first and the pidfd is
 * asked afterwards whether its process still lives: if it does, the directory was that process's, and stays so for as
 * long as the descriptor is open.
 */

#include "config.h"

#include "peer.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "sysapi.h"

void peer_done(struct peer *peer) {
        peer->pidfd = close_fd(peer->pidfd);
}

/* The value after "Name:\t" in a status file, or NULL. */
static const char *status_value(const char *status, const char *name) {
        size_t n = strlen(name);

        for (const char *line = status; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return line + n + 1;
        }
        return NULL;
}

static int status_number(const char *status, const char *name, uint64_t *ret) {
        const char *value = status_value(status, name);
        unsigned long long v;

        if (!value || sscanf(value, "%llu", &v) != 1)
                return -EBADMSG;
        *ret = v;
        return 0;
}

static int parse_status(const char *status, struct peer_facts *facts) {
        const char *uids = status_value(status, "Uid");
        unsigned u[4];
        uint64_t nnp;
        int r;

        if (!uids || sscanf(uids, "%u %u %u %u", u, u + 1, u + 2, u + 3) != 4)
                return -EBADMSG;
        facts->uid = u[0];
        facts->same_uids = u[0] == u[1] && u[0] == u[2] && u[0] == u[3];
        r = status_number(status, "NoNewPrivs", &nnp);
        if (r >= 0)
                r = status_number(status, "Threads", &facts->threads);
        if (r >= 0)
                r = status_number(status, "TracerPid", &facts->tracer);
        facts->no_new_privs = r >= 0 && nnp == 1;
        return r;
}

/* The whole file, however many groups the user has: NGROUPS_MAX of them make it some 700 kB. */
static int read_status(int dirfd, char **ret) {
        _cleanup_close_ int fd = -1;
        char *text = NULL;
        size_t size = 0;
        ssize_t n;
        FILE *f;

        fd = openat(dirfd, "status", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "r");
        if (!f)
                return -errno;
        (void) TAKE_FD(fd);
        n = getdelim(&text, &size, '\0', f); /* there is no NUL in it: all of it */
        (void) fclose(f);
        if (n < 0) {
                free(text);
                return -ESRCH; /* it has exited since */
        }
        *ret = text;
        return 0;
}

/* /proc/PID, if it is that of the pidfd's process. */
static int open_proc(pid_t pid, int pidfd) {
        _cleanup_close_ int dirfd = -1;
        char path[32];

        (void) snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dirfd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return sys_pidfd_exited(pidfd) ? -ESRCH : TAKE_FD(dirfd);
}

/* The number of the pidfd's process, from a file of ours about our own descriptor. -ESRCH: it has gone. */
static int read_pid(int pidfd, pid_t *ret) {
        _cleanup_close_ int fd = -1;
        char path[48], text[512];
        uint64_t pid;
        ssize_t n;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        r = status_number(text, "Pid", &pid); /* -1: it has gone; 0: of another pid namespace */
        if (r < 0)
                return r;
        if (pid == 0 || pid > INT_MAX)
                return -ESRCH;
        *ret = (pid_t) pid;
        return 0;
}

/* Kernels before 6.13. A directory that was opened while the process lived is its own for good. */
static int ask_proc(int pidfd, struct peer *peer) {
        _cleanup_free_ char *status = NULL;
        _cleanup_close_ int dirfd = -1;
        const char *uids;
        unsigned uid;
        int r;

        r = read_pid(pidfd, &peer->cred.pid);
        if (r < 0)
                return r;
        dirfd = open_proc(peer->cred.pid, pidfd);
        if (dirfd < 0)
                return take_fd(&dirfd);
        r = read_status(dirfd, &status);
        if (r < 0)
                return r;
        uids = status_value(status, "Uid");
        if (!uids || sscanf(uids, "%u", &uid) != 1)
                return -EBADMSG;
        peer->cred.uid = uid;
        return 0;
}

int peer_get(int fd, struct peer *ret) {
        struct sys_pidfd_ids ids;
        struct peer peer = PEER_INIT;
        socklen_t n = sizeof(peer.pidfd);
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &peer.pidfd, &n) < 0)
                return -errno;
        r = sys_pidfd_ids(peer.pidfd, &ids);
        if (r == 0) {
                peer.cred.pid = ids.pid;
                peer.cred.uid = ids.uid;
        } else if (r == -EOPNOTSUPP)
                r = ask_proc(peer.pidfd, &peer);
        if (r < 0) {
                peer_done(&peer);
                return r;
        }
        *ret = peer;
        return 0;
}

int peer_inspect(const struct peer *peer, struct peer_facts *ret) {
        _cleanup_close_ int dirfd = -1;
        struct peer_facts facts = {0};
        _cleanup_free_ char *status = NULL;
        struct stat user_ns, pid_ns;
        int r;

        dirfd = open_proc(peer->cred.pid, peer->pidfd);
        if (dirfd < 0)
                return take_fd(&dirfd);
        r = read_status(dirfd, &status);
        if (r < 0)
                return r;
        if (fstatat(dirfd, "ns/user", &user_ns, 0) < 0 || fstatat(dirfd, "ns/pid", &pid_ns, 0) < 0)
                return -errno;
        r = parse_status(status, &facts);
        if (r < 0)
                return r;
        facts.user_ns.dev = user_ns.st_dev;
        facts.user_ns.ino = user_ns.st_ino;
        facts.pid_ns.dev = pid_ns.st_dev;
        facts.pid_ns.ino = pid_ns.st_ino;
        *ret = facts;
        return 0;
}
