/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The few idioms that every part shares: cleanup attributes, handing a descriptor over, error texts
 * for people, and the strict parsing of numbers. Everything here is inline and without state, so the
 * PAM module can use it inside any process.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* What a noun ends with after that number. */
static inline const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Closes fd if it is open, keeps errno, and returns -1 so that `fd = close_fd(fd)` forgets it. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -1;
}

static inline void close_fdp(int *fd) {
        *fd = close_fd(*fd);
}

static inline void freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_close_ _cleanup_(close_fdp)
#define _cleanup_free_ _cleanup_(freep)
#define _printf_(a, b) __attribute__((format(printf, a, b)))

/* Hands a descriptor or a pointer over: yields the value and leaves -1 or NULL behind. */
static inline int take_fd(int *fd) {
        int r = *fd;

        *fd = -1;
        return r;
}
#define TAKE_FD(fd) take_fd(&(fd))
#define TAKE_PTR(p)                     \
        ({                              \
                __typeof__(p) _p = (p); \
                (p) = NULL;             \
                _p;                     \
        })

/*
 * An error in words for a person: one line, no newline at its end, always terminated. Functions that can fail
 * for reasons a number cannot tell take one as their last parameter; it is set only on failure.
 */
struct errtext {
        char s[512];
};

/* Sets the text (cut at the buffer's end) and returns r, so that one can write
 * `return fail(err, -EINVAL, "…")`. err may be NULL. What it quotes may be anybody's words: control characters in it
 * become '?', or the text could be neither sent (proto.h) nor printed. */
static inline _printf_(3, 4) int fail(struct errtext *err, int r, const char *format, ...) {
        va_list ap;

        if (err) {
                va_start(ap, format);
                (void) vsnprintf(err->s, sizeof(err->s), format, ap);
                va_end(ap);
                for (char *p = err->s; *p; p++)
                        if ((unsigned char) *p < 0x20 || *p == 0x7f)
                                *p = '?';
        }
        return r;
}

/* Where `./bootstrap analyze` is wrong with gcc: ANALYZER_OFF("-Wanalyzer-…"), the reason, the lines, ANALYZER_ON. */
#if defined(BD_ANALYZE) && !defined(__clang__)
#define ANALYZER_PRAGMA(words) _Pragma(#words)
#define ANALYZER_OFF(warning) _Pragma("GCC diagnostic push") ANALYZER_PRAGMA(GCC diagnostic ignored warning)
#define ANALYZER_ON _Pragma("GCC diagnostic pop")
#else
#define ANALYZER_OFF(warning)
#define ANALYZER_ON
#endif

/* Analysers do not look into a function with `...`, and would not see that what is an error stays one (`./bootstrap
 * analyze`). */
#ifdef BD_ANALYZE
#define fail(err, r, ...)                            \
        ({                                           \
                int _result = (r);                   \
                                                     \
                (void) (fail) (err, 0, __VA_ARGS__); \
                _result;                             \
        })
#endif

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Whether an error says that something is used up here and now, and nothing about what was asked for. */
static inline bool is_shortage(int r) {
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOSPC;
}

/* Copies a string into a field of fixed size and fills the rest with zeros (nothing of old memory goes
 * over a socket). Returns 0, or -ENAMETOOLONG with the field untouched. */
static inline int copy_field(char *field, size_t size, const char *s) {
        size_t n = strlen(s);

        if (n >= size)
                return -ENAMETOOLONG;
        memset(field, 0, size);
        memcpy(field, s, n); /* NOLINT(bugprone-not-null-terminated-result): by the line above */
        return 0;
}

/* The same for values that only inform: what does not fit is cut. */
static inline void copy_field_cut(char *field, size_t size, const char *s) {
        size_t n = strnlen(s, size - 1);

        memset(field, 0, size);
        memcpy(field, s, n);
}

/*
 * Parses a whole string of digits in the given base (8, 10, 16 or 0 for C's prefixes). No sign, no blank, nothing
 * after the digits. Returns 0, -EINVAL, or -ERANGE for a value above max.
 */
static inline int parse_uint(const char *s, int base, uint64_t max, uint64_t *ret) {
        unsigned long long v;
        char *end;

        if (s[0] < '0' || (s[0] > '9' && base != 16))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, base);
        if (errno == ERANGE)
                return -ERANGE;
        if (errno != 0 || end == s || *end != '\0')
                return -EINVAL;
        if (v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

/* CLOCK_MONOTONIC in microseconds: the clock of every deadline here, so that a step of the wall clock neither
 * shortens nor lengthens one. */
static inline uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
