/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each request does: from a well-formed message of a known peer to its answer. Requests that take time keep a
 * small struct of their own between the connection and what is being worked on, so that either may go first.
 */

#include "config.h"

#include "request.h"

#include <inttypes.h>

#include "delegation.h"
#include "login.h"
#include "manager.h"
#include "enter.h"
#include "server.h"

/* ---- OPEN_SESSION ---- */

/* A connection and the session it waits for. */
struct opening {
        struct connection *connection;
        struct session *session;
};

/* Returns -errno if the module did not get it. */
static int reply_opened(struct connection *connection, int result, const struct session *session, const char *why) {
        struct proto_opened opened = PROTO_INIT(PROTO_OPENED);

        opened.result = result;
        if (session) {
                opened.cookie.delegation = session->delegation->id;
                opened.cookie.session = session->number;
        }
        if (why)
                copy_field_cut(opened.text, sizeof(opened.text), why);
        return connection_reply(connection, &opened, NULL, 0);
}

static void refuse_open(struct connection *connection, const struct proto_open_session *request, int result,
                        const char *why) {
        struct log_subject subject = {
                .uid = request->uid,
                .user = request->user,
                .service = request->service,
                .policy = request->policy,
        };

        log_event(LOG_REFUSE, &subject, "%s", why);
        (void) reply_opened(connection, result, NULL, why);
}

static void give_session(struct connection *connection, struct session *session) {
        if (reply_opened(connection, 0, session, NULL) < 0)
                login_close(session, "the login went away before its answer");
}

static void on_session_ready(void *userdata, struct session *session, int result, const char *why) {
        struct opening *opening = userdata;
        struct connection *connection = opening->connection;
        struct log_subject subject = delegation_subject(session->delegation, session);

        free(opening);
        if (result >= 0) {
                give_session(connection, session);
                return;
        }
        log_event(LOG_REFUSE, &subject, "%s", why);
        (void) reply_opened(connection, result, NULL, why);
}

/* In place of the one that has gone: nobody is to be told, and nobody has had the session. */
static void on_nobody_ready(void *userdata, struct session *session, int result, const char *why) {
        (void) userdata;
        (void) session;
        (void) result;
        (void) why;
}

/* The module gave up, or died: without it nobody would ever close the session. */
static void on_opening_gone(void *userdata) {
        struct opening *opening = userdata;
        struct session *session = opening->session;

        free(opening);
        session->ready = on_nobody_ready;
        login_close(session, "the login went away before its answer");
}

/*
 * Reads the policy the module has matched, from our own directories, and checks again what it checked: the file, its
 * match (but for groups, which only NSS could tell), and that this host can keep to it. The module runs as root too,
 * so this is against mistakes and races, not attacks.
 */
static int read_policy(const struct manager *manager, const struct proto_open_session *request, struct policy **ret,
                       struct errtext *err) {
        const struct policy_login login = {.uid = request->uid, .user = request->user, .service = request->service};
        _cleanup_(policy_freep) struct policy *policy = NULL;
        int r;

        r = policy_read(manager->policy_dirs, request->policy, &policy, err);
        if (r == -ENOENT || r == INI_MASKED)
                return fail(err, PROTO_RESULT_STALE, "the policy %s is not there any more", request->policy);
        if (r < 0)
                return r;
        if (memcmp(policy->digest, request->digest, SHA256_SIZE) != 0)
                return fail(err, PROTO_RESULT_STALE, "the policy %s has changed since the module read it",
                            request->policy);
        if (policy->error.s[0] != '\0')
                return fail(err, PROTO_RESULT_POLICY_BROKEN, "%s", policy->error.s);
        if (policy_matches(policy, &login) != 1)
                return fail(err, -EPERM, "the policy %s is not for this login", request->policy);
        if (policy->confine == POLICY_CONFINE_REQUIRED && !manager->guard)
                return fail(
                        err, -EPERM,
                        "%s wants what it delegates confined (confine = required, the default), and bpfdelegd has no "
                        "guard to do it: %s. Without one a user could attach outside their own subtree and read "
                        "kernel memory; to grant "
                        "it without a guard, write `confine = off` under [bpf] there (see SECURITY.md)",
                        policy->path, manager->guard_why.s);
        if (manager->guard && guard_held(manager->guard, request->uid) >= GUARD_HELD_EACH)
                return fail(err, -EMFILE,
                            "too many ended delegations of uid %u are still held by descriptors of their tokens "
                            "and bpf file systems, in processes outside of them: the user gets no new delegation until "
                            "those "
                            "processes exit",
                            (unsigned) request->uid);
        *ret = TAKE_PTR(policy);
        return 0;
}

