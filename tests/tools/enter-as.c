/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sends PROTO_ENTER from a situation of one's choice and prints what came back. Without options it does what
 * `bpfdeleg run` does first: no_new_privs, one thread, the cookie of $BPFDELEG.
 *
 *   enter-as [--no-nnp] [--thread] [--cookie COOKIE | --no-cookie] [--stay] SOCKET
 *
 * Exits 0 when it was let in (and is then in the delegation's cgroup; --stay sleeps there until stdin ends), 1 when
 * it was refused, 2 for a mistake in the arguments, 3 when there was no answer.
 */

#include "config.h"

#include <getopt.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "client.h"

struct situation {
        bool nnp, thread, stay;
        struct proto_cookie cookie;
        const char *socket;
};

static void *sleep_on(void *unused) {
        (void) unused;
        for (;;)
                (void) pause();
        return NULL;
}

static int usage(const char *what) {
        fprintf(stderr,
                "enter-as: %s\nusage: enter-as [--no-nnp] [--thread] [--cookie COOKIE | --no-cookie] [--stay] SOCKET\n",
                what);
        return 2;
}

static int parse(int argc, char **argv, struct situation *ret) {
        enum { NO_NNP = 1, THREAD, COOKIE, NO_COOKIE, STAY };
        static const struct option options[] = {
                {"no-nnp", no_argument, NULL, NO_NNP},       {"thread", no_argument, NULL, THREAD},
                {"cookie", required_argument, NULL, COOKIE}, {"no-cookie", no_argument, NULL, NO_COOKIE},
                {"stay", no_argument, NULL, STAY},           {NULL, 0, NULL, 0},
        };
        const char *cookie = getenv(PROTO_COOKIE_ENV);
        int c;

        *ret = (struct situation){.nnp = true};
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case NO_NNP:
                        ret->nnp = false;
                        break;
                case THREAD:
                        ret->thread = true;
                        break;
                case COOKIE:
                        cookie = optarg;
                        break;
                case NO_COOKIE:
                        cookie = NULL;
                        break;
                case STAY:
                        ret->stay = true;
                        break;
                default:
                        return usage("unknown option");
                }
        if (optind != argc - 1)
                return usage("the socket is missing");
        ret->socket = argv[optind];
        if (cookie && proto_cookie_parse(cookie, &ret->cookie) < 0)
                return usage("that is no cookie");
        return 0;
}

static int enter(const struct situation *situation, union proto_message *ret, size_t *ret_fds) {
        struct proto_enter request = PROTO_INIT(PROTO_ENTER);
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = CLIENT_INIT;
        int r;

        request.cookie = situation->cookie;
        r = client_connect(situation->socket, 10 * USEC_PER_SEC, &client);
        if (r == 0)
                r = client_send(&client, &request);
        if (r == 0)
                r = client_receive(&client, ret, PROTO_ENTERED_FDS_MAX, &received);
        *ret_fds = received.n_fds;
        sock_received_done(&received);
        client_done(&client);
        return r;
}

int main(int argc, char **argv) {
        struct situation situation;
        union proto_message answer;
        const char *text;
        pthread_t thread;
        size_t n_fds;
        int32_t result;
        int r;

        r = parse(argc, argv, &situation);
        if (r != 0)
                return r;
        if (situation.nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return 3;
        if (situation.thread && pthread_create(&thread, NULL, sleep_on, NULL) != 0)
                return 3;

        r = enter(&situation, &answer, &n_fds);
        if (r < 0) {
                printf("no answer: %s\n", strerror(-r));
                return 3;
        }
        if (answer.head.type == PROTO_ENTERED) {
                result = answer.entered.result;
                text = answer.entered.text;
        } else if (answer.head.type == PROTO_REPLY) {
                result = answer.reply.result;
                text = answer.reply.text;
        } else {
                printf("an answer of type %u\n", answer.head.type);
                return 3;
        }
        printf("%s: %s: %zu descriptors: %s\n", result == 0 ? "entered" : "refused", strerror(-result), n_fds, text);
        (void) fflush(stdout);
        if (result == 0 && situation.stay)
                while (getchar() != EOF)
                        ;
        return result == 0 ? 0 : 1;
}
