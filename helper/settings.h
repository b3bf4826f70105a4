/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The helper's own settings: bpfdeleg.ini, see bpfdelegd(8). */

#include "util.h"

/* Who makes the delegated cgroup (cgroup.h). */
enum settings_backend {
        SETTINGS_BACKEND_AUTO,     /* systemd where it is the service manager, and cgroupfs when that fails */
        SETTINGS_BACKEND_SYSTEMD,  /* systemd or nothing */
        SETTINGS_BACKEND_CGROUPFS, /* cgroupfs, whatever else there is */
};

struct settings {
        enum settings_backend backend;
        char cgroup_parent[64]; /* directory below the cgroup2 mount that holds all subtrees */

        /* how much there may be of a thing, at most */
        uint64_t delegations;
        uint64_t delegations_per_uid;
        uint64_t sessions_per_uid;
        uint64_t connections;         /* on the user socket, of all uids */
        uint64_t connections_per_uid; /* on the user socket */

        /* microseconds */
        uint64_t request_timeout;  /* from accept to a whole request */
        uint64_t open_timeout;     /* to make a delegation */
        uint64_t enter_timeout;    /* to move a process in */
        uint64_t subgroup_timeout; /* to signal or remove a part of a subtree */
        uint64_t close_timeout;    /* how long CLOSE_SESSION waits for the last process; the end goes on behind it */
};

/* The built-in values. */
void settings_init(struct settings *settings);

/*
 * Reads the file over what is in settings. required: whether it is an error that there is none. Returns 0, or -errno
 * with err naming file, line and what would be right; settings are then as it was.
 */
int settings_read(struct settings *settings, const char *path, bool required, struct errtext *err);
