/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * packets OBJECT CGROUPDIR [COUNT]: an ordinary libbpf program that knows nothing of bpfdeleg. It loads OBJECT
 * (packets.bpf.o), attaches its program to the cgroup at CGROUPDIR, which this process must be in, sends COUNT UDP
 * packets to itself over the loopback device, and compares what the program has counted. Under `bpfdeleg run` libbpf
 * finds the token by itself, through LIBBPF_BPF_TOKEN_PATH.
 */

#include "config.h"

#include "util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define COUNT_DEFAULT 10
#define COUNT_MAX 100000

static void bpf_object_closep(struct bpf_object **object) {
        bpf_object__close(*object);
}

static void bpf_link_destroyp(struct bpf_link **link) {
        (void) bpf_link__destroy(*link);
}

/* Says what went wrong, with errno where r says so. Returns r. */
static int complain(int r, const char *what, const char *object) {
        (void) fprintf(stderr, "packets: %s %s: %s\n", what, object, strerror(-r));
        return r;
}

static int load(const char *path, struct bpf_object **ret) {
        _cleanup_(bpf_object_closep) struct bpf_object *object = bpf_object__open_file(path, NULL);
        int r;

        if (!object)
                return complain(-errno, "cannot read the object", path);
        r = bpf_object__load(object);
        if (r < 0)
                return complain(r, "the kernel refused to load", path);
        *ret = TAKE_PTR(object);
        return 0;
}

static int attach(const struct bpf_object *object, const char *cgroup, struct bpf_link **ret) {
        struct bpf_program *program = bpf_object__next_program(object, NULL);
        _cleanup_close_ int fd = -1;
        struct bpf_link *link;

        if (!program)
                return complain(-ENOENT, "no program in", bpf_object__name(object));
        fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return complain(-errno, "cannot open the cgroup", cgroup);
        link = bpf_program__attach_cgroup(program, fd);
        if (!link)
                return complain(-errno, "the kernel refused to attach to", cgroup);
        *ret = link;
        return 0;
}

/* To a socket of our own: an unconnected port would answer by ICMP, and packets for it need not even be made. */
static int send_packets(unsigned long count) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        _cleanup_close_ int fd = -1;
        socklen_t size = sizeof(address);

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                return complain(-errno, "cannot make", "a UDP socket on 127.0.0.1");
        for (unsigned long i = 0; i < count; i++)
                if (sendto(fd, "packet", 6, 0, (const struct sockaddr *) &address, sizeof(address)) < 0)
                        return complain(-errno, "cannot send to", "127.0.0.1");
        return 0;
}

/* The one map, whatever its name: tests give it one of their own. */
static int read_count(const struct bpf_object *object, uint64_t *ret) {
        const struct bpf_map *map = bpf_object__next_map(object, NULL);
        uint32_t key = 0;
        int r;

        if (!map)
                return complain(-ENOENT, "there is no map", "of counters");
        r = bpf_map_lookup_elem(bpf_map__fd(map), &key, ret);
        return r < 0 ? complain(r, "cannot read the map", bpf_map__name(map)) : 0;
}

static int run(const char *path, const char *cgroup, unsigned long count) {
        _cleanup_(bpf_object_closep) struct bpf_object *object = NULL;
        _cleanup_(bpf_link_destroyp) struct bpf_link *link = NULL;
        uint64_t counted = 0;
        int r;

        r = load(path, &object);
        if (r < 0)
                return r;
        r = attach(object, cgroup, &link);
        if (r < 0)
                return r;
        r = send_packets(count);
        if (r < 0)
                return r;
        r = read_count(object, &counted);
        if (r < 0)
                return r;
        (void) printf("sent %lu packets, the program counted %llu\n", count, (unsigned long long) counted);
        /* More is no error: others may sit in the cgroup and send. */
        return counted >= count ? 0 : -EIO;
}

int main(int argc, char **argv) {
        uint64_t count = COUNT_DEFAULT;

        if (argc < 3 || argc > 4 || (argc == 4 && parse_uint(argv[3], 10, COUNT_MAX, &count) < 0)) {
                (void) fprintf(stderr,
                               "usage: packets OBJECT CGROUPDIR [COUNT]\n"
                               "COUNT: packets to send, at most %d (%d)\n",
                               COUNT_MAX, COUNT_DEFAULT);
                return 2;
        }
        return run(argv[1], argv[2], count) < 0 ? 1 : 0;
}
