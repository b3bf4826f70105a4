/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* BTF, which the kernel charges to no memory cgroup: much of it is kept, or a little of it is loaded all day. */

#include "escape.h"

#include <bpf/btf.h>

#define TYPES 50000 /* of 16 bytes: 800 kB, and the kernel's tables of them */
#define KEPT 60
#define IN_TURN 40

static struct btf *describe_many(void) {
        struct btf *btf = btf__new_empty();

        for (int i = 0; btf && i < TYPES; i++)
                (void) btf__add_int(btf, "number", 4, 0);
        return btf;
}

static enum result keep_many(struct play *play) {
        struct btf *btf = describe_many();
        uint32_t size = 0;
        const void *data = btf ? btf__raw_data(btf, &size) : NULL;
        int fd = -ENOMEM, n;

        for (n = 0; data && n < KEPT; n++) {
                fd = load_btf(play, data, size);
                if (fd < 0)
                        break;
        }
        btf__free(btf);
        return fd < 0 ? refused(play, fd, "btf_load") : say(play, ESCAPED, "keeps %d times %u bytes of BTF", n, size);
}

/* Refused now and then; a second later the helper has counted what is left. */
static int load_again(struct play *play, const void *data, uint32_t size) {
        int fd = -EPERM;

        for (int i = 0; i < 200 && fd == -EPERM; i++) {
                fd = load_btf(play, data, size);
                if (fd == -EPERM)
                        (void) usleep(100000);
        }
        return fd;
}

static enum result load_in_turn(struct play *play) {
        struct btf *btf = describe_many();
        uint32_t size = 0;
        const void *data = btf ? btf__raw_data(btf, &size) : NULL;
        int fd = -ENOMEM;

        for (int i = 0; data && i < IN_TURN; i++) {
                fd = load_again(play, data, size);
                if (fd < 0)
                        break;
                (void) close(fd);
        }
        btf__free(btf);
        return fd < 0 ? refused(play, fd, "btf_load") :
                        say(play, ESCAPED, "loaded %d times %u bytes, one after the other", IN_TURN, size);
}

static enum result large(struct play *play) {
        const uint32_t size = 3 << 20;
        void *data = calloc(1, size);
        int fd = data ? load_btf(play, data, size) : -ENOMEM;

        free(data);
        /* It is no BTF: the kernel says so only when it has a copy of all of it. */
        return fd == -EINVAL ? say(play, ESCAPED, "the kernel looked at 3 MiB") : refused(play, fd, "btf_load");
}

const struct vector btf_vectors[] = {
        {.name = "btf-large", .group = "btf", .inside = large},
        {.name = "own-btf-in-turn", .group = "own-btf", .inside = load_in_turn},
        {.name = "btf-kept", .group = "btf-kept", .inside = keep_many},
        {.name = NULL},
};
