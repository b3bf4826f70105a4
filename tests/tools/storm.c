/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * storm CONFDIR SERVICE SECONDS LOGINS SEED PREFIX USERS: so many login processes at once, for so long, each of which
 * opens a PAM session for one of PREFIX1 to PREFIXn, keeps it for a moment, and closes it, again and again, as chance
 * (SEED) has it. One in sixteen is left open by a process that just ends. Says how many there were, how many failed,
 * and how long an open took.
 */

#include "config.h"

#include "tests/syslog-hook.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <security/pam_appl.h>

#define LOGINS_MAX 1024
#define TIMES_MAX 1000000
#define KEEP_MAX 50000 /* us */
#define LEFT_OPEN 16   /* one in so many */

static const char *confdir, *service, *prefix;
static uint64_t users, end_usec;

/* Of all processes. */
static struct shared {
        uint64_t opened, failed, left_open;
        uint32_t times[TIMES_MAX]; /* us */
} * shared;

static void on_syslog(int priority, const char *format, va_list ap) {
        (void) priority;
        (void) fputs("syslog: ", stderr);
        (void) vfprintf(stderr, format, ap);
        (void) fputc('\n', stderr);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) messages;
        (void) userdata;
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static bool open_one(pam_handle_t *pamh) {
        uint64_t begin = now_usec(), n;
        bool good = pam_open_session(pamh, 0) == PAM_SUCCESS && pam_getenv(pamh, "BPFDELEG");

        n = __atomic_fetch_add(&shared->opened, 1, __ATOMIC_RELAXED);
        if (n < TIMES_MAX)
                shared->times[n] = (uint32_t) (now_usec() - begin);
        return good;
}

/* A process that opens and ends. */
static bool leave_open(pam_handle_t *pamh) {
        int status = -1;
        pid_t pid = fork();

        if (pid == 0)
                _exit(!open_one(pamh));
        (void) __atomic_fetch_add(&shared->left_open, 1, __ATOMIC_RELAXED);
        return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool log_in(unsigned *seed) {
        static const struct pam_conv conv = {.conv = converse};
        pam_handle_t *pamh = NULL;
        char user[64];
        bool good;

        (void) snprintf(user, sizeof(user), "%s%u", prefix, 1 + (unsigned) rand_r(seed) % (unsigned) users);
        if (pam_start_confdir(service, user, &conv, confdir, &pamh) != PAM_SUCCESS)
                return false;
        if (rand_r(seed) % LEFT_OPEN == 0) {
                good = leave_open(pamh);
        } else {
                good = open_one(pamh);
                (void) usleep((unsigned) rand_r(seed) % KEEP_MAX);
                good = pam_close_session(pamh, 0) == PAM_SUCCESS && good;
        }
        return pam_end(pamh, PAM_SUCCESS) == PAM_SUCCESS && good;
}

static _Noreturn void be_login(unsigned seed) {
        while (now_usec() < end_usec)
                if (!log_in(&seed))
                        (void) __atomic_fetch_add(&shared->failed, 1, __ATOMIC_RELAXED);
        _exit(0);
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void report(uint64_t logins) {
        size_t n = (size_t) (shared->opened < TIMES_MAX ? shared->opened : TIMES_MAX);

        qsort(shared->times, n, sizeof(shared->times[0]), compare);
        (void) printf("%llu sessions of %llu users, %llu at once, %llu never closed: %llu failed\n",
                      (unsigned long long) shared->opened, (unsigned long long) users, (unsigned long long) logins,
                      (unsigned long long) shared->left_open, (unsigned long long) shared->failed);
        if (n > 0)
                (void) printf("open: half within %.1f ms, 99 %% within %.1f ms, the longest %.1f ms\n",
                              shared->times[n / 2] / 1000., shared->times[n - 1 - n / 100] / 1000.,
                              shared->times[n - 1] / 1000.);
}

static int usage(void) {
        (void) fprintf(stderr, "usage: storm CONFDIR SERVICE SECONDS LOGINS SEED PREFIX USERS\n");
        return 2;
}

int main(int argc, char **argv) {
        uint64_t seconds, logins, seed;

        if (argc != 8 || parse_uint(argv[3], 10, 3600, &seconds) < 0 ||
            parse_uint(argv[4], 10, LOGINS_MAX, &logins) < 0 || parse_uint(argv[5], 10, UINT32_MAX, &seed) < 0 ||
            parse_uint(argv[7], 10, UINT32_MAX, &users) < 0 || users == 0)
                return usage();
        confdir = argv[1];
        service = argv[2];
        prefix = argv[6];
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return 1;
        end_usec = now_usec() + seconds * USEC_PER_SEC;
        for (uint64_t i = 0; i < logins; i++) {
                pid_t pid = fork();

                if (pid == 0)
                        be_login((unsigned) (seed + i));
                if (pid < 0)
                        shared->failed++;
        }
        while (wait(NULL) > 0 || errno == EINTR)
                ;
        report(logins);
        return shared->failed > 0;
}
