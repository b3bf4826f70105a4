/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What `bpfdeleg doctor` looks at. A check says one or more findings; each that is not ok comes with its fix. All
 * of it only reads, works for any user, and takes whatever it finds in files as text somebody else wrote: every read
 * is bounded, and nothing gets to the screen that is not plain UTF-8.
 */

#include "policy.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
        const char *name; /* of the check */
        enum doctor_verdict verdict;
        char text[768];
        char fix[768]; /* empty only with DOCTOR_OK */
};

/* A policy file that is in force, as policy_each() gives it. */
struct doctor_policy {
        char *path;
        struct policy *policy; /* NULL: it cannot be read, why and error tell */
        char *why;
        int error;
};

struct doctor {
        const char *root;        /* put before paths in /proc, /sys and /run; "" but in tests */
        const char *socket;      /* the user socket; the session socket is beside it */
        const char *pam_dirs[3]; /* of service files, a name in the first hides it in the second; NULL-terminated */
        const char *const *policy_dirs;

        struct doctor_policy *policies;
        size_t n_policies;
        /* What the helper says of its guard, once it has been asked. */
        enum { DOCTOR_GUARD_UNKNOWN, DOCTOR_GUARD_NONE, DOCTOR_GUARD_THERE } guard;
        char guard_why[512]; /* why there is none */

        struct errtext policies_why; /* not empty: the directories could not be searched, policies_error tells */
        int policies_error;

        const char *check; /* whose findings are being made */
        struct doctor_finding *findings;
        size_t n_findings;
        bool lost; /* no memory for a finding */
};

/* Reads the policy files; what can go wrong becomes findings of the check `policy`. Returns 0 or -ENOMEM. To be given
 * to doctor_done(). */
int doctor_init(struct doctor *d, const char *socket, const char *const *pam_dirs, const char *const *policy_dirs);
void doctor_done(struct doctor *d);

/* In the order in which they are shown; name NULL at the end. */
struct doctor_check {
        const char *name;
        void (*run)(struct doctor *d);
};
extern const struct doctor_check doctor_checks[];
void doctor_run(struct doctor *d, const struct doctor_check *check);
/* The worst of all findings. */
enum doctor_verdict doctor_result(const struct doctor *d);

/* ---- for the checks ---- */

/* Adds a finding; the fix of the last one. */
void doctor_ok(struct doctor *d, const char *format, ...) _printf_(2, 3);
void doctor_warn(struct doctor *d, const char *format, ...) _printf_(2, 3);
void doctor_fail(struct doctor *d, const char *format, ...) _printf_(2, 3);
void doctor_fix(struct doctor *d, const char *format, ...) _printf_(2, 3);

/* Reads the start of a file below the root into buf, always terminated, without the newline at its end. Returns 0, or
 * -errno and an empty buf. */
int doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);
/* Whether there is such a file or directory below the root. */
bool doctor_exists(const struct doctor *d, const char *path);
/* Where cgroup2 is mounted: 0, or -ENOENT. */
int doctor_find_cgroup2(const struct doctor *d, char *ret, size_t size);
/* Whether a list of words between blanks or commas has the word. */
bool doctor_has_word(const char *list, const char *word);
/* Appends to a text in buf, with ", " between items; what does not fit is left out. */
void doctor_append(char *buf, size_t size, const char *item);

/* What trying a token (an errno value of bpf(2)) and a bpffs option (0, -errno, or 1: only root can try) came to. */
void doctor_judge_tokens(struct doctor *d, const char *release, int token, int option);

void doctor_tokens(struct doctor *d);
void doctor_cgroup2(struct doctor *d);
void doctor_btf(struct doctor *d);
void doctor_bpf_lsm(struct doctor *d);
void doctor_lockdown(struct doctor *d);
void doctor_namespaces(struct doctor *d);
void doctor_unprivileged(struct doctor *d);
void doctor_ptrace(struct doctor *d);
void doctor_helper(struct doctor *d);
void doctor_sockets(struct doctor *d);
void doctor_guard(struct doctor *d);
void doctor_pam(struct doctor *d);
void doctor_policy(struct doctor *d);
