/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One delegation: what one user has under one policy, and the sessions that share it. The manager (manager.h) holds
 * all.
 *
 *     OPENING   cgroup there, maker at work; sessions wait
 *     ACTIVE    the anchor sleeps; sessions join and leave
 *     ENDING    the last session has gone (or the anchor, or the set-up failed): kill, wait, remove. No way back.
 */

#include <sys/queue.h>

#include "cgroup.h"
#include "child.h"
#include "guard/guard.h"
#include "log.h"
#include "session.h"
#include "state.h"
#include "subgroup.h"

struct delegation;
struct login_request;
struct manager;

struct delegation {
        LIST_ENTRY(delegation) entry, by_uid;
        struct manager *manager;
        uint64_t id;
        uid_t uid;
        gid_t gid;
        char *user;
        struct policy *policy;
        uint64_t masks[POLICY_AXES];
        enum proto_state state;
        uint64_t created_usec; /* CLOCK_REALTIME */

        struct session_list sessions;
        size_t n_sessions;
        uint64_t last_number;

        struct cgroup cgroup;
        struct setup *setup; /* NULL: done, or given up */
        bool scope_asked;    /* there may be a scope of its name */
        struct child anchor;
        struct sys_process anchor_id;
        struct sys_namespace userns; /* inode 0 as long as there is none */
        int userns_fd; /* from the beginning of its end on, so that the number is not given out again; -1: none */
        sd_event_source *anchor_source, *events_source, *timer;

        uint64_t ending_since; /* CLOCK_MONOTONIC */
        uint64_t retry_usec;
        bool detaching;                      /* what it has attached */
        bool reported;                       /* that it does not go */
        struct log_ratelimit refusals_limit; /* of the guard's, for this user */
        bool granted;                        /* somebody was given it: its end is worth a record */
        char *reason;                        /* why it ends */

        void (*ended)(void *userdata); /* called once when it is torn down, if set */
        void *ended_userdata;
};

/* Finds the delegation a user means: by its cookie, or the only one they have. Returns NULL with err: it is not
 * theirs, is ending, there are several, or none. */
struct delegation *delegation_find(const struct manager *manager, uid_t uid, const struct proto_cookie *cookie,
                                   struct errtext *err);

/* Ends a delegation, whoever is still in it. Does nothing if it is ending already. May free it before it returns. */
void delegation_end(struct delegation *delegation, const char *reason);

/* Finds a delegation by its id. NULL: there is none. */
struct delegation *manager_find(const struct manager *manager, uint64_t id);

/* One of this uid's, in whatever state. NULL: the uid has none. */
struct delegation *manager_find_uid(const struct manager *manager, uid_t uid);

/* What a log record about this delegation (and session or NULL) names. */
struct log_subject delegation_subject(const struct delegation *delegation, const struct session *session);

/* For struct scopes_callbacks and struct sweep_callbacks, with the manager. */
void delegation_scope_unknown(void *userdata, uint64_t id);
void delegation_swept(void *userdata, uint64_t id);
bool delegation_lives_in(void *userdata, const struct sys_namespace *ns);

/* For subgroup_start(), and for subgroups_new() with the manager. */
struct subgroup_target delegation_subgroup_target(const struct delegation *d);
bool delegation_find_subgroup_target(void *userdata, uint64_t id, struct subgroup_target *ret);

/* Whether the guard keeps it, and how often it has refused something. ret_refusals may be NULL. */
bool delegation_guarded(const struct delegation *d, uint64_t *ret_refusals);
/* Whether the guard keeps it to its own subtree: nothing else does. */
bool delegation_confined(const struct delegation *d);

/* Frees it and ends nothing. */
void delegation_forget(struct delegation *delegation);

/* Writes down what the guard has reported last, with how often. */
void manager_tell_refusal(struct manager *manager);

/* For guard_new(). */
void delegation_guard_refused(void *userdata, const struct guard_report *report);
void delegation_detached(void *userdata, uint64_t id, bool late);

/* ---- for login.c and recover.c ---- */

/* Begins a delegation for a login, OPENING, without a session. */
int delegation_new(struct delegation **ret, struct manager *manager, struct login_request *request,
                   struct errtext *err);
/* One that an earlier helper made, as far as the record says; still without descriptors, anchor and session. NULL: no
 * memory. */
struct delegation *delegation_restore(struct manager *manager, const struct state_record *record,
                                      struct policy *take_policy);
/* Ends the delegation like delegation_end(). Sessions that still wait for it get `result` as their answer. */
void delegation_fail(struct delegation *delegation, int result, const char *why);
/* It has all that a delegation needs: watches the anchor, writes it down, is ACTIVE. */
int delegation_activate(struct delegation *delegation, struct errtext *err);
/* Updates its record. Returns 0 or -errno. */
int delegation_write_down(const struct delegation *delegation);
/* The last session has gone: returns whether the policy, and a process, let the delegation stay. */
bool delegation_linger(struct delegation *delegation);