static void request_open_session(struct connection *connection, const union proto_message *message) {
        const struct proto_open_session *open = &message->open_session;
        struct manager *manager = connection_manager(connection);
        struct login_request request = {
                .uid = open->uid,
                .gid = open->gid,
                .user = open->user,
                .service = open->service,
                .attempt = open->attempt,
                .leader = connection->peer.cred.pid,
                .take_leader_pidfd = -1,
        };
        struct session *session = NULL;
        struct opening *opening;
        struct errtext err;
        int r;

        /* To setresuid(2) -1 means "as it is": the maker would stay root. */
        if (open->uid == (uid_t) -1 || open->gid == (gid_t) -1)
                r = fail(&err, -EINVAL, "uid or gid is -1, which is nobody's");
        else
                r = read_policy(manager, open, &request.take_policy, &err);
        if (r < 0) {
                refuse_open(connection, open, r, err.s);
                return;
        }
        opening = malloc(sizeof(*opening));
        request.take_leader_pidfd = TAKE_FD(connection->peer.pidfd);
        r = opening ? login_open(manager, &request, on_session_ready, opening, &session, &err) :
                      fail(&err, -ENOMEM, "out of memory");
        policy_free(request.take_policy);
        (void) close_fd(request.take_leader_pidfd);
        if (r == LOGIN_PENDING) {
                *opening = (struct opening){.connection = connection, .session = session};
                connection->gone = on_opening_gone;
                connection->userdata = opening;
                return;
        }
        free(opening);
        if (r < 0)
                refuse_open(connection, open, r, err.s);
        else
                give_session(connection, session);
}

/* ---- FIND_SESSION ---- */

static void request_find_session(struct connection *connection, const union proto_message *message) {
        const struct session *session =
                login_find_led(connection_manager(connection), message->find_session.uid, connection->peer.pidfd);

        (void) reply_opened(connection, session ? 0 : -ENOENT, session,
                            session ? NULL : "this process has opened no such session");
}

/* ---- CLOSE_SESSION ---- */

/* A connection that waits for the end of a delegation, until its own deadline. */
struct closing {
        struct connection *connection;
        struct delegation *delegation; /* NULL once it has ended */
        sd_event_source *timer;
};

static void reply(struct connection *connection, int result, const char *text) {
        struct proto_reply message = PROTO_INIT(PROTO_REPLY);

        message.result = result;
        copy_field_cut(message.text, sizeof(message.text), text);
        (void) connection_reply(connection, &message, NULL, 0);
}

static void closing_free(struct closing *closing) {
        if (closing->delegation)
                closing->delegation->ended = NULL;
        sd_event_source_disable_unref(closing->timer);
        free(closing);
}

static void on_ended(void *userdata) {
        struct closing *closing = userdata;
        struct connection *connection = closing->connection;

        closing->delegation = NULL;
        closing_free(closing);
        reply(connection, 0, "");
}

static int on_closing_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        struct closing *closing = userdata;
        struct connection *connection = closing->connection;

        (void) source;
        (void) usec;
        closing_free(closing);
        reply(connection, -EINPROGRESS, "the delegation is not torn down yet; the helper goes on");
        return 0;
}

static void on_closing_gone(void *userdata) {
        closing_free(userdata);
}

/* Returns NULL when there is no memory or no timer: then nobody waits, and the end goes on all the same. */
static struct closing *closing_new(struct connection *connection, struct delegation *delegation) {
        const struct manager *manager = connection_manager(connection);
        struct closing *closing;

