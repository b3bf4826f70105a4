/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the module does to a login, through real libpam and without root: a private service directory, a private policy
 * directory, a helper that does as it is told, and the user who runs the test. Around each call into PAM the whole
 * process is compared with itself: descriptors, signals, umask, directory, environment, locale. All log lines are
 * caught and counted.
 *
 * Some functions of libc and libpam are defined here: the program's own symbols come first for the module and for
 * libpam, so that NSS can have users that this host has not, and pam_putenv can fail.
 */

#include "config.h"

#include "fake-helper.h"
#include "policy.h"
#include "tests/syslog-hook.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <grp.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h> /* after util.h, whose fail() it would take for its own */
#include <security/pam_appl.h>
#include <security/pam_modules.h>

#define SERVICE "bd-test"
#define POLICY "50-test.ini"
#define SESSION_DATA "pam_bpfdeleg"
#define REASON "step seven went wrong"
#define COOKIE(n) "0123456789abcdef-" n

/* As in syslog.h, whose own syslog() would be in our way. */
enum { LOG_LEVEL_ERR = 3, LOG_LEVEL_DEBUG = 7, LOG_LEVEL_MASK = 7 };

/* ---- what stands in for libc and libpam -------------------------------------------------------------------------- */

#define LINES_MAX 16

static struct {
        unsigned n;
        int level[LINES_MAX];
        char text[LINES_MAX][2048];
} journal;

static struct {
        unsigned group_lists, groups; /* how often NSS was asked */
        bool fail_putenv, fail_set_data;
} libs;

static void on_syslog(int priority, const char *format, va_list ap) {
        unsigned i = journal.n++ % LINES_MAX;

        journal.level[i] = priority & LOG_LEVEL_MASK;
        (void) vsnprintf(journal.text[i], sizeof(journal.text[i]), format, ap);
}

#define FAKE_ID 54321 /* uid and gid of every user "bd-…" in any case, and gid of the group bd-devs */
#define CROWD 100     /* groups of the user bd-crowd; the gid of bd-last is that of the last */
#define NEXT(function) ((__typeof__(&(function))) (uintptr_t) dlsym(RTLD_NEXT, #function))

static bool is_fake(const char *name) {
        return strncasecmp(name, "bd-", 3) == 0;
}

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **ret) {
        static char none[] = "", root[] = "/";

        if (!is_fake(name))
                return NEXT(getpwnam_r)(name, pw, buf, size, ret);
        *ret = NULL;
        if (strlen(name) >= size)
                return errno = ERANGE;
        for (size_t i = 0; i <= strlen(name); i++)
                buf[i] = (char) tolower((unsigned char) name[i]);
        *pw = (struct passwd){.pw_name = buf,
                              .pw_passwd = none,
                              .pw_uid = FAKE_ID,
                              .pw_gid = FAKE_ID,
                              .pw_gecos = none,
                              .pw_dir = root,
                              .pw_shell = none};
        *ret = pw;
        return 0;
}

int getgrouplist(const char *name, gid_t gid, gid_t *groups, int *n) {
        int room = *n, have = streq(name, "bd-crowd") ? CROWD : 1;

        libs.group_lists++;
        if (!is_fake(name))
                return NEXT(getgrouplist)(name, gid, groups, n);
        for (int i = 0; i < have && i < room; i++)
                groups[i] = gid + (gid_t) i;
        *n = have;
        return have <= room ? have : -1;
}

int getgrnam_r(const char *name, struct group *group, char *buf, size_t size, struct group **ret) {
        static char none[] = "", *members[] = {NULL};

        libs.groups++;
        if (!is_fake(name))
                return NEXT(getgrnam_r)(name, group, buf, size, ret);
        *ret = NULL;
        if (!streq(name, "bd-devs") && !streq(name, "bd-last"))
                return 0;
        *group = (struct group){.gr_name = none,
                                .gr_passwd = none,
                                .gr_mem = members,
                                .gr_gid = streq(name, "bd-devs") ? FAKE_ID : FAKE_ID + CROWD - 1};
        *ret = group;
        return 0;
}

int pam_putenv(pam_handle_t *pamh, const char *pair) {
        return libs.fail_putenv ? PAM_BUF_ERR : NEXT(pam_putenv)(pamh, pair);
}

int pam_set_data(pam_handle_t *pamh, const char *name, void *data, void (*cleanup)(pam_handle_t *, void *, int)) {
        if (libs.fail_set_data && streq(name, SESSION_DATA))
                return PAM_BUF_ERR;
        return NEXT(pam_set_data)(pamh, name, data, cleanup);
}

/* ---- fixture ----------------------------------------------------------------------------------------------------- */

static char module[PATH_MAX], me[256], my_group[256];

struct fixture {
        const void *row; /* of a table, for tests that have one */
        char dir[64], services[96], policies[96], policy[112], socket[96];
        struct fake_helper fake;
        struct fake_record *seen;
        struct pam_conv conv;
        pam_handle_t *pamh;
        unsigned said;
        char text[PAM_MAX_MSG_SIZE];
        int conv_result;
};

static _printf_(3, 4) void write_file(const char *dir, const char *name, const char *format, ...) {
        char path[PATH_MAX];
        va_list ap;
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        file = fopen(path, "we");
        assert_non_null(file);
        va_start(ap, format);
        assert_true(vfprintf(file, format, ap) >= 0);
        va_end(ap);
        assert_int_equal(fchmod(fileno(file), 0644), 0);
        assert_int_equal(fclose(file), 0);
}

