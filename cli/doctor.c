/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The findings of doctor, and what its checks share. */

#include "config.h"

#include "doctor.h"

#include <limits.h>

/* ---- findings ---- */

/* Length of the UTF-8 sequence at s, or 0 for a byte that begins none: stray, overlong, a surrogate, too large. */
static size_t utf8_length(const unsigned char *s) {
        size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
                return 0;
        return n;
}

/* One line, no terminal sequence, and what JSON takes for a string, whatever a file or its name had in it. */
static void make_plain(char *text) {
        unsigned char *s = (unsigned char *) text;

        while (*s) {
                size_t n = utf8_length(s);

                /* U+0080 to U+009F are control characters, too. */
                if (n == 0 || *s < 0x20 || *s == 0x7f || (*s == 0xc2 && s[1] < 0xa0)) {
                        *s++ = '?';
                        continue;
                }
                s += n;
        }
}

static _printf_(3, 0) void say(struct doctor *d, enum doctor_verdict verdict, const char *format, va_list ap) {
        struct doctor_finding *findings, *finding;

        findings = reallocarray(d->findings, d->n_findings + 1, sizeof(*findings));
        if (!findings) {
                d->lost = true;
                return;
        }
        d->findings = findings;
        finding = &findings[d->n_findings++];
        *finding = (struct doctor_finding){.name = d->check, .verdict = verdict};
        (void) vsnprintf(finding->text, sizeof(finding->text), format, ap);
        make_plain(finding->text);
}

void doctor_ok(struct doctor *d, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(d, DOCTOR_OK, format, ap);
        va_end(ap);
}

void doctor_warn(struct doctor *d, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(d, DOCTOR_WARN, format, ap);
        va_end(ap);
}

void doctor_fail(struct doctor *d, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        say(d, DOCTOR_FAIL, format, ap);
        va_end(ap);
}

void doctor_fix(struct doctor *d, const char *format, ...) {
        struct doctor_finding *finding;
        va_list ap;

        if (d->n_findings == 0)
                return;
        finding = &d->findings[d->n_findings - 1];
        va_start(ap, format);
        (void) vsnprintf(finding->fix, sizeof(finding->fix), format, ap);
        va_end(ap);
        make_plain(finding->fix);
}

void doctor_run(struct doctor *d, const struct doctor_check *check) {
        d->check = check->name;
        check->run(d);
}

enum doctor_verdict doctor_result(const struct doctor *d) {
        enum doctor_verdict worst = d->lost ? DOCTOR_FAIL : DOCTOR_OK;

        for (size_t i = 0; i < d->n_findings; i++)
                if (d->findings[i].verdict > worst)
                        worst = d->findings[i].verdict;
        return worst;
}

/* ---- what the checks share ---- */

static int below_root(const struct doctor *d, const char *path, char *ret) {
        int n = snprintf(ret, PATH_MAX, "%s%s", d->root, path);

        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int doctor_read(const struct doctor *d, const char *path, char *buf, size_t size) {
        _cleanup_close_ int fd = -1;
        char full[PATH_MAX];
        size_t got = 0;
        ssize_t n;
        int r;

        buf[0] = '\0';
        r = below_root(d, path, full);
        if (r < 0)
                return r;
        fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        do {
                n = read(fd, buf + got, size - 1 - got);
                if (n < 0) {
                        r = -errno;
                        buf[0] = '\0';
                        return r;
                }
                got += (size_t) n;
        } while (n > 0 && got < size - 1);
        buf[got] = '\0';
        if (got > 0 && buf[got - 1] == '\n')
                buf[got - 1] = '\0';
        return 0;
}

bool doctor_exists(const struct doctor *d, const char *path) {
        char full[PATH_MAX];

        return below_root(d, path, full) == 0 && access(full, F_OK) == 0;
}

bool doctor_has_word(const char *list, const char *word) {
        static const char between[] = " ,\t\n";
        size_t n = strlen(word);

        while (*list) {
                size_t length = strcspn(list, between);

                if (length == n && memcmp(list, word, n) == 0)
                        return true;
                list += length;
                list += strspn(list, between);
        }
        return false;
}

void doctor_append(char *buf, size_t size, const char *item) {
        size_t n = strlen(buf);
        const char *comma = n > 0 ? ", " : "";

        if (n + strlen(comma) + strlen(item) < size)
                (void) snprintf(buf + n, size - n, "%s%s", comma, item);
}

/* ---- policies, which more than one check wants to know ---- */

struct collecting {
        struct doctor *doctor;
        int error;
};

ANALYZER_OFF("-Wanalyzer-malloc-leak") /* it loses sight of what is stored where reallocarray() points */
static void collect_policy(void *userdata, const char *path, struct policy *take_policy, int error, const char *why) {
        struct collecting *collecting = userdata;
        struct doctor *d = collecting->doctor;
        struct doctor_policy *policies;

        policies = reallocarray(d->policies, d->n_policies + 1, sizeof(*policies));
        if (!policies) {
                collecting->error = -ENOMEM;
                policy_free(take_policy);
                return;
        }
        d->policies = policies;
        policies[d->n_policies] = (struct doctor_policy){
                .path = strdup(path),
                .policy = take_policy,
                .why = strdup(why),
                .error = error,
        };
        if (!policies[d->n_policies].path || !policies[d->n_policies].why)
                collecting->error = -ENOMEM;
        d->n_policies++;
}
ANALYZER_ON

int doctor_init(struct doctor *d, const char *socket, const char *const *pam_dirs, const char *const *policy_dirs) {
        struct collecting collecting = {.doctor = d};

        *d = (struct doctor){.root = "", .socket = socket, .policy_dirs = policy_dirs};
        for (size_t i = 0; i < ELEMENTSOF(d->pam_dirs) - 1 && pam_dirs[i]; i++)
                d->pam_dirs[i] = pam_dirs[i];
        d->policies_error = policy_each(policy_dirs, collect_policy, &collecting, &d->policies_why);
        return collecting.error;
}

void doctor_done(struct doctor *d) {
        for (size_t i = 0; i < d->n_policies; i++) {
                free(d->policies[i].path);
                free(d->policies[i].why);
                policy_free(d->policies[i].policy);
        }
        free(d->policies);
        free(d->findings);
}
