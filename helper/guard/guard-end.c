/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detaching. A socket, a map or a link that was handed outside keeps a program running when its cgroup has long
 * gone. */

#include "config.h"

#include "guard-end.h"

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

struct end {
        TAILQ_ENTRY(end) entry;
        uint64_t id;
        bool late;
        uint32_t flags;     /* what is still to be done */
        uint32_t map, link; /* the last looked at */
        unsigned sockets;   /* how many more may be taken out */
        struct sockmap sockmap;
        DIR *dirs[MAX_DEPTH]; /* the cgroups on the way down */
        int depth;
};
TAILQ_HEAD(end_list, end);

struct guard_ends {
        const struct guard *guard;
        guard_owner owns;
        sd_event_source *source; /* on while there is something to do */
        struct end_list list;
        guard_detached detached;
        void *userdata;
};

/* ---- links ---- */

static void end_link(const struct guard_ends *ends, uint64_t id, uint32_t link) {
        _cleanup_close_ int fd = bpf_link_get_fd_by_id(link);

        if (fd >= 0 && ends->owns(ends->guard, id, fd) && bpf_link_detach(fd) < 0)
                log_line(LOG_ERR,
                         "%016" PRIx64 ": its link %u cannot be detached, and goes on as long as somebody holds it: %m",
                         id, link);
}

/* Like all of these: returns whether there is more to do. */
static bool end_links(const struct guard_ends *ends, struct end *end) {
        for (unsigned i = 0; i < SLICE; i++) {
                if (bpf_link_get_next_id(end->link, &end->link) < 0)
                        return false;
                end_link(ends, end->id, end->link);
        }
        return true;
}

/* ---- what is attached without a link ---- */

