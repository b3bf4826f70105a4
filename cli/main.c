/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg: what a user calls. No privilege of its own: the helper decides, by who the kernel says the user is. See
 * bpfdeleg(1). */

#include "config.h"

#include <getopt.h>

#include "cmd.h"

static const char usage[] =
        "Usage: bpfdeleg [--socket=PATH] COMMAND…\n\n"
        "  run [--] CMD…   run CMD with the BPF that was delegated to this login\n"
        "  status          show what was delegated to you\n"
        "  kill PATH       kill what is in a cgroup of your subtree (--signal=SIGNAL: send that instead)\n"
        "  remove PATH     remove a cgroup of your subtree and all below it\n"
        "  doctor [--json] look whether this host has what delegations need, and say how to fix it\n\n"
        "  --socket=PATH   the helper's user socket ($BPFDELEG_SOCKET, " RUNTIME_DIR "/user)\n"
        "  --version       print the version\n"
        "  --help          print this\n";

/* clang-format off */
static const struct {
        const char *name;
        int (*main)(int argc, char **argv, const char *socket);
} commands[] = {
        {"run", cmd_run},
        {"status", cmd_program},
        {"kill", cmd_kill},
        {"remove", cmd_remove},
        {"doctor", cmd_program},
};
/* clang-format on */

int main(int argc, char **argv) {
        static const struct option longs[] = {
                {"socket", required_argument, NULL, 's'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        const char *socket = cmd_socket();
        int c;

        while ((c = getopt_long(argc, argv, "+", longs, NULL)) >= 0)
                switch (c) {
                case 's':
                        socket = optarg;
                        break;
                case 'v':
                        (void) puts(PACKAGE_STRING);
                        return EXIT_SUCCESS;
                case 'h':
                        (void) fputs(usage, stdout);
                        return EXIT_SUCCESS;
                default:
                        return EXIT_NOT_POSSIBLE;
                }
        for (size_t i = 0; optind < argc && i < ELEMENTSOF(commands); i++)
                if (streq(argv[optind], commands[i].name))
                        return commands[i].main(argc - optind, argv + optind, socket);
        if (optind < argc)
                cmd_error("there is no command '%s'; see bpfdeleg --help", argv[optind]);
        else
                (void) fputs(usage, stderr);
        return EXIT_NOT_POSSIBLE;
}
