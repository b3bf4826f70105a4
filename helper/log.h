/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The helper's records: one line each on stderr, in a form that a person reads; where stderr is the journal, an entry
 * with MESSAGE_ID and fields, so that they can be asked for (bpfdelegd(8)). Each failure is logged once, where it is
 * decided.
 */

#include <syslog.h>

#include "util.h"

/* What happens to a delegation, as words that begin a line. */
enum log_event {
        LOG_GRANT,  /* a delegation has been made for a login */
        LOG_JOIN,   /* a login shares one that is there */
        LOG_LEAVE,  /* a session has ended, others remain */
        LOG_END,    /* torn down */
        LOG_REFUSE, /* a request was refused */
        LOG_GUARD,  /* the guard has refused an act inside */
};

/* Whom and what a record is about. NULL, (uid_t) -1 and 0 mean unknown, and are left out. */
struct log_subject {
        uid_t uid;
        const char *user;
        const char *service;
        const char *policy;
        uint64_t id;      /* of the delegation */
        uint64_t session; /* its number in there */
        int priority;     /* 0: as the event has it */
};

/* MESSAGE_ID of each kind of event. They never change: people search for them, and the catalog has them. */
#define LOG_ID_GRANT "c366dab3115245ce9430cf4b3f3cfab5"
#define LOG_ID_JOIN "0e3f4d14b0b843b8aafa0b99fb31aa8a"
#define LOG_ID_LEAVE "7c09901f2d704e3f9618da8f3e5ece8d"
#define LOG_ID_END "995a055baa974dd6b1974e305a16dba2"
#define LOG_ID_REFUSE "b45c6538066645c0a31179e48e60b686"
#define LOG_ID_GUARD "14ee0303ed3f4f40aa8ec3070f917699"

/* Debug lines are written only after this. */
void log_set_debug(bool on);

/* One record: "grant: uid=1000 user=alice service=sshd policy=50-netdev.ini id=0123456789abcdef: text". */
void log_event(enum log_event event, const struct log_subject *subject, const char *format, ...) _printf_(3, 4);

/* One line at a syslog priority. */
void log_line(int priority, const char *format, ...) _printf_(2, 3);

/* At most LOG_RATELIMIT_BURST lines in LOG_RATELIMIT_USEC; what is left out is counted. Zero-initialised. */
struct log_ratelimit {
        uint64_t begin;
        unsigned lines, suppressed;
};
#define LOG_RATELIMIT_USEC (10 * USEC_PER_SEC)
#define LOG_RATELIMIT_BURST 5u

/* Whether a line may be written now. If so and lines were left out before, *ret_suppressed says how many, else 0. */
bool log_ratelimit(struct log_ratelimit *limit, unsigned *ret_suppressed);

/* What many may cause together: LOG_BUDGET_BURST lines at once, and one more each LOG_BUDGET_USEC, so 40 in any
 * minute. With a line of the count each LOG_RATELIMIT_USEC that makes less than 50. Zero-initialised. */
struct log_budget {
        uint64_t next; /* when it is full again */
};
#define LOG_BUDGET_USEC (2 * USEC_PER_SEC)
#define LOG_BUDGET_BURST 10u

/* Whether a line may be written now; if so, it is taken from the budget. */
bool log_budget_take(struct log_budget *budget);
