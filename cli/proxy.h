/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The attach proxy of `bpfdeleg run`. The guard refuses attaching calls from a descriptor table that others share,
 * because they could change what a number means while it is looked at; so a program with threads could load but not
 * attach. The proxy is a process of the user's own that makes these calls for threads, from its own table. How: see
 * proxy.c.
 */

#include "util.h"

struct proxy {
        int fd; /* to the proxy, which waits for the listener; close-on-exec */
};

#define PROXY_INIT \
        { .fd = -1 }

/*
 * Forks the proxy, to be called inside the delegation, with all capabilities there: before the filter, which it must
 * not have itself. It is no child of the caller's. Returns 0 or -errno, with no process left. When *ret is closed
 * without proxy_hook, the proxy ends.
 */
int proxy_start(struct proxy *ret);

/*
 * Has the attaching calls of this process and of all that come from it go to the proxy. no_new_privs must be set.
 * Returns 0; -errno if that is not possible, and nothing has changed (-EBUSY: there is such a listener above already);
 * or PROXY_LOST: the filter is there, the proxy is not, and nothing can be attached from here on.
 */
enum { PROXY_LOST = 1 };
int proxy_hook(struct proxy *proxy);

void proxy_done(struct proxy *proxy);
