/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What subgroup.c and its child know of each other. */

#include "subgroup.h"

/* Where the child is, or has failed; in its message. */
enum subgroup_step { SUBGROUP_FIND, SUBGROUP_ANCHOR, SUBGROUP_KILL, SUBGROUP_SIGNAL, SUBGROUP_REMOVE, SUBGROUP_DONE };

struct subgroup_work {
        int root_fd;                                                /* of <root> */
        char root_path[PROTO_PATH_SIZE], path[PROTO_SUBGROUP_SIZE]; /* the latter is the request's */
        struct subgroup_request request;
        struct child anchor; /* gets no signal */
};

/* For child_spawn(); arg is a struct subgroup_work, fds those of it. */
enum { SUBGROUP_FD_ROOT, SUBGROUP_FD_ANCHOR };
void subgroup_child(int channel, const int *fds, void *arg);
