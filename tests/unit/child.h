/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For tests that change or risk their whole process (signals, identity, every descriptor): they run in a forked child,
 * which reports the line of the first failed CHECK through shared memory, so that it needs no descriptor for that.
 * And the count of open descriptors, for tests that nothing leaks. To be included after config.h and the headers under
 * test: cmocka.h has a macro fail(), which would break util.h.
 */

#include "util.h"

#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <cmocka.h>

#define CHILD_SKIPPED 77
#define NOBODY 65534

static int *child_line;

/* In the child alone: cmocka's asserts would jump into the parent's tests. */
#define CHECK(condition)                        \
        do {                                    \
                if (!(condition)) {             \
                        *child_line = __LINE__; \
                        _exit(1);               \
                }                               \
        } while (0)

/* Group setup. Nothing here may hang: what does is killed by SIGALRM. */
static inline int child_setup(void **state) {
        (void) state;
        child_line = mmap(NULL, sizeof(*child_line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        (void) alarm(120);
        return child_line == MAP_FAILED ? -1 : 0;
}

static inline pid_t child_start(void (*run)(const void *), const void *argument) {
        pid_t pid;

        *child_line = 0;
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                run(argument);
                _exit(0);
        }
        assert_true(pid > 0);
        return pid;
}

/* Fails the test if a CHECK failed there or a signal ended it; skips it if the child said so. */
static inline void child_wait(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
                skip();
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_msg("in the child: line %d, wait status %#x", *child_line, (unsigned) status);
}

static inline void child_run(void (*run)(const void *), const void *argument) {
        child_wait(child_start(run, argument));
}

/* In a child: gives up root, for good. False where this namespace has no other user. */
static inline bool child_become_nobody(void) {
        (void) setgroups(0, NULL); /* refused in `unshare -r`, where it has no effect anyway */
        return setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* How many descriptors this process has; -1 without /proc. */
static inline int count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        int n = 0;

        if (!dir)
                return -1;
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n - 3; /* ".", "..", and the directory itself */
}

static inline bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

static inline bool is_cloexec(int fd) {
        int flags = fcntl(fd, F_GETFD);

        return flags >= 0 && (flags & FD_CLOEXEC);
}
