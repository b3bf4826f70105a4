/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state machine of a delegation. Whatever goes wrong at whatever step, there is one way out, delegation_end(): it
 * starts from any state, never blocks, and goes on until nothing is left. Each step is written down before it is
 * taken (state.h).
 */

#include "config.h"

#include "delegation.h"

#include <inttypes.h>
#include <sys/random.h>

#include "guard/guard-words.h"
#include "login.h"
#include "manager.h"
#include "sweep.h"

/* Timers of these are given an accuracy of 1: 0 would mean sd-event's default of 250 ms. */
#define RETRY_MIN_USEC (2 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (1 * USEC_PER_SEC)
#define PROD_USEC (64 * USEC_PER_MSEC)    /* an empty scope takes 12 to 50 ms to go; looked at for 126 ms by then */
#define REPORT_USEC (5 * USEC_PER_SEC)    /* ending for longer than this is worth a line */
#define REPEAT_USEC (100 * USEC_PER_MSEC) /* so long a record of the guard's waits for its like */
#define LINGER_USEC (1 * USEC_PER_SEC)    /* how often a lingering delegation is looked at */

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
                .session = session ? session->number : 0,
        };
}

static void delegation_unlink(struct delegation *d) {
        LIST_REMOVE(d, entry);
        LIST_REMOVE(d, by_uid);
        d->manager->n_delegations--;
}

/* ---- ending ---- */

static void delegation_free(struct delegation *d) {
        if (!d)
                return;
        sd_event_source_disable_unref(d->anchor_source);
        sd_event_source_disable_unref(d->events_source);
        sd_event_source_disable_unref(d->timer);
        (void) setup_free(d->setup);
        child_done(&d->anchor, d->manager->event);
        cgroup_done(&d->cgroup);
        (void) close_fd(d->userns_fd);
        policy_free(d->policy);
        free(d->user);
        free(d->reason);
        free(d);
}

/* Nobody is left in its user namespace, and nothing that it attached. The record last: a helper that dies in between
 * does both again. */
static void forget(struct manager *manager, uint64_t id) {
        if (manager->guard)
                guard_forget(manager->guard, id);
        state_remove(&manager->state, id);
}

void delegation_swept(void *userdata, uint64_t id) {
        struct manager *manager = userdata;

        if (!manager->guard || !guard_revoke_late(manager->guard, id))
                forget(manager, id);
}

/* One for each user, with their oldest delegation. Users with no delegation left, but a dead token, share one. */
static struct log_ratelimit *refusals_limit(struct manager *manager, uid_t uid) {
        struct log_ratelimit *limit = &manager->refusals_limit;
        struct delegation *d;

        LIST_FOREACH(d, &manager->delegations, entry)
        if (d->uid == uid)
                limit = &d->refusals_limit;
        return limit;
}

/* Writes down what the guard has reported last, with how often. */
void manager_tell_refusal(struct manager *manager) {
        const struct refusal *refusal = &manager->refusal;
        struct delegation *d = manager_find(manager, refusal->report.delegation);
        struct log_subject subject = {.uid = refusal->report.uid, .id = refusal->report.delegation};
        char times[40] = "", left_out[40] = "";

        if (refusal->times == 0)
                return;
        if (d)
                subject = delegation_subject(d, NULL);
        if (refusal->times > 1)
                (void) snprintf(times, sizeof(times), " (%u times)", refusal->times);
        if (refusal->suppressed > 0)
                (void) snprintf(left_out, sizeof(left_out), " (%u more were left out)", refusal->suppressed);
        log_event(LOG_GUARD, &subject, "%s%s%s", refusal->text, times, left_out);
        manager->refusal.times = 0;
}

static int on_refusal_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct manager *manager = userdata;

        (void) source;
        (void) usec;
        manager->refusal.timer = sd_event_source_disable_unref(manager->refusal.timer);
        manager_tell_refusal(manager);
        return 0;
}

