/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a delegation's cgroup comes from: of our own making before the maker is born in it, or systemd's, which moves
 * the maker in while it is at work. And the way from the one to the other, where bpfdeleg.ini allows both.
 */

#include "config.h"

#include "setup.h"

#include <inttypes.h>

#include "log.h"
#include "maker.h"
#include "scope.h"
#include "settings.h"

struct setup {
        const struct setup_context *context;
        struct setup_spec spec;
        struct scope_job *scope_job; /* systemd is at it */
        bool scope_asked;            /* there may be a scope of its name */
        struct maker *maker;
};

static void plan_cgroup(const struct setup_context *context, uint64_t id, struct cgroup *cgroup) {
        char name[PROTO_ID_SIZE];

        cgroup_plan(cgroup, context->cgroups, proto_id_format(id, name));
}

static int make_cgroup(struct setup *setup, struct errtext *err) {
        char name[PROTO_ID_SIZE];

        return cgroup_create(setup->spec.cgroup, setup->context->cgroups, proto_id_format(setup->spec.id, name),
                             setup->spec.policy->limit, err);
}

/* systemd cannot be reached, or will not: the cgroupfs backend, if bpfdeleg.ini allows both. Not when it may come to
 * it later: it would move a process of ours out of our cgroup. */
static int fall_back(struct setup *setup, int result, const char *why, struct errtext *err) {
        const struct child *maker = maker_child(setup->maker);
        int r;

        if (setup->context->settings->backend != SETTINGS_BACKEND_AUTO || result == -ETIMEDOUT || result == -ECONNRESET)
                return fail(err, result, "%s", why);
        log_line(LOG_WARNING, "%016" PRIx64 " gets a cgroup of the cgroupfs backend: %s", setup->spec.id, why);
        setup->scope_asked = false;
        plan_cgroup(setup->context, setup->spec.id, setup->spec.cgroup);
        r = setup->spec.changed(setup->spec.userdata, err);
        if (r >= 0)
                r = make_cgroup(setup, err);
        if (r < 0)
                return r;
        r = cgroup_move(setup->spec.cgroup, maker->pid);
        if (r < 0)
                return fail(err, r, "the maker cannot be moved to %s: %s", setup->spec.cgroup->path, strerror(-r));
        return 0;
}

/* Where the job has put the maker. */
static int find_scope(const struct setup *setup, char *path, size_t size, struct errtext *err) {
        char found[CHILD_CGROUP_SIZE], name[SCOPE_NAME_SIZE];
        int r;

        r = child_cgroup(maker_child(setup->maker), found);
        if (r < 0)
                return fail(err, r,
                            r == -EPROTO ? "the maker sits in no cgroup of cgroup2" :
                                           "the maker's cgroup cannot be read");
        scope_name(setup->spec.id, name);
        if (!streq(strrchr(found, '/') + 1, name) || copy_field(path, size, found) < 0)
                return fail(err, -EPROTO, "systemd says that %s is made, but the maker sits in %s", name, found);
        return 0;
}

static int adopt_scope(struct setup *setup, struct errtext *err) {
        char path[PROTO_PATH_SIZE];
        int r;

        r = find_scope(setup, path, sizeof(path), err);
        if (r >= 0)
                r = cgroup_adopt_scope(setup->spec.cgroup, setup->context->cgroups, path, setup->spec.policy->limit,
                                       err);
        if (r < 0)
                return r;
        /* From here on a restart can end it without systemd. */
        return setup->spec.changed(setup->spec.userdata, err);
}

static void on_scope(void *userdata, int result, const char *why) {
        struct setup *setup = userdata;
        struct errtext err;

        scope_job_free(TAKE_PTR(setup->scope_job));
        result = result < 0 ? fall_back(setup, result, why, &err) : adopt_scope(setup, &err);
        if (result < 0)
                setup->spec.done(setup->spec.userdata, result, err.s);
        else
                maker_set_cgroup(setup->maker, setup->spec.cgroup);
}

/* The maker is at work already; systemd moves it while it works. */
static int ask_for_scope(struct setup *setup, struct errtext *err) {
        const struct child *maker = maker_child(setup->maker);
        const struct setup_spec *spec = &setup->spec;
        const struct scope_spec scope = {
                .id = spec->id,
                .uid = spec->uid,
                .user = spec->user,
                .policy = spec->policy->name,
                .limit = spec->policy->limit,
                .pidfd = maker->pidfd,
                .pid = maker->pid,
                .timeout_usec = setup->context->settings->open_timeout / 2,
        };
        struct errtext why;
        int r;

        setup->scope_asked = true;
        r = scope_start(&setup->scope_job, setup->context->scopes, &scope, on_scope, setup, &why);
        if (r >= 0)
                return 0;
        r = fall_back(setup, r, why.s, err);
        if (r >= 0)
                maker_set_cgroup(setup->maker, spec->cgroup);
        return r;
}

