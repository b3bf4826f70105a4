/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which members of an attaching bpf(2) call are descriptors, and so mean something in the caller's table only. For the
 * attach proxy (proxy.h), which makes the call from its own table.
 */

#include <linux/bpf.h>

#include "util.h"

#define PROXY_ATTR_SIZE 256
#define PROXY_FDS_MAX 4

/* union bpf_attr as the caller has it, zeros behind its end. */
union proxy_attr {
        uint8_t bytes[PROXY_ATTR_SIZE];
        uint32_t words[PROXY_ATTR_SIZE / sizeof(uint32_t)];
        uint64_t aligned;
};

struct proxy_members {
        uint8_t words[PROXY_FDS_MAX]; /* words[N] of the attr is a descriptor */
        uint8_t n;
        bool in_network; /* the rest is about the caller's current network namespace */
};

/* How much of an attr holds descriptors: all kernels know this much. */
#define PROXY_ATTR_LEAST (6 * sizeof(uint32_t))

/*
 * Finds the members of the command's attr. A number that is 0 may be descriptor 0 or none at all, by what only the
 * kernel knows. Returns whether the call can be made for another process: false for commands, attach types and flags
 * that are not known here, and for those whose attr has pointers.
 */
bool proxy_attr_members(uint32_t command, const union proxy_attr *attr, struct proxy_members *ret);
