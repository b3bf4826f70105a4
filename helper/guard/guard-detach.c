/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detaching. A socket, a map or a link that was handed outside keeps a program running when its cgroup has long
 * gone. */

#include "config.h"

#include "guard-detach.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/queue.h>

#include "cgroup.h"
#include "log.h"

#define QUERIED 64 /* BPF_CGROUP_MAX_PROGS; a sockmap has one of each type */
#define MAX_DEPTH 64
/* What one turn of the loop does, in links, maps or sockets looked at: half a millisecond or so. A cgroup has some
 * thirty attach types. */
#define SLICE 256
#define CGROUP_COSTS 32

struct sockmap {
        int fd; /* the one that is being emptied, or -1 */
        uint32_t key_size, left;
        bool more;
        unsigned char next[512]; /* MAX_BPF_STACK, which bounds a sockhash's keys */
};

struct detachment {
        TAILQ_ENTRY(detachment) entry;
        uint64_t id;
        bool late;
        uint32_t flags;     /* what is still to be done */
        uint32_t map, link; /* the last looked at */
        unsigned sockets;   /* how many more may be taken out */
        struct sockmap sockmap;
        DIR *dirs[MAX_DEPTH]; /* the cgroups on the way down */
        int depth;
};
TAILQ_HEAD(detachment_list, detachment);

struct guard_detach {
        const struct guard *guard;
        guard_owner owns;
        sd_event_source *source; /* on while there is something to do */
        struct detachment_list list;
        guard_detached detached;
        void *userdata;
};

/* ---- links ---- */

static void detach_link(const struct guard_detach *all, uint64_t id, uint32_t link) {
        _cleanup_close_ int fd = bpf_link_get_fd_by_id(link);

        if (fd >= 0 && all->owns(all->guard, id, fd) && bpf_link_detach(fd) < 0)
                log_line(LOG_ERR,
                         "%016" PRIx64 ": its link %u cannot be detached, and goes on as long as somebody holds it: %m",
                         id, link);
}

/* Like all of these: returns whether there is more to do. */
static bool detach_links(const struct guard_detach *all, struct detachment *one) {
        for (unsigned i = 0; i < SLICE; i++) {
                if (bpf_link_get_next_id(one->link, &one->link) < 0)
                        return false;
                detach_link(all, one->id, one->link);
        }
        return true;
}

/* ---- what is attached without a link ---- */

/* How many programs of the delegation target_fd has of one attach type. They are detached if that is asked for. */
static unsigned detach_type(const struct guard_detach *all, uint64_t id, int target_fd, enum bpf_attach_type type,
                            bool detach) {
        uint32_t progs[QUERIED], n = QUERIED;
        unsigned found = 0;

        if (bpf_prog_query(target_fd, type, 0, NULL, progs, &n) < 0)
                return 0; /* no such type here */
        for (uint32_t i = 0; i < n && i < QUERIED; i++) {
                _cleanup_close_ int fd = bpf_prog_get_fd_by_id(progs[i]);

                if (fd < 0 || !all->owns(all->guard, id, fd))
                        continue;
                found++;
                /* One that a link has attached is the link's to detach. */
                if (detach && bpf_prog_detach2(fd, target_fd, type) < 0 && errno != EBUSY && errno != ENOENT)
                        log_line(LOG_ERR,
                                 "%016" PRIx64
                                 ": its program %u cannot be detached, and goes on for sockets that are kept: %m",
                                 id, progs[i]);
        }
        return found;
}

static unsigned detach_target(const struct guard_detach *all, uint64_t id, int fd, enum guard_target target,
                              bool detach) {
        unsigned found = 0;

        for (uint32_t type = 0; type < GUARD_ATTACH_TYPES; type++)
                if (guard_target_of(type) == target)
                        found += detach_type(all, id, fd, (enum bpf_attach_type) type, detach);
        return found;
}

/* ---- cgroups ---- */

/* Goes down into one. If it cannot be opened it has been removed meanwhile. */
static void enter_cgroup(struct detachment *one, int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (dir)
                one->dirs[one->depth++] = dir;
        else
                (void) close_fd(fd);
}

