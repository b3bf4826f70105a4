/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for bpfdelegd on its user socket, for what `bpfdeleg doctor` says of helpers that are not as they should
 * be.
 *
 *   answer SOCKET VERSION [WHY]  answers every request with END, of this version, with a guard; or without, for that
 *   reason
 *   answer SOCKET --nonsense     answers with bytes that are no message
 *   answer SOCKET --hang-up      closes without an answer
 *
 * Until it is killed.
 */

#include "config.h"

#include <sys/un.h>

#include "proto.h"
#include "sock.h"

static void answer(int fd, const char *how, const char *no_guard) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct proto_end end = PROTO_INIT(PROTO_END);
        union proto_message request;

        if (sock_recv(fd, &request, sizeof(request), 0, &received) < 0 || streq(how, "--hang-up"))
                return;
        copy_field_cut(end.version, sizeof(end.version), how);
        end.guard = !no_guard;
        copy_field_cut(end.text, sizeof(end.text), no_guard ?: "");
        if (streq(how, "--nonsense"))
                (void) sock_send(fd, how, strlen(how), NULL, 0);
        else
                (void) sock_send(fd, &end, sizeof(end), NULL, 0);
}

int main(int argc, char **argv) {
        struct sockaddr_un sa;
        int fd;

        if ((argc != 3 && argc != 4) || sock_address(argv[1], &sa) < 0) {
                (void) fputs("usage: answer SOCKET VERSION [WHY]|--nonsense|--hang-up\n", stderr);
                return 2;
        }
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 8) < 0) {
                perror("answer");
                return 1;
        }
        for (;;) {
                _cleanup_close_ int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

                if (peer < 0)
                        return 1;
                answer(peer, argv[2], argv[3]);
        }
}
