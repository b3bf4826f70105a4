/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a policy file may say, whom it is for, and which file of several it is. Each thing that is granted has what is
 * refused beside it: a policy that matches too much is a hole, one that is taken apart from what its admin meant is
 * too.
 */

#include "config.h"

#include "files.h"
#include "policy.h"
#include "proto.h"

#include <linux/capability.h>

#define CAP(n) (UINT64_C(1) << (n))

/* ---- one file ---------------------------------------------------------------------------------------------------- */

/* Reads text as the file 50-x.ini of the directory "one". */
static struct policy *read_policy(const char *text) {
        const char *dirs[] = {files_mkdir("one"), NULL};
        struct policy *policy = NULL;
        struct errtext err = {.s = ""};
        int r;

        files_write("one/50-x.ini", text);
        r = policy_read(dirs, "50-x.ini", &policy, &err);
        if (r != 0)
                fail_msg("%d: %s\n%s", r, err.s, text);
        assert_string_equal(err.s, "");
        assert_string_equal(policy->name, "50-x.ini");
        assert_string_equal(policy->path, files_path("one/50-x.ini"));
        return policy;
}

static void test_defaults(void **state) {
        static const char text[] = "[match]\nusers = alice\n";
        _cleanup_(policy_freep) struct policy *policy = read_policy(text);
        uint8_t digest[SHA256_SIZE];

        (void) state;
        assert_string_equal(policy->error.s, "");
        assert_true(policy->match_known);
        assert_string_equal(policy->users, "alice");
        assert_null(policy->groups);
        assert_null(policy->services);
        for (unsigned i = 0; i < POLICY_AXES; i++)
                assert_null(policy->axis[i]);
        assert_string_equal(policy->mount_path, "/sys/fs/bpf");
        assert_int_equal(policy->mode, 0700);
        assert_true(policy->caps == CAP(CAP_BPF));
        assert_false(policy->allow_host_wide);
        assert_int_equal(policy->confine, POLICY_CONFINE_REQUIRED);
        assert_int_equal(policy->network, POLICY_NETWORK_HOST);
        for (unsigned i = 0; i < POLICY_LIMITS; i++)
                assert_true(policy->limit[i] == (i == POLICY_DESCENDANTS_MAX ? 128 :
                                                 i == POLICY_DEPTH_MAX       ? 8 :
                                                                               POLICY_UNSET));
        assert_int_equal(policy->scope, POLICY_SCOPE_USER);
        assert_false(policy->linger);
        assert_false(policy->deny);
        sha256(text, strlen(text), digest);
        assert_memory_equal(policy->digest, digest, sizeof(digest));
}

static void test_everything(void **state) {
        _cleanup_(policy_freep) struct policy *policy = read_policy(
                "[match]\nusers = alice, ~bob\ngroups = netdev\nservices = sshd, login\n"
                "[bpf]\ndelegate_cmds = map_create, prog_load\ndelegate_maps = array, hash\n"
                "delegate_progs = @socket, ~sk_msg\ndelegate_attachs = any\n"
                "path = /run/bpf\nmode = 0750\ncaps = cap_bpf CAP_NET_ADMIN, CAP_PERFMON, CAP_NET_BIND_SERVICE\n"
                "allow_host_wide = yes\nconfine = preferred\nnetwork = private\n"
                "[cgroup]\npids_max = 512\nmemory_max = 1G\nmemory_high = 768M\ncpu_weight = 100\ncpu_quota = "
                "150%\nio_weight = 10\ndescendants_max = 1000\ndepth_max = 12\n"
                "[session]\nscope = session\nlinger = yes\non_failure = deny\n");

        (void) state;
        assert_string_equal(policy->error.s, "");
        assert_string_equal(policy->users, "alice, ~bob");
        assert_string_equal(policy->groups, "netdev");
        assert_string_equal(policy->services, "sshd, login");
        assert_string_equal(policy->axis[POLICY_CMDS], "map_create, prog_load");
        assert_string_equal(policy->axis[POLICY_MAPS], "array, hash");
        assert_string_equal(policy->axis[POLICY_PROGS], "@socket, ~sk_msg");
        assert_string_equal(policy->axis[POLICY_ATTACHS], "any");
        assert_string_equal(policy->mount_path, "/run/bpf");
        assert_int_equal(policy->mode, 0750);
        assert_true(policy->caps == (CAP(CAP_BPF) | CAP(CAP_NET_ADMIN) | CAP(CAP_PERFMON) | CAP(CAP_NET_BIND_SERVICE)));
        assert_true(policy->allow_host_wide);
        assert_int_equal(policy->confine, POLICY_CONFINE_PREFERRED);
        assert_int_equal(policy->network, POLICY_NETWORK_PRIVATE);
        assert_true(policy->limit[POLICY_PIDS_MAX] == 512);
        assert_true(policy->limit[POLICY_MEMORY_MAX] == UINT64_C(1) << 30);
        assert_true(policy->limit[POLICY_MEMORY_HIGH] == UINT64_C(768) << 20);
        assert_true(policy->limit[POLICY_CPU_WEIGHT] == 100);
        assert_true(policy->limit[POLICY_CPU_QUOTA] == 150);
        assert_true(policy->limit[POLICY_IO_WEIGHT] == 10);
        assert_true(policy->limit[POLICY_DESCENDANTS_MAX] == 1000);
        assert_true(policy->limit[POLICY_DEPTH_MAX] == 12);
        assert_int_equal(policy->scope, POLICY_SCOPE_SESSION);
        assert_true(policy->linger);
        assert_true(policy->deny);
}