        closing = malloc(sizeof(*closing));
        if (!closing)
                return NULL;
        *closing = (struct closing){.connection = connection, .delegation = delegation};
        if (sd_event_add_time_relative(manager->event, &closing->timer, CLOCK_MONOTONIC,
                                       manager->settings.close_timeout, 0, on_closing_timeout, closing) < 0) {
                free(closing);
                return NULL;
        }
        connection->gone = on_closing_gone;
        connection->userdata = closing;
        delegation->ended = on_ended;
        delegation->ended_userdata = closing;
        return closing;
}

static void request_close_session(struct connection *connection, const union proto_message *message) {
        struct closing *closing = NULL;
        struct session *session;

        session = login_find(connection_manager(connection), &message->close_session.cookie);
        if (!session) {
                reply(connection, -ENOENT, "there is no such session (any more)");
                return;
        }
        /* Set before the close, which may end the delegation, and answer, at once. */
        if (session->delegation->n_sessions == 1)
                closing = closing_new(connection, session->delegation);
        if (login_close(session, "the session was closed") == LOGIN_LAST && closing)
                return;
        if (closing)
                closing_free(closing);
        reply(connection, 0, "");
}

/* ---- ENTER ---- */

/* A connection whose process is being moved. */
struct entering {
        struct connection *connection;
        struct enter *enter;
        uint64_t id;
};

/* Whom a refusal is about. The user may be known by another delegation than the one they asked for, or by several. */
static struct log_subject user_subject(const struct connection *connection, const struct delegation *d) {
        const struct delegation *other;

        if (d)
                return delegation_subject(d, NULL);
        other = manager_find_uid(connection_manager(connection), connection->peer.cred.uid);
        return (struct log_subject){.uid = connection->peer.cred.uid, .user = other ? other->user : NULL};
}

static void refuse_enter(struct connection *connection, const struct delegation *d, int result, const char *why) {
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);
        struct log_subject subject = user_subject(connection, d);

        /* What a user asks of the user socket is not to fill the log. */
        if (connection_log_allowed(connection))
                log_event(LOG_REFUSE, &subject, "enter by pid %d: %s", (int) connection->peer.cred.pid, why);
        entered.result = result;
        copy_field_cut(entered.text, sizeof(entered.text), why);
        (void) connection_reply(connection, &entered, NULL, 0);
}

/* The descriptors of the answer. The user owns these namespaces, and could open them through any of their processes in
 * there. */
static int collect_fds(const struct delegation *d, int fds[PROTO_ENTERED_FDS_MAX], size_t *ret_n) {
        size_t n = PROTO_ENTERED_FD_MOUNT + 1;

        fds[PROTO_ENTERED_FD_USER] = child_open_proc(&d->anchor, "ns/user");
        fds[PROTO_ENTERED_FD_CGROUP] = child_open_proc(&d->anchor, "ns/cgroup");
        if (fds[PROTO_ENTERED_FD_USER] < 0 || fds[PROTO_ENTERED_FD_CGROUP] < 0)
                return -EBADF;
        if (d->policy->network == POLICY_NETWORK_PRIVATE) {
                fds[PROTO_ENTERED_FD_NETWORK] = child_open_proc(&d->anchor, "ns/net");
                if (fds[PROTO_ENTERED_FD_NETWORK] < 0)
                        return fds[PROTO_ENTERED_FD_NETWORK];
                n++;
        }
        *ret_n = n;
        return 0;
}

static void reply_entered(struct connection *connection, const struct delegation *d, uint32_t flags, const int *fds,
                          size_t n) {
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);

        entered.flags = flags;
        entered.caps = d->policy->caps;
        copy_field_cut(entered.path, sizeof(entered.path), d->policy->mount_path);
        (void) connection_reply(connection, &entered, fds, n);
}

