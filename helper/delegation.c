/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state machine of a delegation. Whatever goes wrong at whatever step, there is one way out, delegation_end(): it
 * starts from any state, never blocks, and goes on until nothing is left. A session is in exactly one delegation, and
 * leaves it by close, by its leader's death, or with the delegation.
 */

#include "config.h"

#include "delegation.h"

#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "peer.h"

/* Timers of these are given an accuracy of 1: 0 would mean sd-event's default of 250 ms. */
#define RETRY_MIN_USEC (2 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (1 * USEC_PER_SEC)
#define REPORT_USEC (5 * USEC_PER_SEC)  /* ending for longer than this is worth a line */
#define LINGER_USEC (1 * USEC_PER_SEC)  /* how often a lingering delegation is looked at */

static uint64_t realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

struct log_subject delegation_subject(const struct delegation *d, const struct session *session) {
        return (struct log_subject){
                .uid = d->uid,
                .user = d->user,
                .service = session ? session->service : NULL,
                .policy = d->policy->name,
                .id = d->id,
        };
}

/* ---- ending ---- */

static void session_free(struct session *session) {
        if (!session)
                return;
        sd_event_source_disable_unref(session->leader_source);
        (void) close_fd(session->leader_pidfd);
        free(session->service);
        free(session);
}

static void session_unlink(struct session *session) {
        LIST_REMOVE(session, entry);
        session->delegation->n_sessions--;
}

static void delegation_free(struct delegation *d) {
        if (!d)
                return;
        sd_event_source_disable_unref(d->anchor_source);
        sd_event_source_disable_unref(d->events_source);
        sd_event_source_disable_unref(d->timer);
        maker_free(d->maker);
        child_done(&d->anchor, d->manager->event);
        cgroup_done(&d->cgroup);
        (void) close_fd(d->userns_fd);
        policy_free(d->policy);
        free(d->user);
        free(d->reason);
        free(d);
}

/* The last step: nothing of it is left but strays, and those are the sweep's. */
static void delegation_gone(struct delegation *d) {
        struct manager *manager = d->manager;
        struct log_subject subject = delegation_subject(d, NULL);

        if (d->userns_fd >= 0 && sweep_add_take(manager->sweep, TAKE_FD(d->userns_fd)) < 0)
                log_line(LOG_ERR, "strays of %016" PRIx64 " cannot be looked for", d->id);
        if (d->granted)
                log_event(LOG_END, &subject, "%s; torn down in %" PRIu64 " ms", d->reason ?: "ended",
                          (now_usec() - d->ending_since) / USEC_PER_MSEC);
        LIST_REMOVE(d, entry);
        manager->n_delegations--;
        if (d->ended)
                d->ended(d->ended_userdata);
        delegation_free(d);
        if (LIST_EMPTY(&manager->delegations) && manager->idle)
                manager->idle(manager);
}

static int on_end_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void report_once(struct delegation *d, int r) {
        struct log_subject subject = delegation_subject(d, NULL);

        if (d->reported || now_usec() - d->ending_since < REPORT_USEC)
                return;
        d->reported = true;
        log_event(LOG_END, &subject, "not torn down yet after %llu s (%s); going on trying",
                  (unsigned long long) (REPORT_USEC / USEC_PER_SEC),
                  r == -EBUSY ? "a process does not die, or makes cgroups" : strerror(-r));
}

/* Kill again (somebody may have been in between), and if all are gone remove; else look again soon, less and less
 * often. */
static void end_step(struct delegation *d) {
        int r;

        r = cgroup_populated(&d->cgroup);
        if (r > 0) {
                r = cgroup_kill(&d->cgroup);
                if (r >= 0)
                        r = -EBUSY;
        } else if (r == 0)
                r = cgroup_remove(&d->cgroup);
        if (r >= 0) {
                delegation_gone(d);
                return;
        }
        report_once(d, r);
        sd_event_source_disable_unref(d->timer);
        d->timer = NULL;
        r = sd_event_add_time_relative(d->manager->event, &d->timer, CLOCK_MONOTONIC, d->retry_usec, 1, on_end_timer, d);
        if (r < 0)
                log_line(LOG_ERR, "%016" PRIx64 " cannot be looked at again: %s", d->id, strerror(-r));
        d->retry_usec = d->retry_usec * 2 < RETRY_MAX_USEC ? d->retry_usec * 2 : RETRY_MAX_USEC;
}

static int on_end_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        end_step(userdata);
        return 0;
}

static int on_cgroup_event(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct delegation *d = userdata;

        (void) source;
        (void) fd;
        (void) revents;
        /* Reading re-arms it; what it says matters only when it says "empty". */
        if (cgroup_populated(&d->cgroup) == 0)
                end_step(d);
        return 0;
}

