/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "manager.h"

#include <malloc.h>
#include <sys/file.h>
#include <systemd/sd-daemon.h>

#include "delegation.h"
#include "maker.h"
#include "recover.h"
#include "scope.h"
#include "sweep.h"

/* ---- its beginning ---- */

/* sd-event opens its timerfd with the first timer and keeps it. Have it from the start: then the descriptors of an
 * idle helper are the same before the first delegation and after the last, and a leak shows. */
static int open_timerfd(sd_event *event) {
        sd_event_source *source = NULL;
        int r;

        r = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, USEC_PER_SEC, 0, NULL, NULL);
        sd_event_source_disable_unref(source);
        return r;
}

static bool on_known(void *userdata, uint64_t id) {
        return manager_find(userdata, id);
}

static void on_scopes_settled(void *userdata) {
        struct manager *manager = userdata;

        if (manager->settled)
                manager->settled(manager);
}

/* The scope backend where systemd is the service manager, unless bpfdeleg.ini wants another. */
static int choose_backend(struct manager *manager, struct errtext *err) {
        static const struct scopes_callbacks callbacks = {
                .known = on_known,
                .unknown = delegation_scope_unknown,
                .settled = on_scopes_settled,
        };
        enum settings_backend backend = manager->settings.backend;
        int r;

        if (backend == SETTINGS_BACKEND_CGROUPFS || (backend == SETTINGS_BACKEND_AUTO && sd_booted() <= 0))
                return 0;
        if (sd_booted() <= 0)
                return fail(err, -EOPNOTSUPP,
                            "backend = systemd, and systemd is not the service manager here (sd_booted(3)); "
                            "`backend = auto' takes what there is");
        /* Scopes have one name space for the whole host: two helpers would end each other's. */
        if (flock(manager->cgroups.mount_fd, LOCK_EX | LOCK_NB) < 0)
                return fail(
                        err, -errno,
                        "another bpfdelegd makes scopes on this host; one beside it needs `backend = cgroupfs' and a "
                        "cgroup_parent of its own in its bpfdeleg.ini");
        r = scopes_new(&manager->setup.scopes, manager->event, &callbacks, manager);
        if (r < 0)
                return fail(err, r, "%s", strerror(-r));
        manager->setup.backend = &backend_systemd;
        return 0;
}

/* Everything that no two helpers may share, under a lock each. */
static int open_places(struct manager *manager, const struct options *options, struct errtext *err) {
        int r;

        r = state_open(&manager->state, manager->event, options->runtime_dir, err);
        if (r >= 0)
                r = choose_backend(manager, err);
        return r < 0 ? r : manager->setup.backend->open(&manager->setup, err);
}

/* Under all locks: a second helper must not put its guard in the place of the first one's. */
static void load_guard(struct manager *manager, const struct options *options) {
        static const struct guard_callbacks callbacks = {.refused = delegation_guard_refused,
                                                         .detached = delegation_detached};

        if (guard_new(&manager->guard, manager->event, manager->names, options->guard_dir, &callbacks, manager,
                      &manager->guard_why) < 0)
                log_line(LOG_NOTICE, "no guard, so policies with confine = required grant nothing: %s",
                         manager->guard_why.s);
        /* What the kernel's BTF took. Each maker is a fork, and pays for the page tables of what is kept. */
        (void) malloc_trim(0);
}

static int open_nursery(struct manager *manager, struct errtext *err) {
        manager->setup.nursery_fd = nursery_new("/proc", err);
        if (manager->setup.nursery_fd < 0)
                return manager->setup.nursery_fd;
        manager->setup.anchor_dirfd = anchor_program_open(err);
        if (manager->setup.anchor_dirfd < 0)
                log_line(LOG_NOTICE, "anchors stay forks of bpfdelegd and take 100 kB more each: %s", err->s);
        return 0;
}

int manager_begin(struct manager *manager) {
        static const struct sweep_callbacks swept = {.living = delegation_lives_in, .swept = delegation_swept};
        int r;

        r = sd_event_new(&manager->event);
        if (r >= 0)
                r = sweep_new(&manager->sweep, manager->event, &swept, manager);
        if (r >= 0)
                r = subgroups_new(&manager->subgroups, manager->event, &manager->settings.subgroup_timeout,
                                  delegation_find_subgroup_target, manager);
        manager->setup.event = manager->event;
        manager->setup.backend = &backend_cgroupfs;
        manager->setup.settings = &manager->settings;
        manager->setup.cgroups = &manager->cgroups;
        return r;
}

