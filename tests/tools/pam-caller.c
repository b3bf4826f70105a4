/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * pam-caller CONFDIR SERVICE USER HABIT [N]: a PAM application with a habit that some application has, and says what
 * each call gave. Where it waits, it is for its standard input: a line, or its end. HABIT:
 *   never-closes      opens, waits, and ends without a word to PAM
 *   only-ends         opens, waits, and ends with pam_end alone
 *   closes-elsewhere  opens, ends that handle, waits; closes in another, as JupyterHub does; waits
 *   closes-twice      opens, closes, closes
 *   only-closes       closes what it never opened
 *   opens-twice       opens twice on one handle, waits, closes twice
 *   closes-as-user    opens, waits; a child that has become the user closes, as systemd's (sd-pam) does; waits, ends
 *                     without closing
 *   closes-in-child   opens, waits; a child that is still root closes, while this process lives; waits
 *   opener-exits      a child opens and exits; its parent, with the handle of before, waits and closes
 *   goes-on-in-child  opens and forks; this process exits at once, its child waits and closes
 *   nothing-open      opens and closes with descriptors 0 to 2 closed; says afterwards which of them were open in
 *                     between
 *   threads           N threads open at once, each on a handle of its own; waits; they close
 *   keeps             opens; says which descriptors, signals, environment, directory and umask changed; waits, closes
 */

#include "config.h"

#include "tests/syslog-hook.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <security/pam_appl.h>

#define THREADS_MAX 64

static const char *confdir, *service, *user;

static void on_syslog(int priority, const char *format, va_list ap) {
        (void) priority;
        (void) fputs("syslog: ", stderr);
        (void) vfprintf(stderr, format, ap);
        (void) fputc('\n', stderr);
}

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "pam-caller: %s: %s\n", what, strerror(errno));
        exit(2);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) messages;
        (void) userdata;
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static pam_handle_t *start(void) {
        static const struct pam_conv conv = {.conv = converse};
        pam_handle_t *pamh = NULL;

        if (pam_start_confdir(service, user, &conv, confdir, &pamh) != PAM_SUCCESS)
                die("pam_start");
        return pamh;
}

static void said(const char *what, int code) {
        (void) printf("%s: %d\n", what, code);
        (void) fflush(stdout);
}
static void open_it(pam_handle_t *pamh) {
        int code = pam_open_session(pamh, 0);
        const char *cookie = pam_getenv(pamh, "BPFDELEG");

        (void) printf("open: %d %s\n", code, cookie ? cookie : "-");
        (void) fflush(stdout);
}
static void close_it(pam_handle_t *pamh) {
        said("close", pam_close_session(pamh, 0));
}
static void end_it(pam_handle_t *pamh) {
        said("end", pam_end(pamh, PAM_SUCCESS));
}

static void wait_for_word(void) {
        char byte = 0;

        while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
                ;
}

/* Runs it in a child and waits for that. */
static void in_child(pam_handle_t *pamh, void (*what)(pam_handle_t *pamh)) {
        pid_t pid = fork();

        if (pid < 0)
                die("fork");
        if (pid == 0) {
                what(pamh);
                _exit(0);
        }
        if (waitpid(pid, NULL, 0) != pid)
                die("waitpid");
}

/* ---- habits ------------------------------------------------------------------------------------------------------ */

static void never_closes(pam_handle_t *pamh) {
        open_it(pamh);
        wait_for_word();
        _exit(0);
}

static void only_ends(pam_handle_t *pamh) {
        open_it(pamh);
        wait_for_word();
}

static void closes_elsewhere(pam_handle_t *pamh) {
        pam_handle_t *first = start();

        open_it(first);
        end_it(first);
        wait_for_word();
        close_it(pamh);
        wait_for_word();
}

static void closes_twice(pam_handle_t *pamh) {
        open_it(pamh);
        close_it(pamh);
        close_it(pamh);
}

static void opens_twice(pam_handle_t *pamh) {
        open_it(pamh);
        open_it(pamh);
        wait_for_word();
        close_it(pamh);
        close_it(pamh);
}

