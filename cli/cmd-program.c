/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands that are programs of their own. They are looked for beside the tool's own file first, so that a build tree,
 * or a copy of all of them elsewhere, runs what belongs to it: whoever can put a file there can replace the tool as
 * well. Where the tool is comes from the kernel, neither from argv nor from the environment.
 */

#include "config.h"

#include <limits.h>

#include "cmd.h"
#include "sysapi.h"

/* Where the program would be beside the tool: 0, or -errno. */
static int beside_tool(const char *command, char *ret, size_t size) {
        char dir[PATH_MAX];
        int n, r;

        r = sys_own_dir(dir, sizeof(dir));
        if (r < 0)
                return r;
        n = snprintf(ret, size, "%s/bpfdeleg-%s", dir, command);
        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

int cmd_program(int argc, char **argv, const char *socket) {
        const char *command = argv[0];
        char path[PATH_MAX], words[64];
        int e = ENOENT;

        (void) argc;
        if (setenv(CMD_SOCKET_ENV, socket, true) < 0) {
                cmd_error("%s: cannot set " CMD_SOCKET_ENV ": %m", command);
                return EXIT_NOT_POSSIBLE;
        }
        /* What getopt begins its complaints with. */
        (void) snprintf(words, sizeof(words), "bpfdeleg %s", command);
        argv[0] = words;
        if (beside_tool(command, path, sizeof(path)) == 0) {
                (void) execv(path, argv);
                e = errno;
        }
        /* One that is there and cannot be executed is not passed over. */
        if (e == ENOENT) {
                (void) snprintf(path, sizeof(path), LIBEXEC_DIR "/bpfdeleg-%s", command);
                (void) execv(path, argv);
                e = errno;
        }
        cmd_error("%s: cannot execute %s, a part of bpfdeleg: %s; install bpfdeleg anew, whole", command, path,
                  strerror(e));
        return EXIT_NOT_POSSIBLE;
}