/* libbpf loads twice what was refused, and a loop in a script for ever: the same again, within a moment, is one
 * record. */
void delegation_guard_refused(void *userdata, const struct guard_report *report) {
        struct manager *manager = userdata;
        struct refusal *refusal = &manager->refusal;

        if (refusal->times > 0 && memcmp(&refusal->report, report, sizeof(*report)) == 0) {
                refusal->times++;
                return;
        }
        manager_tell_refusal(manager);
        if (!log_ratelimit(refusals_limit(manager, report->uid), &refusal->suppressed))
                return;
        refusal->report = *report;
        refusal->times = 1;
        /* Now, while its process can be asked for the names of interfaces. */
        guard_describe(manager->names, report, refusal->text, sizeof(refusal->text));
        /* Without a timer it is told at once. */
        if (!refusal->timer && sd_event_add_time_relative(manager->event, &refusal->timer, CLOCK_MONOTONIC, REPEAT_USEC,
                                                          1, on_refusal_timer, manager) < 0)
                manager_tell_refusal(manager);
}

bool delegation_lives_in(void *userdata, const struct sys_namespace *ns) {
        const struct manager *manager = userdata;
        const struct delegation *d;

        LIST_FOREACH(d, &manager->delegations, entry)
        if (d->userns.inode != 0 && sys_namespace_same(&d->userns, ns))
                return true;
        return false;
}

/* The last step: nothing of it is left but strays, and those are the sweep's. */
static void delegation_gone(struct delegation *d) {
        struct manager *manager = d->manager;
        struct log_subject subject = delegation_subject(d, NULL);

        if (d->granted)
                log_event(LOG_END, &subject, "%s; torn down in %" PRIu64 " ms", d->reason ?: "ended",
                          (now_usec() - d->ending_since) / USEC_PER_MSEC);
        delegation_unlink(d);
        /* The record goes when the strays have: until then, the next start must find them. */
        if (d->userns.inode == 0)
                forget(manager, d->id);
        else if (sweep_add(manager->sweep, d->id, d->uid, &d->userns, TAKE_FD(d->userns_fd),
                           delegation_guarded(d, NULL)) < 0)
                log_line(LOG_ERR, "strays of %016" PRIx64 " cannot be looked for before the next start", d->id);
        if (d->ended)
                d->ended(d->ended_userdata);
        delegation_free(d);
        if (manager->settled)
                manager->settled(manager);
}

static int on_end_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void report_once(struct delegation *d, int r) {
        if (d->reported || now_usec() - d->ending_since < REPORT_USEC)
                return;
        d->reported = true;
        log_line(LOG_WARNING,
                 "the delegation %016" PRIx64 " of uid %u is not torn down yet after %llu s (%s); going on trying",
                 d->id, (unsigned) d->uid, (unsigned long long) (REPORT_USEC / USEC_PER_SEC),
                 r == -EBUSY       ? "a process does not die, or makes cgroups" :
                 r == -EINPROGRESS ? "systemd has not removed its empty scope" :
                                     strerror(-r));
}

/* An empty scope goes by itself. Should systemd have missed that, it is told; should it know of no such scope any more,
 * it has failed to remove the directory, and will not try again. */
static void prod_systemd(const struct delegation *d, int r) {
        if (r == -EINPROGRESS && d->retry_usec >= PROD_USEC)
                setup_stop(&d->manager->setup, d->id);
}

static void end_again(struct delegation *d, uint64_t in_usec) {
        int r;

        d->timer = sd_event_source_disable_unref(d->timer);
        r = sd_event_add_time_relative(d->manager->event, &d->timer, CLOCK_MONOTONIC, in_usec, 1, on_end_timer, d);
        if (r < 0)
                log_line(LOG_ERR, "%016" PRIx64 " cannot be looked at again: %s", d->id, strerror(-r));
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
        } else if (r == 0 && d->detaching)
                return; /* guard_detached() goes on */
        else if (r == 0)
                r = cgroup_remove(&d->cgroup);
        if (r >= 0) {
                delegation_gone(d);
                return;
        }
        if (r == -EAGAIN) {
                end_again(d, 0);
                return;
        }
        report_once(d, r);
        prod_systemd(d, r);
        end_again(d, d->retry_usec);
        d->retry_usec = d->retry_usec * 2 < RETRY_MAX_USEC ? d->retry_usec * 2 : RETRY_MAX_USEC;
}