static void write_policy(struct fixture *f, const char *match, const char *session) {
        write_file(f->policies, POLICY, "[match]\n%s\n[bpf]\ndelegate_maps = array\nconfine = off\n[session]\n%s\n",
                   match, session);
}

static void write_policy_for_me(struct fixture *f, bool deny) {
        char match[512];

        (void) snprintf(match, sizeof(match), "users = %s", me);
        write_policy(f, match, deny ? "on_failure = deny" : "");
}

static void write_service(struct fixture *f, const char *name, const char *arguments) {
        write_file(f->services, name, "session required %s socket=%s policy_dir=%s %s\n", module, f->socket,
                   f->policies, arguments);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        struct fixture *f = userdata;

        if (f->conv_result != PAM_SUCCESS)
                return f->conv_result;
        for (int i = 0; i < n; i++) {
                assert_int_equal(messages[i]->msg_style, PAM_ERROR_MSG);
                (void) snprintf(f->text, sizeof(f->text), "%s", messages[i]->msg);
                f->said++;
        }
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        f->row = *state;
        *state = f;
        f->conv = (struct pam_conv){.conv = converse, .appdata_ptr = f};
        (void) snprintf(f->dir, sizeof(f->dir), "/tmp/bd-retval-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        (void) snprintf(f->services, sizeof(f->services), "%s/pam.d", f->dir);
        (void) snprintf(f->policies, sizeof(f->policies), "%s/policy.d", f->dir);
        (void) snprintf(f->policy, sizeof(f->policy), "%s/" POLICY, f->policies);
        (void) snprintf(f->socket, sizeof(f->socket), "%s/session", f->dir);
        assert_int_equal(mkdir(f->services, 0755), 0);
        assert_int_equal(mkdir(f->policies, 0755), 0);
        /* libpam complains in the log about a missing one. */
        write_file(f->services, "other", "session required pam_deny.so\n");
        f->fake = (struct fake_helper) FAKE_HELPER_INIT;
        assert_int_equal(fake_helper_start(f->socket, &f->fake), 0);
        f->seen = &f->fake.shared->record;
        write_service(f, SERVICE, "");
        write_policy_for_me(f, false);
        memset(&journal, 0, sizeof(journal));
        memset(&libs, 0, sizeof(libs));
        return 0;
}

static void remove_tree(const char *dir) {
        struct dirent *entry;
        DIR *d = opendir(dir);

        assert_non_null(d);
        while ((entry = readdir(d))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                if (unlinkat(dirfd(d), entry->d_name, 0) < 0) {
                        char path[PATH_MAX];

                        (void) snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
                        remove_tree(path);
                }
        }
        (void) closedir(d);
        assert_int_equal(rmdir(dir), 0);
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        libs.fail_putenv = libs.fail_set_data = false;
        fake_helper_done(&f->fake);
        if (f->pamh)
                (void) pam_end(f->pamh, PAM_SUCCESS);
        remove_tree(f->dir);
        free(f);
        return 0;
}

/* ---- the process, before and after ------------------------------------------------------------------------------- */

static void print_descriptors(FILE *out) {
        DIR *d = opendir("/proc/self/fd");
        struct dirent *entry;

        while (d && (entry = readdir(d))) {
                char target[PATH_MAX] = "";

                if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(d))
                        continue;
                (void) !readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
                (void) fprintf(out, "fd %s %s flags %d\n", entry->d_name, target, fcntl(atoi(entry->d_name), F_GETFD));
        }
        (void) closedir(d);
}

static void print_signals(FILE *out) {
        sigset_t blocked, pending;

        (void) sigprocmask(SIG_BLOCK, NULL, &blocked);
        (void) sigpending(&pending);
        for (int i = 1; i < NSIG; i++) {
                struct sigaction action;

                if (sigaction(i, NULL, &action) < 0)
                        continue;
                (void) fprintf(out, "signal %d: %lx flags %x blocked %d pending %d\n", i,
                               (unsigned long) (uintptr_t) action.sa_handler, (unsigned) action.sa_flags,
                               sigismember(&blocked, i), sigismember(&pending, i));
        }
}

/* Everything that a module must leave alone, as text, so that a difference can be read. */
static char *describe_process(void) {
        char *text = NULL, cwd[PATH_MAX];
        size_t size;
        FILE *out = open_memstream(&text, &size);
        mode_t mask = umask(0);

        (void) umask(mask);
        print_descriptors(out);
        print_signals(out);
        (void) fprintf(out, "umask %o\ncwd %s\nlocale %s\nuid %d %d\n", mask, getcwd(cwd, sizeof(cwd)),
                       setlocale(LC_ALL, NULL), (int) getuid(), (int) geteuid());
        for (char **e = environ; *e; e++)
                (void) fprintf(out, "env %s\n", *e);
        (void) fclose(out);
        return text;
}

/* ---- calls into PAM, each compared ------------------------------------------------------------------------------- */

static void start_as(struct fixture *f, const char *service, const char *user) {
        assert_int_equal(pam_start_confdir(service, user, &f->conv, f->services, &f->pamh), PAM_SUCCESS);
}

static void start(struct fixture *f) {
        start_as(f, SERVICE, me);
}

static int compared(int (*call)(pam_handle_t *, int), struct fixture *f, int flags) {
        char *before = describe_process(), *after;
        int code = call(f->pamh, flags);

        after = describe_process();
        assert_string_equal(before, after);
        free(before);
        free(after);
        return code;
}

