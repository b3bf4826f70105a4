/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records: what is written is what is read, whatever a user is called; what was not written by us is set aside and
 * nobody hears of it.
 */

#include "config.h"

#include "files.h"
#include "state.h"

#include <dirent.h>
#include <sys/resource.h>

static const char policy_text[] = "[match]\nusers = alice\n[cgroup]\npids_max = 5\n";

/* What the reader was told. */
struct seen {
        unsigned delegations, sessions;
        struct state_record record;
        struct state_session session;
        uint64_t pids_max, session_of;
};

static void on_delegation(void *userdata, const struct state_record *record, struct policy *take_policy) {
        struct seen *seen = userdata;

        seen->delegations++;
        seen->record = *record;
        seen->pids_max = take_policy->limit[POLICY_PIDS_MAX];
        policy_free(take_policy);
}

static void on_session(void *userdata, uint64_t id, const struct state_session *session) {
        struct seen *seen = userdata;

        seen->sessions++;
        seen->session = *session;
        seen->session_of = id;
}

static struct seen read_all(const struct state_dir *dir) {
        struct seen seen = {0};
        const struct state_reader reader = {.delegation = on_delegation, .session = on_session, .userdata = &seen};
        struct errtext err;

        assert_true(state_read(dir, &reader, &err) >= 0);
        return seen;
}

static struct state_record a_record(void) {
        struct state_record record = {
                .id = UINT64_C(0x00123456789abcde),
                .uid = 4294967294u,
                .gid = 7,
                .state = PROTO_STATE_ACTIVE,
                .created_usec = UINT64_MAX,
                .last_session = 12,
                .backend = CGROUP_SCOPE,
                .anchor = {.pid = 4194304, .start = 99, .inode = UINT64_C(1) << 40},
                .userns = {.inode = 4026532258, .id = UINT64_MAX},
        };

        assert_int_equal(copy_field(record.user, sizeof(record.user), "alice"), 0);
        assert_int_equal(copy_field(record.policy, sizeof(record.policy), "50-x.ini"), 0);
        assert_int_equal(copy_field(record.cgroup, sizeof(record.cgroup),
                                    "/user.slice/user-1.slice/bpfdeleg-00123456789abcde.scope"),
                         0);
        return record;
}

static struct state_session a_session(uint64_t number) {
        struct state_session session = {.number = number, .leader = {.pid = 3, .start = 4, .inode = 5}};

        assert_int_equal(copy_field(session.service, sizeof(session.service), "sshd"), 0);
        return session;
}

static struct state_dir a_dir(void) {
        struct state_dir dir = STATE_DIR_INIT;
        struct errtext err = {.s = ""};

        if (state_open(&dir, NULL, files_root, &err) < 0)
                fail_msg("%s", err.s);
        return dir;
}

/* Ends a test: nothing is in there, so nothing is left. */
static void done(struct state_dir *dir) {
        state_done(dir);
        assert_int_equal(access(files_path("state"), F_OK), -1);
}

static void assert_same_record(const struct state_record *a, const struct state_record *b) {
        assert_true(a->id == b->id && a->uid == b->uid && a->gid == b->gid && a->state == b->state &&
                    a->backend == b->backend);
        assert_true(a->created_usec == b->created_usec && a->last_session == b->last_session);
        assert_true(a->anchor.pid == b->anchor.pid && a->anchor.start == b->anchor.start &&
                    a->anchor.inode == b->anchor.inode);
        assert_true(sys_namespace_same(&a->userns, &b->userns) && a->userns.id == b->userns.id);
        assert_string_equal(a->user, b->user);
        assert_string_equal(a->policy, b->policy);
        assert_string_equal(a->cgroup, b->cgroup);
}

static void test_round_trip(void **state) {
        struct state_record record = a_record();
        const struct state_session session = a_session(11);
        struct state_dir dir = a_dir();
        struct seen seen;

        (void) state;
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
        assert_int_equal(state_add_session(&dir, record.id, &session), 0);
        seen = read_all(&dir);
        assert_int_equal(seen.delegations, 1);
        assert_same_record(&seen.record, &record);
        assert_int_equal(seen.pids_max, 5);
        assert_int_equal(seen.sessions, 1);
        assert_true(seen.session_of == record.id && seen.session.number == 11 && seen.session.leader.inode == 5);
        assert_string_equal(seen.session.service, "sshd");

        record.state = PROTO_STATE_ENDING;
        record.last_session = UINT64_MAX;
        assert_int_equal(state_update(&dir, &record), 0);
        state_remove_session(&dir, record.id, 11);
        seen = read_all(&dir);
        assert_same_record(&seen.record, &record);
        assert_int_equal(seen.sessions, 0);

        state_remove(&dir, record.id);
        assert_int_equal(read_all(&dir).delegations, 0);
        assert_true(state_update(&dir, &record) == -ENOENT);
        state_remove(&dir, record.id); /* there is none: nothing to do */
        done(&dir);
}