static void leave_cgroup(struct detachment *one) {
        (void) closedir(one->dirs[--one->depth]);
}

static bool detach_cgroups(const struct guard_detach *all, struct detachment *one) {
        for (unsigned work = 0; one->depth > 0 && work < SLICE; work++) {
                DIR *dir = one->dirs[one->depth - 1];
                const struct dirent *e = readdir(dir);

                if (!e)
                        leave_cgroup(one);
                else if (streq(e->d_name, ".")) {
                        (void) detach_target(all, one->id, dirfd(dir), GUARD_AT_CGROUP, true);
                        work += CGROUP_COSTS;
                } else if (cgroup_is_child(e) && one->depth < MAX_DEPTH)
                        enter_cgroup(one, dirfd(dir), e->d_name);
        }
        return one->depth > 0;
}

/* ---- sockmaps ---- */

/* Only what is a sockmap: its size, else 0. */
static uint32_t sockmap_size(int fd, uint32_t *ret_key_size) {
        struct bpf_map_info info = {0};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return 0;
        *ret_key_size = info.key_size;
        return info.type == BPF_MAP_TYPE_SOCKMAP || info.type == BPF_MAP_TYPE_SOCKHASH ? info.max_entries : 0;
}

/* Begins with a map, if it is a sockmap that a program of the delegation is attached to. */
static void enter_sockmap(const struct guard_detach *all, struct detachment *one) {
        _cleanup_close_ int fd = bpf_map_get_fd_by_id(one->map);
        struct sockmap *map = &one->sockmap;

        map->left = fd < 0 ? 0 : sockmap_size(fd, &map->key_size);
        if (map->left == 0 || detach_target(all, one->id, fd, GUARD_AT_MAP, false) == 0)
                return;
        map->more = map->key_size <= sizeof(map->next) && bpf_map_get_next_key(fd, NULL, map->next) == 0;
        map->fd = TAKE_FD(fd);
}

/* A sockmap has every number for a key, a sockhash what its user has put there. */
static void take_socket_out(struct detachment *one) {
        struct sockmap *map = &one->sockmap;
        unsigned char key[sizeof(map->next)];

        memcpy(key, map->next, map->key_size);
        map->more = bpf_map_get_next_key(map->fd, key, map->next) == 0;
        (void) bpf_map_delete_elem(map->fd, key); /* nobody is there, or the map is frozen */
        map->left--;
        one->sockets--;
}

/* After the sockets: what becomes of one is told by the programs that its map has then. */
static void leave_sockmap(const struct guard_detach *all, struct detachment *one) {
        struct sockmap *map = &one->sockmap;

        (void) detach_target(all, one->id, map->fd, GUARD_AT_MAP, true);
        if (one->sockets == 0 && map->more && map->left > 0)
                log_line(LOG_WARNING,
                         "%016" PRIx64 ": its sockmaps are too large to be emptied; a program of it may go on for "
                         "sockets of its user's that are kept",
                         one->id);
        map->fd = close_fd(map->fd);
}

static bool detach_sockmaps(const struct guard_detach *all, struct detachment *one) {
        const struct sockmap *map = &one->sockmap;

        for (unsigned i = 0; i < SLICE; i++)
                if (map->fd < 0) {
                        if (bpf_map_get_next_id(one->map, &one->map) < 0)
                                return false;
                        enter_sockmap(all, one);
                } else if (map->more && map->left > 0 && one->sockets > 0)
                        take_socket_out(one);
                else
                        leave_sockmap(all, one);
        return true;
}

/* ---- all of them, in slices ---- */

/* In this order: a sockmap is known to be the delegation's by the programs that are attached to it. */
static const struct {
        uint32_t flag;
        bool (*step)(const struct guard_detach *all, struct detachment *one);
} steps[] = {
        {GUARD_SOCKMAP, detach_sockmaps},
        {GUARD_LINKED, detach_links},
        {GUARD_LEGACY, detach_cgroups},
};
#define STEPS (GUARD_SOCKMAP | GUARD_LINKED | GUARD_LEGACY)

