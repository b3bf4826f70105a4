/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * attached CGROUP2 [OWN]: everything that BPF is attached to on this host, as root sees it, a line each: links,
 * programs of cgroups, of interfaces (tcx, netkit; XDP: `ip link` has it) and of this network namespace. What is on
 * the cgroup OWN or below it is left out. For tests that look often: bpftool takes seconds for it on an emulated
 * machine.
 */

#include "config.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util.h"

static const char *own;
static uint64_t own_cgroups[256];
static size_t n_own;

static bool is_own(const char *path) {
        size_t n = own ? strlen(own) : 0;

        return n > 0 && strncmp(path, own, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static bool is_own_cgroup(uint64_t id) {
        for (size_t i = 0; i < n_own; i++)
                if (own_cgroups[i] == id)
                        return true;
        return false;
}

static void list_query(int target, enum bpf_attach_type type, const char *what) {
        uint32_t progs[64], n = ELEMENTSOF(progs);

        if (bpf_prog_query(target, type, 0, NULL, progs, &n) < 0)
                return; /* this kernel has no such type */
        for (uint32_t i = 0; i < n && i < ELEMENTSOF(progs); i++)
                printf("%s %u type %d\n", what, progs[i], (int) type);
}

static const enum bpf_attach_type cgroup_types[] = {
        BPF_CGROUP_INET_INGRESS,
        BPF_CGROUP_INET_EGRESS,
        BPF_CGROUP_INET_SOCK_CREATE,
        BPF_CGROUP_SOCK_OPS,
        BPF_CGROUP_DEVICE,
        BPF_CGROUP_INET4_BIND,
        BPF_CGROUP_INET6_BIND,
        BPF_CGROUP_INET4_CONNECT,
        BPF_CGROUP_INET6_CONNECT,
        BPF_CGROUP_INET4_POST_BIND,
        BPF_CGROUP_INET6_POST_BIND,
        BPF_CGROUP_UDP4_SENDMSG,
        BPF_CGROUP_UDP6_SENDMSG,
        BPF_CGROUP_SYSCTL,
        BPF_CGROUP_UDP4_RECVMSG,
        BPF_CGROUP_UDP6_RECVMSG,
        BPF_CGROUP_GETSOCKOPT,
        BPF_CGROUP_SETSOCKOPT,
        BPF_CGROUP_INET4_GETPEERNAME,
        BPF_CGROUP_INET6_GETPEERNAME,
        BPF_CGROUP_INET4_GETSOCKNAME,
        BPF_CGROUP_INET6_GETSOCKNAME,
        BPF_CGROUP_INET_SOCK_RELEASE,
        BPF_CGROUP_UNIX_CONNECT,
        BPF_CGROUP_UNIX_SENDMSG,
        BPF_CGROUP_UNIX_RECVMSG,
        BPF_CGROUP_UNIX_GETPEERNAME,
        BPF_CGROUP_UNIX_GETSOCKNAME,
};

static void list_cgroup(const FTSENT *entry) {
        char what[5000];
        int fd;

        if (is_own(entry->fts_path)) {
                if (n_own < ELEMENTSOF(own_cgroups))
                        own_cgroups[n_own++] = (uint64_t) entry->fts_statp->st_ino;
                return;
        }
        fd = open(entry->fts_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return; /* gone by now */
        (void) snprintf(what, sizeof(what), "cgroup %s", entry->fts_path);
        for (size_t i = 0; i < ELEMENTSOF(cgroup_types); i++)
                list_query(fd, cgroup_types[i], what);
        (void) close(fd);
}

static int list_cgroups(char *root) {
        char *const roots[] = {root, NULL};
        FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        FTSENT *entry;

        if (!fts)
                return -errno;
        while ((entry = fts_read(fts)))
                if (entry->fts_info == FTS_D)
                        list_cgroup(entry);
        return fts_close(fts) < 0 ? -errno : 0;
}

static void list_interfaces(void) {
        static const enum bpf_attach_type types[] = {BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_NETKIT_PRIMARY,
                                                     BPF_NETKIT_PEER};
        struct if_nameindex *all = if_nameindex();

        for (const struct if_nameindex *i = all; i && i->if_index; i++) {
                char what[64];

                (void) snprintf(what, sizeof(what), "interface %s", i->if_name);
                for (size_t t = 0; t < ELEMENTSOF(types); t++)
                        list_query((int) i->if_index, types[t], what);
        }
        if_freenameindex(all);
}

static void list_network(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        list_query(fd, BPF_FLOW_DISSECTOR, "network");
        list_query(fd, BPF_SK_LOOKUP, "network");
        (void) close(fd);
}

/* The words behind its number say where it is, by its type: as good as names for whoever compares. */
static void list_link(uint32_t id, int fd) {
        struct bpf_link_info info = {.type = 0};
        uint32_t size = sizeof(info);
        const unsigned char *rest = (const unsigned char *) &info + offsetof(struct bpf_link_info, raw_tracepoint);

        if (bpf_link_get_info_by_fd(fd, &info, &size) < 0 || info.type == BPF_LINK_TYPE_ITER)
                return;
        if (info.type == BPF_LINK_TYPE_CGROUP && is_own_cgroup(info.cgroup.cgroup_id))
                return;
        printf("link %u type %u prog %u at", id, info.type, info.prog_id);
        for (size_t i = 0; i < 16; i++)
                printf("%s%02x", i % 4 ? "" : " ", rest[i]);
        printf("\n");
}

static void list_links(void) {
        uint32_t id = 0;

        while (bpf_link_get_next_id(id, &id) == 0) {
                int fd = bpf_link_get_fd_by_id(id);

                if (fd >= 0)
                        list_link(id, fd);
                (void) close_fd(fd);
        }
}

int main(int argc, char **argv) {
        int r;

        if (argc != 2 && argc != 3) {
                fprintf(stderr, "usage: attached CGROUP2 [OWN]\n");
                return 2;
        }
        own = argv[2];
        r = list_cgroups(argv[1]);
        if (r < 0) {
                fprintf(stderr, "attached: %s: %s\n", argv[1], strerror(-r));
                return 1;
        }
        list_interfaces();
        list_network();
        list_links();
        return 0;
}