/* Everything that a directory server might call a user, and that INI would take for its own. */
static void test_names(void **state) {
        static const char *const names[] = {
                "a;b",   "a#b",           "a=b",          "[a]", "a\\", " a ", "%41",
                "\"a\"", "M\xc3\xbcller", "DOMAIN\\user", "a:b", "",    "a'b",
        };
        struct state_dir dir = a_dir();

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct state_record record = a_record();
                struct seen seen;

                assert_int_equal(copy_field(record.user, sizeof(record.user), names[i]), 0);
                assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
                seen = read_all(&dir);
                assert_int_equal(seen.delegations, 1);
                assert_string_equal(seen.record.user, names[i]);
                state_remove(&dir, record.id);
        }
        done(&dir);
}

/* The longest name there may be, of bytes that grow threefold when they are written. */
static void test_longest(void **state) {
        struct state_record record = a_record();
        struct state_dir dir = a_dir();
        struct seen seen;

        (void) state;
        memset(record.user, 0xe4, sizeof(record.user) - 1);
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
        seen = read_all(&dir);
        assert_int_equal(seen.delegations, 1);
        assert_string_equal(seen.record.user, record.user);
        state_remove(&dir, record.id);
        done(&dir);
}

static void remove_bad(void) {
        static const char *const files[] = {"record", "50-x.ini", "session-1"};
        char name[100];

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(name, sizeof(name), "state/bad-00123456789abcde/%s", files[i]);
                (void) unlink(files_path(name));
        }
        assert_int_equal(rmdir(files_path("state/bad-00123456789abcde")), 0);
}

/* Replaces `from` in a good record by `to`. */
static void spoil(const char *from, const char *to) {
        const char *path = files_path("state/00123456789abcde/record");
        char text[4096], spoiled[4096];
        FILE *f = fopen(path, "re");
        const char *at;
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = '\0';
        (void) fclose(f);
        at = strstr(text, from);
        assert_non_null(at);
        (void) snprintf(spoiled, sizeof(spoiled), "%.*s%s%s", (int) (at - text), text, to, at + strlen(from));
        files_write("state/00123456789abcde/record", spoiled);
}

static void test_nonsense(void **state) {
        static const struct {
                const char *from, *to;
        } rows[] = {
                {"uid = 4294967294", "uid = 4294967296"},
                {"uid = 4294967294", "uid = -1"},
                {"uid = 4294967294", "uid ="},
                {"uid = 4294967294\n", ""},
                {"gid = 7", "gid = 7\nextra = 1"},
                {"gid = 7", "gid = 7\ngid = 8"},
                {"state = active", "state = Active"},
                {"backend = systemd", "backend = 1"},
                {"user = alice", "user = al%"},
                {"user = alice", "user = al%4"},
                {"user = alice", "user = al%00"},
                {"user = alice", "user = al%zz"},
                {"user = alice", "user = al ice"},
                {"user = alice", "user = al%-1"},
                {"user = alice", "user = al%e4"},
                {"user = alice", "user = al%E"},
                {"user = alice", "user = al%0Aice"},
                {"user = alice", "user = al%7Fice"},
                {"cgroup = /user.slice", "cgroup = user.slice"},
                {"cgroup = /user.slice", "cgroup = /../user.slice"},
                {"cgroup = /user.slice", "cgroup = /./user.slice"},
                {"cgroup = /user.slice", "cgroup = //user.slice"},
                {"cgroup = /user.slice/user-1.slice", "cgroup = /user.slice/.."},
                {"policy = 50-x.ini", "policy = ../record"},
                {"policy = 50-x.ini", "policy = 60-x.ini"},
                {"bpfdeleg-00123456789abcde.scope", "bpfdeleg-00123456789abcdf.scope"},
                {"/user.slice/user-1.slice/bpfdeleg-00123456789abcde.scope", "/"},
                {"/user.slice/user-1.slice/bpfdeleg-00123456789abcde.scope", "/00123456789abcde/x"},
                {"/user.slice/user-1.slice/bpfdeleg-00123456789abcde.scope", "user.slice/00123456789abcde"},
                {"/user.slice/user-1.slice/bpfdeleg-00123456789abcde.scope", "/../00123456789abcde"},
                {"[bpfdeleg]", "[other]"},
                {"[bpfdeleg]", "[bpfdeleg]\n[other]"},
                {"[bpfdeleg]", ""},
        };
        struct state_record record = a_record();
        struct state_dir dir = a_dir();

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
                assert_int_equal(read_all(&dir).delegations, 1);
                spoil(rows[i].from, rows[i].to);
                if (read_all(&dir).delegations != 0)
                        fail_msg("believed: %s instead of %s", rows[i].to, rows[i].from);
                remove_bad();
        }
        done(&dir);
}

