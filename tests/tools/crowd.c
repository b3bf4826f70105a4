/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * crowd SOCKET POLICY-DIR POLICY FIRST-UID N: opens a session for each of N uids, which need no accounts, over the
 * session socket as the module does, and keeps them all; says how long the opens took: of the first hundred and the
 * last, in the middle, in microseconds. Waits for the end of its standard input, then ends, and with it all of its
 * sessions.
 */

#include "config.h"

#include "client.h"
#include "policy.h"

#define N_MAX 100000
#define SAMPLE 100
#define TIMEOUT (60 * USEC_PER_SEC)

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *times, size_t n) {
        qsort(times, n, sizeof(*times), compare);
        return times[n / 2];
}

static int open_one(const char *socket, const struct policy *policy, uint32_t uid, uint64_t *ret_usec) {
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        struct proto_open_session request = PROTO_INIT(PROTO_OPEN_SESSION);
        union proto_message answer;
        uint64_t begin = now_usec();
        int r;

        request.uid = request.gid = uid;
        memcpy(request.digest, policy->digest, sizeof(request.digest));
        (void) snprintf(request.user, sizeof(request.user), "crowd-%u", uid);
        (void) snprintf(request.service, sizeof(request.service), "crowd");
        if (copy_field(request.policy, sizeof(request.policy), policy->name) < 0)
                return -ENAMETOOLONG;
        r = client_connect(socket, TIMEOUT, &client);
        if (r == 0)
                r = client_call(&client, &request, PROTO_OPENED, &answer);
        if (r < 0)
                return r;
        *ret_usec = now_usec() - begin;
        if (answer.opened.result < 0)
                (void) fprintf(stderr, "crowd: uid %u: %s\n", uid, answer.opened.text);
        return answer.opened.result;
}

int main(int argc, char **argv) {
        static uint64_t times[N_MAX];
        const char *dirs[] = {argc == 6 ? argv[2] : NULL, NULL};
        struct errtext err = {""};
        struct policy *policy = NULL;
        uint64_t first, n;
        char byte;
        int r;

        if (argc != 6 || parse_uint(argv[4], 10, UINT32_MAX, &first) < 0 || parse_uint(argv[5], 10, N_MAX, &n) < 0 ||
            n < SAMPLE) {
                (void) fprintf(stderr, "usage: crowd SOCKET POLICY-DIR POLICY FIRST-UID N, N at least %d\n", SAMPLE);
                return 2;
        }
        r = policy_read(dirs, argv[3], &policy, &err);
        if (r != 0 || policy->error.s[0] != '\0') {
                (void) fprintf(stderr, "crowd: %s: %s\n", argv[3], r < 0 ? strerror(-r) : policy->error.s);
                return 1;
        }
        for (uint64_t i = 0; i < n; i++) {
                r = open_one(argv[1], policy, (uint32_t) (first + i), &times[i]);
                if (r < 0) {
                        (void) fprintf(stderr, "crowd: the open number %llu: %s\n", (unsigned long long) i + 1,
                                       strerror(-r));
                        policy_free(policy);
                        return 1;
                }
        }
        policy_free(policy);
        (void) printf("%llu open: %llu %llu\n", (unsigned long long) n, (unsigned long long) median(times, SAMPLE),
                      (unsigned long long) median(times + n - SAMPLE, SAMPLE));
        (void) fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        return 0;
}
