/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * on-pty [WAIT SEND]... -- CMD [ARG...]: runs CMD on a terminal of its own, as getty runs login. For each pair it waits
 * until CMD has printed WAIT, then types SEND and Return (nothing for an empty SEND). After that standard input is
 * what is typed. All that CMD prints goes to standard output. Ends as CMD does; if it is killed itself, CMD sees its
 * terminal hung up.
 */

#include "config.h"

#include "util.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#define EXIT_OWN 200 /* this program, not CMD, failed */

struct dialogue {
        char **next; /* WAIT, SEND, WAIT, ... */
        int n_pairs; /* left */
        char seen[4096];
        size_t n_seen;
};

static int complain(const char *what) {
        (void) fprintf(stderr, "on-pty: %s: %m\n", what);
        return EXIT_OWN;
}

static int write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t written = write(fd, data, n);

                if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
                        (void) poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100);
                        continue;
                }
                if (written < 0)
                        return -errno;
                data += written;
                n -= (size_t) written;
        }
        return 0;
}

/* The rest of a line that has been answered must not answer the next question. */
static void answer(struct dialogue *dialogue, int master) {
        const char *found;

        while (dialogue->n_pairs > 0 && (found = strstr(dialogue->seen, dialogue->next[0]))) {
                const char *rest = found + strlen(dialogue->next[0]), *send = dialogue->next[1];

                if (*send != '\0') {
                        (void) write_all(master, send, strlen(send));
                        (void) write_all(master, "\r", 1);
                }
                dialogue->n_seen -= (size_t) (rest - dialogue->seen);
                memmove(dialogue->seen, rest, dialogue->n_seen + 1);
                dialogue->next += 2;
                dialogue->n_pairs--;
        }
}

static void hear(struct dialogue *dialogue, int master, const char *data, size_t n) {
        for (size_t i = 0; i < n && dialogue->n_pairs > 0; i++) {
                /* The older half goes when it is full. */
                if (dialogue->n_seen == sizeof(dialogue->seen) - 1) {
                        dialogue->n_seen /= 2;
                        memmove(dialogue->seen, dialogue->seen + sizeof(dialogue->seen) - 1 - dialogue->n_seen,
                                dialogue->n_seen);
                }
                if (data[i] == '\0')
                        continue;
                dialogue->seen[dialogue->n_seen++] = data[i];
                dialogue->seen[dialogue->n_seen] = '\0';
                answer(dialogue, master);
        }
}

static pid_t start(int master, int slave, char **command) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        (void) close(master);
        (void) setsid();
        if (ioctl(slave, TIOCSCTTY, 0) < 0 || dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
                _exit(complain("the terminal cannot be given to the command"));
        if (slave > 2)
                (void) close(slave);
        (void) execvp(command[0], command);
        _exit(complain(command[0]));
}

static int open_pty(int *ret_master, int *ret_slave) {
        _cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;

        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
                return -errno;
        slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0 || fcntl(master, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret_master = TAKE_FD(master);
        *ret_slave = TAKE_FD(slave);
        return 0;
}

/* Copies what there is from one end to the other. Returns the number of bytes, 0 at the end, or -errno. */
static ssize_t pump(int from, int to, struct dialogue *dialogue, int master) {
        char data[4096];
        ssize_t n = read(from, data, sizeof(data));

        if (n < 0)
                return -errno;
        if (dialogue)
                hear(dialogue, master, data, (size_t) n);
        return write_all(to, data, (size_t) n) < 0 ? -EPIPE : n;
}

static int relay(int master, pid_t child, struct dialogue *dialogue) {
        bool input_open = true;
        int status;

        for (;;) {
                bool typing = input_open && dialogue->n_pairs == 0;
                struct pollfd fds[] = {{.fd = master, .events = POLLIN},
                                       {.fd = typing ? STDIN_FILENO : -1, .events = POLLIN}};
                bool ended;

                (void) poll(fds, ELEMENTSOF(fds), 50);
                if (fds[1].revents && pump(STDIN_FILENO, master, NULL, -1) <= 0)
                        input_open = false;
                /* Looked at before the output is: what CMD printed last is not lost. */
                ended = waitpid(child, &status, WNOHANG) == child;
                while (pump(master, STDOUT_FILENO, dialogue, master) > 0)
                        ;
                if (ended)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                /* login hangs its terminal up and opens it anew; between the two every poll returns at once. */
                if (fds[0].revents & (POLLHUP | POLLERR))
                        (void) usleep(20000);
        }
}

int main(int argc, char **argv) {
        struct dialogue dialogue = {.next = argv + 1};
        int master = -1, slave = -1, dashes = 1, r;
        pid_t child;

        while (dashes < argc && !streq(argv[dashes], "--"))
                dashes++;
        if (dashes + 1 >= argc || dashes % 2 == 0) {
                (void) fputs("Usage: on-pty [WAIT SEND]... -- CMD [ARG...]\n", stderr);
                return EXIT_OWN;
        }
        dialogue.n_pairs = (dashes - 1) / 2;
        (void) signal(SIGPIPE, SIG_IGN);
        r = open_pty(&master, &slave);
        if (r < 0) {
                errno = -r;
                return complain("no terminal");
        }
        child = start(master, slave, argv + dashes + 1);
        if (child < 0)
                return complain("no process");
        (void) close(slave);
        return relay(master, child, &dialogue);
}
