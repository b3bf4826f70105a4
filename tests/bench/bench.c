/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a login pays. Each round opens and closes one session of every kind, so that whatever else the machine does
 * meanwhile hits all kinds alike; pam_permit alone is the floor that libpam and the clock have. Only pam_open_session
 * and pam_close_session are timed: pam_start loads the modules, with or without us.
 */

#include "config.h"

#include "util.h"

#include <getopt.h>

#include <security/pam_appl.h>

#define ROUNDS_DEFAULT 200
#define ROUNDS_MAX 100000
#define ROUNDS_WARM 5 /* not counted: first use of files, of NSS, of the helper's code */

enum row { ROW_PERMIT, ROW_NO_POLICY, ROW_FIRST, ROW_SECOND, ROW_SECOND_CLOSE, ROW_FIRST_CLOSE, ROWS };

enum bound {
        BOUND_NONE,
        BOUND_MEDIAN, /* of the median itself */
        BOUND_OVER,   /* of what the median is over pam_permit's */
};

/* The bounds are the project's own promises. */
static const struct {
        const char *name, *what;
        enum bound bound;
        double limit; /* us */
} rows[ROWS] = {
        [ROW_PERMIT] = {"pam_permit", "open, --permit SERVICE: a stack of pam_permit alone", BOUND_NONE, 0},
        [ROW_NO_POLICY] = {"no policy", "open, --without SERVICE, as --other-user: the module finds no policy for him",
                           BOUND_OVER, 150},
        [ROW_FIRST] = {"first session", "open, --with SERVICE, as USER, who has no session: a delegation is made",
                       BOUND_MEDIAN, 2000},
        [ROW_SECOND] = {"second session", "the same while the first is open: it joins the delegation", BOUND_MEDIAN,
                        300},
        [ROW_SECOND_CLOSE] = {"second closed", "close of the second: the delegation stays", BOUND_NONE, 0},
        [ROW_FIRST_CLOSE] = {"first closed", "close of the first, now the last: the delegation is torn down",
                             BOUND_NONE, 0},
};

struct bench {
        const char *confdir, *with, *without, *permit, *user, *other_user;
        uint64_t rounds;
        double *times[ROWS]; /* us, one for each round */
};

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) userdata;
        for (int i = 0; i < n; i++)
                (void) fprintf(stderr, "pam: %s\n", messages[i]->msg);
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int complain(pam_handle_t *pamh, const char *what, const char *service, int code) {
        (void) fprintf(stderr, "bench: %s of service %s: %s\n", what, service, pam_strerror(pamh, code));
        return -EIO;
}

static double now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

/* Opens a session and says how long that took. want_session: the module must have given one, else there is nothing to
 * measure. *ret is set on failure too, if there is a handle to end. */
static int open_timed(const struct bench *b, const char *service, const char *user, bool want_session, double *ret_time,
                      pam_handle_t **ret) {
        static const struct pam_conv conv = {.conv = converse};
        double begin;
        int code;

        code = b->confdir ? pam_start_confdir(service, user, &conv, b->confdir, ret) :
                            pam_start(service, user, &conv, ret);
        if (code != PAM_SUCCESS)
                return complain(*ret, "pam_start", service, code);
        begin = now();
        code = pam_open_session(*ret, 0);
        *ret_time = now() - begin;
        if (code != PAM_SUCCESS)
                return complain(*ret, "pam_open_session", service, code);
        if (want_session != !!pam_getenv(*ret, "BPFDELEG")) {
                (void) fprintf(stderr, "bench: user '%s' got %s delegation from service %s; the log says why\n", user,
                               want_session ? "no" : "a", service);
                return -EIO;
        }
        return 0;
}

static int close_timed(const char *service, pam_handle_t *pamh, double *ret_time) {
        double begin = now();
        int code = pam_close_session(pamh, 0);

        *ret_time = now() - begin;
        return code == PAM_SUCCESS ? 0 : complain(pamh, "pam_close_session", service, code);
}

/* A handle that is not closed ends its session here, so that a failed round leaves nothing. */
static void pam_endp(pam_handle_t **pamh) {
        if (*pamh)
                (void) pam_end(*pamh, PAM_SUCCESS);
}

static int single(const struct bench *b, const char *service, const char *user, double *ret_time) {
        _cleanup_(pam_endp) pam_handle_t *pamh = NULL;
        double ignored;
        int r;

        r = open_timed(b, service, user, false, ret_time, &pamh);
        return r < 0 ? r : close_timed(service, pamh, &ignored);
}

static int pair(const struct bench *b, double times[ROWS]) {
        _cleanup_(pam_endp) pam_handle_t *first = NULL, *second = NULL;
        int r;

        r = open_timed(b, b->with, b->user, true, &times[ROW_FIRST], &first);
        if (r < 0)
                return r;
        r = open_timed(b, b->with, b->user, true, &times[ROW_SECOND], &second);
        if (r < 0)
                return r;
        r = close_timed(b->with, second, &times[ROW_SECOND_CLOSE]);
        if (r < 0)
                return r;
        return close_timed(b->with, first, &times[ROW_FIRST_CLOSE]);
}

