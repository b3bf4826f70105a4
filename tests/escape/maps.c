/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Maps that take memory which no limit counts, or that make the kernel walk long lists; and what is made in the
 * bpffs. */

#include "escape.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#define MOST_COUNTED 32
#define IN_TURN 100
#define LARGEST (256u << 10) /* key and value */

enum { MAP_SOCKHASH = 18, MAP_SK_STORAGE = 24 };

static int array_of(struct play *play, uint32_t value_size) {
        return make_map(play,
                        &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = value_size, .entries = 1});
}
static int sockets(struct play *play, uint32_t type, uint32_t entries) {
        return make_map(play, &(struct map_wish){.type = type, .key_size = 4, .value_size = 4, .entries = entries});
}

/* Of the kind that asks for a key and a value of BTF, here both an int. */
static int storage(struct play *play) {
        struct map_wish wish = {.type = MAP_SK_STORAGE,
                                .key_size = 4,
                                .value_size = 4,
                                .flags = BPF_F_NO_PREALLOC,
                                .key_type = 1,
                                .value_type = 1};
        struct btf *btf = btf__new_empty();
        const void *data;
        uint32_t size;
        int fd = -ENOMEM;

        if (btf && btf__add_int(btf, "int", 4, BTF_INT_SIGNED) > 0 && (data = btf__raw_data(btf, &size)))
                fd = wish.btf = load_btf(play, data, size);
        btf__free(btf);
        if (fd < 0)
                return fd;
        fd = make_map(play, &wish);
        (void) close(wish.btf);
        return fd;
}

/* ---- refused ---- */

static enum result large_value(struct play *play) {
        int fd = array_of(play, LARGEST);

        return fd < 0 ? refused(play, fd, "map_create") : say(play, ESCAPED, "a value of 256 KiB, and its key");
}

static enum result large_sockmap(struct play *play) {
        int fd = sockets(play, MAP_SOCKMAP, (64 << 10) + 1);

        return fd < 0 ? refused(play, fd, "map_create") : say(play, ESCAPED, "a sockmap of 65537 entries");
}

static enum result large_sockhash(struct play *play) {
        int fd = sockets(play, MAP_SOCKHASH, (64 << 10) + 1);

        return fd < 0 ? refused(play, fd, "map_create") : say(play, ESCAPED, "a sockhash of 65537 entries");
}

/* Of both kinds in turn: they share the number. */
static enum result many_counted(struct play *play) {
        int fd = 0;

        for (int i = 0; i <= MOST_COUNTED; i++) {
                fd = i % 2 ? sockets(play, MAP_SOCKMAP, 1) : storage(play);
                if (fd < 0)
                        return i < MOST_COUNTED ? say(play, BROKEN, "map %d: %s", i + 1, strerror(-fd)) :
                                                  refused(play, fd, "map_create");
        }
        return say(play, ESCAPED, "keeps %d maps of local storage and of sockets", MOST_COUNTED + 1);
}

static enum result symlink_made(struct play *play) {
        char target[PATH_MAX];

        memset(target, 'a', sizeof(target) - 1);
        target[sizeof(target) - 1] = '\0';
        if (symlinkat(target, play->bpffs, "link") < 0)
                return refused(play, -errno, "symlink");
        (void) unlinkat(play->bpffs, "link", 0);
        return say(play, ESCAPED, "a symbolic link of 4 KiB in the bpffs");
}

/* ---- one's own ---- */

static enum result as_large_as_may_be(struct play *play) {
        int fd = array_of(play, LARGEST - sizeof(uint32_t));

        if (fd >= 0)
                fd = sockets(play, MAP_SOCKMAP, 64 << 10);
        return fd < 0 ? refused(play, fd, "map_create") :
                        say(play, ESCAPED, "the largest value and sockmap there may be");
}

/* The kernel frees a map a little later than it is closed. */
static int make_again(struct play *play) {
        int fd = -EPERM;

        for (int i = 0; i < 200 && fd == -EPERM; i++) {
                fd = sockets(play, MAP_SOCKHASH, 1);
                if (fd == -EPERM)
                        (void) usleep(100000);
        }
        return fd;
}

static enum result counted_in_turn(struct play *play) {
        for (int i = 0; i < IN_TURN; i++) {
                int fd = make_again(play);

                if (fd < 0)
                        return refused(play, fd, "map_create");
                (void) close(fd);
        }
        return say(play, ESCAPED, "made %d maps of sockets, one after the other", IN_TURN);
}

static enum result directory(struct play *play) {
        if (mkdirat(play->bpffs, "directory", 0700) < 0)
                return refused(play, -errno, "mkdir");
        (void) unlinkat(play->bpffs, "directory", AT_REMOVEDIR);
        return say(play, ESCAPED, "a directory in the bpffs");
}

const struct vector map_vectors[] = {
        {.name = "value-large", .group = "maps", .inside = large_value},
        {.name = "sockmap-large", .group = "maps", .inside = large_sockmap},
        {.name = "sockhash-large", .group = "maps", .inside = large_sockhash},
        {.name = "counted-maps", .group = "maps", .inside = many_counted},
        {.name = "bpffs-symlink", .group = "maps", .inside = symlink_made},
        {.name = "own-largest-maps", .group = "own-maps", .inside = as_large_as_may_be},
        {.name = "own-maps-in-turn", .group = "own-maps", .inside = counted_in_turn},
        {.name = "own-directory", .group = "own-maps", .inside = directory},
        {.name = NULL},
};