#define LONG_PATH \
        "/2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
#define USER_255                                                                                               \
        "u234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
        "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890" \
        "1234567890123456789012345678901234567890123456789012345"

/* One more line in [SECTION] of a file that is right; refusal NULL: it stays right. */
static const struct {
        const char *section, *line, *refusal;
} lines[] = {
        {"bpf", "path = /sys/fs/bpf", NULL},
        {"bpf", "path = /a", NULL},
        {"bpf", "path = /a/...", NULL},
        {"bpf", "path = /a/.b/c..", NULL},
        {"bpf", "path = " LONG_PATH LONG_PATH "/34567890123456789012345", NULL},
        {"bpf", "path = " LONG_PATH LONG_PATH "/3456789012345678901234567890123456789", "path: longer than 255 bytes"},
        {"bpf", "path = sys/fs/bpf", "path: 'sys/fs/bpf' is not absolute; expected a path like /sys/fs/bpf"},
        {"bpf", "path = /sys\tfs", "path: '/sys?fs' has a tab in it"},
        {"bpf", "mode = 07\t00", "mode: '07?00' is no mode"},
        {"bpf", "path =", "path: '' is not absolute"},
        {"bpf", "path = /", "path: '/' has an empty, '.' or '..' component"},
        {"bpf", "path = /a/", "path: '/a/' has an empty, '.' or '..' component"},
        {"bpf", "path = //a", "path: '//a' has an empty"},
        {"bpf", "path = /a//b", "path: '/a//b' has an empty"},
        {"bpf", "path = /a/./b", "path: '/a/./b' has an empty"},
        {"bpf", "path = /a/../b", "path: '/a/../b' has an empty"},
        {"bpf", "path = /..", "path: '/..' has an empty"},
        {"bpf", "mode = 0777", NULL},
        {"bpf", "mode = 700", NULL},
        {"bpf", "mode = 01700", "mode: '01700' is no mode; expected octal digits up to 0777, like 0700"},
        {"bpf", "mode = 0800", "mode: '0800' is no mode"},
        {"bpf", "mode = u=rwx", "mode: 'u=rwx' is no mode"},
        {"bpf", "mode =", "mode: '' is no mode"},
        {"bpf", "caps = CAP_BPF", NULL},
        {"bpf", "caps = CAP_SYS_ADMIN", "caps: CAP_SYS_ADMIN is never delegated"},
        {"bpf", "caps = CAP_BPF, cap_sys_admin", "caps: CAP_SYS_ADMIN is never delegated"},
        {"bpf", "caps = CAP_PERFMON",
         "caps: CAP_PERFMON reads the whole machine's memory and needs allow_host_wide = yes"},
        {"bpf", "caps = CAP_PERFMON\nallow_host_wide = no", "caps: CAP_PERFMON reads"},
        {"bpf", "caps = CAP_PERFMON\nallow_host_wide = yes", NULL},
        {"bpf", "caps = CAP_NET_ADMN", "caps: 'CAP_NET_ADMN' cannot be delegated; did you mean CAP_NET_ADMIN?"},
        {"bpf", "caps = NET_ADMIN", "caps: 'NET_ADMIN' cannot be delegated"},
        {"bpf", "caps = CAP_CHOWN", "caps: 'CAP_CHOWN' cannot be delegated"},
        {"bpf", "caps = 39",
         "caps: '39' cannot be delegated; expected CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON or CAP_NET_BIND_SERVICE"},
        {"bpf", "caps = CAP_BPF,,CAP_NET_ADMIN", "caps: '' cannot be delegated"},
        {"bpf", "caps =", "caps: the list is empty"},
        {"bpf", "long_loops = yes", NULL},
        {"bpf", "long_loops = no", NULL},
        {"bpf", "long_loops = 5", "long_loops: '5' is not known; expected no or yes"},
        {"bpf", "allow_host_wide = YES", NULL},
        {"bpf", "allow_host_wide = true", "allow_host_wide: 'true' is not known; expected no or yes"},
        {"bpf", "allow_host_wide = 1", "allow_host_wide: '1' is not known; expected no or yes"},
        {"bpf", "allow_host_wide =", "allow_host_wide: '' is not known; expected no or yes"},
        {"bpf", "confine = off", NULL},
        {"bpf", "confine = no", "confine: 'no' is not known; expected required, preferred or off"},
        {"bpf", "network = host", NULL},
        {"bpf", "network = none", "network: 'none' is not known; expected host or private"},
        {"bpf", "delegate_maps = array", NULL},
        {"bpf", "delegate_maps =", "delegate_maps: the list is empty; name something, or leave the line out"},
        {"bpf", "delegate_maps = array,,hash", "delegate_maps: an item of the list is empty"},
        {"bpf", "delegate_maps = array, ~", "delegate_maps: '~' in the list is no word"},
        {"bpf", "delegate_map = array", "unknown key 'delegate_map' in [bpf]; did you mean 'delegate_maps'?"},
        {"bpf", "users = alice", "unknown key 'users' in [bpf]; it belongs in [match]"},
        {"cgroup", "pids_max = 2", NULL},
        {"cgroup", "pids_max = 4194304", NULL},
        {"cgroup", "pids_max = 1", "pids_max: '1' cannot be taken; expected a number from 2 to 4194304"},
        {"cgroup", "pids_max = 0", "pids_max: '0' cannot be taken"},
        {"cgroup", "pids_max = 4194305", "pids_max: '4194305' cannot be taken"},
        {"cgroup", "pids_max = max", "pids_max: 'max' cannot be taken"},
        {"cgroup", "pids_max = 1K", "pids_max: '1K' cannot be taken"},
        {"cgroup", "pids_max = -5", "pids_max: '-5' cannot be taken"},
        {"cgroup", "memory_max = 4096", NULL},
        {"cgroup", "memory_max = 64k", NULL},
        {"cgroup", "memory_max = 8388607T", NULL},
        {"cgroup", "memory_max = 4095",
         "memory_max: '4095' cannot be taken; expected bytes from 4096, or with K, M, G or T"},
        {"cgroup", "memory_max = 8388608T", "memory_max: '8388608T' cannot be taken"},
        {"cgroup", "memory_max = 16777216T", "memory_max: '16777216T' cannot be taken"},
        {"cgroup", "memory_max = 18446744073709551616", "memory_max: '18446744073709551616' cannot be taken"},
        {"cgroup", "memory_max = 99999999999999999999999999",
         "memory_max: '99999999999999999999999999' cannot be taken"},
        {"cgroup", "memory_max = 1GB", "memory_max: '1GB' cannot be taken"},
        {"cgroup", "memory_max = 1 G", "memory_max: '1 G' cannot be taken"},
        {"cgroup", "memory_max = G", "memory_max: 'G' cannot be taken"},
        {"cgroup", "memory_max = 50%", "memory_max: '50%' cannot be taken"},
        {"cgroup", "memory_high = 1M", NULL},
        {"cgroup", "memory_high = infinity", "memory_high: 'infinity' cannot be taken"},
        {"cgroup", "cpu_weight = 1", NULL},
        {"cgroup", "cpu_weight = 10000", NULL},
        {"cgroup", "cpu_weight = 0", "cpu_weight: '0' cannot be taken; expected a number from 1 to 10000"},
        {"cgroup", "cpu_weight = 10001", "cpu_weight: '10001' cannot be taken"},
        {"cgroup", "cpu_quota = 1%", NULL},
        {"cgroup", "cpu_quota = 150",
         "cpu_quota: '150' cannot be taken; expected per cent of one CPU from 1% to 819200%, like 150%"},
        {"cgroup", "cpu_quota = 0%", "cpu_quota: '0%' cannot be taken"},
        {"cgroup", "cpu_quota = 819201%", "cpu_quota: '819201%' cannot be taken"},
        {"cgroup", "cpu_quota = 1.5%", "cpu_quota: '1.5%' cannot be taken"},
        {"cgroup", "io_weight = 10000", NULL},
        {"cgroup", "descendants_max = 2", NULL},
        {"cgroup", "descendants_max = 1", "descendants_max: '1' cannot be taken; expected a number from 2 to 1024"},
        {"cgroup", "descendants_max = 1025", "descendants_max: '1025' cannot be taken"},
        {"cgroup", "depth_max = 32", NULL},
        {"cgroup", "depth_max = 0", "depth_max: '0' cannot be taken; expected a number from 1 to 32"},
        {"cgroup", "depth_max = 33", "depth_max: '33' cannot be taken"},
        {"cgroup", "io_weight = default 5", "io_weight: 'default 5' cannot be taken"},
        {"session", "scope = user", NULL},
        {"session", "scope = login", "scope: 'login' is not known; expected user or session"},
        {"session", "linger = no", NULL},
        {"session", "linger = maybe", "linger: 'maybe' is not known; expected no or yes"},
        {"session", "on_failure = allow", NULL},
        {"session", "on_failure = kill", "on_failure: 'kill' is not known; expected allow or deny"},
        {"sessoin", "linger = no", "unknown section [sessoin]; did you mean [session]?"},
        {"session", "linger = no\nlinger = yes", "'linger' is given a second time in [session]"},
};