static int open_session(struct fixture *f) {
        return compared(pam_open_session, f, 0);
}

static int close_session(struct fixture *f) {
        return compared(pam_close_session, f, 0);
}

static void end(struct fixture *f, int flags) {
        char *before = describe_process(), *after;

        assert_int_equal(pam_end(f->pamh, PAM_SUCCESS | flags), PAM_SUCCESS);
        f->pamh = NULL;
        after = describe_process();
        assert_string_equal(before, after);
        free(before);
        free(after);
}

static void assert_logged(unsigned line, int level, const char *needle) {
        assert_true(line < journal.n);
        assert_int_equal(journal.level[line], level);
        if (!strstr(journal.text[line], needle))
                fail_msg("log line \"%s\" lacks \"%s\"", journal.text[line], needle);
        assert_null(strchr(journal.text[line], '\n'));
}

static void assert_nothing_asked(struct fixture *f) {
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->connections, 0);
}

static void assert_no_session(struct fixture *f) {
        assert_null(pam_getenv(f->pamh, PROTO_COOKIE_ENV));
}

static void assert_closed(struct fixture *f, unsigned request, uint64_t session) {
        const struct fake_request *r = &f->seen->request[request];

        assert_true(request < f->seen->requests);
        assert_int_equal(r->check, 0);
        assert_int_equal(r->size, sizeof(struct proto_close_session));
        assert_int_equal(r->message.head.type, PROTO_CLOSE_SESSION);
        assert_true(r->message.close_session.cookie.delegation == FAKE_DELEGATION);
        assert_int_equal(r->message.close_session.cookie.session, session);
}

/* ---- granted ----------------------------------------------------------------------------------------------------- */

static void test_granted(void **state) {
        struct fixture *f = *state;

        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_string_equal(pam_getenv(f->pamh, PROTO_COOKIE_ENV), COOKIE("1"));
        assert_null(getenv(PROTO_COOKIE_ENV));
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_null(pam_getenv(f->pamh, PROTO_COOKIE_ENV));
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->connections, 2);
        assert_int_equal(f->seen->opens, 1);
        assert_closed(f, 1, 1);
        assert_int_equal(f->seen->request[0].pid, getpid());
        assert_int_equal(f->seen->request[1].pid, getpid());
        assert_int_equal(journal.n, 0);
        assert_int_equal(f->said, 0);
}

static void test_request(void **state) {
        struct fixture *f = *state;
        const char *const dirs[] = {f->policies, NULL};
        const struct proto_open_session *request = &f->seen->request[0].message.open_session;
        _cleanup_(policy_freep) struct policy *policy = NULL;
        char rhost[PROTO_RHOST_SIZE + 10];

        memset(rhost, 'r', sizeof(rhost) - 1);
        rhost[sizeof(rhost) - 1] = '\0';
        start(f);
        assert_int_equal(pam_set_item(f->pamh, PAM_TTY, "pts/\x1b[3"), PAM_SUCCESS);
        assert_int_equal(pam_set_item(f->pamh, PAM_RHOST, rhost), PAM_SUCCESS);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(f->seen->request[0].check, 0);
        assert_int_equal(f->seen->request[0].size, sizeof(*request));
        assert_int_equal(policy_read(dirs, POLICY, &policy, NULL), 0);
        assert_memory_equal(request->digest, policy->digest, sizeof(request->digest));
        assert_int_equal(request->uid, geteuid());
        assert_int_equal(request->gid, getpwnam(me)->pw_gid);
        assert_string_equal(request->policy, POLICY);
        assert_string_equal(request->user, me);
        assert_string_equal(request->service, SERVICE);
        assert_string_equal(request->tty, "pts/?[3");
        rhost[PROTO_RHOST_SIZE - 1] = '\0';
        assert_string_equal(request->rhost, rhost);
}

static void test_delayed(void **state) {
        struct fixture *f = *state;

        f->fake.shared->script.open = FAKE_DELAYED;
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_string_equal(pam_getenv(f->pamh, PROTO_COOKIE_ENV), COOKIE("1"));
}

static void test_debug(void **state) {
        struct fixture *f = *state;

        write_service(f, SERVICE, "debug");
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_int_equal(journal.n, 2);
        assert_logged(0, LOG_LEVEL_DEBUG, f->policy);
        assert_logged(0, LOG_LEVEL_DEBUG, "granted");
        assert_logged(1, LOG_LEVEL_DEBUG, COOKIE("1"));
        assert_logged(1, LOG_LEVEL_DEBUG, "closed");
}

/* ---- nothing for this login -------------------------------------------------------------------------------------- */

static void test_no_match(void **state) {
        struct fixture *f = *state;

        write_policy(f, "users = bd-somebody-else", "on_failure = deny");
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_no_session(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_nothing_asked(f);
        assert_int_equal(journal.n, 0);
        assert_int_equal(libs.group_lists + libs.groups, 0);
}

static void test_no_match_without_helper(void **state) {
        struct fixture *f = *state;

        fake_helper_stop(&f->fake);
        assert_int_equal(unlink(f->socket), 0);
        write_policy(f, "users = bd-somebody-else", "on_failure = deny");
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_int_equal(journal.n, 0);
}

static void test_no_policy_directory(void **state) {
        struct fixture *f = *state;

        remove_tree(f->policies);
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_nothing_asked(f);
        assert_int_equal(journal.n, 0);
}

static void test_unknown_user(void **state) {
        struct fixture *f = *state;

        start_as(f, SERVICE, "no-such-user-here");
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_nothing_asked(f);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, "no-such-user-here");
}