static void become_and_close(pam_handle_t *pamh) {
        const struct passwd *pw = getpwnam(user);

        if (!pw || initgroups(user, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
            setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
                die(user);
        close_it(pamh);
}

static void closes_as_user(pam_handle_t *pamh) {
        open_it(pamh);
        wait_for_word();
        in_child(pamh, become_and_close);
        wait_for_word();
        _exit(0);
}

static void closes_in_child(pam_handle_t *pamh) {
        open_it(pamh);
        wait_for_word();
        in_child(pamh, close_it);
        wait_for_word();
}

static void opener_exits(pam_handle_t *pamh) {
        in_child(pamh, open_it);
        wait_for_word();
        close_it(pamh);
}

static void goes_on_in_child(pam_handle_t *pamh) {
        pid_t pid;

        open_it(pamh);
        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid > 0)
                _exit(0);
        wait_for_word();
        close_it(pamh);
}

static void nothing_open(pam_handle_t *pamh) {
        int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10), opened, closed, leaked = 0;

        for (int fd = 0; fd < 3; fd++)
                (void) close(fd);
        opened = pam_open_session(pamh, 0);
        for (int fd = 0; fd < 3; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        leaked++;
        closed = pam_close_session(pamh, 0);
        if (dup2(out, STDOUT_FILENO) < 0)
                _exit(2);
        (void) printf("open: %d\nclose: %d\nleft open: %d\n", opened, closed, leaked);
}

static pthread_barrier_t barrier;
static int failures;

static void *one_thread(void *userdata) {
        pam_handle_t *pamh = start();
        bool bad;

        (void) userdata;
        (void) pthread_barrier_wait(&barrier);
        bad = pam_open_session(pamh, 0) != PAM_SUCCESS || !pam_getenv(pamh, "BPFDELEG");
        (void) pthread_barrier_wait(&barrier); /* all are open */
        (void) pthread_barrier_wait(&barrier); /* the word has come */
        bad = pam_close_session(pamh, 0) != PAM_SUCCESS || bad;
        bad = pam_end(pamh, PAM_SUCCESS) != PAM_SUCCESS || bad;
        if (bad)
                (void) __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
        return NULL;
}

static void threads(unsigned n) {
        pthread_t ids[THREADS_MAX];

        (void) pthread_barrier_init(&barrier, NULL, n + 1);
        for (unsigned i = 0; i < n; i++)
                if (pthread_create(ids + i, NULL, one_thread, NULL) != 0)
                        die("pthread_create");
        (void) pthread_barrier_wait(&barrier);
        (void) pthread_barrier_wait(&barrier);
        (void) printf("%u open\n", n);
        (void) fflush(stdout);
        wait_for_word();
        (void) pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < n; i++)
                (void) pthread_join(ids[i], NULL);
        (void) printf("%u closed, %d failed\n", n, failures);
}

/* ---- what may not change ----------------------------------------------------------------------------------------- */

/* On a stream that is open all the while. */
static void describe_process(FILE *out) {
        extern char **environ;
        char cwd[4096] = "?";
        sigset_t blocked;
        mode_t mask = umask(0);

        (void) umask(mask);
        (void) fprintf(out, "umask %o, directory %s\n", mask, getcwd(cwd, sizeof(cwd)) ? cwd : "?");
        for (int fd = 0; fd < 1024; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        (void) fprintf(out, "descriptor %d, flags %d\n", fd, fcntl(fd, F_GETFD));
        (void) sigprocmask(SIG_SETMASK, NULL, &blocked);
        for (int signal = 1; signal < NSIG; signal++) {
                struct sigaction action;

                if (sigaction(signal, NULL, &action) == 0)
                        (void) fprintf(out, "signal %d: %s%s\n", signal,
                                       action.sa_handler == SIG_DFL ? "default" : "changed",
                                       sigismember(&blocked, signal) == 1 ? ", blocked" : "");
        }
        for (char **e = environ; *e; e++)
                (void) fprintf(out, "%s\n", *e);
        (void) fprintf(out, "children: %s\n", waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? "none" : "some");
}

static void keeps(pam_handle_t *pamh) {
        char *texts[2] = {NULL, NULL};
        size_t sizes[2];

        for (int i = 0; i < 2; i++) {
                FILE *out = open_memstream(&texts[i], &sizes[i]);

                if (!out)
                        die("open_memstream");
                describe_process(out);
                (void) fclose(out);
                if (i == 0)
                        open_it(pamh);
        }
        if (streq(texts[0], texts[1]))
                (void) printf("nothing changed in %zu bytes\n", sizes[0]);
        else
                (void) printf("before:\n%s\nafter:\n%s\n", texts[0], texts[1]);
        free(texts[0]);
        free(texts[1]);
        (void) fflush(stdout);
        wait_for_word();
        close_it(pamh);
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*habit)(pam_handle_t *pamh);
        } habits[] = {
                {"never-closes", never_closes},
                {"only-ends", only_ends},
                {"closes-elsewhere", closes_elsewhere},
                {"closes-twice", closes_twice},
                {"only-closes", close_it},
                {"opens-twice", opens_twice},
                {"closes-as-user", closes_as_user},
                {"closes-in-child", closes_in_child},
                {"opener-exits", opener_exits},
                {"goes-on-in-child", goes_on_in_child},
                {"nothing-open", nothing_open},
                {"keeps", keeps},
        };
        uint64_t n = 0;

        if (argc < 5)
                goto usage;
        confdir = argv[1];
        service = argv[2];
        user = argv[3];
        if (argc == 6 && streq(argv[4], "threads") && parse_uint(argv[5], 10, THREADS_MAX, &n) >= 0 && n > 0) {
                threads((unsigned) n);
                return failures > 0;
        }
        for (size_t i = 0; argc == 5 && i < ELEMENTSOF(habits); i++)
                if (streq(argv[4], habits[i].name)) {
                        pam_handle_t *pamh = start();

                        habits[i].habit(pamh);
                        end_it(pamh);
                        return 0;
                }
usage:
        (void) fprintf(stderr, "usage: pam-caller CONFDIR SERVICE USER HABIT [N]; see its source\n");
        return 2;
}