void delegation_scope_unknown(void *userdata, uint64_t id) {
        struct delegation *d = manager_find(userdata, id);

        if (d && d->state == PROTO_STATE_ENDING && d->cgroup.fd >= 0 && !d->cgroup.forgotten) {
                d->cgroup.forgotten = true;
                end_step(d);
        }
}

void delegation_detached(void *userdata, uint64_t id, bool late) {
        struct manager *manager = userdata;
        struct delegation *d = manager_find(manager, id);

        if (late)
                forget(manager, id);
        else if (d) {
                d->detaching = false;
                end_step(d);
        }
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

static int watch_cgroup(struct delegation *d) {
        int fd = d->cgroup.fd < 0 ? -ENOENT : cgroup_events(&d->cgroup);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return sd_event_add_io(d->manager->event, &d->events_source, fd, ONCE_CHANGED, on_cgroup_event, d);
}

static void end_cgroup(struct delegation *d) {
        /* All of it, so that nothing new comes while it is removed part by part; and systemd removes what is in an
         * empty scope once: the user must not be at it at the same time. */
        cgroup_take_back(&d->cgroup);
        (void) cgroup_kill(&d->cgroup);
        /* It was asked for, and where it is was not yet known. */
        if (d->scope_asked && d->cgroup.fd < 0)
                setup_stop(&d->manager->setup, d->id);
}

void delegation_fail(struct delegation *d, int result, const char *reason) {
        int r;

        if (d->state == PROTO_STATE_ENDING)
                return;
        if (d->manager->refusal.report.delegation == d->id)
                manager_tell_refusal(d->manager); /* while its user's name is known */
        d->state = PROTO_STATE_ENDING;
        d->ending_since = now_usec();
        d->retry_usec = RETRY_MIN_USEC;
        d->reason = strdup(reason);
        /* Before anything else: from here on no token of it is good for anything, whoever holds it. */
        if (d->manager->guard)
                d->detaching = guard_revoke(d->manager->guard, d->id,
                                            d->policy->confine == POLICY_CONFINE_OFF ? d->manager->cgroups.mount_fd :
                                                                                       d->cgroup.fd);
        (void) delegation_write_down(d); /* if it fails: what the old record says is ended as well */
        sessions_drop(d, result, reason);

        d->timer = sd_event_source_disable_unref(d->timer);
        d->anchor_source = sd_event_source_disable_unref(d->anchor_source);
        d->scope_asked |= setup_free(TAKE_PTR(d->setup));
        /* Without it the sweep judges by number and owner. */
        if (d->userns.inode != 0)
                d->userns_fd = child_open_proc(&d->anchor, "ns/user");
        subgroups_end(d->manager->subgroups, d->id);
        end_cgroup(d);
        child_done(&d->anchor, d->manager->event);
        r = watch_cgroup(d);
        if (r < 0)
                log_line(LOG_WARNING, "%016" PRIx64 ": the cgroup cannot be watched, its end is polled for: %s", d->id,
                         strerror(-r));
        end_step(d);
}

void delegation_end(struct delegation *d, const char *reason) {
        delegation_fail(d, -ECANCELED, reason);
}

void delegation_forget(struct delegation *d) {
        delegation_unlink(d);
        sessions_forget(d);
        d->anchor_source = sd_event_source_disable_unref(d->anchor_source);
        d->anchor.pidfd = close_fd(d->anchor.pidfd); /* it sleeps on */
        delegation_free(d);
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

bool delegation_linger(struct delegation *d) {
        if (!d->policy->linger || d->state != PROTO_STATE_ACTIVE || cgroup_has_others(&d->cgroup, d->anchor.pid) != 1)
                return false;
        return d->timer || sd_event_add_time_relative(d->manager->event, &d->timer, CLOCK_MONOTONIC, LINGER_USEC, 0,
                                                      on_linger, d) >= 0;
}

/* ---- opening ---- */

bool delegation_guarded(const struct delegation *d, uint64_t *ret_refusals) {
        uint64_t refusals = 0;
        bool guarded = d->manager->guard && guard_knows(d->manager->guard, d->id, &refusals);

        if (ret_refusals)
                *ret_refusals = refusals;
        return guarded;
}

bool delegation_confined(const struct delegation *d) {
        return delegation_guarded(d, NULL) && d->policy->confine != POLICY_CONFINE_OFF;
}

static const char *confinement_words(const struct delegation *d, struct errtext *buf) {
        if (delegation_confined(d))
                return "confined to its own subtree by the guard";
        if (d->policy->confine == POLICY_CONFINE_OFF)
                return "unconfined, as the policy says (confine = off)";
        (void) fail(buf, 0, "UNCONFINED, the policy only prefers a guard (confine = preferred), and there is none: %s",
                    d->manager->guard_why.s);
        return buf->s;
}

static int on_anchor_exit(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        delegation_end(userdata, "its anchor was killed");
        return 0;
}

int delegation_activate(struct delegation *d, struct errtext *err) {
        int r;

        r = sd_event_add_io(d->manager->event, &d->anchor_source, d->anchor.pidfd, ONCE_EXITED, on_anchor_exit, d);
        if (r < 0)
                return fail(err, r, "watching the anchor: %s", strerror(-r));
        r = d->manager->guard ? guard_hold(d->manager->guard, d->id, d->anchor.pidfd) : 0;
        if (r < 0)
                return fail(err, r, "having the guard hold its anchor: %s", strerror(-r));
        d->state = PROTO_STATE_ACTIVE;
        r = delegation_write_down(d);
        if (r < 0)
                return fail(err, r, "its record cannot be written to %s: %s", d->manager->state.path, strerror(-r));
        return 0;
}

/* Everything is made; what is left is to give users their part. */
static int take_over(struct delegation *d, struct errtext *err) {
        _cleanup_close_ int userns_fd = -1;
        int r;

        setup_take(d->setup, &d->anchor, &userns_fd);
        d->scope_asked = setup_free(TAKE_PTR(d->setup));
        r = sys_process_identify(d->anchor.pid, d->anchor.pidfd, &d->anchor_id);
        if (r >= 0)
                r = sys_namespace_identify(userns_fd, &d->userns);
        if (r == -ESRCH)
                return fail(err, -ECHILD, "the anchor was killed");
        if (r < 0)
                return fail(err, r, "the anchor: %s", strerror(-r));
        r = cgroup_give(&d->cgroup, d->uid, d->gid);
        if (r < 0)
                return fail(err, r, "giving the cgroup to the user: %s", strerror(-r));
        return delegation_activate(d, err);
}

static void answer_sessions(struct delegation *d, const char *granted) {
        struct session *session, *next;
        struct log_subject subject;

        for (session = LIST_FIRST(&d->sessions); session; session = next) {
                session_ready ready = session->ready;

                next = LIST_NEXT(session, entry);
                session->ready = NULL;
                subject = delegation_subject(d, session);
                if (!d->granted) {
                        subject.priority = delegation_confined(d) ? 0 : LOG_WARNING;
                        log_event(LOG_GRANT, &subject, "%s", granted);
                } else
                        log_event(LOG_JOIN, &subject, "joins, %zu sessions now", d->n_sessions);
                d->granted = true;
                ready(session->userdata, session, 0,
                      NULL); /* closes its own session if the client has gone, no other */
        }
}

static void on_set_up(void *userdata, int result, const char *why) {
        struct delegation *d = userdata;
        struct errtext err;

        if (result >= 0) {
                result = take_over(d, &err);
                why = err.s;
        }
        if (result < 0)
                delegation_fail(d, result, why);
        else
                answer_sessions(d, confinement_words(d, &err));
}

/* ---- beginning ---- */

/* An own id among all that live; 64 random bits, so the loop is for form's sake. */
static int choose_id(struct delegation *d) {
        do {
                if (getrandom(&d->id, sizeof(d->id), 0) != sizeof(d->id))
                        return -errno;
        } while (d->id == 0 || manager_find(d->manager, d->id));
        return 0;
}

static void fill_record(const struct delegation *d, struct state_record *record) {
        *record = (struct state_record){
                .id = d->id,
                .uid = d->uid,
                .gid = d->gid,
                .state = d->state,
                .created_usec = d->created_usec,
                .last_session = d->last_number,
                .backend = d->cgroup.backend,
                .anchor = d->anchor_id,
                .userns = d->userns,
        };
        copy_field_cut(record->user, sizeof(record->user), d->user);
        copy_field_cut(record->policy, sizeof(record->policy), d->policy->name);
        copy_field_cut(record->cgroup, sizeof(record->cgroup), d->cgroup.path);
}

int delegation_write_down(const struct delegation *d) {
        struct state_record record;

        fill_record(d, &record);
        return state_update(&d->manager->state, &record);
}

/* Before there is anything to undo. The policy's bytes are not needed any more then. */
static int write_down_new(struct delegation *d, struct errtext *err) {
        struct state_record record;
        int r;

        fill_record(d, &record);
        r = state_new(&d->manager->state, &record, d->policy->text, d->policy->size);
        free(TAKE_PTR(d->policy->text));
        if (r < 0)
                return fail(err, r, "its record cannot be written to %s: %s", d->manager->state.path, strerror(-r));
        return 0;
}

static struct delegation *delegation_alloc(struct manager *manager, const char *user, struct policy *take_policy) {
        struct delegation *d;

        d = malloc(sizeof(*d));
        if (!d) {
                policy_free(take_policy);
                return NULL;
        }
        *d = (struct delegation){
                .manager = manager,
                .user = strdup(user),
                .policy = take_policy,
                .cgroup = CGROUP_INIT,
                .anchor = CHILD_INIT,
                .userns_fd = -1,
        };
        LIST_INIT(&d->sessions);
        if (!d->user) {
                delegation_free(d);
                return NULL;
        }
        return d;
}

static void delegation_link(struct delegation *d) {
        LIST_INSERT_HEAD(&d->manager->delegations, d, entry);
        LIST_INSERT_HEAD(&d->manager->by_uid[d->uid % DELEGATION_BUCKETS], d, by_uid);
        d->manager->n_delegations++;
}

static int record_again(void *userdata, struct errtext *err) {
        const struct delegation *d = userdata;
        int r = delegation_write_down(d);

        return r < 0 ? fail(err, r, "its record cannot be written to %s: %s", d->manager->state.path, strerror(-r)) : 0;
}

/* Before the first token of it can be made. */
static int put_under_guard(void *userdata, int mount_fd) {
        struct delegation *d = userdata;
        const struct guard_entry entry = {
                .id = d->id,
                .uid = d->uid,
                .caps = d->policy->caps,
                .confine = d->policy->confine != POLICY_CONFINE_OFF,
                .host_wide = d->policy->allow_host_wide,
                .long_loops = d->policy->long_loops,
                .mount_fd = mount_fd,
                .cgroup_fd = d->cgroup.fd,
        };
        return d->manager->guard ? guard_add(d->manager->guard, &entry) : 0;
}

static int start_setup(struct delegation *d, struct errtext *err) {
        const struct setup_spec spec = {
                .id = d->id,
                .uid = d->uid,
                .gid = d->gid,
                .user = d->user,
                .policy = d->policy,
                .masks = d->masks,
                .cgroup = &d->cgroup,
                .changed = record_again,
                .made_mount = put_under_guard,
                .done = on_set_up,
                .userdata = d,
        };

        return setup_start(&d->setup, &d->manager->setup, &spec, err);
}

int delegation_new(struct delegation **ret, struct manager *manager, struct login_request *request,
                   struct errtext *err) {
        struct delegation *d;
        int r;

        d = delegation_alloc(manager, request->user, TAKE_PTR(request->take_policy));
        if (!d)
                return fail(err, -ENOMEM, "out of memory");
        d->uid = request->uid;
        d->gid = request->gid;
        d->state = PROTO_STATE_OPENING;
        d->created_usec = realtime_usec();
        r = mask_parse_policy(manager->names, d->policy, d->masks, err);
        if (r >= 0 && (r = choose_id(d)) < 0)
                (void) fail(err, r, "no random numbers: %s", strerror(-r));
        if (r >= 0) {
                setup_plan(&manager->setup, d->id, &d->cgroup);
                r = write_down_new(d, err);
        }
        if (r < 0) {
                delegation_free(d);
                return r;
        }
        delegation_link(d);
        r = start_setup(d, err);
        if (r < 0) {
                delegation_end(d, "its set-up could not begin");
                return r;
        }
        *ret = d;
        return 0;
}

struct delegation *delegation_restore(struct manager *manager, const struct state_record *record,
                                      struct policy *take_policy) {
        struct delegation *d;
        struct errtext err;

        d = delegation_alloc(manager, record->user, take_policy);
        if (!d)
                return NULL;
        free(TAKE_PTR(d->policy->text));
        d->id = record->id;
        d->uid = record->uid;
        d->gid = record->gid;
        d->state = PROTO_STATE_OPENING; /* until it is seen to be whole */
        d->created_usec = record->created_usec;
        d->last_number = record->last_session;
        d->anchor_id = record->anchor;
        d->userns = record->userns;
        d->granted = record->state != PROTO_STATE_OPENING;
        /* They are set in the kernel already; this is for those who ask. */
        if (mask_parse_policy(manager->names, d->policy, d->masks, &err) < 0)
                log_line(LOG_WARNING, "what was delegated as %016" PRIx64 " cannot be told any more: %s", d->id, err.s);
        delegation_link(d);
        return d;
}

/* ---- finding ---- */

struct delegation *manager_find(const struct manager *manager, uint64_t id) {
        struct delegation *d;

        LIST_FOREACH(d, &manager->delegations, entry)
        if (d->id == id)
                return d;
        return NULL;
}

struct delegation *manager_find_uid(const struct manager *manager, uid_t uid) {
        struct delegation *d;

        LIST_FOREACH(d, &manager->by_uid[uid % DELEGATION_BUCKETS], by_uid)
        if (d->uid == uid)
                return d;
        return NULL;
}

struct subgroup_target delegation_subgroup_target(const struct delegation *d) {
        return (struct subgroup_target){.id = d->id, .uid = d->uid, .root = &d->cgroup, .anchor = &d->anchor};
}

bool delegation_find_subgroup_target(void *userdata, uint64_t id, struct subgroup_target *ret) {
        const struct delegation *d = manager_find(userdata, id);

        if (!d || d->state != PROTO_STATE_ACTIVE)
                return false;
        *ret = delegation_subgroup_target(d);
        return true;
}

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
                (void) fail(err, 0,
                            "this user has no delegation: none of their logins matched a policy, or all have ended; "
                            "ask the admin for a file in /etc/bpfdeleg/policy.d that names you or one of your groups");
        else {
                list_ids(manager, uid, ids, sizeof(ids));
                (void) fail(err, 0, "this user has %zu delegations, set %s to one of: %s", n, PROTO_COOKIE_ENV, ids);
        }
        return NULL;
}
