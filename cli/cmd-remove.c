/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg remove: takes a part of one's own subtree away, whoever owns it. */

#include "config.h"

#include <getopt.h>

#include "cmd.h"
#include "subgroup.h"

static const char remove_usage[] =
        "Usage: bpfdeleg remove PATH\n"
        "Removes the cgroup PATH of your subtree and all below it, whoever owns them. There must be no process left "
        "in\n"
        "there. PATH is as it is inside, at /sys/fs/cgroup: run/a, for one.\n";

int cmd_remove(int argc, char **argv, const char *socket) {
        static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
        struct proto_remove_subgroup request = PROTO_INIT(PROTO_REMOVE_SUBGROUP);
        int c;

        optind = 0; /* glibc: start anew, on the subcommand's arguments */
        while ((c = getopt_long(argc, argv, "+", longs, NULL)) >= 0) {
                if (c != 'h')
                        return EXIT_NOT_POSSIBLE;
                (void) fputs(remove_usage, stdout);
                return EXIT_SUCCESS;
        }
        if (optind != argc - 1) {
                (void) fputs(remove_usage, stderr);
                return EXIT_NOT_POSSIBLE;
        }
        if (subgroup_take(argv[optind], request.path) < 0 || cmd_cookie(&request.cookie) < 0)
                return EXIT_FAILURE;
        return subgroup_ask(socket, &request, request.path);
}