static void test_lines(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_(policy_freep) struct policy *policy = NULL;
                char text[1024];

                (void) snprintf(text, sizeof(text), "[match]\nusers = alice\n[%s]\n%s\n", lines[i].section,
                                lines[i].line);
                policy = read_policy(text);
                if (!lines[i].refusal) {
                        if (policy->error.s[0] != '\0')
                                fail_msg("%s: %s", lines[i].line, policy->error.s);
                        continue;
                }
                assert_has(policy->error.s, lines[i].refusal);
                assert_has(policy->error.s, files_path("one/50-x.ini:"));
        }
}

static void test_lines_have_numbers(void **state) {
        _cleanup_(policy_freep) struct policy *value = read_policy("[match]\nusers = alice\n\n[bpf]\n\nmode = 9\n");
        _cleanup_(policy_freep) struct policy *key = read_policy("[match]\nusers = alice\n[bpf]\nmoed = 0700\n");
        _cleanup_(policy_freep) struct policy *together =
                read_policy("[match]\nusers = alice\n[bpf]\ncaps = CAP_PERFMON\n");

        (void) state;
        assert_has(value->error.s, "/one/50-x.ini:6: mode: ");
        assert_has(key->error.s, "/one/50-x.ini:4: unknown key");
        assert_has(together->error.s, "/one/50-x.ini:4: caps: ");
}

