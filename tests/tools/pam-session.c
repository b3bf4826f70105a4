/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * pam-session [OPTION...] SERVICE USER -- CMD [ARG...]: a PAM application as login and sshd are, for tests and the
 * demo. As root it opens a session for USER, runs CMD as him in a child, waits, closes the session and ends with CMD's
 * status. No authentication: only root can use it, and root needs none.
 */

#include "config.h"

#include "tests/syslog-hook.h"

#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>

#include <security/pam_appl.h>

#define EXIT_PAM 200 /* PAM, or what is needed before it, refused */
#define EXIT_NOT_FOUND 127
#define EXIT_NOT_EXECUTABLE 126

struct arguments {
        const char *confdir, *tty, *rhost, *service, *user;
        char **command;
};

/* With --syslog, what modules log goes to stderr, else where it belongs. */
static bool show_syslog;

void vsyslog(int priority, const char *format, va_list ap);
static void on_syslog(int priority, const char *format, va_list ap) {
        if (!show_syslog) {
                vsyslog(priority, format, ap);
                return;
        }
        (void) fputs("syslog: ", stderr);
        (void) vfprintf(stderr, format, ap);
        (void) fputc('\n', stderr);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) userdata;
        for (int i = 0; i < n; i++)
                (void) fprintf(stderr, "pam: %s\n", messages[i]->msg);
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int complain(const char *what, const char *why) {
        (void) fprintf(stderr, "pam-session: %s: %s\n", what, why);
        return EXIT_PAM;
}

static int start(const struct arguments *a, pam_handle_t **ret) {
        static const struct pam_conv conv = {.conv = converse};
        pam_handle_t *pamh = NULL;
        int code;

        code = a->confdir ? pam_start_confdir(a->service, a->user, &conv, a->confdir, &pamh) :
                            pam_start(a->service, a->user, &conv, &pamh);
        if (code == PAM_SUCCESS && a->tty)
                code = pam_set_item(pamh, PAM_TTY, a->tty);
        if (code == PAM_SUCCESS && a->rhost)
                code = pam_set_item(pamh, PAM_RHOST, a->rhost);
        if (code != PAM_SUCCESS) {
                (void) complain("pam_start", pam_strerror(pamh, code));
                if (pamh)
                        (void) pam_end(pamh, code);
                return -EIO;
        }
        *ret = pamh;
        return 0;
}

/* A fresh environment: what a login shell has, and what the modules gave. */
static int set_environment(pam_handle_t *pamh, const struct passwd *pw) {
        char **list = pam_getenvlist(pamh);

        if (!list || clearenv() != 0)
                return -ENOMEM;
        if (setenv("HOME", pw->pw_dir, 1) < 0 || setenv("USER", pw->pw_name, 1) < 0 ||
            setenv("LOGNAME", pw->pw_name, 1) < 0 ||
            setenv("SHELL", pw->pw_shell[0] != '\0' ? pw->pw_shell : "/bin/sh", 1) < 0 ||
            setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0)
                return -errno;
        for (char **e = list; *e; e++)
                if (putenv(*e) < 0)
                        return -errno;
        return 0;
}

static int become(const struct passwd *pw) {
        if (setgid(pw->pw_gid) < 0 || initgroups(pw->pw_name, pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
                return -errno;
        if (chdir(pw->pw_dir) < 0 && chdir("/") < 0)
                return -errno;
        return 0;
}

static _Noreturn void child(pam_handle_t *pamh, const struct arguments *a) {
        const struct passwd *pw = getpwnam(a->user); /* only now: a module may have used getpwnam's one buffer */
        int r;

        if (!pw)
                _exit(complain(a->user, "no such user"));
        r = become(pw);
        if (r == 0)
                r = set_environment(pamh, pw);
        if (r < 0)
                _exit(complain("cannot become the user", strerror(-r)));
        (void) execvp(a->command[0], a->command);
        r = errno;
        (void) complain(a->command[0], strerror(r));
        _exit(r == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static int run_command(pam_handle_t *pamh, const struct arguments *a) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid < 0)
                return complain("fork", strerror(errno));
        if (pid == 0)
                child(pamh, a);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return complain("waitpid", strerror(errno));
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int session(const struct arguments *a) {
        pam_handle_t *pamh;
        int code, status;

        if (start(a, &pamh) < 0)
                return EXIT_PAM;
        code = pam_open_session(pamh, 0);
        if (code != PAM_SUCCESS) {
                status = complain("pam_open_session", pam_strerror(pamh, code));
                (void) pam_end(pamh, code);
                return status;
        }
        status = run_command(pamh, a);
        code = pam_close_session(pamh, 0);
        if (code != PAM_SUCCESS)
                status = complain("pam_close_session", pam_strerror(pamh, code));
        (void) pam_end(pamh, code);
        return status;
}

static int usage(FILE *out, int status) {
        (void) fprintf(out,
                       "usage: pam-session [OPTION...] SERVICE USER -- CMD [ARG...]\n"
                       "Opens a PAM session of SERVICE for USER, runs CMD as him, closes the session.\n"
                       "  --confdir DIR   take SERVICE from DIR instead of /etc/pam.d\n"
                       "  --tty TTY       PAM_TTY\n"
                       "  --rhost HOST    PAM_RHOST\n"
                       "Status: CMD's own; 128+N after signal N; 126, 127 if it cannot be run; 200 if PAM refused.\n");
        return status;
}

static int parse_arguments(int argc, char **argv, struct arguments *ret) {
        static const struct option options[] = {
                {"confdir", required_argument, NULL, 'c'},
                {"tty", required_argument, NULL, 't'},
                {"rhost", required_argument, NULL, 'r'},
                {"syslog", no_argument, NULL, 's'},
                {NULL, 0, NULL, 0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
                if (c == 'c')
                        ret->confdir = optarg;
                else if (c == 't')
                        ret->tty = optarg;
                else if (c == 'r')
                        ret->rhost = optarg;
                else if (c == 's')
                        show_syslog = true;
                else
                        return -EINVAL;
        }
        argv += optind;
        if (argc - optind < 4 || !streq(argv[2], "--"))
                return -EINVAL;
        ret->service = argv[0];
        ret->user = argv[1];
        ret->command = argv + 3;
        return 0;
}

int main(int argc, char **argv) {
        struct arguments arguments = {.confdir = NULL};

        if (argc == 2 && streq(argv[1], "--help"))
                return usage(stdout, 0);
        if (parse_arguments(argc, argv, &arguments) < 0)
                return usage(stderr, EXIT_PAM);
        return session(&arguments);
}
