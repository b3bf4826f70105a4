/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything there is one of in a helper: it is made, reloaded and ended here. main.c has arguments, signals and the
 * loop. */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "cgroups.h"
#include "guard/guard.h"
#include "log.h"
#include "settings.h"
#include "setup.h"
#include "state.h"

struct delegation;
struct subgroups;
struct sweep;
LIST_HEAD(delegation_list, delegation);

struct options {
        const char *runtime_dir, *config, *guard_dir;
        bool config_required;
        bool end_all;
        const char *policy_dirs[2]; /* --policy-dir, NULL-terminated; empty: the default ones */
};

#define DELEGATION_BUCKETS 1024

/* The guard's last report, until it is clear how often it comes. */
struct refusal {
        struct guard_report report;
        unsigned times, suppressed; /* times: 0 when there is none; suppressed: reports before it */
        char text[900];
        sd_event_source *timer;
};

struct manager {
        sd_event *event;
        struct settings settings;
        const char *const *policy_dirs; /* NULL-terminated */
        struct mask_names *names;
        struct cgroups cgroups;
        struct setup_context setup;
        struct state_dir state;
        struct guard *guard; /* NULL: there is none, and guard_why says why */
        struct errtext guard_why;
        struct log_ratelimit refusals_limit;
        struct refusal refusal;
        struct sweep *sweep;
        struct delegation_list delegations;
        size_t n_delegations;
        struct delegation_list by_uid[DELEGATION_BUCKETS];
        struct subgroups *subgroups;              /* what users have asked for */
        void (*settled)(struct manager *manager); /* called when something has ended, if set */
};

#define MANAGER_INIT \
        { .setup = {.nursery_fd = -1, .anchor_dirfd = -1}, .cgroups = CGROUPS_INIT, .state = STATE_DIR_INIT }

/* Makes all of it, which was MANAGER_INIT, and takes over what an earlier helper has left. options outlive it.
 * Returns 0 or -errno with err; to be given to manager_done() in any case. */
int manager_init(struct manager *manager, const struct options *options, struct errtext *err);
/* Two parts of it, for a test that has a host of its own. First: loop, sweep and subgroups. Last, with settings,
 * names, nursery and cgroup2 at hand: records, backend, guard, and what an earlier helper has left. */
int manager_begin(struct manager *manager);
int manager_start(struct manager *manager, const struct options *options, struct errtext *err);
/* Frees everything and ends nothing. */
void manager_done(struct manager *manager);

/* Reads the settings again. Limits and timeouts of running delegations stay as they are; what is made from now on
 * gets the new ones. */
void manager_reload(struct manager *manager, const struct options *options);

/* Ends all, or all but those that are ACTIVE, whose users go on without a helper. manager->settled is called for each
 * that has gone, and once in any case. */
void manager_end_all(struct manager *manager, bool keep_active, const char *reason);

/* Whether nothing but ACTIVE delegations is left, and those that are being torn down for longer than
 * DELEGATION_GRACE_USEC; all: nothing at all, scopes of an earlier helper included. */
#define DELEGATION_GRACE_USEC (250 * USEC_PER_MSEC)
bool manager_is_settled(const struct manager *manager, bool all);