/* Answers everybody who still waits for this delegation, and forgets all its sessions. */
static void drop_sessions(struct delegation *d, int result, const char *why) {
        struct session *session;

        while ((session = LIST_FIRST(&d->sessions))) {
                session_unlink(session);
                if (session->ready)
                        session->ready(session->userdata, session, result, why);
                session_free(session);
        }
}

static void end_with(struct delegation *d, int result, const char *reason) {
        int r;

        if (d->state == PROTO_STATE_ENDING)
                return;
        d->state = PROTO_STATE_ENDING;
        d->ending_since = now_usec();
        d->retry_usec = RETRY_MIN_USEC;
        d->reason = strdup(reason);
        drop_sessions(d, result, reason);

        d->timer = sd_event_source_disable_unref(d->timer);
        d->anchor_source = sd_event_source_disable_unref(d->anchor_source);
        maker_free(TAKE_PTR(d->maker));
        (void) cgroup_kill(&d->cgroup);
        child_done(&d->anchor, d->manager->event);
        r = sd_event_add_io(d->manager->event, &d->events_source, d->cgroup.events_fd, EPOLLPRI, on_cgroup_event, d);
        if (r < 0)
                log_line(LOG_WARNING, "%016" PRIx64 ": the cgroup cannot be watched, its end is polled for: %s", d->id,
                         strerror(-r));
        end_step(d);
}

void delegation_end(struct delegation *d, const char *reason) {
        end_with(d, -ECANCELED, reason);
}

void manager_end_all(struct manager *manager, const char *reason) {
        struct delegation *d, *next;

        for (d = LIST_FIRST(&manager->delegations); d; d = next) {
                next = LIST_NEXT(d, entry); /* d may be gone at once; next is only ever freed by its own end */
                delegation_end(d, reason);
        }
        if (LIST_EMPTY(&manager->delegations) && manager->idle)
                manager->idle(manager);
}

/* ---- lingering ---- */