static void on_entered(void *userdata, int result, int take_mount_fd, const char *why) {
        int fds[PROTO_ENTERED_FDS_MAX] = {-1, -1, take_mount_fd, -1};
        struct entering *entering = userdata;
        struct connection *connection = entering->connection;
        const struct proto_cookie cookie = {.delegation = entering->id};
        const struct delegation *d;
        struct errtext err;
        size_t n = 0;

        enter_free(entering->enter);
        free(entering);
        /* It may have ended while the escort was at work; then the process has been killed with it. */
        d = delegation_find(connection_manager(connection), connection->peer.cred.uid, &cookie, &err);
        if (result < 0)
                refuse_enter(connection, d, result, why);
        else if (!d || collect_fds(d, fds, &n) < 0)
                refuse_enter(connection, d, -ENOENT, "the delegation has ended meanwhile");
        else
                reply_entered(connection, d, n == PROTO_ENTERED_FDS_MAX ? PROTO_ENTERED_NETWORK : 0, fds, n);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close_fd(fds[i]);
}

static void on_entering_gone(void *userdata) {
        struct entering *entering = userdata;

        enter_free(entering->enter);
        free(entering);
}

static void start_entering(struct connection *connection, const struct delegation *d) {
        const struct manager *manager = d->manager;
        struct entering *entering;
        struct errtext err;
        int r;

        entering = malloc(sizeof(*entering));
        if (!entering) {
                refuse_enter(connection, d, -ENOMEM, "out of memory");
                return;
        }
        *entering = (struct entering){.connection = connection, .id = d->id};
        r = enter_start(&entering->enter, manager->event, &connection->peer, &d->anchor, &d->cgroup, d->gid,
                        manager->settings.enter_timeout, on_entered, entering, &err);
        if (r < 0) {
                free(entering);
                refuse_enter(connection, d, r, err.s);
                return;
        }
        connection->gone = on_entering_gone;
        connection->userdata = entering;
}

static void request_enter(struct connection *connection, const union proto_message *message) {
        const struct delegation *d;
        struct errtext err;
        int r;

        d = delegation_find(connection_manager(connection), connection->peer.cred.uid, &message->enter.cookie, &err);
        if (!d) {
                refuse_enter(connection, NULL, -ENOENT, err.s);
                return;
        }
        r = enter_check(&connection->peer, &d->userns, &err);
        if (r < 0)
                refuse_enter(connection, d, r, err.s);
        else if (r == ENTER_INSIDE)
                reply_entered(connection, d, PROTO_ENTERED_INSIDE, NULL, 0);
        else
                start_entering(connection, d);
}

/* ---- STATUS ---- */

_Static_assert(sizeof(PACKAGE_VERSION) <= PROTO_PACKAGE_SIZE, "the version fits");

static int send_row(struct connection *connection, const struct delegation *d) {
        struct proto_row row = PROTO_INIT(PROTO_ROW);
        uint64_t refusals;

        row.id = d->id;
        row.uid = d->uid;
        row.state = d->state;
        row.sessions = (uint32_t) d->n_sessions;
        row.confine = d->policy->confine;
        row.network = d->policy->network;
        row.linger = d->policy->linger;
        row.guarded = delegation_guarded(d, &refusals);
        row.refusals = refusals > UINT32_MAX ? UINT32_MAX : (uint32_t) refusals;
        row.created_usec = d->created_usec;
        memcpy(row.masks, d->masks, sizeof(row.masks));
        row.caps = d->policy->caps;
        copy_field_cut(row.policy, sizeof(row.policy), d->policy->name);
        copy_field_cut(row.path, sizeof(row.path), d->policy->mount_path);
        copy_field_cut(row.cgroup, sizeof(row.cgroup), d->cgroup.path);
        return connection_send(connection, &row);
}

static void request_status(struct connection *connection, const union proto_message *message) {
        struct proto_end end = PROTO_INIT(PROTO_END);
        const struct delegation *d;
        int r = 0;

        (void) message;
        LIST_FOREACH(d, &connection_manager(connection)->delegations, entry)
        if (d->uid == connection->peer.cred.uid && r >= 0) {
                r = send_row(connection, d);
                end.rows += r >= 0;
        }
        /* delegations_per_uid rows fit a socket's buffer many times over; a client that lets it fill gets no end
         * row. */
        end.result = r;
        end.guard = !!connection_manager(connection)->guard;
        if (!end.guard)
                copy_field_cut(end.text, sizeof(end.text), connection_manager(connection)->guard_why.s);
        (void) copy_field(end.version, sizeof(end.version), PACKAGE_VERSION);
        (void) connection_reply(connection, &end, NULL, 0);
}

