/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* After a restart. */

#include "util.h"

struct manager;

/* Takes over what an earlier helper has left: delegations that are whole go on, all others are ended. For start-up.
 * Returns 0 or -errno with err. */
int manager_recover(struct manager *manager, struct errtext *err);
