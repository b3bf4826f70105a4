/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strays: processes of an ended delegation that sit outside its cgroup but still in its user namespace (a descriptor
 * kept over `systemd-run --user --scope`, a plain move by the admin). One pass over /proc for all delegations that
 * have ended lately, behind the answer: a pass costs 3 us a process. Two are needed at least.
 */

#include <systemd/sd-event.h>

#include "sysapi.h"

struct sweep;

/* Both get the userdata of sweep_new(). */
struct sweep_callbacks {
        /* Whether a delegation that lives has this user namespace. */
        bool (*living)(void *userdata, const struct sys_namespace *ns);
        /* Nothing of the delegation of this id is left; or, where no guard closes it, too much to catch. */
        void (*swept)(void *userdata, uint64_t id);
};

int sweep_new(struct sweep **ret, sd_event *event, const struct sweep_callbacks *callbacks, void *userdata);
void sweep_free(struct sweep *sweep);

/*
 * Adds the user namespace of an ended delegation of uid, for swept(). take_fd: the namespace, kept until the pass is
 * over, so that its number cannot be another's meanwhile; or -1 where nobody has it open any more: then only a
 * namespace that uid owns, and that no living delegation has, is taken for it. is_closed: the guard lets no process
 * or thread be begun in there, and nobody join. Returns 0 or -errno. Takes ownership of take_fd in both cases.
 */
int sweep_add(struct sweep *sweep, uint64_t id, uid_t uid, const struct sys_namespace *ns, int take_fd, bool is_closed);

/* Whether a delegation is not swept yet. */
bool sweep_has(const struct sweep *sweep, uint64_t id);

/* Makes what is due at once, in so many passes at most: for the helper's own end. What they have not seen gone, the
 * next start looks for. */
void sweep_flush(struct sweep *sweep, unsigned passes);
