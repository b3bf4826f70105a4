/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tool and the programs of its commands share. */

#include "config.h"

#include "cmd.h"

const char *cli_socket(void) {
        const char *socket = getenv(CLI_SOCKET_ENV);

        return socket && socket[0] != '\0' ? socket : RUNTIME_DIR "/user";
}

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
