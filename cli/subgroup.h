/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `kill` and `remove` share: a part of one's own subtree, as it is typed, and the question to the helper. */

/* Takes the cgroup that was typed into a field of PROTO_SUBGROUP_SIZE; says what is wrong with it. Returns 0 or
 * -errno. */
int subgroup_take(const char *path, char *field);

/* Sends a KILL_SUBGROUP or REMOVE_SUBGROUP about path; says why not. Returns the exit status. */
int subgroup_ask(const char *socket, const void *request, const char *path);