/* A broken file grants nothing and locks nobody out, whatever its on_failure says. */
static void test_broken_policy(void **state) {
        struct fixture *f = *state;
        char match[512];

        (void) snprintf(match, sizeof(match), "users = %s", me);
        write_policy(f, match, "on_failure = deny\nlinger = perhaps");
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_no_session(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        /* Once, for the record of it: the answer changes nothing. */
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->connections, 1);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, f->policy);
        assert_logged(0, LOG_LEVEL_ERR, "perhaps");
        assert_int_equal(f->said, 0);
}

static void test_bad_argument(void **state) {
        struct fixture *f = *state;
        const char *argument = f->row;

        write_policy_for_me(f, true);
        write_service(f, SERVICE, argument);
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_no_session(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_nothing_asked(f);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, argument);
        assert_logged(0, LOG_LEVEL_ERR, "socket=PATH timeout=SECONDS policy_dir=DIR debug");
}

#define TOO_LONG_SOCKET                                                   \
        "socket=/0123456789/0123456789/0123456789/0123456789/0123456789/" \
        "0123456789/0123456789/0123456789/0123456789/0123456789"

static const char *const bad_arguments[] = {
        "timeuot=5", "timeout=0", "timeout=61",     "timeout=5s",    "timeout=",    "timeout=-1",
        "timeout",   "socket=",   "socket=session", TOO_LONG_SOCKET, "policy_dir=", "policy_dir=policy.d",
        "debug=yes", "debugs",    "Debug",
};

/* ---- not granted ------------------------------------------------------------------------------------------------- */

#define SOME UINT_MAX

struct refusal {
        const char *name;
        struct fake_script script;
        const char *arguments;
        const char *reason;    /* in the log */
        unsigned requests;     /* that the helper saw; SOME: it is asked again for as long as there is time */
        bool locks_nobody_out; /* PAM_SUCCESS even under deny */
        bool no_helper;
};

static const struct refusal refusals[] = {
        {"refused", {.open = FAKE_RESULT, .result = -EACCES, .text = REASON}, "", REASON, 1, false, false},
        {"refused without words", {.open = FAKE_RESULT, .result = -ENOSPC}, "", "No space left", 1, false, false},
        {"refused unread", {.open = FAKE_EARLY_REPLY, .result = -EUSERS, .text = REASON}, "", REASON, 1, false, false},
        /* Only PROTO_OPENED speaks of the policy file. */
        {"REPLY EBADMSG", {.open = FAKE_EARLY_REPLY, .result = -EBADMSG, .text = REASON}, "", REASON, 1, false, false},
        {"REPLY 0", {.open = FAKE_EARLY_REPLY}, "", "does not understand", 1, false, false},
        {"policy broken",
         {.open = FAKE_RESULT, .result = PROTO_RESULT_POLICY_BROKEN, .text = REASON},
         "",
         REASON,
         1,
         true,
         false},
        {"stale twice",
         {.open = FAKE_RESULT, .result = PROTO_RESULT_STALE, .text = REASON},
         "",
         REASON,
         2,
         false,
         false},
        {"silent", {.open = FAKE_SILENT}, "timeout=1", "within 1 s", 1, false, false},
        {"hangup", {.open = FAKE_HANGUP}, "timeout=1", "closed the connection", SOME, false, false},
        {"garbage", {.open = FAKE_GARBAGE}, "", "does not understand", 1, false, false},
        {"wrong type", {.open = FAKE_WRONG_TYPE}, "", "does not understand", 1, false, false},
        {"short", {.open = FAKE_SHORT}, "", "does not understand", 1, false, false},
        {"long", {.open = FAKE_LONG}, "", "does not understand", 1, false, false},
        {"stray descriptor", {.open = FAKE_STRAY_FD}, "", "does not understand", 1, false, false},
        {"no helper", {.open = FAKE_OK}, "timeout=1", "bpfdelegd is not running", 0, false, true},
};

static void prepare_refusal(struct fixture *f, bool deny) {
        const struct refusal *row = f->row;

        f->fake.shared->script = row->script;
        if (row->no_helper)
                fake_helper_stop(&f->fake); /* leaves the socket's name: ECONNREFUSED */
        write_service(f, SERVICE, row->arguments);
        write_policy_for_me(f, deny);
        start(f);
}

static void check_refusal(struct fixture *f) {
        const struct refusal *row = f->row;

        assert_no_session(f);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, row->reason);
        assert_logged(0, LOG_LEVEL_ERR, f->policy);
        assert_logged(0, LOG_LEVEL_ERR, me);
        assert_logged(0, LOG_LEVEL_ERR, SERVICE);
        (void) close_session(f); /* after an open that failed libpam answers for itself: PAM_PERM_DENIED */
        end(f, 0);
        fake_helper_stop(&f->fake);
        if (row->requests == SOME)
                assert_true(f->seen->requests > 3);
        else
                assert_int_equal(f->seen->requests, row->requests);
        assert_int_equal(f->seen->closes, 0);
        assert_int_equal(journal.n, 1);
}

static void test_refused_allow(void **state) {
        struct fixture *f = *state;

        prepare_refusal(f, false);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(f->said, 0);
        check_refusal(f);
}

