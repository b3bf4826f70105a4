/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fake-journal PID-FILE COMMAND [ARGUMENT…]: starts COMMAND as systemd starts a service, its stderr a stream of the
 * journal's, beside a journal of our own, which prints on standard output what it hears: a line as it came, an entry
 * as one line of all its fields, the message first. It ends with the last holder of that stream. Its pid is in
 * PID-FILE: stopped, it is a journal that hangs.
 *
 * It listens where the journal does, /run/systemd/journal/socket: to be run in a mount namespace with a /run of its
 * own.
 */

#include "config.h"

#include "util.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define DIRECTORY "/run/systemd/journal"

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "fake-journal: %s: %m\n", what);
        exit(1);
}

static int listen_for_entries(void) {
        static const struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = DIRECTORY "/socket"};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if ((mkdir("/run/systemd", 0755) < 0 && errno != EEXIST) || (mkdir(DIRECTORY, 0755) < 0 && errno != EEXIST) ||
            fd < 0 || bind(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0)
                die(sa.sun_path);
        return fd;
}

static void print_entry(char *text, size_t n) {
        static const char first[] = "MESSAGE=";
        size_t skip = strlen(first);

        if (n < skip || strncmp(text, first, skip) != 0 || text[n - 1] != '\n') {
                (void) printf("(an entry that is none)\n");
                return;
        }
        for (size_t i = 0; i < n - 1; i++)
                if (text[i] == '\n')
                        text[i] = ' ';
        (void) printf("%.*s", (int) (n - skip), text + skip);
}

static _Noreturn void journal(int stream, int entries) {
        struct pollfd fds[] = {{.fd = stream, .events = POLLIN}, {.fd = entries, .events = POLLIN}};
        char buf[8192];
        ssize_t n;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        while (poll(fds, ELEMENTSOF(fds), -1) > 0) {
                if (fds[1].revents && (n = recv(entries, buf, sizeof(buf), 0)) > 0)
                        print_entry(buf, (size_t) n);
                if (!fds[0].revents)
                        continue;
                n = read(stream, buf, sizeof(buf));
                if (n <= 0)
                        break;
                (void) fwrite(buf, 1, (size_t) n, stdout);
        }
        exit(0);
}

/* $JOURNAL_STREAM: systemd.exec(5). */
static void become_service(int stream) {
        char value[64];
        struct stat st;

        if (fstat(stream, &st) < 0)
                die("fstat");
        (void) snprintf(value, sizeof(value), "%llu:%llu", (unsigned long long) st.st_dev,
                        (unsigned long long) st.st_ino);
        if (setenv("JOURNAL_STREAM", value, 1) < 0 || dup2(stream, STDERR_FILENO) < 0)
                die("stderr");
}

static void write_pid(const char *path) {
        FILE *f = fopen(path, "we");

        if (!f)
                die(path);
        (void) fprintf(f, "%d\n", (int) getpid());
        if (fclose(f) != 0)
                die(path);
}

int main(int argc, char **argv) {
        int pair[2], entries, small = 32768;
        pid_t pid;

        if (argc < 3) {
                (void) fprintf(stderr, "usage: fake-journal PID-FILE COMMAND [ARGUMENT...]\n");
                return 2;
        }
        entries = listen_for_entries();
        /* Room for all lines of a start, whoever runs first, and for as many again; systemd gives 8 MB. */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) < 0)
                die("socketpair");
        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0) {
                (void) close(pair[1]);
                write_pid(argv[1]);
                journal(pair[0], entries);
        }
        become_service(pair[1]);
        (void) execvp(argv[2], argv + 2);
        die(argv[2]);
}
