/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tool and the programs of its commands share. */

#include "config.h"

#include "cmd.h"

const char *cmd_socket(void) {
        const char *socket = getenv(CMD_SOCKET_ENV);

        return socket && socket[0] != '\0' ? socket : RUNTIME_DIR "/user";
}

void cmd_error(const char *format, ...) {
        va_list ap;

        (void) fputs("bpfdeleg: ", stderr);
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputc('\n', stderr);
}

int cmd_connect(const char *socket, uint64_t timeout_usec, struct client *ret) {
        int r;

        r = client_connect(socket, timeout_usec, ret);
        if (r == -ENOENT || r == -ECONNREFUSED)
                cmd_error("nothing is delegated here: bpfdelegd is not running (no one answers at %s); "
                          "ask the admin to start it, see bpfdelegd(8)",
                          socket);
        else if (r < 0)
                cmd_error("cannot connect to bpfdelegd at %s: %s", socket, strerror(-r));
        return r;
}

/* The start of what somebody else wrote, for a terminal: it may hold what a terminal obeys. */
static void show(const char *s, char *buf, size_t size) {
        size_t n = 0;

        for (; s[n] != '\0' && n + 1 < size; n++)
                buf[n] = s[n] >= ' ' && s[n] <= '~' ? s[n] : '?';
        buf[n] = '\0';
}

int cmd_cookie(struct proto_cookie *ret) {
        const char *cookie = getenv(PROTO_COOKIE_ENV);

        if (!cookie || cookie[0] == '\0') {
                *ret = (struct proto_cookie){0, 0};
                return 0;
        }
        if (proto_cookie_parse(cookie, ret) < 0) {
                char shown[PROTO_COOKIE_TEXT_SIZE];

                show(cookie, shown, sizeof(shown));
                cmd_error("%s is '%s', which is no session of bpfdeleg; unset it", PROTO_COOKIE_ENV, shown);
                return -EINVAL;
        }
        return 0;
}

const char *cmd_no_answer(int error) {
        switch (error) {
        case -ETIMEDOUT:
                return "bpfdelegd does not answer in time";
        case -ECONNRESET:
        case -EPIPE:
                return "bpfdelegd closed the connection without an answer; its log says why";
        case -EBADMSG:
                return "bpfdelegd speaks another version of the protocol than this tool; was only one of them "
                       "upgraded?";
        case -EACCES:
                return "a security module of this host does not let this process have what bpfdelegd sent; its audit "
                       "log says why";
        case -EMFILE:
                return "this process may not open as many descriptors as it is given; raise its limit (ulimit -n) or "
                       "close some";
        default:
                return strerror(-error);
        }
}