static void test_refused_deny(void **state) {
        struct fixture *f = *state;
        const struct refusal *row = f->row;

        prepare_refusal(f, true);
        assert_int_equal(open_session(f), row->locks_nobody_out ? PAM_SUCCESS : PAM_SESSION_ERR);
        assert_int_equal(f->said, row->locks_nobody_out ? 0 : 1);
        if (f->said) {
                assert_non_null(strstr(f->text, POLICY));
                assert_non_null(strstr(f->text, "administrator"));
                assert_null(strchr(f->text, '\n'));
        }
        check_refusal(f);
}

static void test_no_socket(void **state) {
        struct fixture *f = *state;

        assert_int_equal(unlink(f->socket), 0);
        write_policy_for_me(f, true);
        start(f);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, "bpfdelegd is not running");
        assert_logged(0, LOG_LEVEL_ERR, f->socket);
}

/*
 * The deadline. That the module gave up by itself is seen on the other side, which waits for ever; the clock is only
 * asked whether it gave up too early, and, with room for the slowest machine, whether it took the timeout it was told.
 */
static void test_deadline(void **state) {
        struct fixture *f = *state;
        uint64_t begin, took;

        f->fake.shared->script.open = FAKE_SILENT;
        write_service(f, SERVICE, "timeout=2");
        start(f);
        begin = now_usec();
        assert_int_equal(open_session(f), PAM_SUCCESS);
        took = now_usec() - begin;
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->given_up, 1);
        assert_true(took >= 2 * USEC_PER_SEC - 50 * USEC_PER_MSEC);
        assert_true(took < 45 * USEC_PER_SEC);
        assert_logged(0, LOG_LEVEL_ERR, "within 2 s");
}

static void test_silent_message(void **state) {
        struct fixture *f = *state;

        f->fake.shared->script = (struct fake_script){.open = FAKE_RESULT, .result = -EACCES, .text = REASON};
        write_policy_for_me(f, true);
        start(f);
        assert_int_equal(compared(pam_open_session, f, PAM_SILENT), PAM_SESSION_ERR);
        assert_int_equal(f->said, 0);
        assert_int_equal(journal.n, 1);
}

static void test_no_conversation(void **state) {
        struct fixture *f = *state;

        f->conv_result = PAM_CONV_ERR;
        f->fake.shared->script = (struct fake_script){.open = FAKE_RESULT, .result = -EACCES, .text = REASON};
        write_policy_for_me(f, true);
        start(f);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_int_equal(pam_set_item(f->pamh, PAM_CONV, &(struct pam_conv){NULL, NULL}), PAM_SUCCESS);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_logged(0, LOG_LEVEL_ERR, REASON);
}

/* ---- a policy file that changes meanwhile ------------------------------------------------------------------------ */

static void replace_policy_meanwhile(struct fixture *f, const char *match) {
        struct fake_script *script = &f->fake.shared->script;

        script->open = FAKE_STALE_ONCE;
        write_file(f->dir, "new.ini", "[match]\nusers = %s\n[bpf]\ndelegate_maps = hash\n", match);
        (void) snprintf(script->rename_from, sizeof(script->rename_from), "%s/new.ini", f->dir);
        (void) snprintf(script->rename_to, sizeof(script->rename_to), "%s", f->policy);
}

static void test_stale_once(void **state) {
        struct fixture *f = *state;
        const struct fake_request *request = f->seen->request;

        replace_policy_meanwhile(f, me);
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_string_equal(pam_getenv(f->pamh, PROTO_COOKIE_ENV), COOKIE("2"));
        assert_int_equal(f->seen->opens, 2);
        assert_memory_not_equal(request[0].message.open_session.digest, request[1].message.open_session.digest,
                                PROTO_DIGEST_SIZE);
        assert_int_equal(journal.n, 0);
}

static void test_stale_no_match(void **state) {
        struct fixture *f = *state;

        replace_policy_meanwhile(f, "bd-somebody-else");
        write_policy_for_me(f, true);
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_no_session(f);
        assert_int_equal(f->seen->opens, 1);
        assert_int_equal(journal.n, 0);
}

/* ---- who it is --------------------------------------------------------------------------------------------------- */

static void open_as(struct fixture *f, const char *user, const char *match, unsigned opens) {
        write_policy(f, match, "on_failure = deny");
        start_as(f, SERVICE, user);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_int_equal(f->seen->opens, opens);
        assert_int_equal(f->seen->connections, opens);
}

static void test_group(void **state) {
        open_as(*state, "bd-alice", "groups = bd-none, bd-devs", 1);
        assert_int_equal(libs.group_lists, 1);
}

static void test_group_not_in(void **state) {
        open_as(*state, "bd-alice", "groups = bd-last, bd-none", 0);
}

static void test_group_excluded(void **state) {
        open_as(*state, "bd-alice", "users = bd-alice\ngroups = ~bd-devs", 0);
}

static void test_many_groups(void **state) {
        open_as(*state, "bd-crowd", "groups = bd-last", 1);
}

static void test_real_group(void **state) {
        char match[1024];

        (void) snprintf(match, sizeof(match), "users = %s\ngroups = %s", me, my_group);
        open_as(*state, me, match, 1);
}

/* The name that NSS gives is the one that counts, not the one typed. */
static void test_canonical_name(void **state) {
        struct fixture *f = *state;

        open_as(f, "BD-Bob", "users = bd-bob", 1);
        assert_string_equal(f->seen->request[0].message.open_session.user, "bd-bob");
}

