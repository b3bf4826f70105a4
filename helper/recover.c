/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * After a restart: the records say what there was, the kernel says what there is. A delegation goes on only if its
 * anchor is the very process that was written down and its cgroup is there; a session only if its leader is. All else
 * is ended the way every delegation ends, and what no record names is removed. What cannot be looked at for want of
 * memory or descriptors is not taken for gone: the start fails, and the next one tries again.
 */

#include "config.h"

#include "recover.h"

#include <inttypes.h>

#include "delegation.h"
#include "login.h"
#include "manager.h"
#include "sweep.h"

struct recovery {
        struct manager *manager;
        size_t taken_over, sessions, ended;
        int shortage; /* something could not be looked at for want of descriptors or memory: -errno, else 0 */
};

/* Returns 0, or -errno with err: it cannot go on. */
static int revive(struct delegation *d, enum proto_state state, struct errtext *err) {
        _cleanup_close_ int userns_fd = -1;
        struct sys_namespace userns;
        int r;

        if (state == PROTO_STATE_OPENING || state == PROTO_STATE_ENDING)
                return fail(err, -ECANCELED,
                            state == PROTO_STATE_OPENING ? "bpfdelegd was stopped while it was being made" :
                                                           "bpfdelegd was stopped while it was being torn down");
        if (d->cgroup.fd < 0)
                return fail(err, -ENOENT, "its cgroup has gone");
        r = sys_process_open(&d->anchor_id);
        if (r < 0)
                return fail(err, r,
                            r == -ESRCH ? "its anchor was killed while no bpfdelegd ran" :
                                          "its anchor cannot be looked at");
        d->anchor = (struct child){.pid = d->anchor_id.pid, .pidfd = r, .channel = -1};
        userns_fd = child_open_proc(&d->anchor, "ns/user");
        r = userns_fd < 0 ? userns_fd : sys_namespace_identify(userns_fd, &userns);
        if (r < 0)
                return fail(err, r, "its anchor's namespaces cannot be looked at: %s", strerror(-r));
        if (!sys_namespace_same(&userns, &d->userns))
                return fail(err, -ESTALE, "its anchor is in another user namespace than was written down");
        return delegation_activate(d, err);
}

static void on_delegation(void *userdata, const struct state_record *record, struct policy *take_policy) {
        struct recovery *recovery = userdata;
        struct manager *manager = recovery->manager;
        struct delegation *d;
        struct errtext err;
        int r = 0;

        d = delegation_restore(manager, record, take_policy);
        if (!d) {
                recovery->shortage = -ENOMEM;
                return;
        }
        if (record->cgroup[0] != '\0')
                r = cgroup_reopen(&d->cgroup, &manager->cgroups, record->backend, record->cgroup);
        if (!is_shortage(r)) /* if it has gone, so has the delegation */
                r = revive(d, record->state, &err);
        if (is_shortage(r))
                recovery->shortage = r;
        else if (r >= 0)
                recovery->taken_over++;
        else {
                recovery->ended++;
                delegation_end(d, err.s);
        }
}

static void on_session(void *userdata, uint64_t id, const struct state_session *record) {
        struct recovery *recovery = userdata;
        struct delegation *d = manager_find(recovery->manager, id);
        struct session *session;
        int pidfd, r;

        if (!d || d->state != PROTO_STATE_ACTIVE)
                return;
        pidfd = sys_process_open(&record->leader);
        if (is_shortage(pidfd)) {
                recovery->shortage = pidfd;
                return;
        }
        if (pidfd < 0) {
                log_line(LOG_INFO, "session %016" PRIx64 "-%" PRIu64 " of uid %u has ended while no bpfdelegd ran", id,
                         record->number, (unsigned) d->uid);
                state_remove_session(&recovery->manager->state, id, record->number);
                return;
        }
        r = login_restore(&session, d, record, pidfd);
        if (is_shortage(r))
                recovery->shortage = r;
        else if (r < 0)
                log_line(LOG_ERR, "session %016" PRIx64 "-%" PRIu64 " cannot be taken over: %s", id, record->number,
                         strerror(-r));
        else
                recovery->sessions++;
}

/* Only now: by a session's record alone it would be alive still, with its leader. */
static void on_closed(void *userdata, const struct proto_cookie *cookie, uint64_t attempt) {
        const struct recovery *recovery = userdata;
        struct session *session =
                attempt != 0 ? login_find_attempt(recovery->manager, attempt) : login_find(recovery->manager, cookie);

        if (session)
                login_close(session, "the session was closed while no bpfdelegd ran");
}

static void end_deserted(struct manager *manager) {
        struct delegation *d, *next;

        for (d = LIST_FIRST(&manager->delegations); d; d = next) {
                next = LIST_NEXT(d, entry);
                if (d->state == PROTO_STATE_ACTIVE && d->n_sessions == 0 && !delegation_linger(d))
                        delegation_end(d, "its last session ended while no bpfdelegd ran");
        }
}

static bool knows(void *userdata, uint64_t id) {
        return manager_find(userdata, id);
}

/* One that has ended already while the records were read is no stranger to the guard: somebody may be left inside. */
static bool knows_or_sweeps(void *userdata, uint64_t id) {
        const struct manager *manager = userdata;

        return manager_find(manager, id) || sweep_has(manager->sweep, id);
}

int manager_recover(struct manager *manager, struct errtext *err) {
        struct recovery recovery = {.manager = manager};
        const struct state_reader reader = {.delegation = on_delegation, .session = on_session, .userdata = &recovery};
        int r;

        r = state_read(&manager->state, &reader, err);
        if (r < 0)
                return r;
        /* What cannot be looked at must not be taken for gone: users are at work in there. */
        if (recovery.shortage < 0)
                return fail(err, recovery.shortage,
                            "what an earlier bpfdelegd left cannot be taken over now, and stays as it is for the next "
                            "start: %s",
                            strerror(-recovery.shortage));
        state_read_closed(&manager->state, on_closed, &recovery);
        end_deserted(manager);
        if (manager->guard)
                guard_revoke_strangers(manager->guard, knows_or_sweeps, manager);
        if (manager->cgroups.parent_fd >= 0)
                cgroups_end_leftovers(&manager->cgroups, knows, manager);
        setup_end_leftovers(&manager->setup);
        if (recovery.taken_over + recovery.ended > 0)
                log_line(LOG_INFO, "taken over: %zu delegation%s with %zu session%s; ended: %zu", recovery.taken_over,
                         plural(recovery.taken_over), recovery.sessions, plural(recovery.sessions), recovery.ended);
        return 0;
}
