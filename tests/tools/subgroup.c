/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks for a kill or a removal as nobody's tool would, and keeps processes from going.
 *
 *   subgroup [--cookie COOKIE] [--signal NUMBER] SOCKET kill|remove PATH
 *       sends the request with PATH as it is, unjudged. Without COOKIE: none.
 *       0: done; 1: refused, and one line says "refused: ERROR: words"; 3: no answer
 *   subgroup hold PID
 *       from now on the process stays a process of its cgroup when it is killed, until this one ends; says "held"
 *
 * 2: a mistake in the arguments.
 */

#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "client.h"

#define TIMEOUT_USEC (120 * USEC_PER_SEC)

static int usage(void) {
        fprintf(stderr,
                "usage: subgroup [--cookie COOKIE] [--signal NUMBER] SOCKET kill|remove PATH\n       subgroup hold "
                "PID\n");
        return 2;
}

/* A traced process stops on its way out, and sits in its cgroup until its tracer lets go, or ends. */
static int hold(pid_t pid) {
        if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) < 0) {
                perror("subgroup: hold");
                return 3;
        }
        puts("held");
        (void) fflush(stdout);
        for (;;)
                (void) pause();
}

static int ask(const char *socket, const void *request) {
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        union proto_message answer;
        int r;

        r = client_connect(socket, TIMEOUT_USEC, &client);
        if (r >= 0)
                r = client_call(&client, request, PROTO_REPLY, &answer);
        if (r < 0) {
                printf("no answer: %s\n", strerror(-r));
                return 3;
        }
        if (answer.reply.result == 0)
                return 0;
        printf("refused: %s: %s\n", strerror(-answer.reply.result), answer.reply.text);
        return 1;
}

int main(int argc, char **argv) {
        static const struct option options[] = {{"cookie", required_argument, NULL, 'c'},
                                                {"signal", required_argument, NULL, 's'},
                                                {NULL, 0, NULL, 0}};
        struct proto_kill_subgroup kill = PROTO_INIT(PROTO_KILL_SUBGROUP);
        struct proto_remove_subgroup remove = PROTO_INIT(PROTO_REMOVE_SUBGROUP);
        int c;

        (void) signal(SIGPIPE, SIG_IGN);
        kill.signal = SIGKILL;
        if (argc == 3 && streq(argv[1], "hold"))
                return hold((pid_t) atoi(argv[2]));
        while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0)
                if (c == 'c' && proto_cookie_parse(optarg, &kill.cookie) == 0)
                        remove.cookie = kill.cookie;
                else if (c == 's')
                        kill.signal = (uint32_t) strtoul(optarg, NULL, 10);
                else
                        return usage();
        if (argc - optind != 3 || copy_field(kill.path, sizeof(kill.path), argv[optind + 2]) < 0)
                return usage();
        memcpy(remove.path, kill.path, sizeof(remove.path));
        if (streq(argv[optind + 1], "kill"))
                return ask(argv[optind], &kill);
        return streq(argv[optind + 1], "remove") ? ask(argv[optind], &remove) : usage();
}