int manager_start(struct manager *manager, const struct options *options, struct errtext *err) {
        int r = open_places(manager, options, err);

        if (r < 0)
                return r;
        load_guard(manager, options);
        return manager_recover(manager, err);
}

int manager_init(struct manager *manager, const struct options *options, struct errtext *err) {
        int r;

        settings_init(&manager->settings);
        r = settings_read(&manager->settings, options->config, options->config_required, err);
        if (r < 0 && !options->end_all)
                return r;
        if (r < 0)
                log_line(LOG_ERR, "%s; ending all with the built-in settings", err->s);
        manager->policy_dirs = options->policy_dirs[0] ? options->policy_dirs : policy_default_dirs;
        child_init();
        r = manager_begin(manager);
        if (r >= 0)
                r = open_timerfd(manager->event);
        if (r >= 0)
                r = mask_names_new(&manager->names);
        if (r < 0)
                return fail(err, r, "%s", strerror(-r));
        if (!mask_names_from_kernel(manager->names))
                log_line(LOG_WARNING,
                         "this kernel has no BTF: names in policies are those of the headers bpfdelegd was built with");
        r = open_nursery(manager, err);
        if (r >= 0)
                r = cgroups_open(&manager->cgroups, manager->settings.cgroup_parent, err);
        return r < 0 ? r : manager_start(manager, options, err);
}

/* ---- while it runs ---- */

void manager_reload(struct manager *manager, const struct options *options) {
        struct settings next;
        struct errtext err;

        settings_init(&next);
        if (settings_read(&next, options->config, options->config_required, &err) < 0) {
                log_line(LOG_ERR, "not reloaded, the old settings stay: %s", err.s);
                return;
        }
        if (next.backend != manager->settings.backend || !streq(next.cgroup_parent, manager->settings.cgroup_parent))
                log_line(LOG_NOTICE, "another backend or cgroup_parent counts from the next start of bpfdelegd on");
        memcpy(next.cgroup_parent, manager->settings.cgroup_parent, sizeof(next.cgroup_parent));
        next.backend = manager->settings.backend;
        manager->settings = next;
        log_line(LOG_INFO, "reloaded %s", options->config);
}

/* ---- its end ---- */

void manager_end_all(struct manager *manager, bool keep_active, const char *reason) {
        struct delegation *d, *next;

        for (d = LIST_FIRST(&manager->delegations); d; d = next) {
                next = LIST_NEXT(d, entry); /* d may be gone at once; next is only ever freed by its own end */
                if (!keep_active || d->state != PROTO_STATE_ACTIVE)
                        delegation_end(d, reason);
        }
        if (manager->settled)
                manager->settled(manager);
}

bool manager_is_settled(const struct manager *manager, bool all) {
        const struct delegation *d;

        if (setup_is_busy(&manager->setup, all))
                return false;

        LIST_FOREACH(d, &manager->delegations, entry)
        if (all || (d->state != PROTO_STATE_ACTIVE &&
                    (d->state != PROTO_STATE_ENDING || now_usec() - d->ending_since < DELEGATION_GRACE_USEC)))
                return false;
        return true;
}

static void forget_all(struct manager *manager) {
        struct delegation *d;

        manager_tell_refusal(manager);
        while ((d = LIST_FIRST(&manager->delegations)))
                delegation_forget(d);
        manager->refusal.timer = sd_event_source_disable_unref(manager->refusal.timer);
}

void manager_done(struct manager *manager) {
        forget_all(manager);
        scopes_free(manager->setup.scopes);
        guard_free(manager->guard);
        cgroups_done(&manager->cgroups);
        state_done(&manager->state);
        manager->setup.nursery_fd = close_fd(manager->setup.nursery_fd);
        manager->setup.anchor_dirfd = close_fd(manager->setup.anchor_dirfd);
        sweep_free(manager->sweep);
        subgroups_free(manager->subgroups);
        mask_names_free(manager->names);
        sd_event_unref(manager->event);
}
