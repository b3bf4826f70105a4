/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * userns-maker CMD…: what programs do that are setuid root because users may not make user namespaces, as bubblewrap
 * where it is installed so: root makes the namespace and owns it, in it is nothing but the ids of who called, and CMD
 * is run as him. For the attack suite only, and only in a test's own directory.
 */

#include "config.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util.h"

static int put_map(pid_t pid, const char *name, unsigned id) {
        char path[64], line[64];
        _cleanup_close_ int fd = -1;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        (void) snprintf(line, sizeof(line), "%u %u 1", id, id);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 || write(fd, line, strlen(line)) < 0 ? -errno : 0;
}

static int be_him(int peer, char **command) {
        uid_t uid = getuid();
        gid_t gid = getgid();
        char byte = 0;

        if (unshare(CLONE_NEWUSER) < 0 || write(peer, &byte, 1) != 1 || read(peer, &byte, 1) != 1)
                return 1;
        if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return 1;
        (void) execvp(command[0], command);
        return 127;
}

int main(int argc, char **argv) {
        uid_t uid = getuid();
        gid_t gid = getgid();
        char byte = 0;
        int pair[2];
        pid_t pid;

        if (argc < 2 || geteuid() != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return 1;
        pid = fork();
        if (pid < 0)
                return 1;
        if (pid == 0)
                return be_him(pair[1], argv + 1);
        if (read(pair[0], &byte, 1) != 1 || put_map(pid, "uid_map", uid) < 0 || put_map(pid, "gid_map", gid) < 0 ||
            write(pair[0], &byte, 1) != 1)
                return 1;
        if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return 1;
        (void) close(pair[0]);
        return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}
