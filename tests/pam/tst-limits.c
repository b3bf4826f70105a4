/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A login with limits (pam_limits, limits.conf): whatever an admin sets to 0 or 1, a login with the module ends as one
 * with pam_permit in its place. Each trial is a process of its own, which starts PAM, takes the limit, opens, closes
 * and ends; what is compared is how it dies. Where pam_permit itself cannot go on, that is said.
 */

#include "config.h"

#include "fake-helper.h"

#include <dirent.h>
#include <dlfcn.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h> /* after util.h, whose fail() it would take for its own */
#include <security/pam_appl.h>

static char module[PATH_MAX], me[256], dir[64] = "/tmp/bd-limits-XXXXXX", services[96], policies[96], socket_path[96];

static _printf_(3, 4) void write_file(const char *in, const char *name, const char *format, ...) {
        char path[PATH_MAX];
        va_list ap;
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", in, name);
        file = fopen(path, "w");
        assert_non_null(file);
        va_start(ap, format);
        (void) vfprintf(file, format, ap);
        va_end(ap);
        assert_int_equal(fclose(file), 0);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) messages;
        (void) userdata;
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

#define NO_LIMIT (-1)

/* What an application does; its status says how the session's opening went. */
static _Noreturn void log_in(const char *service, int resource, rlim_t limit) {
        const struct rlimit rl = {.rlim_cur = limit, .rlim_max = limit};
        const struct pam_conv conv = {.conv = converse};
        const struct rlimit no_core = {0};
        pam_handle_t *pamh = NULL;
        int code;

        (void) setrlimit(RLIMIT_CORE, &no_core);
        for (int i = 1; i < NSIG; i++)
                (void) signal(i, SIG_DFL);
        if (pam_start_confdir(service, me, &conv, services, &pamh) != PAM_SUCCESS)
                _exit(100);
        if (resource != NO_LIMIT && setrlimit((__rlimit_resource_t) resource, &rl) < 0)
                _exit(101);
        code = pam_open_session(pamh, 0);
        (void) pam_close_session(pamh, 0);
        (void) pam_end(pamh, PAM_SUCCESS);
        _exit(code);
}