/* How far a file got decides whom a mistake in it stops. */
static void test_match_section(void **state) {
        static const struct {
                const char *text;
                bool match_known;
                const char *refusal;
        } cases[] = {
                {"[match]\nusers = alice\n", true, NULL},
                {"[match]\ngroups = netdev\n", true, NULL},
                {"[match]\nusers = " USER_255 "\n", true, NULL},
                {"[match]\nusers = ~" USER_255 "\n", true, NULL},
                {"[match]\nusers = alice\n[bpf]\nmode = 9\n", true, "50-x.ini:4: mode: '9' is no mode"},
                {"[bpf]\nmode = 9\n[match]\nusers = alice\n", true, "50-x.ini:2: mode: '9' is no mode"},
                {"[match]\nusers = alice\n[bfp]\n", true, "50-x.ini:3: unknown section [bfp]; did you mean [bpf]?"},
                {"; only words\n", false, "50-x.ini: says not whom it is for; expected users or groups in [match]"},
                {"[bpf]\nmode = 0700\n", false, "50-x.ini: says not whom it is for"},
                {"[match]\nservices = sshd\n", false, "50-x.ini: says not whom it is for"},
                {"[match]\nuser = alice\n", false, "50-x.ini:2: unknown key 'user' in [match]; did you mean 'users'?"},
                {"[match]\nusers = alice\nhosts = here\n", false, "50-x.ini:3: unknown key 'hosts' in [match]"},
                {"[match]\nusers =\n", false, "50-x.ini:2: users: the list is empty"},
                {"[match]\nusers = alice, ~\n", false, "50-x.ini:2: users: '~' in the list is no word"},
                {"[match]\nusers = alice, ~ bob\n", false, "50-x.ini:2: users: '~' in the list is no word"},
                {"[match]\nusers = alice, ~~bob\n", false, "50-x.ini:2: users: '~~bob' in the list is no word"},
                {"[match]\nusers = alice,, bob\n", false, "50-x.ini:2: users: an item of the list is empty"},
                {"[match]\nusers = alice,\n", false, "50-x.ini:2: users: an item of the list is empty"},
                {"[match]\nusers = ~" USER_255 "x\n", false,
                 "50-x.ini:2: users: an item of the list is longer than 256 bytes"},
                {"[match]\nusers = alice\nusers = bob\n", false,
                 "50-x.ini:3: 'users' is given a second time in [match]"},
                {"users = alice\n", false, "50-x.ini:1: 'users' stands before any [section]"},
                {"[match]\nusers = alice\nnonsense\n", false, "50-x.ini:3: expected KEY = VALUE or [section]"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(policy_freep) struct policy *policy = read_policy(cases[i].text);

                if (cases[i].refusal)
                        assert_has(policy->error.s, cases[i].refusal);
                else
                        assert_string_equal(policy->error.s, "");
                if (policy->match_known != cases[i].match_known)
                        fail_msg("match_known: %s", cases[i].text);
        }
}

/* ---- whom it is for ---------------------------------------------------------------------------------------------- */

struct groups {
        const char *names[4]; /* of the user */
        unsigned asked;
        int error; /* if not 0, the answer */
};

static int in_group(void *userdata, const char *group) {
        struct groups *groups = userdata;

        groups->asked++;
        if (groups->error)
                return groups->error;
        for (unsigned i = 0; i < ELEMENTSOF(groups->names) && groups->names[i]; i++)
                if (streq(groups->names[i], group))
                        return 1;
        return 0;
}

/* alice, uid 1000, in netdev and staff, through sshd; bob, 1001, in staff; daemon, 1, in netdev; root. */
static struct policy_login login_of(const char *user, struct groups *groups) {
        static const struct {
                const char *user;
                uid_t uid;
                struct groups groups;
        } people[] = {
                {"alice", 1000, {.names = {"netdev", "staff"}}},
                {"bob", 1001, {.names = {"staff"}}},
                {"daemon", 1, {.names = {"netdev"}}},
                {"root", 0, {.names = {"netdev"}}},
        };

        for (size_t i = 0; i < ELEMENTSOF(people); i++)
                if (streq(people[i].user, user)) {
                        *groups = people[i].groups;
                        return (struct policy_login){.uid = people[i].uid,
                                                     .user = user,
                                                     .service = "sshd",
                                                     .in_group = in_group,
                                                     .userdata = groups};
                }
        fail_msg("nobody: %s", user);
        return (struct policy_login){.uid = 0};
}

static void test_matches(void **state) {
        static const struct {
                const char *match, *yes, *no; /* users, with blanks between them */
        } cases[] = {
                {"users = alice", "alice", "bob daemon root"},
                {"users = bob, alice", "alice bob", "daemon root"},
                {"users = ALICE", "", "alice bob daemon root"},
                {"users = alic, alicex", "", "alice"},
                {"users = ~bob", "alice", "bob daemon root"},
                {"users = alice, bob, ~bob", "alice", "bob"},
                {"users = ~bob, bob", "", "alice bob"},
                {"users = daemon", "daemon", "alice root"},
                {"users = root, alice", "root alice", "daemon bob"},
                {"users = ~alice", "bob", "alice daemon root"},
                {"groups = netdev", "alice", "bob daemon root"},
                {"groups = netdev, staff", "alice bob", "daemon root"},
                {"groups = staff, ~netdev", "bob", "alice daemon root"},
                {"groups = ~netdev", "bob", "alice daemon root"},
                {"groups = ~nosuch", "alice bob", "daemon root"},
                {"groups = nosuch", "", "alice bob daemon root"},
                {"groups = netdev\nusers = alice, bob", "alice", "bob daemon root"},
                {"groups = netdev\nusers = daemon", "daemon", "alice root"},
                {"groups = netdev\nusers = ~bob", "alice", "bob daemon root"},
                {"groups = staff\nusers = daemon", "", "alice daemon"},
                {"users = alice\nservices = sshd, login", "alice", "bob"},
                {"users = alice\nservices = login", "", "alice"},
                {"users = alice\nservices = ~sshd", "", "alice"},
                {"users = alice\nservices = ~login", "alice", "bob"},
                {"users = alice\nservices = SSHD", "", "alice"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (unsigned want = 0; want < 2; want++) {
                        const char *users = want ? cases[i].yes : cases[i].no;
                        char text[128], user[16];
                        struct groups groups;

                        (void) snprintf(text, sizeof(text), "[match]\n%s\n", cases[i].match);
                        while (ini_next_item(&users, user, sizeof(user)) > 0) {
                                _cleanup_(policy_freep) struct policy *policy = read_policy(text);
                                struct policy_login login = login_of(user, &groups);

                                assert_true(policy->match_known);
                                if (policy_matches(policy, &login) != (int) want)
                                        fail_msg("%s: %s", cases[i].match, user);
                        }
                }
}

static void test_groups_are_asked_last(void **state) {
        _cleanup_(policy_freep) struct policy *policy =
                read_policy("[match]\nusers = alice\ngroups = netdev\nservices = sshd\n");
        struct groups groups;
        struct policy_login login;

        (void) state;
        login = login_of("bob", &groups);
        assert_int_equal(policy_matches(policy, &login), 0);
        login = login_of("alice", &groups);
        login.service = "login";
        assert_int_equal(policy_matches(policy, &login), 0);
        assert_int_equal(groups.asked, 0);
        login.service = "sshd";
        assert_int_equal(policy_matches(policy, &login), 1);
        assert_int_equal(groups.asked, 1);
        groups.error = -EAGAIN;
        assert_int_equal(policy_matches(policy, &login), -EAGAIN);
}

/* The helper: it must not ask, and takes the module's word for groups. For groups only. */
static void test_without_groups(void **state) {
        _cleanup_(policy_freep) struct policy *policy =
                read_policy("[match]\ngroups = nosuch, ~staff\nservices = sshd\n");
        struct policy_login login = {.uid = 1000, .user = "alice", .service = "sshd"};

        (void) state;
        assert_int_equal(policy_matches(policy, &login), 1);
        login.service = "login";
        assert_int_equal(policy_matches(policy, &login), 0);
        login.service = "sshd";
        login.uid = 1;
        assert_int_equal(policy_matches(policy, &login), 0);
}

static void test_broken_match_is_for_all(void **state) {
        _cleanup_(policy_freep) struct policy *unknown = read_policy("[match]\nuser = alice\n");
        _cleanup_(policy_freep) struct policy *known = read_policy("[match]\nusers = alice\n[bpf]\nmode = 9\n");
        struct groups groups;
        struct policy_login login = login_of("bob", &groups);

        (void) state;
        assert_int_equal(policy_matches(unknown, &login), 1);
        assert_int_equal(policy_matches(known, &login), 0);
        login = login_of("alice", &groups);
        assert_int_equal(policy_matches(known, &login), 1);
        assert_true(known->error.s[0] != '\0');
}

static void test_system_uids(void **state) {
        static const struct {
                uid_t uid;
                bool system;
        } uids[] = {
                {0, true},      {1, true},       {SYSTEM_UID_MAX, true}, {SYSTEM_UID_MAX + 1, false},
                {60000, false}, {61183, false},  {61184, true},          {65519, true},
                {65520, false}, {65533, false},  {65534, true},          {65535, true},
                {65536, false}, {524288, false}, {4294967294, false},    {(uid_t) -1, true},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(uids); i++)
                if (policy_uid_is_system(uids[i].uid) != uids[i].system)
                        fail_msg("uid %u", (unsigned) uids[i].uid);
}

/* ---- several files ----------------------------------------------------------------------------------------------- */

/* Three directories as in policy_default_dirs, made new in a directory of the test's own. */
static const char *const *fresh_dirs(const char *test) {
        static char paths[3][512];
        static const char *dirs[4];

        (void) files_mkdir(test);
        for (unsigned i = 0; i < 3; i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "%s/%s", test, i == 0 ? "etc" : i == 1 ? "run" : "lib");
                (void) snprintf(paths[i], sizeof(paths[i]), "%s", files_mkdir(name));
                dirs[i] = paths[i];
        }
        dirs[3] = NULL;
        return dirs;
}

static void put(const char *test, const char *name, const char *text) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", test, name);
        files_write(path, text);
}

/* Which file user gets: what follows the root in its path, "" for none, or the error. broken: whether it is. */
static const char *find(const char *const *dirs, const char *user, bool *ret_broken) {
        static char result[sizeof(struct errtext)];
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct errtext err = {.s = ""};
        struct groups groups;
        struct policy_login login = login_of(user, &groups);
        int r;

        r = policy_find(dirs, &login, &policy, &err);
        assert_true(r > 0 ? !!policy : !policy);
        assert_int_equal(r < 0, err.s[0] != '\0');
        if (ret_broken)
                *ret_broken = policy && policy->error.s[0] != '\0';
        (void) snprintf(result, sizeof(result), "%s",
                        r < 0  ? err.s :
                        r == 0 ? "" :
                                 policy->path + strlen(files_root) + 1);
        return result;
}

#define FOR(user) "[match]\nusers = " user "\n"

static void test_find_order(void **state) {
        const char *const *dirs = fresh_dirs("order");
        bool broken;

        (void) state;
        assert_string_equal(find(dirs, "alice", NULL), "");
        put("order", "lib/10-bob.ini", FOR("bob"));
        put("order", "run/50-both.ini", FOR("alice, bob"));
        put("order", "etc/90-alice.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", &broken), "order/run/50-both.ini");
        assert_false(broken);
        assert_string_equal(find(dirs, "bob", NULL), "order/lib/10-bob.ini");
        assert_string_equal(find(dirs, "root", NULL), "");
        /* By bytes, not by anybody's language. */
        put("order", "lib/50-A.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", NULL), "order/lib/50-A.ini");
}

