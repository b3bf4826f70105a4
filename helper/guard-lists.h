/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The allow-lists of the guard: data, and why. */

#include "guard.bpf.h"
#include "util.h"

#define GUARD_BIT(class) (1u << (class))

struct guard_helper {
        uint32_t id; /* enum bpf_func_id */
        const char *name;
        uint32_t classes; /* GUARD_BIT of those that may call it; 0: none */
        const char *reason;
};
extern const struct guard_helper guard_helpers[];
extern const size_t guard_n_helpers;

struct guard_kfunc {
        const char *name;
        uint32_t classes;
        const char *reason;
};
extern const struct guard_kfunc guard_kfuncs[];
extern const size_t guard_n_kfuncs;
