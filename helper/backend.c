/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a delegation's cgroup comes from: of our own making before the maker is born in it, or systemd's, which moves
 * the maker in while it is at work. And the way from the one to the other, where bpfdeleg.ini allows both.
 */

#include "config.h"

#include "delegation.h"

#include <inttypes.h>

#include "maker.h"
#include "scope.h"

static int write_down(const struct delegation *d, struct errtext *err) {
        int r = delegation_write_down(d);

        return r < 0 ? fail(err, r, "its record cannot be written to %s: %s", d->manager->state.path, strerror(-r)) : 0;
}

static void plan_cgroup(struct delegation *d) {
        char name[PROTO_ID_SIZE];

        cgroup_plan(&d->cgroup, &d->manager->cgroups, proto_id_format(d->id, name));
}

void backend_plan(struct delegation *d) {
        if (!d->manager->scopes)
                plan_cgroup(d);
}

static int make_cgroup(struct delegation *d, struct errtext *err) {
        char name[PROTO_ID_SIZE];

        return cgroup_create(&d->cgroup, &d->manager->cgroups, proto_id_format(d->id, name), d->policy->limit, err);
}

/* systemd cannot be reached, or will not: the cgroupfs backend, if bpfdeleg.ini allows both. Not when it may come to
 * it later: it would move a process of ours out of our cgroup. */
static int fall_back(struct delegation *d, int result, const char *why, struct errtext *err) {
        const struct child *maker = maker_child(d->maker);
        int r;

        if (d->manager->settings.backend != SETTINGS_BACKEND_AUTO || result == -ETIMEDOUT || result == -ECONNRESET)
                return fail(err, result, "%s", why);
        log_line(LOG_WARNING, "%016" PRIx64 " gets a cgroup of the cgroupfs backend: %s", d->id, why);
        d->scope_asked = false;
        plan_cgroup(d);
        r = write_down(d, err);
        if (r >= 0)
                r = make_cgroup(d, err);
        if (r < 0)
                return r;
        r = cgroup_move(&d->cgroup, maker->pid);
        if (r < 0)
                return fail(err, r, "the maker cannot be moved to %s: %s", d->cgroup.path, strerror(-r));
        return 0;
}

/* Where the job has put the maker. */
static int find_scope(const struct delegation *d, char *path, size_t size, struct errtext *err) {
        char found[CHILD_CGROUP_SIZE], name[SCOPE_NAME_SIZE];
        int r;

        r = child_cgroup(maker_child(d->maker), found);
        if (r < 0)
                return fail(err, r, r == -EPROTO ? "the maker sits in no cgroup of cgroup2" : "the maker's cgroup cannot be read");
        scope_name(d->id, name);
        if (!streq(strrchr(found, '/') + 1, name) || copy_field(path, size, found) < 0)
                return fail(err, -EPROTO, "systemd says that %s is made, but the maker sits in %s", name, found);
        return 0;
}

static int adopt_scope(struct delegation *d, struct errtext *err) {
        char path[PROTO_PATH_SIZE];
        int r;

        r = find_scope(d, path, sizeof(path), err);
        if (r >= 0)
                r = cgroup_adopt_scope(&d->cgroup, &d->manager->cgroups, path, d->policy->limit, err);
        if (r < 0)
                return r;
        /* From here on a restart can end it without systemd. */
        return write_down(d, err);
}

static void on_scope(void *userdata, int result, const char *why) {
        struct delegation *d = userdata;
        struct errtext err;

        scope_job_free(TAKE_PTR(d->scope_job));
        result = result < 0 ? fall_back(d, result, why, &err) : adopt_scope(d, &err);
        if (result < 0)
                delegation_fail(d, result, err.s);
        else
                maker_set_cgroup(d->maker, &d->cgroup);
}

/* The maker is at work already; systemd moves it while it works. */
static int ask_for_scope(struct delegation *d, struct errtext *err) {
        const struct child *maker = maker_child(d->maker);
        const struct scope_spec spec = {
                .id = d->id, .uid = d->uid, .user = d->user, .policy = d->policy->name, .limit = d->policy->limit,
                .pidfd = maker->pidfd, .pid = maker->pid, .timeout_usec = d->manager->settings.open_timeout / 2,
        };
        struct errtext why;
        int r;

        d->scope_asked = true;
        r = scope_start(&d->scope_job, d->manager->scopes, &spec, on_scope, d, &why);
        if (r >= 0)
                return 0;
        r = fall_back(d, r, why.s, err);
        if (r >= 0)
                maker_set_cgroup(d->maker, &d->cgroup);
        return r;
}

/* Before the first token of it can be made. */
static int put_under_guard(void *userdata, int mount_fd) {
        struct delegation *d = userdata;
        const struct guard_entry entry = {
                .id = d->id, .uid = d->uid, .caps = d->policy->caps, .confine = d->policy->confine != POLICY_CONFINE_OFF,
                .host_wide = d->policy->allow_host_wide, .long_loops = d->policy->long_loops, .mount_fd = mount_fd, .cgroup_fd = d->cgroup.fd,
        };
        return d->manager->guard ? guard_add(d->manager->guard, &entry) : 0;
}

int backend_begin(struct delegation *d, struct errtext *err) {
        const struct settings *settings = &d->manager->settings;
        bool scope = d->manager->scopes;
        struct maker_spec spec = {
                .uid = d->uid, .gid = d->gid, .mode = d->policy->mode,
                .private_network = d->policy->network == POLICY_NETWORK_PRIVATE,
                .nursery_fd = d->manager->nursery_fd, .anchor_dirfd = d->manager->anchor_dirfd,
                .cgroup = scope ? NULL : &d->cgroup, .timeout_usec = settings->open_timeout,
                .made_mount = put_under_guard,
        };
        int r;

        memcpy(spec.masks, d->masks, sizeof(spec.masks));
        r = scope ? cgroup_check_limits(&d->manager->cgroups, d->policy->limit, err) : make_cgroup(d, err);
        if (r >= 0)
                r = maker_start(&d->maker, d->manager->event, &spec, delegation_made, d, err);
        if (r >= 0 && scope)
                r = ask_for_scope(d, err);
        return r;
}