static int measure_round(const struct bench *b, double times[ROWS]) {
        int r;

        r = single(b, b->permit, b->other_user, &times[ROW_PERMIT]);
        if (r < 0)
                return r;
        r = single(b, b->without, b->other_user, &times[ROW_NO_POLICY]);
        return r < 0 ? r : pair(b, times);
}

static int measure(struct bench *b) {
        double times[ROWS];

        for (uint64_t i = 0; i < ROUNDS_WARM + b->rounds; i++) {
                int r = measure_round(b, times);

                if (r < 0)
                        return r;
                for (unsigned row = 0; i >= ROUNDS_WARM && row < ROWS; row++)
                        b->times[row][i - ROUNDS_WARM] = times[row];
        }
        return 0;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

/* The value that the given share of all rounds is at or below. times is sorted. */
static double quantile(const double *times, uint64_t n, double share) {
        uint64_t i = (uint64_t) (share * (double) n);

        return times[i < n ? i : n - 1];
}

static void print_row(const struct bench *b, enum row row, double floor) {
        double median = quantile(b->times[row], b->rounds, 0.5), p95 = quantile(b->times[row], b->rounds, 0.95);
        double over = median - floor;
        double judged = rows[row].bound == BOUND_OVER ? over : median;

        (void) printf("%-16s %10.1f %10.1f %14.1f", rows[row].name, median, p95, over);
        if (rows[row].bound != BOUND_NONE)
                (void) printf("   %s: %s < %.0f", judged < rows[row].limit ? "ok" : "over",
                              rows[row].bound == BOUND_OVER ? "over permit" : "median", rows[row].limit);
        (void) printf("\n");
}

static void print_table(const struct bench *b) {
        double floor;

        for (unsigned row = 0; row < ROWS; row++)
                qsort(b->times[row], b->rounds, sizeof(double), compare);
        floor = quantile(b->times[ROW_PERMIT], b->rounds, 0.5);
        (void) printf("%llu rounds, microseconds\n", (unsigned long long) b->rounds);
        (void) printf("%-16s %10s %10s %14s   %s\n", "", "median", "p95", "over permit", "bound");
        for (unsigned row = 0; row < ROWS; row++)
                print_row(b, row, floor);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static void usage(FILE *out) {
        (void) fprintf(out,
                       "usage: bench [OPTION...] --with SERVICE --without SERVICE --permit SERVICE USER\n"
                       "Times PAM sessions as an application sees them. Run it as root, with bpfdelegd running.\n"
                       "  --rounds N          rounds that count (%d)\n"
                       "  --confdir DIR       take services from DIR instead of /etc/pam.d\n"
                       "  --with SERVICE      a stack with the module, and a policy for USER\n"
                       "  --without SERVICE   a stack with the module, and no policy for the other user\n"
                       "  --permit SERVICE    a stack of pam_permit alone\n"
                       "  --other-user USER   who has no policy (USER)\n"
                       "Rows:\n",
                       ROUNDS_DEFAULT);
        for (unsigned row = 0; row < ROWS; row++)
                (void) fprintf(out, "  %-16s %s\n", rows[row].name, rows[row].what);
        (void) fprintf(out, "Status: 0, whatever the times are; 1 if an operation failed; 2 for wrong arguments.\n");
}

static const struct option options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"confdir", required_argument, NULL, 'c'},
        {"with", required_argument, NULL, 'w'},
        {"without", required_argument, NULL, 'n'},
        {"permit", required_argument, NULL, 'p'},
        {"other-user", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
};

static int set_option(struct bench *b, int c, const char *value) {
        const char **string = c == 'c' ? &b->confdir :
                              c == 'w' ? &b->with :
                              c == 'n' ? &b->without :
                              c == 'p' ? &b->permit :
                              c == 'o' ? &b->other_user :
                                         NULL;

        if (c == 'r')
                return parse_uint(value, 10, ROUNDS_MAX, &b->rounds);
        if (!string)
                return -EINVAL;
        *string = value;
        return 0;
}

static int parse_arguments(int argc, char **argv, struct bench *b) {
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (set_option(b, c, optarg) < 0)
                        return -EINVAL;
        if (argc - optind != 1 || !b->with || !b->without || !b->permit || b->rounds == 0)
                return -EINVAL;
        b->user = argv[optind];
        if (!b->other_user)
                b->other_user = b->user;
        return 0;
}

int main(int argc, char **argv) {
        struct bench b = {.rounds = ROUNDS_DEFAULT};
        int r = 0;

        if (argc == 2 && streq(argv[1], "--help")) {
                usage(stdout);
                return 0;
        }
        if (parse_arguments(argc, argv, &b) < 0) {
                usage(stderr);
                return 2;
        }
        for (unsigned row = 0; row < ROWS; row++) {
                b.times[row] = calloc(b.rounds, sizeof(double));
                if (!b.times[row])
                        r = -ENOMEM;
        }
        if (r == 0)
                r = measure(&b);
        if (r == 0)
                print_table(&b);
        for (unsigned row = 0; row < ROWS; row++)
                free(b.times[row]);
        return r < 0 ? 1 : 0;
}
