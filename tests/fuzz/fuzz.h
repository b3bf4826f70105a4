/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the fuzz targets share. Each is one LLVMFuzzerTestOneInput, to be linked with libFuzzer (`./bootstrap fuzz`) or
 * with replay.c (`make check`). A property that does not hold aborts, in any build.
 */

#include "util.h"

#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(what)                                                                                       \
        do {                                                                                             \
                if (!(what)) {                                                                           \
                        (void) fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what); \
                        abort();                                                                         \
                }                                                                                        \
        } while (0)

/* Bytes of the input, taken from the front; zeros when there are none left. */
struct input {
        const uint8_t *p;
        size_t left;
};

static inline size_t take_bytes(struct input *in, void *buf, size_t n) {
        size_t got = n < in->left ? n : in->left;

        memset(buf, 0, n);
        if (got > 0)
                memcpy(buf, in->p, got);
        in->p += got;
        in->left -= got;
        return got;
}

static inline uint8_t take_u8(struct input *in) {
        uint8_t v;

        (void) take_bytes(in, &v, sizeof(v));
        return v;
}

/* One of our error texts: terminated, not empty, one line that may go to a log or a terminal. */
static inline void must_be_words(const char *s, size_t size) {
        size_t n = strnlen(s, size);

        must(n > 0 && n < size);
        for (size_t i = 0; i < n; i++)
                must((unsigned char) s[i] >= 0x20 && s[i] != 0x7f);
}

/* A directory of this process's own; replay.c and libFuzzer end by exit(), and fuzz_dir() sees that it goes with it. */
const char *fuzz_dir(void);

/* Writes a file of it. */
void fuzz_write(const char *path, const void *bytes, size_t size);

/* What the kept corpus must have come to, and has not, or NULL: for targets in whose inputs a mistake of ours could
 * hide all the rest. */
const char *fuzz_missed(void) __attribute__((weak));
