/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of guard.c where it is not built: there is no guard, and this says why. Nothing else of it is ever
 * called. */

#include "config.h"

#include "guard.h"

#include <stdlib.h>

int guard_new(struct guard **ret, sd_event *event, const struct mask_names *names, const char *dir,
              const struct guard_callbacks *callbacks, void *userdata, struct errtext *err) {
        (void) ret;
        (void) event;
        (void) names;
        (void) dir;
        (void) callbacks;
        (void) userdata;
        return fail(err, -EOPNOTSUPP, "this bpfdelegd was built without it (configure --enable-guard)");
}

int guard_remove(const struct guard *guard, const char *dir, struct errtext *err) {
        (void) guard;
        (void) dir;
        (void) err;
        abort();
}

void guard_free(struct guard *guard) {
        (void) guard;
}

int guard_add(struct guard *guard, const struct guard_entry *entry) {
        (void) guard;
        (void) entry;
        abort();
}

bool guard_knows(const struct guard *guard, uint64_t id, uint64_t *ret_refusals) {
        (void) guard;
        (void) id;
        (void) ret_refusals;
        abort();
}

bool guard_revoke(struct guard *guard, uint64_t id, int cgroup_fd) {
        (void) guard;
        (void) id;
        (void) cgroup_fd;
        abort();
}

bool guard_revoke_late(struct guard *guard, uint64_t id) {
        (void) guard;
        (void) id;
        abort();
}

int guard_hold(struct guard *guard, uint64_t id, int pidfd) {
        (void) guard;
        (void) id;
        (void) pidfd;
        abort();
}

void guard_forget(struct guard *guard, uint64_t id) {
        (void) guard;
        (void) id;
        abort();
}

void guard_finish(struct guard *guard) {
        (void) guard;
        abort();
}

void guard_revoke_strangers(struct guard *guard, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        (void) guard;
        (void) known;
        (void) userdata;
        abort();
}

size_t guard_held(struct guard *guard, uid_t uid) {
        (void) guard;
        (void) uid;
        abort();
}