static int on_linger(sd_event_source *source, uint64_t usec, void *userdata) {
        struct delegation *d = userdata;
        int r;

        (void) usec;
        if (d->n_sessions > 0) {
                d->timer = sd_event_source_disable_unref(d->timer);
                return 0;
        }
        r = cgroup_has_others(&d->cgroup, d->anchor.pid);
        if (r <= 0) {
                delegation_end(d, r == 0 ? "its last process has exited" : "its cgroup cannot be read");
                return 0;
        }
        r = sd_event_source_set_time_relative(source, LINGER_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The last session has gone, and the policy lets processes outlive it. Returns whether it does stay. */
static bool linger(struct delegation *d) {
        if (!d->policy->linger || d->state != PROTO_STATE_ACTIVE || cgroup_has_others(&d->cgroup, d->anchor.pid) != 1)
                return false;
        return d->timer || sd_event_add_time_relative(d->manager->event, &d->timer, CLOCK_MONOTONIC, LINGER_USEC, 0, on_linger,
                                                      d) >= 0;
}

/* ---- sessions ---- */

int session_close(struct session *session, const char *why) {
        struct delegation *d = session->delegation;
        struct log_subject subject = delegation_subject(d, session);
        bool answered = !session->ready;
        int r = SESSION_OTHERS;

        session_unlink(session);
        if (!answered)
                session->ready(session->userdata, session, -ECANCELED, why);
        if (d->n_sessions > 0) {
                if (answered)
                        log_event(LOG_LEAVE, &subject, "%s; %zu left", why, d->n_sessions);
        } else if (linger(d))
                log_event(LOG_LEAVE, &subject, "%s; lingering until its last process exits", why);
        else {
                r = SESSION_LAST;
                delegation_end(d, why);
        }
        session_free(session);
        return r;
}

static int on_leader_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        session_close(userdata, "the session's leader has exited");
        return 0;
}

struct session *session_find(const struct manager *manager, const struct proto_cookie *cookie) {
        struct delegation *d;
        struct session *session;

        LIST_FOREACH(d, &manager->delegations, entry)
                if (d->id == cookie->delegation)
                        LIST_FOREACH(session, &d->sessions, entry)
                                if (session->number == cookie->session)
                                        return session;
        return NULL;
}

static int session_new(struct session **ret, struct delegation *d, struct session_request *request) {
        struct session *session;
        int r;

        session = malloc(sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (struct session){.delegation = d, .leader_pidfd = TAKE_FD(request->take_leader_pidfd)};
        session->service = strdup(request->service);
        if (!session->service) {
                session_free(session);
                return -ENOMEM;
        }
        /* Not our child: sd_event_add_child_pidfd would end the loop with ECHILD. */
        r = sd_event_add_io(d->manager->event, &session->leader_source, session->leader_pidfd, EPOLLIN, on_leader_exit, session);
        if (r < 0) {
                session_free(session);
                return r;
        }
        session->number = ++d->last_number;
        LIST_INSERT_HEAD(&d->sessions, session, entry);
        d->n_sessions++;
        *ret = session;
        return 0;
}

/* ---- opening ---- */

static const char *confinement_words(const struct delegation *d) {
        if (d->policy->confine == POLICY_CONFINE_OFF)
                return "unconfined, as the policy says (confine = off)";
        return "UNCONFINED: this bpfdelegd has no guard and the policy only prefers one (confine = preferred)";
}

static int on_anchor_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        delegation_end(userdata, "its anchor was killed");
        return 0;
}

/* Everything is made; what is left is to give the user his part and to watch the anchor. */
static int activate(struct delegation *d, struct errtext *err) {
        int r;

        maker_take(d->maker, &d->anchor, &d->userns_fd);
        maker_free(TAKE_PTR(d->maker));
        r = cgroup_give(&d->cgroup, d->uid, d->gid);
        if (r < 0)
                return fail(err, r, "giving the cgroup to the user: %s", strerror(-r));
        r = sd_event_add_io(d->manager->event, &d->anchor_source, d->anchor.pidfd, EPOLLIN, on_anchor_exit, d);
        if (r < 0)
                return fail(err, r, "watching the anchor: %s", strerror(-r));
        d->state = PROTO_STATE_ACTIVE;
        return 0;
}

static void answer_all(struct delegation *d) {
        struct session *session, *next;
        struct log_subject subject;

        for (session = LIST_FIRST(&d->sessions); session; session = next) {
                session_ready ready = session->ready;

                next = LIST_NEXT(session, entry);
                session->ready = NULL;
                subject = delegation_subject(d, session);
                if (!d->granted)
                        log_event(LOG_GRANT, &subject, "%s", confinement_words(d));
                else
                        log_event(LOG_JOIN, &subject, "joins, %zu sessions now", d->n_sessions);
                d->granted = true;
                ready(session->userdata, session, 0, NULL); /* closes its own session if the client has gone, no other */
        }
}

static void on_made(void *userdata, int result, const char *why) {
        struct delegation *d = userdata;
        struct errtext err;

        if (result >= 0) {
                result = activate(d, &err);
                why = err.s;
        }
        if (result < 0)
                end_with(d, result, why);
        else
                answer_all(d);
}

static int begin(struct delegation *d, struct errtext *err) {
        const struct settings *settings = &d->manager->settings;
        struct maker_spec spec = {
                .uid = d->uid, .gid = d->gid, .mode = d->policy->mode,
                .private_network = d->policy->network == POLICY_NETWORK_PRIVATE,
                .nursery_fd = d->manager->nursery_fd, .cgroup = &d->cgroup, .timeout_usec = settings->open_timeout,
        };

        memcpy(spec.masks, d->masks, sizeof(spec.masks));
        return maker_start(&d->maker, d->manager->event, &spec, on_made, d, err);
}

/* An own id among all that live; 64 random bits, so the loop is for form's sake. */
static int choose_id(struct delegation *d) {
        const struct delegation *other;

        do {
                if (getrandom(&d->id, sizeof(d->id), 0) != sizeof(d->id))
                        return -errno;
                LIST_FOREACH(other, &d->manager->delegations, entry)
                        if (other->id == d->id)
                                break;
        } while (other || d->id == 0);
        return 0;
}

/* What can be refused without anything to undo but a cgroup, which cgroup_create() does itself. */
static int prepare(struct delegation *d, struct errtext *err) {
        char name[20];
        int r;

        r = choose_id(d);
        if (r < 0 || !d->user)
                return fail(err, r < 0 ? r : -ENOMEM, "out of memory or random numbers");
        r = mask_parse_policy(d->manager->names, d->policy, d->masks, err);
        if (r < 0)
                return r;
        (void) snprintf(name, sizeof(name), "%016" PRIx64, d->id);
        return cgroup_create(&d->cgroup, &d->manager->cgroups, name, d->policy->limit, err);
}

static int delegation_new(struct delegation **ret, struct manager *manager, struct session_request *request,
                          struct errtext *err) {
        struct delegation *d;
        int r;

        d = malloc(sizeof(*d));
        if (!d)
                return fail(err, -ENOMEM, "out of memory");
        *d = (struct delegation){
                .manager = manager, .uid = request->uid, .gid = request->gid, .state = PROTO_STATE_OPENING,
                .created_usec = realtime_usec(), .cgroup = CGROUP_INIT, .anchor = CHILD_INIT, .userns_fd = -1,
                .policy = TAKE_PTR(request->take_policy), .user = strdup(request->user),
        };
        LIST_INIT(&d->sessions);
        r = prepare(d, err);
        if (r < 0) {
                delegation_free(d);
                return r;
        }
        LIST_INSERT_HEAD(&manager->delegations, d, entry);
        manager->n_delegations++;
        r = begin(d, err);
        if (r < 0) {
                delegation_end(d, "its set-up could not begin");
                return r;
        }
        *ret = d;
        return 0;
}

/* The key of a delegation with scope = user: uid, gid, policy file, digest of its content. After any change there is
 * a new one. */
static bool can_join(const struct delegation *d, const struct session_request *request) {
        const struct policy *policy = request->take_policy;

        return d->state != PROTO_STATE_ENDING && d->uid == request->uid && d->gid == request->gid &&
               policy->scope == POLICY_SCOPE_USER && streq(d->policy->name, policy->name) &&
               memcmp(d->policy->digest, policy->digest, SHA256_SIZE) == 0;
}

/* One pass: what could be joined, and what there is already. */
static int find_or_refuse(const struct manager *manager, const struct session_request *request, struct delegation **ret,
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
                return fail(err, -EDQUOT, "the user has %zu sessions already (sessions_per_uid in bpfdeleg.ini)", sessions);
        if (*ret)
                return 0;
        if (delegations >= settings->delegations_per_uid)
                return fail(err, -EDQUOT, "the user has %zu delegations already (delegations_per_uid in bpfdeleg.ini)",
                            delegations);
        if (manager->n_delegations >= settings->delegations)
                return fail(err, -EDQUOT, "there are %zu delegations already (delegations in bpfdeleg.ini)",
                            manager->n_delegations);
        return 0;
}

int session_open(struct manager *manager, struct session_request *request, session_ready ready, void *userdata,
                 struct session **ret, struct errtext *err) {
        struct session *session = NULL;
        struct log_subject subject;
        struct delegation *d;
        int r;

        r = find_or_refuse(manager, request, &d, err);
        if (r < 0)
                return r;
        if (!d) {
                r = delegation_new(&d, manager, request, err);
                if (r < 0)
                        return r;
        }
        r = session_new(&session, d, request);
        if (r < 0) {
                if (d->state == PROTO_STATE_OPENING && d->n_sessions == 0)
                        delegation_end(d, "its first session could not be kept");
                return fail(err, r, "the session cannot be kept: %s", strerror(-r));
        }
        *ret = session;
        if (d->state != PROTO_STATE_ACTIVE) {
                session->ready = ready;
                session->userdata = userdata;
                return SESSION_PENDING;
        }
        subject = delegation_subject(d, session);
        log_event(LOG_JOIN, &subject, "joins, %zu sessions now", d->n_sessions);
        return SESSION_GRANTED;
}

/* ---- finding ---- */

static void list_ids(const struct manager *manager, uid_t uid, char *buf, size_t size) {
        const struct delegation *d;
        size_t n = 0;

        buf[0] = '\0';
        LIST_FOREACH(d, &manager->delegations, entry)
                if (d->uid == uid && d->state == PROTO_STATE_ACTIVE && n < size)
                        n += (size_t) snprintf(buf + n, size - n, "%s%016" PRIx64 "-%" PRIu64 " (%s)", n ? ", " : "", d->id,
                                               d->last_number, d->policy->name);
}

struct delegation *delegation_find(const struct manager *manager, uid_t uid, const struct proto_cookie *cookie,
                                   struct errtext *err) {
        struct delegation *d, *found = NULL;
        size_t n = 0;
        char ids[400];

        LIST_FOREACH(d, &manager->delegations, entry)
                if (d->uid == uid && d->state == PROTO_STATE_ACTIVE &&
                    (cookie->delegation == 0 || d->id == cookie->delegation)) {
                        found = d;
                        n++;
                }
        if (n == 1)
                return found;
        if (cookie->delegation != 0)
                (void) fail(err, 0, "this user has no delegation %016" PRIx64 " (any more): log in again, or unset %s",
                            cookie->delegation, PROTO_COOKIE_ENV);
        else if (n == 0)
                (void) fail(err, 0, "this user has no delegation: none of his logins matched a policy, or all have ended; "
                            "ask the admin for a file in /etc/bpfdeleg/policy.d that names you or one of your groups");
        else {
                list_ids(manager, uid, ids, sizeof(ids));
                (void) fail(err, 0, "this user has %zu delegations, set %s to one of: %s", n, PROTO_COOKIE_ENV, ids);
        }
        return NULL;
}