/* How many programs of the delegation target_fd has of one attach type. They are detached if that is asked for. */
static unsigned end_type(const struct guard_ends *ends, uint64_t id, int target_fd, enum bpf_attach_type type,
                         bool detach) {
        uint32_t progs[QUERIED], n = QUERIED;
        unsigned found = 0;

        if (bpf_prog_query(target_fd, type, 0, NULL, progs, &n) < 0)
                return 0; /* no such type here */
        for (uint32_t i = 0; i < n && i < QUERIED; i++) {
                _cleanup_close_ int fd = bpf_prog_get_fd_by_id(progs[i]);

                if (fd < 0 || !ends->owns(ends->guard, id, fd))
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

static unsigned end_target(const struct guard_ends *ends, uint64_t id, int fd, enum guard_target target, bool detach) {
        unsigned found = 0;

        for (uint32_t type = 0; type < GUARD_ATTACH_TYPES; type++)
                if (guard_target_of(type) == target)
                        found += end_type(ends, id, fd, (enum bpf_attach_type) type, detach);
        return found;
}

/* ---- cgroups ---- */

/* Goes down into one. If it cannot be opened it has been removed meanwhile. */
static void enter_cgroup(struct end *end, int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (dir)
                end->dirs[end->depth++] = dir;
        else
                (void) close_fd(fd);
}

static void leave_cgroup(struct end *end) {
        (void) closedir(end->dirs[--end->depth]);
}

static bool end_cgroups(const struct guard_ends *ends, struct end *end) {
        for (unsigned work = 0; end->depth > 0 && work < SLICE; work++) {
                DIR *dir = end->dirs[end->depth - 1];
                const struct dirent *e = readdir(dir);

                if (!e)
                        leave_cgroup(end);
                else if (streq(e->d_name, ".")) {
                        (void) end_target(ends, end->id, dirfd(dir), GUARD_AT_CGROUP, true);
                        work += CGROUP_COSTS;
                } else if (cgroup_is_child(e) && end->depth < MAX_DEPTH)
                        enter_cgroup(end, dirfd(dir), e->d_name);
        }
        return end->depth > 0;
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
static void enter_sockmap(const struct guard_ends *ends, struct end *end) {
        _cleanup_close_ int fd = bpf_map_get_fd_by_id(end->map);
        struct sockmap *map = &end->sockmap;

        map->left = fd < 0 ? 0 : sockmap_size(fd, &map->key_size);
        if (map->left == 0 || end_target(ends, end->id, fd, GUARD_AT_MAP, false) == 0)
                return;
        map->more = map->key_size <= sizeof(map->next) && bpf_map_get_next_key(fd, NULL, map->next) == 0;
        map->fd = TAKE_FD(fd);
}

/* A sockmap has every number for a key, a sockhash what its user has put there. */
static void take_socket_out(struct end *end) {
        struct sockmap *map = &end->sockmap;
        unsigned char key[sizeof(map->next)];

        memcpy(key, map->next, map->key_size);
        map->more = bpf_map_get_next_key(map->fd, key, map->next) == 0;
        (void) bpf_map_delete_elem(map->fd, key); /* nobody is there, or the map is frozen */
        map->left--;
        end->sockets--;
}

/* After the sockets: what becomes of one is told by the programs that its map has then. */
static void leave_sockmap(const struct guard_ends *ends, struct end *end) {
        struct sockmap *map = &end->sockmap;

        (void) end_target(ends, end->id, map->fd, GUARD_AT_MAP, true);
        if (end->sockets == 0 && map->more && map->left > 0)
                log_line(LOG_WARNING,
                         "%016" PRIx64 ": its sockmaps are too large to be emptied; a program of it may go on for "
                         "sockets of its user's that are kept",
                         end->id);
        map->fd = close_fd(map->fd);
}

static bool end_sockmaps(const struct guard_ends *ends, struct end *end) {
        const struct sockmap *map = &end->sockmap;

        for (unsigned i = 0; i < SLICE; i++)
                if (map->fd < 0) {
                        if (bpf_map_get_next_id(end->map, &end->map) < 0)
                                return false;
                        enter_sockmap(ends, end);
                } else if (map->more && map->left > 0 && end->sockets > 0)
                        take_socket_out(end);
                else
                        leave_sockmap(ends, end);
        return true;
}

/* ---- all of them, in slices ---- */

/* In this order: a sockmap is known to be the delegation's by the programs that are attached to it. */
static const struct {
        uint32_t flag;
        bool (*step)(const struct guard_ends *ends, struct end *end);
} steps[] = {
        {GUARD_SOCKMAP, end_sockmaps},
        {GUARD_LINKED, end_links},
        {GUARD_LEGACY, end_cgroups},
};
#define STEPS (GUARD_SOCKMAP | GUARD_LINKED | GUARD_LEGACY)

static bool end_more(const struct guard_ends *ends, struct end *end) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (end->flags & steps[i].flag) {
                        if (!steps[i].step(ends, end))
                                end->flags &= ~steps[i].flag;
                        break;
                }
        return end->flags != 0;
}

static void end_init(struct end *end, uint64_t id, uint32_t flags, int cgroup_fd, bool late) {
        *end = (struct end){
                .id = id,
                .late = late,
                .flags = flags & STEPS,
                .sockets = GUARD_END_SOCKETS,
                .sockmap = {.fd = -1},
        };
        if (end->flags & GUARD_LEGACY && cgroup_fd >= 0)
                enter_cgroup(end, cgroup_fd, ".");
}

ANALYZER_OFF("-Wanalyzer-use-after-free") /* what TAILQ_REMOVE has taken out is not the first of the list any more */
static void end_done(struct end *end) {
        while (end->depth > 0)
                leave_cgroup(end);
        (void) close_fd(end->sockmap.fd);
}

static void end_remove(struct guard_ends *ends, struct end *end) {
        TAILQ_REMOVE(&ends->list, end, entry);
        end_done(end);
        free(end);
}
ANALYZER_ON

/* Those who wait take turns. */
static void one_slice(struct guard_ends *ends) {
        struct end *end = TAILQ_FIRST(&ends->list);
        uint64_t id = end->id;
        bool late = end->late;

        if (end_more(ends, end)) {
                TAILQ_REMOVE(&ends->list, end, entry);
                TAILQ_INSERT_TAIL(&ends->list, end, entry);
                return;
        }
        end_remove(ends, end);
        ends->detached(ends->userdata, id, late);
}

static int on_turn(sd_event_source *source, void *userdata) {
        struct guard_ends *ends = userdata;

        if (!TAILQ_EMPTY(&ends->list))
                one_slice(ends);
        return TAILQ_EMPTY(&ends->list) ? sd_event_source_set_enabled(source, SD_EVENT_OFF) : 0;
}

bool guard_ends_add(struct guard_ends *ends, uint64_t id, uint32_t flags, int cgroup_fd, bool late) {
        struct end now, *end;

        if (!(flags & STEPS))
                return false;
        end = malloc(sizeof(*end));
        if (end && sd_event_source_set_enabled(ends->source, SD_EVENT_ON) >= 0) {
                end_init(end, id, flags, cgroup_fd, late);
                TAILQ_INSERT_TAIL(&ends->list, end, entry);
                return true;
        }
        free(end);
        /* Out of memory: rather slowly for all than not at all. */
        end_init(&now, id, flags, cgroup_fd, late);
        while (end_more(ends, &now))
                ;
        end_done(&now);
        return false;
}

void guard_ends_finish(struct guard_ends *ends) {
        while (!TAILQ_EMPTY(&ends->list))
                one_slice(ends);
}

int guard_ends_new(struct guard_ends **ret, sd_event *event, const struct guard *guard, guard_owner owns,
                   guard_detached detached, void *userdata) {
        struct guard_ends *ends = malloc(sizeof(*ends));
        int r;

        if (!ends)
                return -ENOMEM;
        *ends = (struct guard_ends){.guard = guard, .owns = owns, .detached = detached, .userdata = userdata};
        TAILQ_INIT(&ends->list);
        r = sd_event_add_defer(event, &ends->source, on_turn, ends);
        if (r >= 0)
                r = sd_event_source_set_enabled(ends->source, SD_EVENT_OFF);
        if (r < 0) {
                guard_ends_free(ends);
                return r;
        }
        *ret = ends;
        return 0;
}

void guard_ends_free(struct guard_ends *ends) {
        if (!ends)
                return;
        sd_event_source_disable_unref(ends->source);
        while (!TAILQ_EMPTY(&ends->list))
                end_remove(ends, TAILQ_FIRST(&ends->list));
        free(ends);
}
