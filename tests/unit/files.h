/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For tests of what reads files: a directory of their own below $TMPDIR, gone after the group whatever failed, and
 * asserts about error texts. To be included after config.h. util.h comes before cmocka.h, whose macro fail() would
 * break it.
 */

#include "util.h"

#include <ftw.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <cmocka.h>

static char files_root[256];

static inline int files_setup(void **state) {
        const char *tmp = getenv("TMPDIR");

        (void) state;
        (void) umask(022);
        (void) snprintf(files_root, sizeof(files_root), "%s/bpfdeleg-test.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
        return mkdtemp(files_root) ? 0 : -1;
}

static inline int files_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static inline int files_teardown(void **state) {
        (void) state;
        return nftw(files_root, files_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* An absolute path below the root; good until the fourth call after it. */
static inline const char *files_path(const char *name) {
        static char paths[4][1024];
        static unsigned n;
        char *path = paths[n++ % 4];

        (void) snprintf(path, sizeof(paths[0]), "%s/%s", files_root, name);
        return path;
}

static inline const char *files_mkdir(const char *name) {
        const char *path = files_path(name);

        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        return path;
}

static inline void files_write_bytes(const char *name, const void *bytes, size_t size) {
        FILE *f = fopen(files_path(name), "we");

        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, size, f), size);
        assert_int_equal(fclose(f), 0);
}

static inline void files_write(const char *name, const char *text) {
        files_write_bytes(name, text, strlen(text));
}

/* Makes it another user's. False where only root could, or where this namespace has no other user. */
static inline bool files_give_away(const char *name) {
        return chown(files_path(name), 1234, (gid_t) -1) == 0;
}

static inline void assert_has(const char *text, const char *word) {
        if (!strstr(text, word))
                fail_msg("expected \"%s\" in: %s", word, text);
}
