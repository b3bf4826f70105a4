/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sessions: the logins that share a delegation. */

#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "policy.h"
#include "proto.h"

struct delegation;
struct manager;
struct session;
LIST_HEAD(session_list, session);

/* What to do when a waiting session gets its answer: once, from the loop, not from session_open(). On failure the
 * session is gone when this returns. */
typedef void (*session_ready)(void *userdata, struct session *session, int result, const char *why);

struct session {
        LIST_ENTRY(session) entry;
        struct delegation *delegation;
        uint64_t number; /* counts up within the delegation, from 1 */
        uint64_t attempt; /* of the module's to open it, 0: none; an answer may get lost, and the module asks again */
        char *service;
        int leader_pidfd; /* the process that opened: its death closes */
        sd_event_source *leader_source;
        session_ready ready; /* NULL once answered */
        void *userdata;
};

/* A login that asks. All borrowed, but what says take. */
struct session_request {
        uid_t uid;
        gid_t gid;
        const char *user, *service;
        struct policy *take_policy;
        uint64_t attempt;
        pid_t leader;
        int take_leader_pidfd; /* of that process */
};

enum { SESSION_PENDING = 0, SESSION_GRANTED = 1 };

/*
 * Finds the delegation for the login or begins one, and adds a session. Returns SESSION_GRANTED with *ret when it
 * could join one that is there; SESSION_PENDING with *ret when ready() will tell; or -errno with err. The leader is
 * watched from now on in any case.
 */
int session_open(struct manager *manager, struct session_request *request, session_ready ready, void *userdata,
                 struct session **ret, struct errtext *err);

/* Takes a session away; why is for the record. Returns SESSION_LAST if that ends the delegation (which may be gone by then), else
 * SESSION_OTHERS: there are others, or it lingers. */
enum { SESSION_OTHERS = 0, SESSION_LAST = 1 };
int session_close(struct session *session, const char *why);

struct session *session_find(const struct manager *manager, const struct proto_cookie *cookie);
/* The newest of this user's that this process has opened, or NULL. */
struct session *session_find_led(const struct manager *manager, uid_t uid, int leader_pidfd);
/* The one that this attempt has opened, or NULL. */
struct session *session_find_attempt(const struct manager *manager, uint64_t attempt);

/* ---- for delegation.c and recover.c ---- */

/* Adds a session with this number and attempt, that waits for no answer. Returns 0 or -errno. */
int session_add(struct session **ret, struct delegation *delegation, uint64_t number, uint64_t attempt, const char *service,
                int take_leader_pidfd);
/* Answers everybody who waits for the delegation: it is there; granted is for the record of the first. */
void sessions_answer(struct delegation *delegation, const char *granted);
/* Answers everybody who still waits with an error, and drops all sessions. */
void sessions_drop(struct delegation *delegation, int result, const char *why);
/* Frees all sessions; their records stay. */
void sessions_forget(struct delegation *delegation);
