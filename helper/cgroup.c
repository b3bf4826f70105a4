/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A subtree's life: made by root with its limits, handed to the user, emptied and removed by root whatever the user
 * has built in it. The guarantee: limits are in force before the first process, and after cgroup_remove() has
 * returned 0 no directory is left.
 */

#include "config.h"

#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "file.h"
#include "log.h"

#define RUN "run"

#define REMOVED_AT_ONCE 64 /* some two milliseconds of the loop */

bool cgroup_list_has(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; (p = strstr(p, word)); p += n)
                if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' ' || p[n] == '\n'))
                        return true;
        return false;
}

/* ---- limits ---- */

static void format_number(uint64_t v, char *buf, size_t size) {
        (void) snprintf(buf, size, "%" PRIu64, v);
}

/* Per cent of one CPU → "quota period" in microseconds; the kernel's own default period of 100 ms. */
static void format_quota(uint64_t v, char *buf, size_t size) {
        (void) snprintf(buf, size, "%" PRIu64 " 100000", v * 1000);
}

static void format_io_weight(uint64_t v, char *buf, size_t size) {
        (void) snprintf(buf, size, "default %" PRIu64, v);
}

static const struct {
        const char *file;
        void (*format)(uint64_t v, char *buf, size_t size);
} limit_files[POLICY_LIMITS] = {
        [POLICY_PIDS_MAX] = {"pids.max", format_number},
        [POLICY_MEMORY_MAX] = {"memory.max", format_number},
        [POLICY_MEMORY_HIGH] = {"memory.high", format_number},
        [POLICY_CPU_WEIGHT] = {"cpu.weight", format_number},
        [POLICY_CPU_QUOTA] = {"cpu.max", format_quota},
        [POLICY_IO_WEIGHT] = {"io.weight", format_io_weight},
        [POLICY_DESCENDANTS_MAX] = {"cgroup.max.descendants", format_number},
        [POLICY_DEPTH_MAX] = {"cgroup.max.depth", format_number},
};
_Static_assert(POLICY_LIMITS == 8,
               "a new limit needs a row here, in lib/policy.c and in helper/scope.c; then raise this number");

/* Makes the controller reach the children of dirfd. -EOPNOTSUPP if dirfd itself has it not. */
static int enable_controller(int dirfd, const char *controller) {
        char list[256], word[32];
        ssize_t n;

        n = file_read(dirfd, "cgroup.subtree_control", list, sizeof(list));
        if (n >= 0 && cgroup_list_has(list, controller))
                return 0;
        n = file_read(dirfd, "cgroup.controllers", list, sizeof(list));
        if (n < 0)
                return (int) n;
        if (!cgroup_list_has(list, controller))
                return -EOPNOTSUPP;
        (void) snprintf(word, sizeof(word), "+%s", controller);
        return file_write(dirfd, "cgroup.subtree_control", word);
}

static int fail_missing(struct errtext *err, enum policy_limit which) {
        const char *controller = policy_limit_controller(which);

        return fail(err, -EOPNOTSUPP,
                    "%s cannot be kept: this host's cgroup2 has no %s controller; remove the line from the "
                    "policy, or give the controller to cgroup2 (cgroup_no_v1=%s at boot)",
                    policy_limit_name(which), controller, controller);
}

int cgroup_check_limits(const struct cgroups *cgroups, const uint64_t limit[POLICY_LIMITS], struct errtext *err) {
        char list[256];
        ssize_t n;

        n = file_read(cgroups->mount_fd, "cgroup.controllers", list, sizeof(list));
        if (n < 0)
                return fail(err, (int) n, "%s/cgroup.controllers: %s", cgroups->mount, strerror((int) -n));
        for (unsigned i = 0; i < POLICY_LIMITS; i++)
                if (limit[i] != POLICY_UNSET && policy_limit_controller((enum policy_limit) i) &&
                    !cgroup_list_has(list, policy_limit_controller((enum policy_limit) i)))
                        return fail_missing(err, (enum policy_limit) i);
        return 0;
}

static int write_limit(const struct cgroup *cgroup, enum policy_limit which, uint64_t v, struct errtext *err) {
        char value[48];
        int r;

        limit_files[which].format(v, value, sizeof(value));
        r = file_write(cgroup->fd, limit_files[which].file, value);
        return r < 0 ? fail(err, r, "%s cannot be set to %s: %s", policy_limit_name(which), value, strerror(-r)) : 0;
}

