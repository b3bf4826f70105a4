/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strays: processes of an ended delegation that sit outside its cgroup but still in its user namespace (a descriptor
 * kept over `systemd-run --user --scope`, a plain move by the admin). One pass over /proc for all delegations that
 * have ended lately, behind the answer: a pass costs 3 us a process.
 */

#include <systemd/sd-event.h>

#include "util.h"

struct sweep;

int sweep_new(struct sweep **ret, sd_event *event);
void sweep_free(struct sweep *sweep);

/* Adds the user namespace of an ended delegation; the descriptor is taken, also on failure, and kept until the pass
 * is over, so that the namespace's number cannot be another's meanwhile. Returns 0 or -errno. */
int sweep_add_take(struct sweep *sweep, int userns_fd);

/* Makes what is due at once: for the helper's own end. */
void sweep_flush(struct sweep *sweep);
