/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Detaching. A socket, a map or a link that was handed outside keeps a program running when its cgroup has long gone. */

#include "config.h"

#include "guard-end.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>

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

/* Detaches what is the delegation's of the programs that target_fd has of one attach type. */
static void end_type(const struct guard *guard, uint64_t id, int target_fd, enum bpf_attach_type type, const char *what) {
        uint32_t progs[QUERIED], n = QUERIED;

        if (bpf_prog_query(target_fd, type, 0, NULL, progs, &n) < 0)
                return; /* no such type here */
        for (uint32_t i = 0; i < n && i < QUERIED; i++) {
                _cleanup_close_ int fd = bpf_prog_get_fd_by_id(progs[i]);

                if (fd >= 0 && guard_owns(guard, id, fd) && bpf_prog_detach2(fd, target_fd, type) < 0)
                        log_line(LOG_ERR, "%016" PRIx64 ": its program %u cannot be detached from a %s of its user's, and goes on for the "
                                 "sockets there: %m", id, progs[i], what);
        }
}

static void end_target(const struct guard *guard, uint64_t id, int fd, enum guard_target target) {
        for (uint32_t type = 0; type < GUARD_ATTACH_TYPES; type++)
                if (guard_target_of(type) == target)
                        end_type(guard, id, fd, (enum bpf_attach_type) type, target == GUARD_AT_CGROUP ? "cgroup" : "sockmap");
}

static void end_cgroups(const struct guard *guard, uint64_t id, int fd, int depth) {
        const struct dirent *e;
        DIR *dir;
        int copy;

        end_target(guard, id, fd, GUARD_AT_CGROUP);
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
                        end_cgroups(guard, id, child, depth + 1);
        }
        (void) closedir(dir);
}

static bool is_sockmap(int fd) {
        struct bpf_map_info info = {0};
        uint32_t size = sizeof(info);

        return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
               (info.type == BPF_MAP_TYPE_SOCKMAP || info.type == BPF_MAP_TYPE_SOCKHASH);
}

void guard_end_legacy(const struct guard *guard, uint64_t id, int cgroup_fd) {
        uint32_t map = 0;

        if (cgroup_fd >= 0)
                end_cgroups(guard, id, cgroup_fd, 0);
        while (bpf_map_get_next_id(map, &map) == 0) {
                _cleanup_close_ int fd = bpf_map_get_fd_by_id(map);

                if (fd >= 0 && is_sockmap(fd))
                        end_target(guard, id, fd, GUARD_AT_MAP);
        }
}
