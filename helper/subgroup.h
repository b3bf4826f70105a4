/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KILL_SUBGROUP and REMOVE_SUBGROUP: a user signals, or removes, what is in a part of their own subtree, whoever owns
 * its parts and processes.
 */

#include <systemd/sd-event.h>

#include "cgroup.h"
#include "child.h"

struct subgroup;

/* All that users have asked for, in their order. */
struct subgroups;

/* The delegation whose subtree it is; borrowed, and asked for anew when a child starts. */
struct subgroup_target {
        uint64_t id;
        uid_t uid;
        const struct cgroup *root;
        const struct child *anchor;
};

/* Fills *ret about a delegation that is ACTIVE. Returns whether there is one of that id. */
typedef bool (*subgroup_find)(void *userdata, uint64_t id, struct subgroup_target *ret);

/* timeout_usec is read for each request. Returns 0 or -ENOMEM. */
int subgroups_new(struct subgroups **ret, sd_event *event, const uint64_t *timeout_usec, subgroup_find find,
                  void *userdata);
void subgroups_free(struct subgroups *subgroups);

struct subgroup_request {
        const char *path; /* below <root> */
        bool remove;
        uint32_t signal; /* 1 to NSIG - 1; with remove: 0 */
};

/* Called once from the loop, never from subgroup_start(). 0, or -errno and why. The callee frees. */
typedef void (*subgroup_done)(void *userdata, const struct subgroup_request *request, int result, const char *why);

/*
 * Asks for it: done by a child, one for each uid at a time and the others in their order, all within
 * timeouts.subgroup. The request is copied. Returns 0 and *ret, for subgroup_free(); or -errno with err: the request
 * is not right, or the child cannot be started.
 */
int subgroup_start(struct subgroup **ret, struct subgroups *subgroups, const struct subgroup_target *target,
                   const struct subgroup_request *request, subgroup_done done, void *userdata, struct errtext *err);
/* Gives it up, if it is at work still: what is signalled or removed by then stays so. */
void subgroup_free(struct subgroup *subgroup);

/* Answers and stops all that are for a delegation. It must not be ACTIVE any more. */
void subgroups_end(struct subgroups *subgroups, uint64_t id);
