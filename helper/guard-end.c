/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detaching. A socket, a map or a link that was handed outside keeps a program running when its cgroup has long gone. */

#include "config.h"

#include "guard-end.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>

#include "cgroup.h"
#include "log.h"

#define QUERIED 64  /* BPF_CGROUP_MAX_PROGS; a sockmap has one of each type */
#define MAX_DEPTH 64

void guard_end_links(const struct guard *guard, uint64_t id) {
        uint32_t link = 0;

        while (bpf_link_get_next_id(link, &link) == 0) {
                _cleanup_close_ int fd = bpf_link_get_fd_by_id(link);

                if (fd >= 0 && guard_owns(guard, id, fd) && bpf_link_detach(fd) < 0)
                        log_line(LOG_ERR, "%016" PRIx64 ": its link %u cannot be detached, and goes on as long as somebody holds it: %m",
                                 id, link);
        }
}

/* How many programs of the delegation target_fd has of one attach type. They are detached if that is asked for. */
static unsigned end_type(const struct guard *guard, uint64_t id, int target_fd, enum bpf_attach_type type, bool detach) {
        uint32_t progs[QUERIED], n = QUERIED;
        unsigned found = 0;

        if (bpf_prog_query(target_fd, type, 0, NULL, progs, &n) < 0)
                return 0; /* no such type here */
        for (uint32_t i = 0; i < n && i < QUERIED; i++) {
                _cleanup_close_ int fd = bpf_prog_get_fd_by_id(progs[i]);

                if (fd < 0 || !guard_owns(guard, id, fd))
                        continue;
                found++;
                /* One that a link has attached is the link's to detach. */
                if (detach && bpf_prog_detach2(fd, target_fd, type) < 0 && errno != EBUSY && errno != ENOENT)
                        log_line(LOG_ERR, "%016" PRIx64 ": its program %u cannot be detached, and goes on for sockets that are kept: %m",
                                 id, progs[i]);
        }
        return found;
}

static unsigned end_target(const struct guard *guard, uint64_t id, int fd, enum guard_target target, bool detach) {
        unsigned found = 0;

        for (uint32_t type = 0; type < GUARD_ATTACH_TYPES; type++)
                if (guard_target_of(type) == target)
                        found += end_type(guard, id, fd, (enum bpf_attach_type) type, detach);
        return found;
}

/* ---- cgroups ---- */

static void end_below(const struct guard *guard, uint64_t id, int fd, int depth) {
        const struct dirent *e;
        DIR *dir;
        int copy;

        (void) end_target(guard, id, fd, GUARD_AT_CGROUP, true);
        copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                (void) close_fd(copy);
                return; /* removed meanwhile */
        }
        while ((e = readdir(dir))) {
                _cleanup_close_ int child = -1;

                if (depth == MAX_DEPTH || !cgroup_is_child(e))
                        continue;
                child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (child >= 0)
                        end_below(guard, id, child, depth + 1);
        }
        (void) closedir(dir);
}

void guard_end_cgroups(const struct guard *guard, uint64_t id, int cgroup_fd) {
        end_below(guard, id, cgroup_fd, 0);
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

/* Returns what is left of the budget. A sockmap has every number for a key, a sockhash what its user has put there. */
static unsigned empty_sockmap(int fd, uint32_t key_size, uint32_t entries, unsigned budget) {
        unsigned char key[512], next[512]; /* MAX_BPF_STACK, which bounds a sockhash's */
        bool more = key_size <= sizeof(key) && bpf_map_get_next_key(fd, NULL, next) == 0;

        for (uint32_t i = 0; more && i < entries && budget > 0; i++, budget--) {
                memcpy(key, next, key_size);
                more = bpf_map_get_next_key(fd, key, next) == 0;
                (void) bpf_map_delete_elem(fd, key); /* nobody is there, or the map is frozen */
        }
        return budget;
}

void guard_end_sockmaps(const struct guard *guard, uint64_t id) {
        unsigned budget = GUARD_END_SOCKETS;
        uint32_t map = 0;

        while (bpf_map_get_next_id(map, &map) == 0) {
                _cleanup_close_ int fd = bpf_map_get_fd_by_id(map);
                uint32_t key_size, entries = fd < 0 ? 0 : sockmap_size(fd, &key_size);

                if (entries == 0 || end_target(guard, id, fd, GUARD_AT_MAP, false) == 0)
                        continue;
                /* First the sockets: what becomes of one is told by the programs that its map has then. */
                budget = empty_sockmap(fd, key_size, entries, budget);
                (void) end_target(guard, id, fd, GUARD_AT_MAP, true);
                if (budget == 0)
                        log_line(LOG_WARNING, "%016" PRIx64 ": its sockmaps are too large to be emptied; a program of it may go on for "
                                 "sockets of its user's that are kept", id);
        }
}