static int status_of_login(const char *service, int resource, rlim_t limit) {
        int status = 0;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                log_in(service, resource, limit);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static const char *words(int status, char buf[64]) {
        if (WIFSIGNALED(status))
                (void) snprintf(buf, 64, "signal %d", WTERMSIG(status));
        else
                (void) snprintf(buf, 64, "PAM code %d", WEXITSTATUS(status));
        return buf;
}

static const struct {
        const char *name;
        int resource;
} limits[] = {
        {"none", NO_LIMIT},
        {"fsize", RLIMIT_FSIZE},
        {"nofile", RLIMIT_NOFILE},
        {"as", RLIMIT_AS},
        {"stack", RLIMIT_STACK},
        {"nproc", RLIMIT_NPROC},
        {"memlock", RLIMIT_MEMLOCK},
        {"data", RLIMIT_DATA},
        {"core", RLIMIT_CORE},
        {"locks", RLIMIT_LOCKS},
        {"sigpending", RLIMIT_SIGPENDING},
        {"msgqueue", RLIMIT_MSGQUEUE},
        {"nice", RLIMIT_NICE},
        {"rtprio", RLIMIT_RTPRIO},
        {"rss", RLIMIT_RSS},
};

/* One way that the helper and the policy are, under each limit. */
static void compare(const char *way, const char *service) {
        unsigned wrong = 0, not_even_permit = 0;
        char a[64], b[64];

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (rlim_t value = 0; value <= 1; value++) {
                        int permit = status_of_login("permit", limits[i].resource, value);
                        int ours = status_of_login(service, limits[i].resource, value);

                        if (permit != 0) {
                                not_even_permit++;
                                print_message("%s = %u: pam_permit itself ends with %s, the module with %s\n",
                                              limits[i].name, (unsigned) value, words(permit, a), words(ours, b));
                        }
                        if (ours == permit)
                                continue;
                        wrong++;
                        print_error("%s, %s = %u: the login ends with %s, with pam_permit %s\n", way, limits[i].name,
                                    (unsigned) value, words(ours, a), words(permit, b));
                }
        assert_int_equal(wrong, 0);
        assert_true(not_even_permit < ELEMENTSOF(limits));
}

static void write_policy(const char *match) {
        write_file(policies, "50-test.ini", "[match]\n%s\n[bpf]\ndelegate_maps = array\nconfine = off\n", match);
}

static void with_helper(enum fake_answer open, enum fake_answer close, const char *way) {
        struct fake_helper fake = FAKE_HELPER_INIT;

        assert_int_equal(fake_helper_start(socket_path, &fake), 0);
        fake.shared->script.open = open;
        fake.shared->script.close = close;
        compare(way, "ours");
        fake_helper_stop(&fake);
        /* The trial is none if the module did not get so far where nothing is limited. */
        assert_true(fake.shared->record.opens > 0);
        fake_helper_done(&fake);
}

static void write_policy_for_me(void) {
        char match[512];

        (void) snprintf(match, sizeof(match), "users = %s", me);
        write_policy(match);
}

static void test_granted(void **state) {
        (void) state;
        write_policy_for_me();
        with_helper(FAKE_OK, FAKE_OK, "granted");
}

static void test_by_group(void **state) {
        struct group *group = getgrgid(getpwnam(me)->pw_gid);
        char match[512];

        (void) state;
        assert_non_null(group);
        (void) snprintf(match, sizeof(match), "users = %s\ngroups = %s", me, group->gr_name);
        write_policy(match);
        with_helper(FAKE_OK, FAKE_OK, "granted by group");
}

/* Whoever sends to it gets EPIPE, and must not get SIGPIPE. */
static void test_cut(void **state) {
        (void) state;
        write_policy_for_me();
        with_helper(FAKE_HANGUP, FAKE_HANGUP, "the helper hangs up");
}

static void test_no_helper(void **state) {
        (void) state;
        (void) unlink(socket_path);
        write_policy_for_me();
        compare("no helper", "ours");
}

static void test_no_match(void **state) {
        (void) state;
        write_policy("users = bd-nobody-of-that-name");
        compare("no match", "ours");
}

static void test_broken(void **state) {
        (void) state;
        write_file(policies, "50-test.ini", "[match\nusers\n");
        compare("a broken policy", "ours");
}

static int make_place(void **state) {
        const struct passwd *pw = getpwuid(geteuid());

        (void) state;
        assert_non_null(pw);
        (void) snprintf(me, sizeof(me), "%s", pw->pw_name);
        assert_non_null(mkdtemp(dir));
        (void) snprintf(services, sizeof(services), "%s/pam.d", dir);
        (void) snprintf(policies, sizeof(policies), "%s/policy.d", dir);
        (void) snprintf(socket_path, sizeof(socket_path), "%s/session", dir);
        assert_int_equal(mkdir(services, 0755), 0);
        assert_int_equal(mkdir(policies, 0755), 0);
        write_file(services, "other", "session required pam_deny.so\n");
        write_file(services, "permit", "session required pam_permit.so\n");
        write_file(services, "ours",
                   "session required pam_permit.so\nsession required %s socket=%s policy_dir=%s timeout=1\n", module,
                   socket_path, policies);
        return 0;
}

static int remove_place(void **state) {
        char command[128];

        (void) state;
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        return system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c,bugprone-command-processor) */
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_granted),   cmocka_unit_test(test_by_group), cmocka_unit_test(test_cut),
                cmocka_unit_test(test_no_helper), cmocka_unit_test(test_no_match), cmocka_unit_test(test_broken),
        };
        const char *top = getenv("top_builddir");
        char path[PATH_MAX];

#ifdef __SANITIZE_ADDRESS__
        puts("1..0 # SKIP the address sanitizer cannot live with these limits");
        return 0;
#endif
        (void) snprintf(path, sizeof(path), "%s/pam/.libs/pam_bpfdeleg.so", top ? top : ".");
        if (!realpath(path, module)) {
                (void) fprintf(stderr, "%s: %s; top_builddir says where the module was built\n", path, strerror(errno));
                return 99;
        }
        return cmocka_run_group_tests(tests, make_place, remove_place);
}