/* ---- the backends ---- */

static int use_parent(const struct setup_context *context, bool make, struct errtext *err) {
        int r = cgroups_use_parent(context->cgroups, make, err);

        return r == -ENOENT ? 0 : r;
}

static int open_parent(const struct setup_context *context, struct errtext *err) {
        return use_parent(context, true, err);
}

const struct backend backend_cgroupfs = {
        .open = open_parent,
        .plan = plan_cgroup,
        .prepare = make_cgroup,
};

/* Delegations may have fallen back to it. */
static int open_old_parent(const struct setup_context *context, struct errtext *err) {
        return use_parent(context, false, err);
}

static int check_limits(struct setup *setup, struct errtext *err) {
        return cgroup_check_limits(setup->context->cgroups, setup->spec.policy->limit, err);
}

static void stop_scope(const struct setup_context *context, uint64_t id) {
        scope_stop(context->scopes, id);
}

static bool is_busy_with_scopes(const struct setup_context *context, bool leftovers) {
        return scopes_busy(context->scopes, leftovers);
}

static void end_left_scopes(const struct setup_context *context) {
        scopes_end_leftovers(context->scopes);
}

const struct backend backend_systemd = {
        .open = open_old_parent,
        .prepare = check_limits,
        .place = ask_for_scope,
        .stop = stop_scope,
        .is_busy = is_busy_with_scopes,
        .end_leftovers = end_left_scopes,
};

void setup_plan(const struct setup_context *context, uint64_t id, struct cgroup *cgroup) {
        if (context->backend->plan)
                context->backend->plan(context, id, cgroup);
}

void setup_stop(const struct setup_context *context, uint64_t id) {
        if (context->backend->stop)
                context->backend->stop(context, id);
}

bool setup_is_busy(const struct setup_context *context, bool leftovers) {
        return context->backend->is_busy && context->backend->is_busy(context, leftovers);
}

void setup_end_leftovers(const struct setup_context *context) {
        if (context->backend->end_leftovers)
                context->backend->end_leftovers(context);
}

/* ---- a set-up ---- */

static int on_mount(void *userdata, int mount_fd) {
        const struct setup *setup = userdata;

        return setup->spec.made_mount(setup->spec.userdata, mount_fd);
}

static void on_made(void *userdata, int result, const char *why) {
        const struct setup *setup = userdata;

        setup->spec.done(setup->spec.userdata, result, why);
}

static int start_maker(struct setup *setup, struct errtext *err) {
        const struct setup_context *context = setup->context;
        const struct setup_spec *spec = &setup->spec;
        struct maker_spec maker = {
                .uid = spec->uid,
                .gid = spec->gid,
                .mode = spec->policy->mode,
                .private_network = spec->policy->network == POLICY_NETWORK_PRIVATE,
                .nursery_fd = context->nursery_fd,
                .anchor_dirfd = context->anchor_dirfd,
                .cgroup = context->backend->place ? NULL : spec->cgroup,
                .timeout_usec = context->settings->open_timeout,
                .made_mount = on_mount,
        };

        memcpy(maker.masks, spec->masks, sizeof(maker.masks));
        return maker_start(&setup->maker, context->event, &maker, on_made, setup, err);
}

int setup_start(struct setup **ret, const struct setup_context *context, const struct setup_spec *spec,
                struct errtext *err) {
        struct setup *setup;
        int r;

        setup = malloc(sizeof(*setup));
        if (!setup)
                return fail(err, -ENOMEM, "out of memory");
        *setup = (struct setup){.context = context, .spec = *spec};
        *ret = setup;
        r = context->backend->prepare(setup, err);
        if (r >= 0)
                r = start_maker(setup, err);
        if (r >= 0 && context->backend->place)
                r = context->backend->place(setup, err);
        return r;
}

void setup_take(struct setup *setup, struct child *ret_anchor, int *ret_userns_fd) {
        maker_take(setup->maker, ret_anchor, ret_userns_fd);
}

bool setup_free(struct setup *setup) {
        bool scope_asked;

        if (!setup)
                return false;
        scope_asked = setup->scope_asked;
        scope_job_free(setup->scope_job);
        maker_free(setup->maker);
        free(setup);
        return scope_asked;
}
