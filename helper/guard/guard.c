/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loading: maps are pinned by name and taken over by the next helper; programs and links are made anew, attached while
 * the old ones still are, and then put in their place. So there is no gap, and an upgrade brings its own programs.
 */

#include "config.h"

#include "guard.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "guard-detach.h"
#include "guard-lists.h"
#include "helper/guard/guard.skel.h"
#include "log.h"
#include "sysapi.h"

struct guard {
        struct guard_bpf *skel;
        struct ring_buffer *reports;
        sd_event_source *source;
        const struct mask_names *names;
        struct guard_callbacks callbacks;
        void *userdata;
        struct guard_detach *detach;
        unsigned reported;  /* since on_readable began */
        uint64_t recounted; /* when recount_btf() did */
        struct held {
                uint64_t id;
                uid_t uid;
        } * held; /* revoked, and not seen to be gone */
        size_t n_held;
};

/* ---- why not ---- */

/* A mount of our own, which nobody sees: a host without systemd may have none. */
static int open_securityfs(void) {
        _cleanup_close_ int fs = sys_fsopen("securityfs");

        return fs < 0 ? fs : sys_new_mount(fs, 0);
}

/* The one line of a file of the kernel's; empty if there is none. */
static void read_line(int dir, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = dir < 0 ? dir : openat(dir, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

        buf[n < 0 ? 0 : n] = '\0';
        buf[strcspn(buf, "\n")] = '\0';
}

/* Returns r with what this host lacks, if it lacks something; else 0. */
static int explain_host(struct errtext *err, int r) {
        _cleanup_close_ int dir = open_securityfs();
        char lockdown[64], lsm[200];

        read_line(dir, "lockdown", lockdown, sizeof(lockdown));
        read_line(dir, "lsm", lsm, sizeof(lsm));
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                return fail(err, r, "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
        if (strstr(lockdown, "[confidentiality]"))
                return fail(err, r,
                            "this kernel is locked down (confidentiality, kernel_lockdown(7)), so it takes no BPF LSM "
                            "programs");
        if (lsm[0] != '\0' && !strstr(lsm, "bpf"))
                return fail(err, r,
                            "this kernel was booted without BPF LSM: add bpf to lsm= on its command line (lsm=%s,bpf)",
                            lsm);
        return 0;
}

/* Secure Boot's integrity is no hindrance to kernels as they are released; some are made stricter. */
static bool is_locked_down(void) {
        _cleanup_close_ int dir = open_securityfs();
        char lockdown[64];

        read_line(dir, "lockdown", lockdown, sizeof(lockdown));
        return strstr(lockdown, "[integrity]");
}

static int explain(struct errtext *err, int r, const char *dir) {
        if (r == -EXDEV)
                return fail(err, r,
                            "another version of bpfdelegd has its guard in %s, and what it keeps cannot be taken over: "
                            "end those "
                            "delegations with that version (bpfdelegd --end-all), or restart the host",
                            dir);
        if (explain_host(err, r) < 0)
                return r;
        if (r == -EOPNOTSUPP)
                return fail(
                        err, r,
                        "this kernel takes LSM programs and never calls them: it was booted without BPF LSM (add bpf "
                        "to lsm= on "
                        "its command line)");
        if (r == -EPERM && is_locked_down())
                return fail(err, r,
                            "this kernel takes no BPF LSM programs; that it is locked down (integrity, "
                            "kernel_lockdown(7)) may be why");
        return fail(err, r, "the guard cannot be loaded: %s (`bpfdelegd --debug' says more)", strerror(-r));
}

/* libbpf's own words are for developers. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap) {
        char text[900];

        if (level == LIBBPF_DEBUG)
                return 0;
        (void) vsnprintf(text, sizeof(text), format, ap);
        text[strcspn(text, "\n")] = '\0';
        log_line(LOG_DEBUG, "%s", text);
        return 0;
}

/* ---- pins ---- */

static int open_dir(const char *dir, struct errtext *err) {
        struct stat st;
        int fd;

        if (mkdir(dir, 0700) < 0 && errno != EEXIST)
                return fail(err, -errno,
                            "%s cannot be made (`mount -t bpf bpf /sys/fs/bpf' makes the file system for it): %m", dir);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fail(err, -errno, "%s cannot be opened: %m", dir);
        if (fstat(fd, &st) < 0 || st.st_uid != 0 || (st.st_mode & 0077) || sys_fs_magic(fd) != BPF_FS_MAGIC) {
                (void) close_fd(fd);
                return fail(err, -EPERM, "%s must be root's, with mode 0700, on a bpf file system", dir);
        }
        return fd;
}

/* Whatever is there: an earlier release may have pinned what this one has not. */
static int unpin_all(const char *dir) {
        struct dirent *entry;
        DIR *d = opendir(dir);
        int r = d ? 0 : -errno;

        while (d && (entry = readdir(d)))
                if (entry->d_type == DT_REG && unlinkat(dirfd(d), entry->d_name, 0) < 0)
                        r = -errno;
        if (d)
                (void) closedir(d);
        return r < 0 || rmdir(dir) == 0 ? r : -errno;
}

static int pin_maps(const struct guard *guard, const char *dir) {
        struct bpf_map *map;
        char path[256];
        int r = 0;

        bpf_object__for_each_map(map, guard->skel->obj) {
                if (bpf_map__is_internal(map))
                        continue;
                (void) snprintf(path, sizeof(path), "%s/%s", dir, bpf_map__name(map));
                r = bpf_map__set_pin_path(map, path);
                if (r < 0)
                        break;
        }
        return r;
}

/* In one step: between an unlink and a pin nothing would hold the hook, if the helper died there. NEXT is none's
 * after that. */
#define NEXT "next"

static int pin_instead(struct bpf_link *link, const char *dir, const char *name) {
        char path[256], next[256];
        int r;

        (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
        (void) snprintf(next, sizeof(next), "%s/" NEXT, dir);
        if (unlink(next) < 0 && errno != ENOENT)
                return -errno;
        r = bpf_link__pin(link, next);
        return r < 0 || rename(next, path) == 0 ? r : -errno;
}

/* Attaches each program and puts its link in the place of the one before it, which is detached by that. */
static int pin_links(const struct guard *guard, const char *dir) {
        struct bpf_program *prog;
        int r;

        bpf_object__for_each_program(prog, guard->skel->obj) {
                struct bpf_link *link;

                if (bpf_program__type(prog) != BPF_PROG_TYPE_LSM)
                        continue;
                link = bpf_program__attach_lsm(prog);
                if (!link)
                        return -errno;
                r = pin_instead(link, dir, bpf_program__name(prog));
                (void) bpf_link__destroy(link);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- what it needs to know ---- */

static int run(const struct guard *guard, struct guard_request *request) {
        LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = request, .ctx_size_in = sizeof(*request));
        int r;

        r = bpf_prog_test_run_opts(bpf_program__fd(guard->skel->progs.guard_run), &opts);
        return r < 0 ? -errno : (int) opts.retval;
}

/* Descriptors of ours, by which the programs learn what a program and a link are. */
static int teach_kinds(const struct guard *guard) {
        struct guard_request request = {.op = GUARD_LEARN};
        struct bpf_link *link;
        int r;

        link = bpf_program__attach_lsm(guard->skel->progs.guard_token_cmd);
        if (!link)
                return -errno;
        request.prog_fd = (uint32_t) bpf_program__fd(guard->skel->progs.guard_token_cmd);
        request.link_fd = (uint32_t) bpf_link__fd(link);
        r = run(guard, &request);
        (void) bpf_link__destroy(link);
        return r;
}

/* Where BPF is not among the LSMs of the boot all is loaded and attached, but never called. */
static int prove(const struct guard *guard) {
        struct guard_request request = {.op = GUARD_PROVE};
        struct bpf_link *link;
        int r;

        link = bpf_program__attach_lsm(guard->skel->progs.guard_bpf);
        if (!link)
                return -errno;
        r = run(guard, &request);
        (void) bpf_link__destroy(link);
        return r;
}

static int teach_types(const struct guard *guard) {
        static const enum guard_class classes[] = {
                [RISK_SOCKET] = GUARD_SOCKET,
                [RISK_CGROUP] = GUARD_CGROUP,
                [RISK_NETNS] = GUARD_NETNS,
                [RISK_HOST] = GUARD_HOST,
        };
        int fd = bpf_map__fd(guard->skel->maps.classes), r = 0;

        for (uint32_t type = 0; r >= 0 && type < 64; type++) {
                enum risk risk = mask_risk(guard->names, POLICY_PROGS, type);
                uint8_t class = risk < RISK_PLAIN ? (uint8_t) (classes[risk] + 1) : 0;

                r = bpf_map_update_elem(fd, &type, &class, BPF_ANY) < 0 ? -errno : 0;
        }
        return r;
}

/* All of them: the map may be that of a helper with another list. */
static int teach_helpers(const struct guard *guard) {
        uint32_t classes[GUARD_HELPERS] = {0};
        int fd = bpf_map__fd(guard->skel->maps.helpers), r = 0;

        for (size_t i = 0; i < guard_n_helpers; i++)
                classes[guard_helpers[i].id] = guard_helpers[i].classes;
        for (uint32_t key = 0; r >= 0 && key < GUARD_CLASSES * GUARD_HELPERS; key++) {
                uint32_t its = classes[key % GUARD_HELPERS];
                uint8_t allowed = !(its & GUARD_BIT(key / GUARD_HELPERS)) ? GUARD_NEVER :
                                  its & GUARD_LOOPS                       ? GUARD_IF_LONG :
                                  its & GUARD_SENDS                       ? GUARD_SENDING :
                                  its & GUARD_WALKS                       ? GUARD_WALKING :
                                  its & GUARD_BYTES                       ? GUARD_BYTE_BY_BYTE :
                                  its & GUARD_COSTS                       ? GUARD_COSTLY :
                                                                            GUARD_ALWAYS;

                r = bpf_map_update_elem(fd, &key, &allowed, BPF_ANY) < 0 ? -errno : 0;
        }
        return r;
}

static uint32_t kfunc_classes(const struct btf *btf, uint32_t id) {
        const struct btf_type *type = btf__type_by_id(btf, id);
        const char *name = type ? btf__name_by_offset(btf, type->name_off) : NULL;

        for (size_t i = 0; name && i < guard_n_kfuncs; i++)
                if (streq(guard_kfuncs[i].name, name))
                        return guard_kfuncs[i].classes;
        return 0;
}

/* What an earlier helper allowed, and this one does not. */
static void forget_kfuncs(const struct btf *btf, int fd) {
        uint32_t id, next;
        bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

        while (more) {
                id = next;
                more = bpf_map_get_next_key(fd, &id, &next) == 0;
                if (kfunc_classes(btf, id) == 0)
                        (void) bpf_map_delete_elem(fd, &id);
        }
}

/* By name: ids are another kernel's business. */
static int teach_kfuncs(const struct guard *guard) {
        struct btf *btf = btf__load_vmlinux_btf();
        int fd = bpf_map__fd(guard->skel->maps.kfuncs), r = 0;

        if (!btf)
                return -errno;
        forget_kfuncs(btf, fd);
        for (size_t i = 0; r >= 0 && i < guard_n_kfuncs; i++) {
                int id = guard_kfuncs[i].classes == 0 ?
                                 0 :
                                 btf__find_by_name_kind(btf, guard_kfuncs[i].name, BTF_KIND_FUNC);

                if (id > 0)
                        r = bpf_map_update_elem(fd, &id, &guard_kfuncs[i].classes, BPF_ANY) < 0 ? -errno : 0;
        }
        btf__free(btf);
        return r;
}

static bool look_up(const struct guard *guard, uint64_t id, struct guard_delegation *ret) {
        return bpf_map_lookup_elem(bpf_map__fd(guard->skel->maps.delegations), &id, ret) == 0;
}

/* ---- BTF, of which the kernel tells nobody that it is freed ---- */

struct btf_ids {
        uint32_t *ids;
        size_t n;
};

static bool has_id(const struct btf_ids *ids, uint32_t id) {
        for (size_t i = 0; i < ids->n; i++)
                if (ids->ids[i] == id)
                        return true;
        return false;
}

static int add_id(struct btf_ids *ids, uint32_t id) {
        uint32_t *more;

        if (id == 0 || has_id(ids, id))
                return 0;
        more = reallocarray(ids->ids, ids->n + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        ids->ids = more;
        ids->ids[ids->n++] = id;
        return 0;
}

#define PROGS_MAX 4096 /* that are looked at: more of them cost this user, not the loop */

/* The BTF of programs that root has loaded: the kernel says who. Not of other users: they could hold this one's. */
static int find_btf_of_root(struct btf_ids *ret) {
        uint32_t id = 0, seen = 0;
        int r = 0;

        while (r >= 0 && seen++ < PROGS_MAX && bpf_prog_get_next_id(id, &id) == 0) {
                _cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
                struct bpf_prog_info info = {0};
                uint32_t size = sizeof(info);

                if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.created_by_uid == 0)
                        r = add_id(ret, info.btf_id);
        }
        return r;
}

static uint64_t btf_size(uint32_t id) {
        _cleanup_close_ int fd = bpf_btf_get_fd_by_id(id);
        struct bpf_btf_info info = {0};
        uint32_t size = sizeof(info);

        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.kernel_btf)
                return 0;
        return info.btf_size < GUARD_BTF_LEAST ? GUARD_BTF_LEAST : info.btf_size;
}

#define RECOUNT_USEC USEC_PER_SEC

/*
 * What a delegation has of BTF is at most what there is on the host, but for that of root's programs. Its counter is
 * full meanwhile, so nothing is added behind the count. A user who keeps much may have others counted for it
 * (SECURITY.md).
 */
static void recount_btf(struct guard *guard, uint64_t id_of_delegation) {
        struct guard_request request = {.op = GUARD_SET_BTF, .delegation = id_of_delegation};
        struct btf_ids roots = {.n = 0};
        uint32_t id = 0;

        if (now_usec() < guard->recounted + RECOUNT_USEC)
                return;
        guard->recounted = now_usec();
        if (find_btf_of_root(&roots) == 0) {
                while (bpf_btf_get_next_id(id, &id) == 0)
                        if (!has_id(&roots, id))
                                request.btf += btf_size(id);
                (void) run(guard, &request);
        }
        free(roots.ids);
}

/* ---- reports ---- */

/* At one go: whoever is refused faster than this reads would keep the loop at it for ever. */
#define REPORTS_AT_ONCE 64

static int on_report(void *ctx, void *data, size_t size) {
        const struct guard_report *report = data;
        struct guard *guard = ctx;

        if (size >= sizeof(*report)) {
                if (report->what == GUARD_BTF_FULL)
                        recount_btf(guard, report->delegation);
                guard->callbacks.refused(guard->userdata, report);
        }
        return ++guard->reported < REPORTS_AT_ONCE ?
                       0 :
                       -EAGAIN; /* libbpf goes no further; the descriptor stays readable */
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct guard *guard = userdata;

        (void) source;
        (void) fd;
        (void) revents;
        guard->reported = 0;
        (void) ring_buffer__consume(guard->reports);
        return 0;
}

static int watch_reports(struct guard *guard, sd_event *event) {
        int r;

        guard->reports = ring_buffer__new(bpf_map__fd(guard->skel->maps.reports), on_report, guard, NULL);
        if (!guard->reports)
                return -errno;
        r = sd_event_add_io(event, &guard->source, ring_buffer__epoll_fd(guard->reports), EPOLLIN, on_readable, guard);
        /* Behind all else: the refused must not delay a login. */
        return r < 0 ? r : sd_event_source_set_priority(guard->source, SD_EVENT_PRIORITY_IDLE);
}

/* ---- those that are revoked and still held ---- */

static int add_held(struct guard *guard, uint64_t id, uid_t uid) {
        struct held *more = reallocarray(guard->held, guard->n_held + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        guard->held = more;
        guard->held[guard->n_held++] = (struct held){.id = id, .uid = uid};
        return 0;
}

#define HELD_TOKENS 16

size_t guard_held(struct guard *guard, uid_t uid) {
        struct guard_delegation delegation;
        size_t kept = 0, n = 0;

        for (size_t i = 0; i < guard->n_held; i++) {
                const struct held held = guard->held[i];

                if (held.uid == uid) {
                        if (!look_up(guard, held.id, &delegation))
                                continue;
                        /* Nobody has anything of it: it waits for the sweep. */
                        if (delegation.tokens + delegation.supers > 0)
                                n += 1 + delegation.tokens / HELD_TOKENS;
                }
                guard->held[kept++] = held;
        }
        guard->n_held = kept;
        return n;
}

typedef int (*delegation_visitor)(struct guard *guard, uint64_t id, const struct guard_delegation *delegation,
                                  void *userdata);

static int for_each_delegation(struct guard *guard, delegation_visitor visit, void *userdata) {
        int fd = bpf_map__fd(guard->skel->maps.delegations), r = 0;
        struct guard_delegation delegation;
        uint64_t id, next;
        bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

        while (r >= 0 && more) {
                id = next;
                more = bpf_map_get_next_key(fd, &id, &next) == 0;
                if (look_up(guard, id, &delegation))
                        r = visit(guard, id, &delegation, userdata);
        }
        return r;
}

static int note_held(struct guard *guard, uint64_t id, const struct guard_delegation *delegation, void *userdata) {
        (void) userdata;
        return delegation->flags & GUARD_REVOKED ? add_held(guard, id, delegation->uid) : 0;
}
static int find_held(struct guard *guard) {
        return for_each_delegation(guard, note_held, NULL);
}

/* ---- life ---- */

/* What a helper of another version has pinned is in force as it is: it cannot be taken over, and must not be mixed
 * up. */
static int check_layout(const char *dir) {
        struct guard_kinds kinds = {0};
        struct bpf_map_info info = {0};
        uint32_t zero = 0, size = sizeof(info);
        _cleanup_close_ int fd = -1;
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/kinds", dir);
        fd = bpf_obj_get(path);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return -errno;
        if (info.value_size != sizeof(kinds))
                return -EXDEV;
        if (bpf_map_lookup_elem(fd, &zero, &kinds) < 0)
                return -errno;
        return kinds.layout == 0 || kinds.layout == GUARD_LAYOUT ? 0 : -EXDEV;
}

static int load(struct guard *guard, sd_event *event, const char *dir) {
        int r;

        r = check_layout(dir);
        if (r >= 0)
                r = pin_maps(guard, dir);
        if (r >= 0)
                r = guard_bpf__load(guard->skel);
        if (r >= 0)
                r = teach_types(guard);
        if (r >= 0)
                r = teach_helpers(guard);
        if (r >= 0)
                r = teach_kfuncs(guard);
        if (r >= 0)
                r = teach_kinds(guard);
        if (r >= 0)
                r = prove(guard);
        if (r >= 0)
                r = pin_links(guard, dir);
        if (r >= 0)
                r = watch_reports(guard, event);
        return r;
}

static bool owns(const struct guard *guard, uint64_t id, int fd) {
        struct guard_request request = {.op = GUARD_WHOSE, .delegation = id, .fd = (uint32_t) fd};

        return run(guard, &request) == 1;
}

int guard_new(struct guard **ret, sd_event *event, const struct mask_names *names, const char *dir,
              const struct guard_callbacks *callbacks, void *userdata, struct errtext *err) {
        _cleanup_close_ int dir_fd = -1;
        struct guard *guard;
        bool first;
        int r;

        (void) libbpf_set_print(print_libbpf);
        dir_fd = open_dir(dir, err);
        if (dir_fd < 0) {
                /* What no directory would help against comes first. */
                (void) explain_host(err, dir_fd);
                return dir_fd;
        }
        guard = calloc(1, sizeof(*guard));
        if (!guard)
                return fail(err, -ENOMEM, "out of memory");
        guard->names = names;
        guard->callbacks = *callbacks;
        guard->userdata = userdata;
        /* Of a first guard that does not come about nothing stays; one that is in force does. */
        first = faccessat(dir_fd, "kinds", F_OK, AT_SYMLINK_NOFOLLOW) < 0;
        guard->skel = guard_bpf__open();
        r = guard->skel ? load(guard, event, dir) : -errno;
        if (r >= 0)
                r = guard_detach_new(&guard->detach, event, guard, owns, callbacks->detached, userdata);
        if (r >= 0)
                r = find_held(guard);
        if (r < 0) {
                guard_free(guard);
                if (first)
                        (void) unpin_all(dir);
                return explain(err, r, dir);
        }
        *ret = guard;
        return 0;
}

void guard_free(struct guard *guard) {
        if (!guard)
                return;
        guard_detach_free(guard->detach);
        sd_event_source_disable_unref(guard->source);
        ring_buffer__free(guard->reports);
        guard_bpf__destroy(guard->skel);
        free(guard->held);
        free(guard);
}

/* ---- delegations ---- */

int guard_add(struct guard *guard, const struct guard_entry *entry) {
        struct guard_request request = {
                .op = GUARD_ADD,
                .mount_fd = (uint32_t) entry->mount_fd,
                .cgroup_fd = (uint32_t) entry->cgroup_fd,
                .delegation = entry->id,
        };
        const struct guard_delegation delegation = {
                .caps = entry->caps,
                .uid = entry->uid,
                .flags = (entry->confine ? GUARD_CONFINE : 0) | (entry->host_wide ? GUARD_HOST_WIDE : 0) |
                         (entry->long_loops ? GUARD_LONG_LOOPS : 0),
        };
        int fd = bpf_map__fd(guard->skel->maps.delegations), r;

        if (bpf_map_update_elem(fd, &entry->id, &delegation, BPF_NOEXIST) < 0)
                return -errno;
        r = run(guard, &request);
        if (r < 0)
                (void) bpf_map_delete_elem(fd, &entry->id);
        return r;
}

int guard_hold(struct guard *guard, uint64_t id, int pidfd) {
        struct guard_request request = {.op = GUARD_HOLD, .delegation = id, .fd = (uint32_t) pidfd};
        int r = run(guard, &request);

        return r == -ENOENT ? 0 : r;
}

void guard_forget(struct guard *guard, uint64_t id) {
        struct guard_request request = {.op = GUARD_FORGET, .delegation = id};

        (void) run(guard, &request);
}

bool guard_knows(const struct guard *guard, uint64_t id, uint64_t *ret_refusals) {
        struct guard_delegation delegation;

        if (!look_up(guard, id, &delegation))
                return false;
        *ret_refusals = delegation.refusals;
        return true;
}

bool guard_revoke(struct guard *guard, uint64_t id, int cgroup_fd) {
        struct guard_request request = {.op = GUARD_REVOKE, .delegation = id};
        struct guard_delegation delegation;

        if (!look_up(guard, id, &delegation))
                return false;
        (void) run(guard, &request);
        /* Once more: the flags are final only now. If it has gone, it was never held, and all that was made by it has
         * gone, too. */
        if (!look_up(guard, id, &delegation))
                return false;
        (void) add_held(guard, id, delegation.uid); /* out of memory: it is not counted */
        return guard_detach_add(guard->detach, id, delegation.flags, cgroup_fd, false);
}

/* A program holds its token: mostly there is none by now. */
bool guard_revoke_late(struct guard *guard, uint64_t id) {
        struct guard_delegation delegation;

        return look_up(guard, id, &delegation) && delegation.flags & GUARD_REVOKED && delegation.tokens > 0 &&
               guard_detach_add(guard->detach, id, delegation.flags, -1, true);
}

void guard_finish(struct guard *guard) {
        guard_detach_finish(guard->detach);
}

struct strangers {
        bool (*known)(void *userdata, uint64_t id);
        void *userdata;
};

static int revoke_stranger(struct guard *guard, uint64_t id, const struct guard_delegation *delegation,
                           void *userdata) {
        const struct strangers *strangers = userdata;

        if (strangers->known(strangers->userdata, id))
                return 0;
        if (!(delegation->flags & GUARD_REVOKED))
                (void) guard_revoke(guard, id, -1);
        guard_forget(guard, id);
        return 0;
}

void guard_revoke_strangers(struct guard *guard, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        struct strangers strangers = {.known = known, .userdata = userdata};

        (void) for_each_delegation(guard, revoke_stranger, &strangers);
}

static size_t count(int fd) {
        uint64_t key, next;
        size_t n = 0;

        for (int r = bpf_map_get_next_key(fd, NULL, &next); r == 0; r = bpf_map_get_next_key(fd, &key, &next)) {
                key = next;
                n++;
        }
        return n;
}

struct counts {
        size_t delegations, tokens, supers;
};

static void count_all(const struct guard *guard, struct counts *ret) {
        ret->delegations = count(bpf_map__fd(guard->skel->maps.delegations));
        ret->tokens = count(bpf_map__fd(guard->skel->maps.tokens));
        ret->supers = count(bpf_map__fd(guard->skel->maps.supers));
}

/* ---- taking it away ---- */

#define REMOVE_USEC (2 * USEC_PER_SEC)

/* The kernel frees what has ended a little behind the end. Returns whether it has. */
static bool wait_for_none(const struct guard *guard, struct counts *counts) {
        const struct timespec pause = {.tv_nsec = 10L * 1000 * 1000};
        uint64_t end = now_usec() + REMOVE_USEC;

        for (;;) {
                count_all(guard, counts);
                if (counts->delegations + counts->tokens + counts->supers == 0)
                        return true;
                if (now_usec() > end)
                        return false;
                (void) nanosleep(&pause, NULL);
        }
}

static int take_away(const char *dir, struct errtext *err) {
        int r = unpin_all(dir);

        return r < 0 ? fail(err, r, "the guard cannot be unpinned from %s: %s", dir, strerror(-r)) : 0;
}

int guard_remove(const struct guard *guard, const char *dir, struct errtext *err) {
        struct counts counts;

        if (wait_for_none(guard, &counts))
                return take_away(dir, err);
        if (counts.tokens + counts.supers == 0)
                return fail(
                        err, -EBUSY,
                        "the guard stays in force, pinned in %s: processes of %zu ended delegations do not "
                        "die, and without it they could go on; when they have, `bpfdelegd --end-all' takes the guard "
                        "away",
                        dir, counts.delegations);
        return fail(err, -EBUSY,
                    "the guard stays in force, pinned in %s: of ended delegations processes outside still hold "
                    "%zu tokens or programs and %zu bpf file systems, and without it they would work again; when those "
                    "processes have ended, or after a reboot, `rm -r %s' takes the guard away",
                    dir, counts.tokens, counts.supers, dir);
}
