/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Setting a delegation up: its cgroup, its namespaces and its bpffs, from nothing to the anchor that sleeps in them.
 * One of two backends makes the cgroup: we (cgroupfs), before the maker is born in it, or systemd (a scope), while the
 * maker works.
 */

#include <systemd/sd-event.h>

#include "cgroup.h"
#include "child.h"

struct scopes;
struct settings;
struct setup;
struct setup_context;

/* How the cgroups of delegations are made and ended. What depends on one cgroup's own backend, which may be another
 * than that of this helper, is in cgroup.c. NULL: there is nothing to do. */
struct backend {
        /* At start: opens what it makes cgroups in. Returns 0 or -errno with err. */
        int (*open)(const struct setup_context *context, struct errtext *err);
        /* Names the cgroup before it is made. */
        void (*plan)(const struct setup_context *context, uint64_t id, struct cgroup *cgroup);
        /* Before there is a maker: makes the cgroup in which it is born, or checks that it can be made. Returns 0 or
         * -errno with err. */
        int (*prepare)(struct setup *setup, struct errtext *err);
        /* The maker is at work: has it moved into the cgroup. Returns 0 or -errno with err. NULL: it was born there. */
        int (*place)(struct setup *setup, struct errtext *err);
        /* Has the cgroup of that id ended by whoever has made it; nobody waits for it. */
        void (*stop)(const struct setup_context *context, uint64_t id);
        /* Whether something that stop() has asked for is not done yet; leftovers: or that end_leftovers() has. */
        bool (*is_busy)(const struct setup_context *context, bool leftovers);
        /* Ends what an earlier helper has left, now or as soon as that is possible. */
        void (*end_leftovers)(const struct setup_context *context);
};
extern const struct backend backend_cgroupfs, backend_systemd;

/* What all set-ups need; the helper has one. */
struct setup_context {
        sd_event *event;
        const struct settings *settings;
        struct cgroups *cgroups;
        const struct backend *backend;
        struct scopes *scopes; /* of backend_systemd */
        int nursery_fd;
        int anchor_dirfd; /* -1: none */
};

/* What one set-up is for. All is borrowed, and outlives it. */
struct setup_spec {
        uint64_t id;
        uid_t uid;
        gid_t gid;
        const char *user;
        const struct policy *policy;
        const uint64_t *masks;
        struct cgroup *cgroup; /* filled in */

        /* Which cgroup it is has changed, and has to be recorded before anything else is done. Returns 0 or -errno
         * with err. */
        int (*changed)(void *userdata, struct errtext *err);
        /* As in struct maker_spec. */
        int (*made_mount)(void *userdata, int mount_fd);
        /* Called once, from the loop: 0, or -errno and why. May call setup_free(). */
        void (*done)(void *userdata, int result, const char *why);
        void *userdata;
};

/* Names the cgroup if its name is known before it is made, so that the first record has it. */
void setup_plan(const struct setup_context *context, uint64_t id, struct cgroup *cgroup);
/* Begins. Returns 0 and *ret; or -errno with err, and *ret all the same if there is something to free. */
int setup_start(struct setup **ret, const struct setup_context *context, const struct setup_spec *spec,
                struct errtext *err);
/* After success: hands over the anchor and a descriptor of the user namespace. */
void setup_take(struct setup *setup, struct child *ret_anchor, int *ret_userns_fd);
/* Gives it up. Returns whether systemd may have, or come to have, a scope of its name. Takes NULL. */
bool setup_free(struct setup *setup);

/* As in struct backend. */
void setup_stop(const struct setup_context *context, uint64_t id);
bool setup_is_busy(const struct setup_context *context, bool leftovers);
void setup_end_leftovers(const struct setup_context *context);
