/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "login.h"

#include <sys/stat.h>

#include "delegation.h"
#include "manager.h"

/* ---- leaving ---- */

int login_close(struct session *session, const char *why) {
        struct delegation *d = session->delegation;
        struct log_subject subject = delegation_subject(d, session);
        bool answered = !session->ready;
        int r = LOGIN_OTHERS;

        session_unlink(session);
        if (!answered)
                session->ready(session->userdata, session, -ECANCELED, why);
        if (d->n_sessions > 0) {
                if (answered)
                        log_event(LOG_LEAVE, &subject, "%s; %zu left", why, d->n_sessions);
        } else if (delegation_linger(d))
                log_event(LOG_LEAVE, &subject, "%s; lingering until its last process exits", why);
        else {
                r = LOGIN_LAST;
                delegation_end(d, why);
        }
        session_free(session);
        return r;
}

static int on_leader_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        login_close(userdata, "the session's leader has exited");
        return 0;
}

struct session *login_find(const struct manager *manager, const struct proto_cookie *cookie) {
        struct delegation *d = manager_find(manager, cookie->delegation);
        struct session *session;

        if (d)
                LIST_FOREACH(session, &d->sessions, entry)
        if (session->number == cookie->session)
                return session;
        return NULL;
}

/* Of one process all pidfds have one inode, and no two processes ever have the same. */
static bool is_same_process(int a, int b) {
        struct stat st_a, st_b;

        return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_ino == st_b.st_ino && st_a.st_dev == st_b.st_dev;
}

struct session *login_find_led(const struct manager *manager, uid_t uid, int leader_pidfd) {
        struct session *session;
        struct delegation *d;

        LIST_FOREACH(d, &manager->delegations, entry) {
                if (d->uid != uid)
                        continue;
                LIST_FOREACH(session, &d->sessions, entry)
                if (!session->ready && is_same_process(session->leader_pidfd, leader_pidfd))
                        return session;
        }
        return NULL;
}

struct session *login_find_attempt(const struct manager *manager, uint64_t attempt) {
        struct session *session;
        struct delegation *d;

        if (attempt == 0)
                return NULL;
        LIST_FOREACH(d, &manager->delegations, entry)
        LIST_FOREACH(session, &d->sessions, entry)
        if (session->attempt == attempt)
                return session;
        return NULL;
}

/* ---- coming ---- */

/* Before the login hears of it. Its number is in the delegation's record, too, so that no later one ever gets it. */
static int write_down(const struct delegation *d, const struct session *session, pid_t leader) {
        struct state_session record = {.number = session->number, .attempt = session->attempt};
        int r;

        copy_field_cut(record.service, sizeof(record.service), session->service);
        r = sys_process_identify(leader, session->leader_pidfd, &record.leader);
        if (r >= 0)
                r = state_add_session(&d->manager->state, d->id, &record);
        /* A delegation that is being made writes its own record once more when it is. */
        if (r >= 0 && d->state == PROTO_STATE_ACTIVE)
                r = delegation_write_down(d);
        return r;
}

static int login_new(struct session **ret, struct delegation *d, struct login_request *request) {
        struct session *session = NULL;
        int r;

        r = session_add(&session, d, d->last_number + 1, request->attempt, request->service,
                        TAKE_FD(request->take_leader_pidfd), on_leader_exit);
        if (r < 0)
                return r;
        r = write_down(d, session, request->leader);
        if (r < 0) {
                session_unlink(session);
                session_free(session);
                return r;
        }
        *ret = session;
        return 0;
}

int login_restore(struct session **ret, struct delegation *d, const struct state_session *record,
                  int take_leader_pidfd) {
        return session_add(ret, d, record->number, record->attempt, record->service, take_leader_pidfd, on_leader_exit);
}