static void test_canonical_name_excluded(void **state) {
        open_as(*state, "BD-Bob", "users = ~bd-bob\ngroups = bd-devs", 0);
}

static void test_longest_user(void **state) {
        char user[PROTO_USER_SIZE] = "bd-";
        struct fixture *f = *state;

        memset(user + 3, 'x', sizeof(user) - 4);
        open_as(f, user, "groups = bd-devs", 1);
        assert_string_equal(f->seen->request[0].message.open_session.user, user);
}

static void test_too_long_user(void **state) {
        char user[PROTO_USER_SIZE + 1] = "bd-";
        struct fixture *f = *state;

        memset(user + 3, 'x', sizeof(user) - 4);
        write_policy(f, "groups = bd-devs", "on_failure = deny");
        start_as(f, SERVICE, user);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_nothing_asked(f);
        assert_logged(0, LOG_LEVEL_ERR, "at most 255 bytes");
}

static void test_too_long_service(void **state) {
        char service[PROTO_SERVICE_SIZE + 1];
        struct fixture *f = *state;

        memset(service, 's', sizeof(service) - 1);
        service[sizeof(service) - 1] = '\0';
        write_service(f, service, "");
        write_policy_for_me(f, true);
        start_as(f, service, me);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_nothing_asked(f);
        assert_logged(0, LOG_LEVEL_ERR, "127 for a service's");
}

/* ---- the way to the end ------------------------------------------------------------------------------------------ */

static void open_granted(struct fixture *f) {
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_non_null(pam_getenv(f->pamh, PROTO_COOKIE_ENV));
}

/* What it closes could only be what another handle of this process has opened. */
static void test_close_without_open(void **state) {
        struct fixture *f = *state;

        f->fake.shared->script = (struct fake_script){.close = FAKE_RESULT, .result = -ENOENT, .text = REASON};
        start(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->finds, 1);
        assert_int_equal(f->seen->closes, 0);
        assert_int_equal(journal.n, 0);
}

/* JupyterHub's way: open, end; and to close, start anew. */
static void test_close_in_another_handle(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        end(f, 0);
        assert_int_equal(f->seen->closes, 0);
        start(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_int_equal(f->seen->finds, 1);
        assert_int_equal(f->seen->request[1].check, 0);
        assert_int_equal(f->seen->request[1].message.find_session.uid, geteuid());
        assert_closed(f, 2, 1);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->requests, 3);
        assert_int_equal(journal.n, 0);
}

static void test_close_twice(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, 1);
        assert_int_equal(journal.n, 0);
}

/* The second joins before the first leaves, so the delegation lives on. */
static void test_two_opens(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_string_equal(pam_getenv(f->pamh, PROTO_COOKIE_ENV), COOKIE("2"));
        assert_int_equal(f->seen->opens, 2);
        assert_closed(f, 2, 1);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_closed(f, 3, 2);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->requests, 4);
}

static void test_open_again(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_string_equal(pam_getenv(f->pamh, PROTO_COOKIE_ENV), COOKIE("2"));
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_closed(f, 3, 2);
}

/* The process lives on, and has closed nothing. */
static void test_end_without_close(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, 0);
}

/* An application that could not open the whole of a session has none. */
static void test_end_with_error(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        assert_int_equal(pam_end(f->pamh, PAM_SESSION_ERR), PAM_SUCCESS);
        f->pamh = NULL;
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, 1);
        assert_closed(f, 1, 1);
}

static void test_end_silently(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        f->fake.shared->script = (struct fake_script){.close = FAKE_RESULT, .result = -EIO, .text = REASON};
        assert_int_equal(pam_end(f->pamh, PAM_SESSION_ERR | PAM_DATA_SILENT), PAM_SUCCESS);
        f->pamh = NULL;
        fake_helper_stop(&f->fake);
        assert_closed(f, 1, 1);
        assert_int_equal(journal.n, 0);
}

