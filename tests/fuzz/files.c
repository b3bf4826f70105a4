/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directory that targets keep files in. */

#include "config.h"

#include "fuzz.h"

#include <ftw.h>

static char root[256];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static void remove_root(void) {
        (void) nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void) {
        const char *tmp = getenv("TMPDIR");

        if (root[0] != '\0')
                return root;
        (void) umask(022);
        (void) snprintf(root, sizeof(root), "%s/bpfdeleg-fuzz.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
        must(mkdtemp(root));
        must(atexit(remove_root) == 0);
        return root;
}

void fuzz_write(const char *path, const void *bytes, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        must(fd >= 0);
        must(size == 0 || write(fd, bytes, size) == (ssize_t) size);
        (void) close_fd(fd);
}