/* Whether what the request asks for is what this delegation gives: uid, gid, policy file, digest of its content. */
static bool is_for(const struct delegation *d, const struct login_request *request) {
        const struct policy *policy = request->take_policy;

        return d->state != PROTO_STATE_ENDING && d->uid == request->uid && d->gid == request->gid &&
               streq(d->policy->name, policy->name) && memcmp(d->policy->digest, policy->digest, SHA256_SIZE) == 0;
}

/* That is the key of a delegation with scope = user. After any change there is a new one. */
static bool can_join(const struct delegation *d, const struct login_request *request) {
        return request->take_policy->scope == POLICY_SCOPE_USER && is_for(d, request);
}

/*
 * The session that this very attempt has opened before: a helper that wrote it down and was killed before it answered
 * has left it to us, and the module asks again. With it the attempt has what it wants. One that is of no use to it any
 * more is closed, since nobody else would ever close it. Returns NULL if there is none, or none any more.
 */
static struct session *opened_before(const struct manager *manager, const struct login_request *request) {
        struct session *session = login_find_attempt(manager, request->attempt);

        if (!session || !is_same_process(session->leader_pidfd, request->take_leader_pidfd))
                return NULL;
        if (!session->ready && session->delegation->state == PROTO_STATE_ACTIVE && is_for(session->delegation, request))
                return session;
        login_close(session, "its login has asked again");
        return NULL;
}

/* One pass: what could be joined, and what there is already. */
static int find_or_refuse(const struct manager *manager, const struct login_request *request, struct delegation **ret,
                          struct errtext *err) {
        const struct settings *settings = &manager->settings;
        size_t delegations = 0, sessions = 0;
        struct delegation *d;

        *ret = NULL;
        LIST_FOREACH(d, &manager->delegations, entry)
        if (d->uid == request->uid) {
                delegations++;
                sessions += d->n_sessions;
                if (can_join(d, request))
                        *ret = d;
        }
        if (sessions >= settings->sessions_per_uid)
                return fail(err, -EDQUOT,
                            "the user has %zu session%s already, which is the limit (sessions_per_uid in "
                            "bpfdeleg.ini): log out of one, or ask the admin to raise it",
                            sessions, plural(sessions));
        if (*ret)
                return 0;
        if (delegations >= settings->delegations_per_uid)
                return fail(err, -EDQUOT,
                            "the user has %zu delegation%s already, which is the limit (delegations_per_uid in "
                            "bpfdeleg.ini): end one, or ask the admin to raise it",
                            delegations, plural(delegations));
        if (manager->n_delegations >= settings->delegations)
                return fail(err, -EDQUOT,
                            "bpfdelegd has %zu delegation%s already, which is the limit (delegations in "
                            "bpfdeleg.ini): ask the admin to raise it",
                            manager->n_delegations, plural(manager->n_delegations));
        return 0;
}

int login_open(struct manager *manager, struct login_request *request, session_ready ready, void *userdata,
               struct session **ret, struct errtext *err) {
        struct session *session = NULL;
        struct log_subject subject;
        struct delegation *d;
        int r;

        *ret = opened_before(manager, request);
        if (*ret)
                return LOGIN_GRANTED;
        r = find_or_refuse(manager, request, &d, err);
        if (r < 0)
                return r;
        if (!d) {
                r = delegation_new(&d, manager, request, err);
                if (r < 0)
                        return r;
        }
        r = login_new(&session, d, request);
        if (r < 0) {
                if (d->state == PROTO_STATE_OPENING && d->n_sessions == 0)
                        delegation_end(d, "its first session could not be kept");
                return r == -ESRCH ? fail(err, r, "the process that opened the session has gone") :
                                     fail(err, r, "the session cannot be kept (its record goes into %s): %s",
                                          manager->state.path, strerror(-r));
        }
        *ret = session;
        if (d->state != PROTO_STATE_ACTIVE) {
                session->ready = ready;
                session->userdata = userdata;
                return LOGIN_PENDING;
        }
        subject = delegation_subject(d, session);
        log_event(LOG_JOIN, &subject, "joins, %zu sessions now", d->n_sessions);
        return LOGIN_GRANTED;
}
