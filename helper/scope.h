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

/* All called from the loop, with the userdata of scopes_new(). */
struct scopes_callbacks {
        /* Whether a scope of that id is a delegation's. */
        bool (*known)(void *userdata, uint64_t id);
        /* systemd, told to stop a scope, has answered that it knows none of that id. */
        void (*unknown)(void *userdata, uint64_t id);
        /* Something that scopes_busy() counts is over. */
        void (*settled)(void *userdata);
};

int scopes_new(struct scopes **ret, sd_event *event, const struct scopes_callbacks *callbacks, void *userdata);
void scopes_free(struct scopes *scopes);

/* Whether systemd still owes an answer to what was asked of it for the end of a scope; leftovers: or not all of those
 * of an earlier helper have gone. */
bool scopes_busy(const struct scopes *scopes, bool leftovers);

struct scope_spec {
        uint64_t id;
        uid_t uid;
        const char *user, *policy; /* for its description */
        const uint64_t *limit;     /* POLICY_LIMITS of them */
        int pidfd;                 /* of its first process, a child of ours, not reaped */
        pid_t pid;
        uint64_t timeout_usec;
};

/* A scope that is being made. */
struct scope_job;

/* Called once from the loop, never from scope_start(). result 0: the process sits in the scope. Else -errno, and why
 * says what systemd said; -ETIMEDOUT or -ECONNRESET: it may still come to be. The callback must call
 * scope_job_free(). */
typedef void (*scope_done)(void *userdata, int result, const char *why);

/* Begins. All that spec points to stays the caller's, and outlives the job. Returns 0 and *ret, to be given to
 * scope_job_free(); or -errno with err. */
int scope_start(struct scope_job **ret, struct scopes *scopes, const struct scope_spec *spec, scope_done done,
                void *userdata, struct errtext *err);
/* Takes NULL, and one that is not done: then nobody is told. */
void scope_job_free(struct scope_job *job);

/* Has systemd stop the scope; nobody waits for it. */
void scope_stop(struct scopes *scopes, uint64_t id);

/* Stops every scope with a name of ours that is not known(), now or as soon as systemd can be reached. */
void scopes_end_leftovers(struct scopes *scopes);

/* "bpfdeleg-0123456789abcdef.scope" */
#define SCOPE_NAME_SIZE 40
void scope_name(uint64_t id, char *buf);