static void test_find_hides(void **state) {
        const char *const *dirs = fresh_dirs("hides");

        (void) state;
        put("hides", "lib/50-x.ini", FOR("alice, bob"));
        put("hides", "run/50-x.ini", FOR("bob"));
        assert_string_equal(find(dirs, "alice", NULL), "");
        assert_string_equal(find(dirs, "bob", NULL), "hides/run/50-x.ini");
        put("hides", "etc/50-x.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", NULL), "hides/etc/50-x.ini");
        assert_string_equal(find(dirs, "bob", NULL), "");
}

static void test_find_masks(void **state) {
        const char *const *dirs = fresh_dirs("masks");

        (void) state;
        put("masks", "lib/10-x.ini", FOR("alice"));
        put("masks", "lib/20-y.ini", FOR("alice"));
        put("masks", "lib/30-z.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", NULL), "masks/lib/10-x.ini");
        put("masks", "etc/10-x.ini", "");
        assert_string_equal(find(dirs, "alice", NULL), "masks/lib/20-y.ini");
        assert_int_equal(symlink("/dev/null", files_path("masks/run/20-y.ini")), 0);
        assert_string_equal(find(dirs, "alice", NULL), "masks/lib/30-z.ini");
}

static void test_find_names(void **state) {
        const char *const *dirs = fresh_dirs("names");

        (void) state;
        put("names", "etc/.hidden.ini", FOR("alice"));
        put("names", "etc/50-x.ini~", FOR("alice"));
        put("names", "etc/50-x.INI", FOR("alice"));
        put("names", "etc/50-x.ini.dpkg-dist", FOR("alice"));
        put("names", "etc/ini", FOR("alice"));
        put("names", "etc/.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", NULL), "");
        put("names", "etc/x.ini", FOR("alice"));
        assert_string_equal(find(dirs, "alice", NULL), "names/etc/x.ini");
}

