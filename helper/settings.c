/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg.ini: one table of keys, each with its range. The same rules as for policy files: root-owned, no unknown
 * key. */

#include "config.h"

#include "settings.h"

#include <limits.h>

#include "ini.h"

void settings_init(struct settings *settings) {
        *settings = (struct settings){
                .cgroup_parent = "bpfdeleg",
                .delegations = 8192,
                .delegations_per_uid = 16,
                .sessions_per_uid = 1024,
                .connections = 2048,
                .connections_per_uid = 32,
                .request_timeout = 2 * USEC_PER_SEC,
                .open_timeout = 4 * USEC_PER_SEC, /* below the module's 5 s, so that it hears why */
                .enter_timeout = 4 * USEC_PER_SEC,
                .subgroup_timeout = 4 * USEC_PER_SEC,
                .close_timeout = 3 * USEC_PER_SEC,
        };
}

static int parse_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret, struct errtext *err) {
        uint64_t v;

        if (parse_uint(value, 10, max, &v) < 0 || v < min)
                return fail(err, -EBADMSG, "'%s' is not a number from %llu to %llu", value, (unsigned long long) min,
                            (unsigned long long) max);
        *ret = v;
        return 0;
}

static int parse_seconds(const char *value, uint64_t *ret, struct errtext *err) {
        uint64_t v;
        int r;

        r = parse_number(value, 1, 60, &v, err);
        if (r < 0)
                return r;
        *ret = v * USEC_PER_SEC;
        return 0;
}

static int parse_backend(const char *value, void *target, struct errtext *err) {
        static const char *const words[] = {
                [SETTINGS_BACKEND_AUTO] = "auto",
                [SETTINGS_BACKEND_SYSTEMD] = "systemd",
                [SETTINGS_BACKEND_CGROUPFS] = "cgroupfs",
        };
        struct settings *settings = target;

        for (unsigned i = 0; i < ELEMENTSOF(words); i++)
                if (streq(value, words[i])) {
                        settings->backend = (enum settings_backend) i;
                        return 0;
                }
        return fail(err, -EBADMSG, "'%s' is none of: auto, systemd, cgroupfs", value);
}

static int parse_cgroup_parent(const char *value, void *target, struct errtext *err) {
        static const char *const systemds[] = {".slice", ".scope", ".service", NULL};
        struct settings *settings = target;
        const char *dot = strrchr(value, '.');

        for (unsigned i = 0; dot && systemds[i]; i++)
                if (streq(dot, systemds[i]))
                        return fail(err, -EBADMSG, "'%s' is a name of systemd's; the directory must be bpfdeleg's own",
                                    value);
        if (value[0] == '\0' || value[0] == '.' || strpbrk(value, "/\t") ||
            copy_field(settings->cgroup_parent, sizeof(settings->cgroup_parent), value) < 0)
                return fail(err, -EBADMSG, "'%s' is not the name of one directory below the cgroup2 mount", value);
        return 0;
}

#define NUMBER(member, min, max)                                                                  \
        static int parse_##member(const char *value, void *target, struct errtext *err) {         \
                return parse_number(value, min, max, &((struct settings *) target)->member, err); \
        }
#define SECONDS(member)                                                                   \
        static int parse_##member(const char *value, void *target, struct errtext *err) { \
                return parse_seconds(value, &((struct settings *) target)->member, err);  \
        }
NUMBER(delegations, 1, 100000)
NUMBER(delegations_per_uid, 1, 1000)
NUMBER(sessions_per_uid, 1, 100000)
NUMBER(connections, 1, 100000)
NUMBER(connections_per_uid, 1, 10000)
SECONDS(request_timeout)
SECONDS(open_timeout)
SECONDS(enter_timeout)
SECONDS(subgroup_timeout)
SECONDS(close_timeout)

static const struct ini_key keys[] = {
        {"helper", "backend", parse_backend},
        {"helper", "cgroup_parent", parse_cgroup_parent},
        {"limits", "delegations", parse_delegations},
        {"limits", "delegations_per_uid", parse_delegations_per_uid},
        {"limits", "sessions_per_uid", parse_sessions_per_uid},
        {"limits", "connections", parse_connections},
        {"limits", "connections_per_uid", parse_connections_per_uid},
        {"timeouts", "request", parse_request_timeout},
        {"timeouts", "open", parse_open_timeout},
        {"timeouts", "enter", parse_enter_timeout},
        {"timeouts", "subgroup", parse_subgroup_timeout},
        {"timeouts", "close", parse_close_timeout},
};

/* Splits the path, so that the directory is judged as well: who may write there can replace the file. */
static int read_file(const char *path, struct ini *ret, struct errtext *err) {
        const char *slash = strrchr(path, '/');
        _cleanup_close_ int dirfd = -1;
        char dir[PATH_MAX];
        size_t n;

        if (path[0] != '/' || (size_t) (slash - path) >= sizeof(dir))
                return fail(err, -EINVAL, "%s: not an absolute path of a file", path);
        n = slash == path ? 1 : (size_t) (slash - path); /* the root has its own slash */
        memcpy(dir, path, n);
        dir[n] = '\0';
        dirfd = ini_open_dir(dir, err);
        if (dirfd < 0)
                return dirfd;
        return ini_read(dirfd, slash + 1, path, ret, err);
}

int settings_read(struct settings *settings, const char *path, bool required, struct errtext *err) {
        struct settings next = *settings;
        struct ini ini = INI_INIT;
        int r;

        r = read_file(path, &ini, err);
        if (r == -ENOENT && !required)
                return 0;
        if (r == -ENOENT)
                return fail(err, r, "%s: there is no such file", path);
        if (r < 0 || r == INI_MASKED)
                return r < 0 ? r : 0;
        r = ini_apply(&ini, path, keys, ELEMENTSOF(keys), NULL, &next, err);
        ini_done(&ini);
        if (r < 0)
                return r;
        *settings = next;
        return 0;
}
