/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `systemctl status bpfdelegd` shows as Status: whether the guard is in force, and how many delegations there
 * are. */

struct manager;
struct notify;

/* Tells it now, and again, at most once a second, when it has changed. Returns 0 or -errno. */
int notify_new(struct notify **ret, const struct manager *manager);
void notify_free(struct notify *notify);
