/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "subgroup.h"

#include "cmd.h"

#define CGROUP_MOUNT "/sys/fs/cgroup/"

/* Longer than timeouts.subgroup may be: the helper says what could not be done in time. */
#define SUBGROUP_TIMEOUT_USEC (70 * USEC_PER_SEC)

/* Slashes at its end are a shell's completion. Everything else is said, not guessed: what is at /sys/fs/cgroup
 * depends on where one stands. */
int subgroup_take(const char *path, char *field) {
        size_t n = strlen(path);
        struct errtext err;

        if (strncmp(path, CGROUP_MOUNT, strlen(CGROUP_MOUNT)) == 0 && path[strlen(CGROUP_MOUNT)] != '\0') {
                cmd_error("%s: type the path as it is inside, without %s: %s", path, CGROUP_MOUNT,
                          path + strlen(CGROUP_MOUNT));
                return -EINVAL;
        }
        while (n > 1 && path[n - 1] == '/')
                n--;
        if (n >= PROTO_SUBGROUP_SIZE) {
                cmd_error("that is a path of more than %d bytes; name a cgroup further up", PROTO_SUBGROUP_SIZE - 1);
                return -ENAMETOOLONG;
        }
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) path[i] < 0x20 || path[i] == 0x7f) {
                        cmd_error("there is a control character in the path; name the cgroup above that one");
                        return -EINVAL;
                }
        memset(field, 0, PROTO_SUBGROUP_SIZE);
        memcpy(field, path, n);
        if (proto_check_subgroup(field, &err) < 0) {
                cmd_error("%s%s%s", path, path[0] ? ": " : "", err.s);
                return -EINVAL;
        }
        return 0;
}

int subgroup_ask(const char *socket, const void *request, const char *path) {
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        union proto_message answer;
        int r;

        r = cmd_connect(socket, SUBGROUP_TIMEOUT_USEC, &client);
        if (r < 0)
                return EXIT_FAILURE;
        r = client_call(&client, request, PROTO_REPLY, &answer);
        if (r < 0) {
                cmd_error("not possible: %s", cmd_no_answer(r));
                return EXIT_FAILURE;
        }
        if (answer.reply.result < 0) {
                cmd_error("%s: %s", path, answer.reply.text);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
