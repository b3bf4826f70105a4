/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A program that others trust. The test makes it setuid root: what it connects to must be where it connected to.
 *
 *   trusted PORT             says who it is, waits for a line, connects to that port of 127.0.0.1 (UDP: nobody has to
 *   listen)
 *                            and says to which port it was led
 *   trusted --into DIR CMD…  for the attack: born in the cgroup DIR (CLONE_INTO_CGROUP), becomes CMD
 */

#include "config.h"

#include <arpa/inet.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

static int fails(const char *what) {
        printf("failed: %s: %s\n", what, strerror(errno));
        return 1;
}

static int connect_to(uint16_t port) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(to);

        if (fd < 0 || connect(fd, (const struct sockaddr *) &to, sizeof(to)) < 0 ||
            getpeername(fd, (struct sockaddr *) &to, &size) < 0)
                return fails("connecting");
        printf("connected: uid %d euid %d to port %d\n", (int) getuid(), (int) geteuid(), ntohs(to.sin_port));
        return 0;
}

static int born_in(const char *dir, char **command) {
        struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
        long pid;

        if (fd < 0)
                return fails(dir);
        args.cgroup = (uint64_t) fd;
        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                return fails("clone3");
        if (pid == 0) {
                (void) execv(command[0], command);
                _exit(127);
        }
        return waitpid((pid_t) pid, &status, 0) < 0 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
        uint64_t port;

        if (argc > 3 && streq(argv[1], "--into"))
                return born_in(argv[2], argv + 3);
        if (argc != 2 || parse_uint(argv[1], 10, UINT16_MAX, &port) < 0) {
                fprintf(stderr, "usage: trusted PORT | --into DIR CMD [ARGUMENT…]\n");
                return 2;
        }
        printf("ready: uid %d euid %d pid %d\n", (int) getuid(), (int) geteuid(), (int) getpid());
        (void) fflush(stdout);
        (void) getchar();
        return connect_to((uint16_t) port);
}