static int set_limit(const struct cgroup *cgroup, enum policy_limit which, uint64_t v, struct errtext *err) {
        const struct cgroups *cgroups = cgroup->cgroups;
        const char *controller = policy_limit_controller(which);
        int r;

        r = enable_controller(cgroups->mount_fd, controller);
        if (r >= 0)
                r = enable_controller(cgroups->parent_fd, controller);
        if (r == -EOPNOTSUPP)
                return fail_missing(err, which);
        if (r < 0)
                return fail(err, r, "%s cannot be kept: the %s controller cannot be enabled for %s/%s: %s",
                            policy_limit_name(which), controller, cgroups->mount, cgroups->name, strerror(-r));
        return write_limit(cgroup, which, v, err);
}

/* systemd sets them as properties of the scope, and passes over in silence what it cannot set: a limit is never just
 * dropped. */
static int see_limit(const struct cgroup *cgroup, enum policy_limit which, uint64_t v, struct errtext *err) {
        char value[48];
        ssize_t n;

        (void) v;
        n = file_read(cgroup->fd, limit_files[which].file, value, sizeof(value));
        if (n >= 0 && strncmp(value, "max", 3) != 0)
                return 0;
        return fail(err, -EOPNOTSUPP,
                    "%s cannot be kept: systemd has not set %s of %s (is the %s controller switched off for the "
                    "user's slice, DisableControllers=?)",
                    policy_limit_name(which), limit_files[which].file, cgroup->path, policy_limit_controller(which));
}

/* ---- what depends on who has made <root> ---- */

static int remove_own(struct cgroup *cgroup);
static int remove_scope(struct cgroup *cgroup);

static const struct {
        /* Puts a limit in force that needs a controller, or sees that it is. */
        int (*limit)(const struct cgroup *cgroup, enum policy_limit which, uint64_t v, struct errtext *err);
        int (*remove)(struct cgroup *cgroup);
} backends[] = {
        [CGROUP_FS] = {set_limit, remove_own},
        [CGROUP_SCOPE] = {see_limit, remove_scope},
};

/* ---- making and giving ---- */

/* EAGAIN is what the kernel says of its limits on cgroups, and says no more. */
static const char *limit_words(int error) {
        return error == EAGAIN ? " (cgroup.max.descendants or cgroup.max.depth of a directory above it)" : "";
}

/* One that needs no controller is ours to write in a scope's directory, too: systemd does not know it, and leaves it
 * alone. */
static int apply_limit(const struct cgroup *cgroup, enum policy_limit which, uint64_t v, struct errtext *err) {
        if (!policy_limit_controller(which))
                return write_limit(cgroup, which, v, err);
        return backends[cgroup->backend].limit(cgroup, which, v, err);
}

static int fill(struct cgroup *cgroup, const uint64_t limit[POLICY_LIMITS], struct errtext *err) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < POLICY_LIMITS; i++)
                if (limit[i] != POLICY_UNSET)
                        r = apply_limit(cgroup, (enum policy_limit) i, limit[i], err);
        if (r < 0)
                return r;
        if (mkdirat(cgroup->fd, CGROUP_SUPERVISOR, 0755) < 0 || mkdirat(cgroup->fd, RUN, 0755) < 0)
                return fail(err, -errno, "the subtree %s cannot be filled: %m%s", cgroup->path, limit_words(errno));
        return 0;
}

