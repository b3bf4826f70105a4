/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The systemd backend: a delegation's <root> is the directory of the transient scope bpfdeleg-<id>.scope in
 * user-<uid>.slice, so that the limits of the user's slice hold and cgroups keep their single writer. Asked for over
 * the system bus, without waiting: the maker works meanwhile, and the scope's job moves it in.
 */

#include <systemd/sd-event.h>

#include "policy.h"

/* The connection to systemd. */
struct scopes;

/* Called from the loop when systemd, told to stop a scope, has answered that it knows none of that id. */
typedef void (*scope_unknown)(void *userdata, uint64_t id);

int scopes_new(struct scopes **ret, sd_event *event, scope_unknown unknown, void *userdata);
void scopes_free(struct scopes *scopes);

struct scope_spec {
        uint64_t id;
        uid_t uid;
        const char *user, *policy; /* for its description */
        const uint64_t *limit;     /* POLICY_LIMITS of them */
        int pidfd;                 /* of its first process, a child of ours, not reaped; stays the caller's */
        pid_t pid;
        uint64_t timeout_usec;
};

/* A scope that is being made. */
struct scope_job;

/* Called once from the loop, never from scope_start(). result 0: the process sits in the scope. Else -errno, and why
 * says what systemd said; -ETIMEDOUT: it may still come to be. The callback may call scope_job_free(). */
typedef void (*scope_done)(void *userdata, int result, const char *why);

/* Begins. spec is only used before this returns. Returns 0 and *ret, to be given to scope_job_free(); or -errno with err. */
int scope_start(struct scope_job **ret, struct scopes *scopes, const struct scope_spec *spec, scope_done done, void *userdata,
                struct errtext *err);
/* Takes NULL, and one that is not done: then nobody is told. */
void scope_job_free(struct scope_job *job);

/* Has systemd stop the scope; nobody waits for it. If there is none, the callback of scopes_new() is told. */
void scope_stop(struct scopes *scopes, uint64_t id);

/* Stops every scope with a name of ours that known() does not know: for start-up. Nobody waits for it. */
void scopes_end_leftovers(struct scopes *scopes, bool (*known)(void *userdata, uint64_t id), void *userdata);

/* "bpfdeleg-0123456789abcdef.scope" */
#define SCOPE_NAME_SIZE 40
void scope_name(uint64_t id, char *buf);
