/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See mounts.h. Not libmount: one question, asked once. */

#include "config.h"

#include "mounts.h"

int mounts_find_cgroup2(const char *mountinfo, char *ret, size_t size) {
        _cleanup_free_ char *line = NULL;
        size_t n = 0;
        int r = -ENOENT;
        FILE *f;

        f = fopen(mountinfo, "re");
        if (!f)
                return -errno;
        while (r == -ENOENT && getline(&line, &n, f) > 0) {
                char root[256], path[256];

                /* Of a part of it that is mounted elsewhere one could not tell which. */
                if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %255s %255s", root, path) == 2 &&
                    streq(root, "/"))
                        r = copy_field(ret, size, path);
        }
        (void) fclose(f);
        return r;
}