/* A mistake in an earlier file must not open the way to a later one for those it is for; others it does not concern. */
static void test_find_broken(void **state) {
        const char *const *dirs = fresh_dirs("broken");
        bool broken;

        (void) state;
        put("broken", "etc/90-all.ini", FOR("alice, bob"));
        put("broken", "etc/50-x.ini", FOR("alice") "[bpf]\nmode = 9\n");
        assert_string_equal(find(dirs, "alice", &broken), "broken/etc/50-x.ini");
        assert_true(broken);
        assert_string_equal(find(dirs, "bob", &broken), "broken/etc/90-all.ini");
        assert_false(broken);

        put("broken", "etc/40-y.ini", "nonsense\n");
        assert_string_equal(find(dirs, "bob", &broken), "broken/etc/40-y.ini");
        assert_true(broken);
        assert_string_equal(find(dirs, "root", &broken), "broken/etc/40-y.ini");
        assert_true(broken);
        put("broken", "etc/30-bob.ini", FOR("bob"));
        assert_string_equal(find(dirs, "bob", &broken), "broken/etc/30-bob.ini");
        assert_false(broken);
}

/* Neither does a file that is not trusted. */
static void test_find_untrusted_file(void **state) {
        const char *const *dirs = fresh_dirs("untrusted");
        bool broken;

        (void) state;
        put("untrusted", "lib/50-x.ini", FOR("alice"));
        put("untrusted", "etc/50-x.ini", FOR("bob"));
        assert_int_equal(chmod(files_path("untrusted/etc/50-x.ini"), 0666), 0);
        assert_string_equal(find(dirs, "alice", &broken), "untrusted/etc/50-x.ini");
        assert_true(broken);
        assert_int_equal(unlink(files_path("untrusted/etc/50-x.ini")), 0);
        assert_int_equal(symlink("50-y", files_path("untrusted/etc/50-x.ini")), 0);
        assert_string_equal(find(dirs, "alice", &broken), "untrusted/etc/50-x.ini");
        assert_true(broken);
}