/* Opens <root>, whose path is known. */
static int open_root(struct cgroup *cgroup) {
        cgroup->fd =
                openat(cgroup->cgroups->mount_fd, cgroup->path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return cgroup->fd < 0 ? -errno : 0;
}

int cgroup_reopen(struct cgroup *ret, const struct cgroups *cgroups, enum cgroup_backend backend, const char *path) {
        struct cgroup cgroup = CGROUP_INIT;
        int r;

        cgroup.cgroups = cgroups;
        cgroup.backend = backend;
        r = copy_field(cgroup.path, sizeof(cgroup.path), path);
        if (r < 0 || path[0] != '/')
                return -EINVAL;
        r = open_root(&cgroup);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = cgroup;
        return r;
}

void cgroup_plan(struct cgroup *ret, const struct cgroups *cgroups, const char *name) {
        *ret = (struct cgroup) CGROUP_INIT;
        ret->cgroups = cgroups;
        (void) snprintf(ret->path, sizeof(ret->path), "/%s/%s", cgroups->name, name);
}

int cgroup_create(struct cgroup *ret, struct cgroups *cgroups, const char *name, const uint64_t limit[POLICY_LIMITS],
                  struct errtext *err) {
        struct cgroup cgroup;
        int r;

        r = cgroups_use_parent(cgroups, true, err);
        if (r < 0)
                return r;
        cgroup_plan(&cgroup, cgroups, name);
        if (mkdirat(cgroups->parent_fd, name, 0755) < 0) {
                /* Somebody has removed the parent directory, while it was empty: once more, in a new one. */
                if (errno == ENOENT) {
                        cgroups->parent_fd = close_fd(cgroups->parent_fd);
                        r = cgroups_use_parent(cgroups, true, err);
                        if (r < 0)
                                return r;
                }
                if (mkdirat(cgroups->parent_fd, name, 0755) < 0)
                        return fail(err, -errno, "the cgroup %s cannot be made: %m%s", cgroup.path, limit_words(errno));
        }
        r = open_root(&cgroup);
        if (r < 0)
                (void) fail(err, r, "the cgroup %s cannot be opened: %s", cgroup.path, strerror(-r));
        else
                r = fill(&cgroup, limit, err);
        if (r < 0) {
                (void) cgroup_remove(&cgroup);
                cgroup_done(&cgroup);
                return r;
        }
        *ret = cgroup;
        return 0;
}

int cgroup_adopt_scope(struct cgroup *ret, const struct cgroups *cgroups, const char *path,
                       const uint64_t limit[POLICY_LIMITS], struct errtext *err) {
        int r;

        r = cgroup_reopen(ret, cgroups, CGROUP_SCOPE, path);
        if (r < 0)
                return fail(err, r, "the scope's cgroup %s cannot be opened: %s", path, strerror(-r));
        return fill(ret, limit, err);
}

int cgroup_move(const struct cgroup *cgroup, pid_t pid) {
        char value[16];

        (void) snprintf(value, sizeof(value), "%d", (int) pid);
        return file_write(cgroup->fd, "cgroup.procs", value);
}

static int open_dir(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 ? -errno : fd;
}

int cgroup_open_supervisor(const struct cgroup *cgroup) {
        return open_dir(cgroup->fd, CGROUP_SUPERVISOR);
}

/* Gives one directory and its files of the kernel's list. A file of the list that is not there belongs to a
 * controller that is not. */
static int give_dir(int dirfd, uid_t uid, gid_t gid) {
        char list[1024], *saved = NULL;
        _cleanup_close_ int sys_fd = -1;
        ssize_t n;

        sys_fd = open("/sys/kernel/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sys_fd < 0)
                return -errno;
        n = file_read(sys_fd, "delegate", list, sizeof(list));
        if (n < 0)
                return (int) n;
        for (char *file = strtok_r(list, "\n", &saved); file; file = strtok_r(NULL, "\n", &saved))
                if (fchownat(dirfd, file, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
                        return -errno;
        return fchown(dirfd, uid, gid) < 0 ? -errno : 0;
}

int cgroup_open_run(const struct cgroup *cgroup, uid_t uid, gid_t gid) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = open_dir(cgroup->fd, RUN);
        if (fd != -ENOENT)
                return take_fd(&fd);
        if (mkdirat(cgroup->fd, RUN, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open_dir(cgroup->fd, RUN);
        if (fd < 0)
                return take_fd(&fd);
        r = give_dir(fd, uid, gid);
        return r < 0 ? r : TAKE_FD(fd);
}

int cgroup_give(const struct cgroup *cgroup, uid_t uid, gid_t gid) {
        char list[256], word[40], *saved = NULL;
        _cleanup_close_ int run_fd = -1;
        ssize_t n;
        int r;

        n = file_read(cgroup->fd, "cgroup.controllers", list, sizeof(list));
        if (n < 0)
                return (int) n;
        for (const char *c = strtok_r(list, " \n", &saved); c; c = strtok_r(NULL, " \n", &saved)) {
                (void) snprintf(word, sizeof(word), "+%s", c);
                /* One that cannot be enabled here (cpu with real-time processes about) is one the user has not:
                 * limits are on <root> itself and do not depend on it. */
                (void) file_write(cgroup->fd, "cgroup.subtree_control", word);
        }
        run_fd = open_dir(cgroup->fd, RUN);
        if (run_fd < 0)
                return run_fd;
        r = give_dir(run_fd, uid, gid);
        return r < 0 ? r : give_dir(cgroup->fd, uid, gid);
}

/* ---- looking and ending ---- */

int cgroup_kill(const struct cgroup *cgroup) {
        int r;

        if (cgroup->fd < 0)
                return 0;
        r = file_write(cgroup->fd, "cgroup.kill", "1");
        return r == -ENOENT || r == -ENODEV ? 0 : r; /* removed, so nobody is in it */
}

int cgroup_events(struct cgroup *cgroup) {
        if (cgroup->events_fd < 0) {
                cgroup->events_fd = openat(cgroup->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
                if (cgroup->events_fd < 0)
                        return -errno;
        }
        return cgroup->events_fd;
}

/* Reads cgroup.events. Returns its length or -errno; -ENODEV: the cgroup has been removed. */
static ssize_t read_events(struct cgroup *cgroup, char *buf, size_t size) {
        int fd = cgroup->fd < 0 ? -ENODEV : cgroup_events(cgroup);
        ssize_t n;

        if (fd < 0)
                return fd == -ENOENT ? -ENODEV : fd;
        n = pread(fd, buf, size - 1, 0);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

int cgroup_populated(struct cgroup *cgroup) {
        char buf[128];
        ssize_t n;

        n = read_events(cgroup, buf, sizeof(buf));
        if (n < 0)
                return n == -ENODEV ? 0 : (int) n;
        return strstr(buf, "populated 1") ? 1 : 0;
}

bool cgroup_is_child(const struct dirent *e) {
        return e->d_type == DT_DIR && !streq(e->d_name, ".") && !streq(e->d_name, "..");
}

/* As getdents64(2) gives them; <dirent.h> has it only for readdir(3), which allocates. */
struct entry {
        uint64_t ino;
        int64_t off;
        uint16_t size;
        uint8_t type;
        char name[];
};

static bool is_child(const struct entry *e) {
        return e->type == DT_DIR && !streq(e->name, ".") && !streq(e->name, "..");
}

/* What recurses through this is bounded by depth_max, so the buffer is small. */
int cgroup_for_each_below(int dirfd, int (*fn)(int dirfd, const char *name, void *userdata), void *userdata) {
        _cleanup_close_ int fd = -1;
        _Alignas(struct entry) char buf[2048];
        const struct entry *e;
        long n;
        int r = 0;

        fd = open_dir(dirfd, ".");
        if (fd == -ENOENT || fd == -ENODEV)
                return 0; /* removed meanwhile, so there is none */
        if (fd < 0)
                return take_fd(&fd);
        while (r == 0 && (n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) != 0) {
                if (n < 0)
                        return errno == ENOENT ? 0 : -errno;
                for (long at = 0; r == 0 && at < n; at += e->size) {
                        e = (const struct entry *) (const void *) (buf + at);
                        if (is_child(e))
                                r = fn(dirfd, e->name, userdata);
                }
        }
        return r;
}

static int procs_has_others(int dirfd, pid_t except) {
        int fd, pid, others = 0;
        FILE *f;

        fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        f = fdopen(fd, "r");
        if (!f) {
                int r = -errno;

                (void) close_fd(fd);
                return r;
        }
        while (!others && fscanf(f, "%d", &pid) == 1)
                others = pid != except;
        (void) fclose(f);
        return others;
}

static int dir_has_others(int dirfd, const char *name, void *userdata) {
        _cleanup_close_ int fd = -1;
        const pid_t *except = userdata;
        int r;

        fd = open_dir(dirfd, name);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        r = procs_has_others(fd, *except);
        if (r == -ENOENT || r == -ENODEV ||
            r == -EOPNOTSUPP) /* removed meanwhile; a threaded cgroup, whose processes are listed above it */
                r = 0;
        return r != 0 ? r : cgroup_for_each_below(fd, dir_has_others, userdata);
}

int cgroup_has_others(const struct cgroup *cgroup, pid_t except) {
        return dir_has_others(cgroup->fd, ".", &except);
}

/* Owner and mode: the user may have opened it to everybody before. */
static int take_dir(int fd) {
        return fchown(fd, 0, 0) < 0 || fchmod(fd, 0755) < 0 ? -errno : 0;
}

/* The directory first, then what is in it: nothing comes after the look. */
static int take_entry(int dirfd, const char *name, void *userdata) {
        _cleanup_close_ int fd = -1;

        fd = open_dir(dirfd, name);
        if (fd >= 0 && take_dir(fd) >= 0)
                (void) cgroup_for_each_below(fd, take_entry, userdata);
        return 0;
}

void cgroup_take_back(const struct cgroup *cgroup) {
        if (cgroup->fd >= 0)
                (void) take_entry(cgroup->fd, ".", NULL);
}

struct removal {
        bool take;
        unsigned left; /* how many more may be removed now */
};

static int remove_entry(int dirfd, const char *name, void *userdata) {
        _cleanup_close_ int fd = -1;
        struct removal *removal = userdata;
        int r = 0;

        if (removal->left == 0)
                return -EAGAIN;
        removal->left--;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        fd = open_dir(dirfd, name);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        if (removal->take)
                r = take_dir(fd);
        if (r >= 0)
                r = cgroup_for_each_below(fd, remove_entry, removal);
        if (r < 0)
                return r;
        return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove_tree(int dirfd, const char *name, bool take) {
        struct removal all = {.take = take, .left = UINT_MAX};

        return remove_entry(dirfd, name, &all);
}

/* By its path: no part of it is the user's. *ret: the directory that it is, or was, in. */
static int remove_root(const struct cgroup *cgroup, char ret_parent[PROTO_PATH_SIZE]) {
        struct removal some = {.take = true, .left = REMOVED_AT_ONCE};
        _cleanup_close_ int fd = -1;
        char *slash;

        copy_field_cut(ret_parent, PROTO_PATH_SIZE, cgroup->path);
        slash = strrchr(ret_parent, '/');
        *slash = '\0';
        fd = open_dir(cgroup->cgroups->mount_fd, ret_parent[0] ? ret_parent + 1 : ".");
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return remove_entry(fd, slash + 1, &some);
}

static int remove_own(struct cgroup *cgroup) {
        const struct cgroups *cgroups = cgroup->cgroups;
        char parent[PROTO_PATH_SIZE];
        int r;

        r = remove_root(cgroup, parent);
        /* A parent directory that bpfdeleg.ini no longer names goes with the last one in it. */
        if (r >= 0 && parent[0] && !streq(parent + 1, cgroups->name))
                (void) unlinkat(cgroups->mount_fd, parent + 1, AT_REMOVEDIR);
        return r;
}

static int remove_scope(struct cgroup *cgroup) {
        char buf[128], parent[PROTO_PATH_SIZE];

        if (cgroup->forgotten)
                return remove_root(cgroup, parent);
        return read_events(cgroup, buf, sizeof(buf)) == -ENODEV ? 0 : -EINPROGRESS;
}

int cgroup_remove(struct cgroup *cgroup) {
        if (!cgroup->cgroups || cgroup->path[0] == '\0')
                return 0;
        return backends[cgroup->backend].remove(cgroup);
}

void cgroup_done(struct cgroup *cgroup) {
        *cgroup = (struct cgroup){.fd = close_fd(cgroup->fd), .events_fd = close_fd(cgroup->events_fd)};
}

/* ---- of an earlier helper ---- */

static void end_leftover(int parent_fd, const char *name) {
        struct cgroup old = CGROUP_INIT;

        log_line(LOG_NOTICE, "ending the subtree %s of an earlier helper", name);
        old.fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (old.fd >= 0 && cgroup_kill(&old) == 0) {
                for (int i = 0; i < 20 && cgroup_populated(&old) == 1; i++)
                        (void) poll(&(struct pollfd){.fd = cgroup_events(&old), .events = POLLPRI}, 1, 100);
        }
        cgroup_done(&old);
        if (cgroup_remove_tree(parent_fd, name, true) < 0)
                log_line(LOG_WARNING, "the subtree %s of an earlier helper cannot be removed yet: %m", name);
}

void cgroups_end_leftovers(const struct cgroups *cgroups, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        _cleanup_close_ int fd = -1;
        uint64_t id;
        const struct dirent *e;
        DIR *d;

        fd = openat(cgroups->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d) {
                log_line(LOG_WARNING, "%s/%s cannot be read, what an earlier helper left there stays: %m",
                         cgroups->mount, cgroups->name);
                return;
        }
        (void) TAKE_FD(fd);
        while ((e = readdir(d)))
                /* Only what has a name of ours: whatever else is in there was made by somebody else. */
                if (cgroup_is_child(e) && proto_id_parse(e->d_name, &id) == 0 && !known(userdata, id))
                        end_leftover(cgroups->parent_fd, e->d_name);
        (void) closedir(d);
}
