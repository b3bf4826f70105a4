/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The files of one delegation in the state directory, separated by a byte 0xff: its record, its policy's copy, then its
 * sessions. A restarting root daemon acts on what they say: what makes no sense must be set aside, and what is taken
 * must be what the helper could have written.
 */

#include "config.h"

#include <limits.h>

#include "fuzz.h"
#include "policy.h"
#include "state.h"

#define ID UINT64_C(0x0123456789abcdef)
#define ID_TEXT "0123456789abcdef"
#define SESSIONS_MAX 4

/* What was read. */
struct seen {
        unsigned delegations, sessions;
        struct state_record record;
        struct state_session session[SESSIONS_MAX];
        char *text;
        size_t size;
};

static bool is_plain(const char *s, size_t size) {
        size_t n = strnlen(s, size);

        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
                        return false;
        return n < size;
}

static void on_delegation(void *userdata, const struct state_record *record, struct policy *take_policy) {
        struct seen *seen = userdata;

        must(seen->delegations++ == 0);
        must(record->id == ID && record->state <= PROTO_STATE_ENDING && record->backend <= CGROUP_SCOPE);
        must(is_plain(record->user, sizeof(record->user)) && is_plain(record->policy, sizeof(record->policy)));
        must(is_plain(record->cgroup, sizeof(record->cgroup)));
        /* It is opened below the cgroup2 mount, killed and removed. */
        must(record->cgroup[0] == '\0' || (record->cgroup[0] == '/' && !strstr(record->cgroup, "/../")));
        must(record->cgroup[0] == '\0' || !streq(strrchr(record->cgroup, '/'), "/.."));
        must(take_policy && take_policy->error.s[0] == '\0' && streq(take_policy->name, record->policy));
        seen->record = *record;
        seen->text = TAKE_PTR(take_policy->text);
        seen->size = take_policy->size;
        policy_free(take_policy);
}

static void on_session(void *userdata, uint64_t id, const struct state_session *session) {
        struct seen *seen = userdata;

        must(seen->delegations == 1 && id == ID && seen->sessions < SESSIONS_MAX);
        must(is_plain(session->service, sizeof(session->service)));
        for (unsigned i = 0; i < seen->sessions; i++)
                must(seen->session[i].number != session->number);
        seen->session[seen->sessions++] = *session;
}

static void read_all(const struct state_dir *dir, struct seen *seen) {
        const struct state_reader reader = {.delegation = on_delegation, .session = on_session, .userdata = seen};
        struct errtext err;
        int n;

        *seen = (struct seen){.text = NULL};
        n = state_read(dir, &reader, &err);
        must(n >= 0 && (unsigned) n == seen->delegations);
}

static bool exists(const struct state_dir *dir, const char *name) {
        struct stat st;

        return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The input's files. Names with a leading zero are none of ours, whatever is in them. */
static void write_files(const struct state_dir *dir, const uint8_t *data, size_t size) {
        static const char *const names[] = {"record",    "50-x.ini",   "session-1",
                                            "session-7", "session-01", "session-18446744073709551615"};
        char path[PATH_MAX];

        must(mkdirat(dir->fd, ID_TEXT, 0700) == 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const uint8_t *end = memchr(data, 0xff, size);
                size_t n = end ? (size_t) (end - data) : size;

                (void) snprintf(path, sizeof(path), "%s/" ID_TEXT "/%s", dir->path, names[i]);
                fuzz_write(path, data, n);
                if (!end)
                        break;
                data += n + 1;
                size -= n + 1;
        }
}

static void must_be_same(const struct seen *a, const struct seen *b) {
        const struct state_record *x = &a->record, *y = &b->record;

        must(x->uid == y->uid && x->gid == y->gid && x->state == y->state && x->backend == y->backend);
        must(streq(x->user, y->user) && streq(x->policy, y->policy) && streq(x->cgroup, y->cgroup));
        must(x->created_usec == y->created_usec && x->last_session == y->last_session);
        must(x->anchor.pid == y->anchor.pid && x->anchor.start == y->anchor.start &&
             x->anchor.inode == y->anchor.inode);
        must(x->userns.inode == y->userns.inode && x->userns.id == y->userns.id);
        must(a->size == b->size && memcmp(a->text, b->text, a->size) == 0);
        must(a->sessions == b->sessions);
        for (unsigned i = 0; i < a->sessions; i++) {
                unsigned j = 0;

                while (j < b->sessions && b->session[j].number != a->session[i].number)
                        j++;
                must(j < b->sessions && streq(a->session[i].service, b->session[j].service));
                must(a->session[i].leader.pid == b->session[j].leader.pid &&
                     a->session[i].leader.inode == b->session[j].leader.inode);
        }
}

/* Written by the helper it is read as the same once more; and nothing of it is left after its end. */
static void write_again(struct state_dir *dir, const struct seen *seen) {
        struct seen again;

        state_remove(dir, ID);
        must(!exists(dir, ID_TEXT));
        must(state_new(dir, &seen->record, seen->text, seen->size) == 0);
        for (unsigned i = 0; i < seen->sessions; i++)
                must(state_add_session(dir, ID, &seen->session[i]) == 0);
        must(state_update(dir, &seen->record) == 0);
        read_all(dir, &again);
        must(again.delegations == 1);
        must_be_same(seen, &again);
        free(again.text);
        for (unsigned i = 0; i < seen->sessions; i++)
                state_remove_session(dir, ID, seen->session[i].number);
        read_all(dir, &again);
        must(again.delegations == 1 && again.sessions == 0);
        free(again.text);
        state_remove(dir, ID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct state_dir dir = STATE_DIR_INIT;
        char bad[PATH_MAX], name[64];
        struct errtext err;
        struct seen seen;

        must(state_open(&dir, NULL, fuzz_dir(), &err) == 0);
        write_files(&dir, data, size);
        read_all(&dir, &seen);
        if (seen.delegations == 1) {
                must(exists(&dir, ID_TEXT) && !exists(&dir, "bad-" ID_TEXT));
                write_again(&dir, &seen);
                free(seen.text);
        } else {
                must(!exists(&dir, ID_TEXT) && exists(&dir, "bad-" ID_TEXT));
                /* Once aside it is nobody's; it goes here by the same way, under a name of ours. */
                (void) snprintf(name, sizeof(name), "%s", ID_TEXT);
                must(renameat(dir.fd, "bad-" ID_TEXT, dir.fd, name) == 0);
                state_remove(&dir, ID);
        }
        (void) snprintf(bad, sizeof(bad), "%s/state", fuzz_dir());
        state_done(&dir);
        must(access(bad, F_OK) < 0);
        return 0;
}