/* ---- KILL_SUBGROUP, REMOVE_SUBGROUP ---- */

/* A connection that waits for what it has asked for. */
struct subgroup_waiting {
        struct connection *connection;
        struct subgroup *subgroup;
        uint64_t id;
};

static void refuse_subgroup(struct connection *connection, const struct delegation *d,
                            const struct subgroup_request *request, int result, const char *why) {
        struct log_subject subject = user_subject(connection, d);

        if (connection_log_allowed(connection))
                log_event(LOG_REFUSE, &subject, "%s by pid %d: %s (%.200s)", request->remove ? "remove" : "kill",
                          (int) connection->peer.cred.pid, why, request->path);
        reply(connection, result, why);
}

static void on_subgroup_done(void *userdata, const struct subgroup_request *request, int result, const char *why) {
        struct subgroup_waiting *waiting = userdata;
        struct connection *connection = waiting->connection;

        if (result < 0)
                refuse_subgroup(connection, manager_find(connection_manager(connection), waiting->id), request, result,
                                why);
        else
                reply(connection, 0, "");
        subgroup_free(waiting->subgroup);
        free(waiting);
}

static void on_subgroup_gone(void *userdata) {
        struct subgroup_waiting *waiting = userdata;

        subgroup_free(waiting->subgroup);
        free(waiting);
}

static void request_subgroup(struct connection *connection, const struct proto_cookie *cookie,
                             const struct subgroup_request *request) {
        struct subgroup_target target;
        const struct delegation *d;
        struct subgroup_waiting *waiting;
        struct errtext err;
        int r;

        d = delegation_find(connection_manager(connection), connection->peer.cred.uid, cookie, &err);
        if (!d) {
                refuse_subgroup(connection, NULL, request, -ENOENT, err.s);
                return;
        }
        waiting = malloc(sizeof(*waiting));
        if (!waiting) {
                refuse_subgroup(connection, d, request, -ENOMEM, "out of memory");
                return;
        }
        *waiting = (struct subgroup_waiting){.connection = connection, .id = d->id};
        target = delegation_subgroup_target(d);
        r = subgroup_start(&waiting->subgroup, d->manager->subgroups, &target, request, on_subgroup_done, waiting,
                           &err);
        if (r < 0) {
                free(waiting);
                refuse_subgroup(connection, d, request, r, err.s);
                return;
        }
        connection->gone = on_subgroup_gone;
        connection->userdata = waiting;
}

static void request_kill_subgroup(struct connection *connection, const union proto_message *message) {
        const struct subgroup_request request = {
                .path = message->kill_subgroup.path,
                .signal = message->kill_subgroup.signal,
        };

        request_subgroup(connection, &message->kill_subgroup.cookie, &request);
}

static void request_remove_subgroup(struct connection *connection, const union proto_message *message) {
        const struct subgroup_request request = {.path = message->remove_subgroup.path, .remove = true};

        request_subgroup(connection, &message->remove_subgroup.cookie, &request);
}

const struct request_row request_rows[] = {
        {PROTO_OPEN_SESSION, SERVER_SESSION, request_open_session},
        {PROTO_CLOSE_SESSION, SERVER_SESSION, request_close_session},
        {PROTO_FIND_SESSION, SERVER_SESSION, request_find_session},
        {PROTO_ENTER, SERVER_USER, request_enter},
        {PROTO_STATUS, SERVER_USER, request_status},
        {PROTO_KILL_SUBGROUP, SERVER_USER, request_kill_subgroup},
        {PROTO_REMOVE_SUBGROUP, SERVER_USER, request_remove_subgroup},
        {0, 0, NULL},
};