static void test_sessions_nonsense(void **state) {
        const struct state_record record = a_record();
        const struct state_session session = a_session(1);
        struct state_dir dir = a_dir();
        struct seen seen;

        (void) state;
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
        assert_int_equal(state_add_session(&dir, record.id, &session), 0);
        files_write("state/00123456789abcde/session-2", "nonsense\n");
        files_write("state/00123456789abcde/session-x", "nonsense\n");
        assert_int_equal(link(files_path("state/00123456789abcde/session-1"),
                              files_path("state/00123456789abcde/session-01")),
                         0);
        files_write("state/00123456789abcde/.session-3.new", "half");
        seen = read_all(&dir);
        assert_int_equal(seen.delegations, 1);
        assert_int_equal(seen.sessions, 1);
        assert_int_equal(seen.session.number, 1);
        state_remove(&dir, record.id);
        done(&dir);
}

/* What a helper that was killed was about to put in place, or to take away, is nobody's: it goes. */
static void test_half(void **state) {
        const struct state_record record = a_record();
        struct state_dir dir = a_dir();

        (void) state;
        (void) files_mkdir("state/.00123456789abcde");
        files_write("state/.00123456789abcde/record", "half");
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), -EEXIST);
        assert_int_equal(read_all(&dir).delegations, 0);
        assert_int_equal(access(files_path("state/.00123456789abcde"), F_OK), -1);
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
        assert_int_equal(read_all(&dir).delegations, 1);
        assert_int_equal(rename(files_path("state/00123456789abcde"), files_path("state/.00123456789abcde")), 0);
        assert_int_equal(read_all(&dir).delegations, 0);
        done(&dir);
}

/* Something else in place of the directory, twice: neither stops the start, the later one takes the place of the
 * earlier. */
static void test_no_directory(void **state) {
        struct state_dir dir = a_dir();

        (void) state;
        files_write("state/00123456789abcde", "x");
        assert_int_equal(read_all(&dir).delegations, 0);
        assert_int_equal(access(files_path("state/00123456789abcde"), F_OK), -1);
        assert_int_equal(symlink("/nowhere", files_path("state/00123456789abcde")), 0);
        assert_int_equal(read_all(&dir).delegations, 0);
        assert_int_equal(unlink(files_path("state/bad-00123456789abcde")), 0);
        (void) files_mkdir("state/00123456789abcde");
        assert_int_equal(read_all(&dir).delegations, 0);
        remove_bad();
        done(&dir);
}

/* Not to be read now is not the same as nonsense: the start fails, and what is there stays. */
static void test_shortage(void **state) {
        const struct state_record record = a_record();
        const struct state_reader reader = {.delegation = on_delegation,
                                            .session = on_session,
                                            .userdata = &(struct seen){0}};
        struct state_dir dir = a_dir();
        struct rlimit few, all;
        struct errtext err;
        int r;

        (void) state;
        assert_int_equal(state_new(&dir, &record, policy_text, strlen(policy_text)), 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
        few = all;
        /* Of the two that it takes to read the directory and one in it there is one. */
        few.rlim_cur = (rlim_t) dir.fd + 2;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = state_read(&dir, &reader, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(read_all(&dir).delegations, 1);
        state_remove(&dir, record.id);
        done(&dir);
}

/* A name that is not an id is not looked at. */
static void test_others(void **state) {
        struct state_dir dir = a_dir();

        (void) state;
        (void) files_mkdir("state/00123456789ABCDE");
        (void) files_mkdir("state/x");
        assert_int_equal(read_all(&dir).delegations, 0);
        assert_int_equal(rmdir(files_path("state/00123456789ABCDE")), 0);
        assert_int_equal(rmdir(files_path("state/x")), 0);
        done(&dir);
}

static void test_one_helper(void **state) {
        struct state_dir dir = a_dir(), second = STATE_DIR_INIT;
        struct errtext err;

        (void) state;
        assert_int_equal(state_open(&second, NULL, files_root, &err), -EWOULDBLOCK);
        assert_has(err.s, "another bpfdelegd");
        done(&dir);
}

static void test_open_to_others(void **state) {
        struct state_dir dir = STATE_DIR_INIT;
        struct errtext err;

        (void) state;
        (void) files_mkdir("state");
        assert_int_equal(state_open(&dir, NULL, files_root, &err), -EPERM);
        assert_has(err.s, "0700");
        assert_int_equal(rmdir(files_path("state")), 0);
        dir = a_dir();
        done(&dir);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_sessions_nonsense),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_one_helper),
                cmocka_unit_test(test_open_to_others),
                cmocka_unit_test(test_half),
                cmocka_unit_test(test_no_directory),
                cmocka_unit_test(test_shortage),
        };

        return cmocka_run_group_tests_name("state", tests, files_setup, files_teardown);
}
