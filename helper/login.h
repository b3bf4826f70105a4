/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logins come and go: each finds the delegation that its policy gives it, or begins one, and the last to leave ends it.
 */

#include <sys/types.h>

#include "proto.h"
#include "session.h"

struct delegation;
struct manager;
struct state_session;

/* A login that asks. All borrowed, but what says take. */
struct login_request {
        uid_t uid;
        gid_t gid;
        const char *user, *service;
        struct policy *take_policy;
        uint64_t attempt;
        pid_t leader;
        int take_leader_pidfd; /* of that process */
};

enum { LOGIN_PENDING = 0, LOGIN_GRANTED = 1 };

/*
 * Finds the delegation for the login or begins one, and adds a session. Returns LOGIN_GRANTED with *ret when it
 * could join one that is there; LOGIN_PENDING with *ret when ready() will tell; or -errno with err. The leader is
 * watched from now on in any case.
 */
int login_open(struct manager *manager, struct login_request *request, session_ready ready, void *userdata,
               struct session **ret, struct errtext *err);

/* Takes a session away; why is for the record. Returns LOGIN_LAST if that ends the delegation (which may be gone by
 * then), else LOGIN_OTHERS: there are others, or it lingers. */
enum { LOGIN_OTHERS = 0, LOGIN_LAST = 1 };
int login_close(struct session *session, const char *why);

struct session *login_find(const struct manager *manager, const struct proto_cookie *cookie);
/* The newest of this user's that this process has opened, or NULL. */
struct session *login_find_led(const struct manager *manager, uid_t uid, int leader_pidfd);
/* The one that this attempt has opened, or NULL. */
struct session *login_find_attempt(const struct manager *manager, uint64_t attempt);

/* Adds a session that an earlier helper has written down. Returns 0 or -errno. */
int login_restore(struct session **ret, struct delegation *delegation, const struct state_session *record,
                  int take_leader_pidfd);
