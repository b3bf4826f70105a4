/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which lines of the PAM service files have a module, and which services come by each of them. Service files are
 * walked as linux-pam reads them (pam.conf(5)): @include of Debian takes a whole file in, `session include` and
 * `session substack` its session lines. What a control of numbers jumps over is not followed: a line that is there
 * counts. Everything is bounded; a file that includes itself is cut short.
 */

#include <limits.h>

#include "util.h"

/* A line that has the module. */
struct pam_place {
        char file[PATH_MAX];
        unsigned line;
        char type[16];         /* in lower case, without a dash before it */
        char control[128];     /* a word, or what is between brackets */
        char module[PATH_MAX]; /* as written */
};

/* A service that comes by a place; sorted by service. */
struct pam_use {
        size_t place;
        char service[NAME_MAX + 1];
        bool above; /* the stack's module `later` comes after it */
};

struct pam_stack {
        const char *const *dirs;    /* a name in an earlier one hides it in the later; NULL-terminated */
        const char *module, *later; /* base names */

        struct pam_place *places;
        size_t n_places;
        struct pam_use *uses;
        size_t n_uses;
        bool cut;                  /* there is more than was looked at */
        char unreadable[PATH_MAX]; /* a file that this user may not read; empty if none */

        /* while a service is walked */
        const char *service;
        unsigned depth, files_left;
        size_t first_use;
};

/* Fills the rest of a stack of which dirs, module and later are set. Returns 0 or -ENOMEM; to be given to
 * pam_stack_done() in either case. */
int pam_stack_read(struct pam_stack *stack);
void pam_stack_done(struct pam_stack *stack);
