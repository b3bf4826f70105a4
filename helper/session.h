/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A session: one of the logins that share a delegation. It is in exactly one delegation, and leaves it by close, by its
 * leader's death (both login.h), or with the delegation. Each is written down before its login is answered.
 */

#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "util.h"

struct delegation;
struct session;
LIST_HEAD(session_list, session);

/* What to do when a waiting session gets its answer: once, from the loop, not from login_open(). On failure the
 * session is gone when this returns. */
typedef void (*session_ready)(void *userdata, struct session *session, int result, const char *why);

struct session {
        LIST_ENTRY(session) entry;
        struct delegation *delegation;
        uint64_t number;  /* counts up within the delegation, from 1 */
        uint64_t attempt; /* of the module's to open it, 0: none; an answer may get lost, and the module asks again */
        char *service;
        int leader_pidfd; /* the process that opened: its death closes */
        sd_event_source *leader_source;
        session_ready ready; /* NULL once answered */
        void *userdata;
};

/* Adds a session with this number and attempt, that waits for no answer; on_leader_exit gets it. Returns 0 or
 * -errno. */
int session_add(struct session **ret, struct delegation *delegation, uint64_t number, uint64_t attempt,
                const char *service, int take_leader_pidfd, sd_event_io_handler_t on_leader_exit);
/* Takes it out of its delegation, and its record away. */
void session_unlink(struct session *session);
void session_free(struct session *session);

/* Answers everybody who still waits with an error, and drops all sessions. */
void sessions_drop(struct delegation *delegation, int result, const char *why);
/* Frees all sessions; their records stay. */
void sessions_forget(struct delegation *delegation);