static bool detach_more(const struct guard_detach *all, struct detachment *one) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (one->flags & steps[i].flag) {
                        if (!steps[i].step(all, one))
                                one->flags &= ~steps[i].flag;
                        break;
                }
        return one->flags != 0;
}

static void detachment_init(struct detachment *one, uint64_t id, uint32_t flags, int cgroup_fd, bool late) {
        *one = (struct detachment){
                .id = id,
                .late = late,
                .flags = flags & STEPS,
                .sockets = GUARD_DETACH_SOCKETS,
                .sockmap = {.fd = -1},
        };
        if (one->flags & GUARD_LEGACY && cgroup_fd >= 0)
                enter_cgroup(one, cgroup_fd, ".");
}

ANALYZER_OFF("-Wanalyzer-use-after-free") /* what TAILQ_REMOVE has taken out is not the first of the list any more */
static void detachment_done(struct detachment *one) {
        while (one->depth > 0)
                leave_cgroup(one);
        (void) close_fd(one->sockmap.fd);
}

static void detachment_remove(struct guard_detach *all, struct detachment *one) {
        TAILQ_REMOVE(&all->list, one, entry);
        detachment_done(one);
        free(one);
}
ANALYZER_ON

/* Those who wait take turns. */
static void one_slice(struct guard_detach *all) {
        struct detachment *one = TAILQ_FIRST(&all->list);
        uint64_t id = one->id;
        bool late = one->late;

        if (detach_more(all, one)) {
                TAILQ_REMOVE(&all->list, one, entry);
                TAILQ_INSERT_TAIL(&all->list, one, entry);
                return;
        }
        detachment_remove(all, one);
        all->detached(all->userdata, id, late);
}

static int on_turn(sd_event_source *source, void *userdata) {
        struct guard_detach *all = userdata;

        if (!TAILQ_EMPTY(&all->list))
                one_slice(all);
        return TAILQ_EMPTY(&all->list) ? sd_event_source_set_enabled(source, SD_EVENT_OFF) : 0;
}

bool guard_detach_add(struct guard_detach *all, uint64_t id, uint32_t flags, int cgroup_fd, bool late) {
        struct detachment now, *one;

        if (!(flags & STEPS))
                return false;
        one = malloc(sizeof(*one));
        if (one && sd_event_source_set_enabled(all->source, SD_EVENT_ON) >= 0) {
                detachment_init(one, id, flags, cgroup_fd, late);
                TAILQ_INSERT_TAIL(&all->list, one, entry);
                return true;
        }
        free(one);
        /* Out of memory: rather slowly for all than not at all. */
        detachment_init(&now, id, flags, cgroup_fd, late);
        while (detach_more(all, &now))
                ;
        detachment_done(&now);
        return false;
}

void guard_detach_finish(struct guard_detach *all) {
        while (!TAILQ_EMPTY(&all->list))
                one_slice(all);
}

int guard_detach_new(struct guard_detach **ret, sd_event *event, const struct guard *guard, guard_owner owns,
                     guard_detached detached, void *userdata) {
        struct guard_detach *all = malloc(sizeof(*all));
        int r;

        if (!all)
                return -ENOMEM;
        *all = (struct guard_detach){.guard = guard, .owns = owns, .detached = detached, .userdata = userdata};
        TAILQ_INIT(&all->list);
        r = sd_event_add_defer(event, &all->source, on_turn, all);
        if (r >= 0)
                r = sd_event_source_set_enabled(all->source, SD_EVENT_OFF);
        if (r < 0) {
                guard_detach_free(all);
                return r;
        }
        *ret = all;
        return 0;
}

void guard_detach_free(struct guard_detach *all) {
        if (!all)
                return;
        sd_event_source_disable_unref(all->source);
        while (!TAILQ_EMPTY(&all->list))
                detachment_remove(all, TAILQ_FIRST(&all->list));
        free(all);
}
