/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The allow-lists of the guard: data, and why. */

#include "guard.bpf.h"
#include "util.h"

/*
 * With GUARD_LOOPS: only where the policy has long_loops = yes, as it goes round as often as the program says. With
 * GUARD_COSTS: one call may take microseconds, so a program has fewer instructions for it. With GUARD_WALKS still
 * fewer: a packet can be put together of thousands of parts, and each call goes through all of them. With GUARD_SENDS
 * fewer than these: it sends a packet, which may be taken apart for that. With GUARD_BYTES it looks at bytes one by
 * one.
 */
#define GUARD_BIT(class) (1u << (class))

/* Does it hand out memory that nobody has cleared? */
enum guard_gives {
        GIVES_UNASKED,
        GIVES_NOTHING, /* or a number */
        GIVES_OWN,     /* what the program, its maps or its packet hold already */
        GIVES_COPIED,  /* new memory, full of what was there */
        GIVES_CLEARED, /* new memory, which the kernel clears */
        GIVES_STALE,   /* what others have left in it: refused */
};
/* Does it act in another's name? */
enum guard_acts {
        ACTS_UNASKED,
        ACTS_NOWHERE, /* it changes nothing */
        ACTS_OWN,     /* on maps, buffers and storage of the user's */
        ACTS_AT_HAND, /* on the packet, socket or call that the program runs for (docs/contexts.md) */
        ACTS_NETWORK, /* within a network namespace of the delegation's */
        ACTS_OTHERS,  /* on or as others: refused */
};
/* Does it take memory that no limit counts? */
enum guard_takes {
        TAKES_UNASKED,
        TAKES_NOTHING,
        TAKES_CHARGED,   /* to the map's memory cgroup, or to the socket's limits */
        TAKES_BOUNDED,   /* at most what one packet or message may have, gone with it */
        TAKES_UNCOUNTED, /* refused */
};

struct guard_helper {
        uint32_t id; /* enum bpf_func_id */
        const char *name;
        uint32_t classes; /* GUARD_BIT of those that may call it; 0: none */
        const char *reason;
        enum guard_gives gives;
        enum guard_acts acts;
        enum guard_takes takes;
};
extern const struct guard_helper guard_helpers[];
extern const size_t guard_n_helpers;

struct guard_kfunc {
        const char *name;
        uint32_t classes;
        const char *reason;
        enum guard_gives gives;
        enum guard_acts acts;
        enum guard_takes takes;
};
extern const struct guard_kfunc guard_kfuncs[];
extern const size_t guard_n_kfuncs;