static void test_find_dirs(void **state) {
        const char *const *dirs = fresh_dirs("dirs");
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct errtext err;

        (void) state;
        put("dirs", "lib/50-x.ini", FOR("alice"));
        assert_int_equal(rmdir(files_path("dirs/etc")), 0);
        assert_string_equal(find(dirs, "alice", NULL), "dirs/lib/50-x.ini");
        assert_int_equal(chmod(files_path("dirs/run"), 0777), 0);
        assert_has(find(dirs, "alice", NULL), "dirs/run: writable by others than its owner");
        assert_int_equal(policy_read(dirs, "50-x.ini", &policy, &err), -EPERM);
        assert_has(err.s, "dirs/run: writable by others than its owner");
        assert_int_equal(chmod(files_path("dirs/run"), 0755), 0);
        assert_string_equal(find(dirs, "alice", NULL), "dirs/lib/50-x.ini");
        if (files_give_away("dirs/lib"))
                assert_has(find(dirs, "alice", NULL), "dirs/lib: owned by uid 1234 and not by root");
}

static void test_find_groups_fail(void **state) {
        const char *const *dirs = fresh_dirs("groups");
        struct policy *policy = NULL;
        struct errtext err = {.s = ""};
        struct groups groups;
        struct policy_login login = login_of("alice", &groups);

        (void) state;
        put("groups", "etc/10-x.ini", "[match]\ngroups = netdev\n");
        put("groups", "etc/20-y.ini", FOR("alice"));
        groups.error = -ENOENT;
        assert_int_equal(policy_find(dirs, &login, &policy, &err), -EIO);
        assert_null(policy);
        assert_has(err.s, "10-x.ini: cannot tell whether alice is in its groups");
        groups.error = -E2BIG;
        assert_int_equal(policy_find(dirs, &login, &policy, &err), -E2BIG);
        assert_null(policy);
        assert_has(err.s, "10-x.ini: alice is in more than 65536 groups");
}

static void test_find_bounds(void **state) {
        const char *const *dirs = fresh_dirs("bounds");
        char name[200];

        (void) state;
        (void) snprintf(name, sizeof(name), "etc/%0*d.ini", POLICY_NAME_MAX - 4, 0);
        put("bounds", name, FOR("alice"));
        assert_has(find(dirs, "alice", NULL), "bounds/etc/0000");
        (void) snprintf(name, sizeof(name), "lib/%0*d.ini", POLICY_NAME_MAX - 3, 0);
        put("bounds", name, FOR("alice"));
        assert_has(find(dirs, "alice", NULL), "bounds/lib: a file's name is longer than 127 bytes");
        (void) snprintf(name, sizeof(name), "bounds/lib/%0*d.ini", POLICY_NAME_MAX - 3, 0);
        assert_int_equal(unlink(files_path(name)), 0);
        put("bounds", "lib/a\nb.ini", FOR("alice"));
        assert_has(find(dirs, "alice", NULL),
                   "bounds/lib: a file's name is longer than 127 bytes or has control characters");
        assert_int_equal(unlink(files_path("bounds/lib/a\nb.ini")), 0);

        for (unsigned i = 1; i < POLICY_FILES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "run/%u.ini", i);
                put("bounds", name, FOR("bob"));
        }
        assert_has(find(dirs, "alice", NULL), "bounds/etc/0000");
        put("bounds", "lib/one-more.ini", FOR("bob"));
        assert_has(find(dirs, "alice", NULL), "bounds/lib: more than 512 policy files");
}

static void test_read(void **state) {
        const char *const *dirs = fresh_dirs("read");
        static const char *const refused[] = {"",           ".ini",   "x",        "x.in",      "../read/lib/50-x.ini",
                                              "/etc/x.ini", ".x.ini", "a\nb.ini", "50-x.ini/", "50-x.INI"};
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct errtext err = {.s = ""};
        char name[256];

        (void) state;
        put("read", "lib/50-x.ini", FOR("alice"));
        assert_int_equal(policy_read(dirs, "50-x.ini", &policy, &err), 0);
        assert_has(policy->path, "/read/lib/50-x.ini");
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                assert_int_equal(policy_read(dirs, refused[i], &policy, &err), -EINVAL);
        (void) snprintf(name, sizeof(name), "%0*d.ini", POLICY_NAME_MAX - 3, 0);
        assert_int_equal(policy_read(dirs, name, &policy, &err), -EINVAL);
        assert_int_equal(policy_read(dirs, "60-x.ini", &policy, &err), -ENOENT);
        assert_string_equal(err.s, "60-x.ini: no policy directory has it");

        put("read", "run/50-x.ini", "");
        assert_int_equal(policy_read(dirs, "50-x.ini", &policy, &err), INI_MASKED);
        policy_free(TAKE_PTR(policy));
        put("read", "etc/50-x.ini", FOR("bob"));
        assert_int_equal(policy_read(dirs, "50-x.ini", &policy, &err), 0);
        assert_has(policy->path, "/read/etc/50-x.ini");
}

