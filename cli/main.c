/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg: what a user calls. No privilege of its own: the helper decides, by who the kernel says he is. See
 * bpfdeleg(1). */

#include "config.h"

#include <getopt.h>

#include "cmd.h"

static const char usage[] =
        "Usage: bpfdeleg [--socket=PATH] COMMAND…\n\n"
        "  run [--] CMD…   run CMD with the BPF that was delegated to this login\n"
        "  status          show what was delegated to you\n"
        "  doctor [--json] look whether this host has what delegations need, and say what mends it\n\n"
        "  --socket=PATH   the helper's user socket ($BPFDELEG_SOCKET, " RUNTIME_DIR "/user)\n"
        "  --version       print the version\n"
        "  --help          print this\n";

static const struct {
        const char *name;
        int (*main)(int argc, char **argv, const char *socket);
} commands[] = {
        {"run", cmd_run},
        {"status", cmd_status},
        {"doctor", cmd_doctor},
};

void cli_error(const char *format, ...) {
        va_list ap;

        (void) fputs("bpfdeleg: ", stderr);
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputc('\n', stderr);
}

int cli_connect(const char *socket, struct client *ret) {
        int r;

        r = client_connect(socket, CLI_TIMEOUT_USEC, ret);
        if (r == -ENOENT || r == -ECONNREFUSED)
                cli_error("nothing is delegated here: bpfdelegd is not running (no one answers at %s); "
                          "ask the admin to start it, see bpfdelegd(8)", socket);
        else if (r < 0)
                cli_error("cannot connect to bpfdelegd at %s: %s", socket, strerror(-r));
        return r;
}

const char *cli_no_answer(int error) {
        switch (error) {
        case -ETIMEDOUT:
                return "bpfdelegd does not answer in time";
        case -ECONNRESET:
        case -EPIPE:
                return "bpfdelegd closed the connection without an answer; its log says why";
        case -EBADMSG:
                return "bpfdelegd speaks another version of the protocol than this tool; was only one of them upgraded?";
        default:
                return strerror(-error);
        }
}

int main(int argc, char **argv) {
        static const struct option longs[] = {
                {"socket", required_argument, NULL, 's'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        const char *socket = getenv("BPFDELEG_SOCKET");
        int c;

        if (!socket || socket[0] == '\0')
                socket = RUNTIME_DIR "/user";
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
                cli_error("there is no command '%s'; see bpfdeleg --help", argv[optind]);
        else
                (void) fputs(usage, stderr);
        return EXIT_NOT_POSSIBLE;
}