/* su's child ends so, before it runs the command. */
static void test_end_in_child(void **state) {
        struct fixture *f = *state;
        int status;
        pid_t pid;

        open_granted(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(pam_end(f->pamh, PAM_SESSION_ERR | PAM_DATA_SILENT) == PAM_SUCCESS ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->connections, 2);
        assert_int_equal(f->seen->request[1].pid, getpid());
        assert_closed(f, 1, 1);
}

static void test_close_in_child(void **state) {
        struct fixture *f = *state;
        int status;
        pid_t pid;

        open_granted(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(pam_close_session(f->pamh, 0) == PAM_SUCCESS ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_closed(f, 1, 1);
        assert_int_equal(f->seen->request[1].pid, pid);
}

/* (sd-pam) of the user manager closes with the user's uid, and may not connect: no error, nothing in the log. */
static void test_close_as_user(void **state) {
        struct fixture *f = *state;
        int status;
        pid_t pid;

        open_granted(f);
        assert_int_equal(chmod(f->socket, 0), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                bool dropped = geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;

                _exit(dropped && pam_close_session(f->pamh, 0) == PAM_SUCCESS && journal.n == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(f->seen->connections, 1);
        assert_int_equal(chmod(f->socket, 0600), 0);
}

struct close_case {
        const char *name;
        struct fake_script script;
        const char *reason; /* in the log; NULL: nothing there */
        bool no_helper;
};

static const struct close_case close_cases[] = {
        {"ended before", {.close = FAKE_RESULT, .result = -ENOENT, .text = REASON}, NULL, false},
        {"failed", {.close = FAKE_RESULT, .result = -EIO, .text = REASON}, REASON, false},
        {"failed without words", {.close = FAKE_RESULT, .result = -EBUSY}, "busy", false},
        {"silent", {.close = FAKE_SILENT}, "within 1 s", false},
        {"hangup", {.close = FAKE_HANGUP}, "closed the connection", false},
        {"garbage", {.close = FAKE_GARBAGE}, "does not understand", false},
        {"wrong type", {.close = FAKE_WRONG_TYPE}, "does not understand", false},
        {"short", {.close = FAKE_SHORT}, "does not understand", false},
        {"stray descriptor", {.close = FAKE_STRAY_FD}, "does not understand", false},
        {"no helper", {.close = FAKE_OK}, "bpfdelegd is not running", true},
};

static void test_close_trouble(void **state) {
        struct fixture *f = *state;
        const struct close_case *row = f->row;

        write_service(f, SERVICE, "timeout=1");
        write_policy_for_me(f, true);
        open_granted(f);
        f->fake.shared->script = row->script;
        if (row->no_helper)
                fake_helper_stop(&f->fake);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        assert_no_session(f);
        assert_int_equal(journal.n, row->reason ? 1 : 0);
        if (row->reason) {
                assert_logged(0, LOG_LEVEL_ERR, row->reason);
                assert_logged(0, LOG_LEVEL_ERR, COOKIE("1"));
                assert_logged(0, LOG_LEVEL_ERR, me);
        }
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, row->no_helper ? 0 : row->script.close == FAKE_HANGUP ? 2 : 1);
        assert_int_equal(f->said, 0);
}

/* ---- a helper that goes, and another that comes ------------------------------------------------------------------ */

static void test_open_cut_once(void **state) {
        struct fixture *f = *state;
        const struct fake_request *first = &f->seen->request[0], *second = &f->seen->request[1];

        f->fake.shared->script.open = FAKE_HANGUP_ONCE;
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_non_null(pam_getenv(f->pamh, PROTO_COOKIE_ENV));
        assert_int_equal(f->seen->opens, 2);
        assert_true(first->message.open_session.attempt != 0);
        assert_memory_equal(&first->message.open_session, &second->message.open_session,
                            sizeof(first->message.open_session));
        assert_int_equal(journal.n, 0);
}

static void test_attempts_differ(void **state) {
        struct fixture *f = *state;

        open_granted(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        assert_true(f->seen->request[0].message.open_session.attempt !=
                    f->seen->request[1].message.open_session.attempt);
}

/* Nobody listens at first: the test's own child becomes the helper while the module asks. */
static void test_open_refused_at_first(void **state) {
        struct fixture *f = *state;
        struct fake_helper late = FAKE_HELPER_INIT;
        pid_t pid;

        fake_helper_stop(&f->fake);
        start(f);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) usleep(300000);
                _exit(fake_helper_start(f->socket, &late) < 0 || usleep(1500000) < 0);
        }
        assert_int_equal(pam_open_session(f->pamh, 0), PAM_SUCCESS);
        assert_non_null(pam_getenv(f->pamh, PROTO_COOKIE_ENV));
        assert_int_equal(journal.n, 0);
        (void) pam_close_session(f->pamh, 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Where a helper of before has its records, a note is left for the next. */
static void expect_note(struct fixture *f, const char *name, bool there) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/" PROTO_CLOSED_DIR "/" PROTO_CLOSED "%s", f->dir, name);
        assert_int_equal(access(path, F_OK), there ? 0 : -1);
}

static void make_state_dir(struct fixture *f) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/" PROTO_CLOSED_DIR, f->dir);
        assert_int_equal(mkdir(path, 0700), 0);
}

static void test_close_leaves_note(void **state) {
        struct fixture *f = *state;

        make_state_dir(f);
        open_granted(f);
        fake_helper_stop(&f->fake);
        assert_int_equal(close_session(f), PAM_SUCCESS);
        expect_note(f, COOKIE("1"), true);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, "left for the next bpfdelegd");
}

static void test_close_heard_at_last(void **state) {
        struct fixture *f = *state;

        make_state_dir(f);
        open_granted(f);
        f->fake.shared->script.close = FAKE_HANGUP_ONCE;
        assert_int_equal(close_session(f), PAM_SUCCESS);
        expect_note(f, COOKIE("1"), false);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, 2);
        assert_int_equal(journal.n, 0);
}

/* One that died with our answer may have opened a session; nobody waits for it any more. */
static void test_open_given_up_leaves_note(void **state) {
        struct fixture *f = *state;
        char id[PROTO_ID_SIZE];

        make_state_dir(f);
        write_service(f, SERVICE, "timeout=1");
        f->fake.shared->script.open = FAKE_HANGUP;
        start(f);
        assert_int_equal(open_session(f), PAM_SUCCESS);
        expect_note(f, proto_id_format(f->seen->request[0].message.open_session.attempt, id), true);
}

/* ---- when the host process is in a bad way ----------------------------------------------------------------------- */

/* What was granted and cannot be kept is given back at once. */
static void check_given_back(struct fixture *f) {
        write_policy_for_me(f, true);
        start(f);
        assert_int_equal(open_session(f), PAM_SESSION_ERR);
        assert_no_session(f);
        assert_int_equal(journal.n, 1);
        assert_logged(0, LOG_LEVEL_ERR, "given back");
        assert_closed(f, 1, 1);
        /* As a helper says that has closed the one there was. */
        f->fake.shared->script = (struct fake_script){.close = FAKE_RESULT, .result = -ENOENT, .text = REASON};
        (void) close_session(f);
        end(f, 0);
        fake_helper_stop(&f->fake);
        assert_int_equal(f->seen->closes, 1);
}

static void test_putenv_fails(void **state) {
        libs.fail_putenv = true;
        check_given_back(*state);
}

static void test_set_data_fails(void **state) {
        libs.fail_set_data = true;
        check_given_back(*state);
}

static void hide_stdio(int saved[3]) {
        for (int i = 0; i < 3; i++) {
                saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
                (void) close(i);
        }
}

static void restore_stdio(int saved[3]) {
        for (int i = 0; i < 3; i++) {
                if (saved[i] >= 0)
                        (void) dup2(saved[i], i);
                (void) close_fd(saved[i]);
        }
}

/* Nothing here may assert before the descriptors are back: there is nowhere to print. */
static void test_stdio_closed(void **state) {
        struct fixture *f = *state;
        int saved[3], opened, closed;
        char *before, *between, *after;

        start(f);
        (void) fflush(stdout);
        hide_stdio(saved);
        before = describe_process();
        opened = pam_open_session(f->pamh, 0);
        between = describe_process();
        closed = pam_close_session(f->pamh, 0);
        after = describe_process();
        restore_stdio(saved);

        assert_int_equal(opened, PAM_SUCCESS);
        assert_int_equal(closed, PAM_SUCCESS);
        assert_string_equal(before, between);
        assert_string_equal(before, after);
        assert_int_equal(f->seen->requests, 2);
        assert_int_equal(f->seen->request[0].low_fds + f->seen->request[1].low_fds, 0);
        free(before);
        free(between);
        free(after);
}

/* ---- list -------------------------------------------------------------------------------------------------------- */

#define TEST(function) \
        { #function, test_##function, set_up, tear_down, NULL }

static const struct CMUnitTest single_tests[] = {
        TEST(granted),
        TEST(request),
        TEST(delayed),
        TEST(debug),
        TEST(no_match),
        TEST(no_match_without_helper),
        TEST(no_policy_directory),
        TEST(unknown_user),
        TEST(broken_policy),
        TEST(no_socket),
        TEST(deadline),
        TEST(silent_message),
        TEST(no_conversation),
        TEST(stale_once),
        TEST(stale_no_match),
        TEST(group),
        TEST(group_not_in),
        TEST(group_excluded),
        TEST(many_groups),
        TEST(real_group),
        TEST(canonical_name),
        TEST(canonical_name_excluded),
        TEST(longest_user),
        TEST(too_long_user),
        TEST(too_long_service),
        TEST(close_without_open),
        TEST(close_twice),
        TEST(two_opens),
        TEST(open_again),
        TEST(end_without_close),
        TEST(end_silently),
        TEST(end_in_child),
        TEST(close_in_child),
        TEST(close_as_user),
        TEST(close_in_another_handle),
        TEST(end_with_error),
        TEST(open_cut_once),
        TEST(attempts_differ),
        TEST(open_refused_at_first),
        TEST(close_leaves_note),
        TEST(close_heard_at_last),
        TEST(open_given_up_leaves_note),
        TEST(putenv_fails),
        TEST(set_data_fails),
        TEST(stdio_closed),
};

#define TESTS_MAX \
        (ELEMENTSOF(single_tests) + ELEMENTSOF(bad_arguments) + 2 * ELEMENTSOF(refusals) + ELEMENTSOF(close_cases))

static struct CMUnitTest tests[TESTS_MAX];
static char test_names[TESTS_MAX][256];
static size_t n_tests;

static void add_row(const char *what, const char *name, CMUnitTestFunction function, const void *row) {
        (void) snprintf(test_names[n_tests], sizeof(test_names[n_tests]), "%s: %s", what, name);
        tests[n_tests] =
                (struct CMUnitTest){test_names[n_tests], function, set_up, tear_down, (void *) (uintptr_t) row};
        n_tests++;
}

static void list_tests(void) {
        for (size_t i = 0; i < ELEMENTSOF(single_tests); i++)
                tests[n_tests++] = single_tests[i];
        for (size_t i = 0; i < ELEMENTSOF(bad_arguments); i++)
                add_row("argument", bad_arguments[i], test_bad_argument, bad_arguments[i]);
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                add_row("allow", refusals[i].name, test_refused_allow, &refusals[i]);
                add_row("deny", refusals[i].name, test_refused_deny, &refusals[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(close_cases); i++)
                add_row("close", close_cases[i].name, test_close_trouble, &close_cases[i]);
}

static void find_module(void) {
        const char *top = getenv("top_builddir");
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/pam/.libs/pam_bpfdeleg.so", top ? top : ".");
        if (!realpath(path, module)) {
                (void) fprintf(stderr, "%s: %s; top_builddir says where the module was built\n", path, strerror(errno));
                exit(99);
        }
}

int main(void) {
        const struct passwd *pw = getpwuid(geteuid());
        const struct group *group = pw ? getgrgid(pw->pw_gid) : NULL;

        if (!pw || !group) {
                (void) printf("1..0 # SKIP the uid that runs this has no name or no group\n");
                return 0;
        }
        (void) snprintf(me, sizeof(me), "%s", pw->pw_name);
        (void) snprintf(my_group, sizeof(my_group), "%s", group->gr_name);
        find_module();
        list_tests();
        return _cmocka_run_group_tests("pam", tests, n_tests, NULL, NULL);
}