struct shown {
        char words[512];
        unsigned n;
};

static void show(void *userdata, const char *path, struct policy *take_policy, int error, const char *why) {
        struct shown *shown = userdata;
        size_t n = strlen(shown->words);

        shown->n++;
        (void) snprintf(shown->words + n, sizeof(shown->words) - n, "%s%s: %s", n > 0 ? "; " : "",
                        path + strlen(files_root) + 1,
                        take_policy ? take_policy->error.s[0] ? "broken" : take_policy->users :
                        error < 0   ? why :
                                      "?");
        if (take_policy)
                assert_string_equal(take_policy->path, path);
        policy_free(take_policy);
}

/* The order and the hiding of policy_find, and no file keeps the next from being seen. */
static void test_each(void **state) {
        const char *const *dirs = fresh_dirs("each");
        struct shown shown = {.n = 0};
        struct errtext err = {.s = ""};

        (void) state;
        assert_int_equal(policy_each(dirs, show, &shown, &err), 0);
        assert_int_equal(shown.n, 0);
        put("each", "lib/10-a.ini", FOR("alice"));
        put("each", "lib/20-b.ini", FOR("hidden"));
        put("each", "etc/20-b.ini", FOR("bob"));
        put("each", "lib/30-c.ini", FOR("masked"));
        put("each", "run/30-c.ini", "");
        put("each", "run/40-d.ini", "nonsense\n");
        put("each", "run/50-e.ini", FOR("eve"));
        put("each", "etc/README", "nothing");
        assert_int_equal(policy_each(dirs, show, &shown, &err), 0);
        assert_string_equal(shown.words, "each/lib/10-a.ini: alice; each/etc/20-b.ini: bob; each/run/40-d.ini: broken; "
                                         "each/run/50-e.ini: eve");
        assert_int_equal(shown.n, 4);
        assert_int_equal(chmod(files_path("each/run"), 0777), 0);
        assert_int_equal(policy_each(dirs, show, &shown, &err), -EPERM);
        assert_has(err.s, "each/run: writable by others than its owner");
        assert_int_equal(shown.n, 4);
        assert_int_equal(chmod(files_path("each/run"), 0755), 0);
        if (geteuid() == 0)
                return; /* root may read everything */
        shown = (struct shown){.n = 0};
        assert_int_equal(chmod(files_path("each/lib/10-a.ini"), 0), 0);
        assert_int_equal(policy_each(dirs, show, &shown, &err), 0);
        assert_int_equal(shown.n, 4);
        assert_has(shown.words, "10-a.ini: cannot be opened: Permission denied");
}

static void test_default_dirs(void **state) {
        (void) state;
        assert_string_equal(policy_default_dirs[0], POLICY_DIR_ETC);
        assert_string_equal(policy_default_dirs[1], POLICY_DIR_RUN);
        assert_string_equal(policy_default_dirs[2], POLICY_DIR_LIB);
        assert_null(policy_default_dirs[3]);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void test_words(void **state) {
        char buf[64];

        (void) state;
        assert_string_equal(policy_confine_name(POLICY_CONFINE_PREFERRED), "preferred");
        assert_string_equal(policy_network_name(POLICY_NETWORK_PRIVATE), "private");
        assert_string_equal(policy_limit_name(POLICY_PIDS_MAX), "pids_max");
        assert_string_equal(policy_limit_name(POLICY_IO_WEIGHT), "io_weight");
        assert_string_equal(policy_limit_name(POLICY_DEPTH_MAX), "depth_max");
        assert_null(policy_limit_controller(POLICY_DESCENDANTS_MAX));
        policy_format_caps(0, buf, sizeof(buf));
        assert_string_equal(buf, "");
        policy_format_caps(CAP(CAP_BPF) | CAP(CAP_NET_ADMIN), buf, sizeof(buf));
        assert_string_equal(buf, "CAP_BPF, CAP_NET_ADMIN");
        policy_format_caps(UINT64_MAX, buf, 12);
        assert_string_equal(buf, "CAP_BPF, CA");
        policy_free(NULL);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_everything),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_lines_have_numbers),
                cmocka_unit_test(test_match_section),
                cmocka_unit_test(test_matches),
                cmocka_unit_test(test_groups_are_asked_last),
                cmocka_unit_test(test_without_groups),
                cmocka_unit_test(test_broken_match_is_for_all),
                cmocka_unit_test(test_system_uids),
                cmocka_unit_test(test_find_order),
                cmocka_unit_test(test_find_hides),
                cmocka_unit_test(test_find_masks),
                cmocka_unit_test(test_find_names),
                cmocka_unit_test(test_find_broken),
                cmocka_unit_test(test_find_untrusted_file),
                cmocka_unit_test(test_find_dirs),
                cmocka_unit_test(test_find_groups_fail),
                cmocka_unit_test(test_find_bounds),
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_each),
                cmocka_unit_test(test_default_dirs),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests_name("policy", tests, files_setup, files_teardown);
}
