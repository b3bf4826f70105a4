/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One INI file, opened once, judged and read through that one descriptor: policy files and bpfdeleg.ini alike.
 * iniparser does the parsing; what it would let pass in silence (NUL bytes, over-long lines, a key given twice, a key
 * before any section) is refused here, with the line.
 */

/* Debian has it in a directory of its own, others have not. */
#if __has_include(<iniparser/iniparser.h>)
#include <iniparser/iniparser.h>
#else
#include <iniparser.h>
#endif

#include "sha256.h"
#include "util.h"

#define INI_SIZE_MAX 65536 /* bytes in a file; more is refused */
#define INI_LINE_MAX 1000  /* bytes in a line with its continuations; iniparser's own bound is 1022 */

struct ini {
        dictionary *dict; /* "section:key" → value, both names in lower case */
        char *bytes;      /* the file's content, terminated, to find lines in */
        size_t size;
        uint8_t digest[SHA256_SIZE];
};

#define INI_INIT \
        { .dict = NULL }

enum ini_result {
        INI_OK = 0,
        INI_MASKED = 1, /* a link to /dev/null, or an empty file */
};

/*
 * Reads the file name in the directory dirfd. path is what to call it in words. Returns INI_OK and *ret (to be given
 * to ini_done); INI_MASKED; or -errno with err saying file, line where known, what is wrong and what would be right:
 *   -ENOENT   there is no such file
 *   -EPERM    not root's, or writable by group or others, or no regular file (a link other than one to /dev/null
 *             included)
 *   -EBADMSG  it is no INI file that can be used
 * "root's" means: owned by uid 0, or by the effective uid of this process, which can only fool itself by that (the
 * tests without root live of it; in sshd and in the helper it is uid 0).
 */
int ini_read(int dirfd, const char *name, const char *path, struct ini *ret, struct errtext *err);
void ini_done(struct ini *ini);

/* Opens a directory of such files and checks it the same way (owner, mode). Returns a descriptor, -ENOENT, or -errno
 * with err. */
int ini_open_dir(const char *path, struct errtext *err);

/* The number, from 1, of the line where key stands in section; 0 if not found. key NULL: the section's own line. */
unsigned ini_line(const struct ini *ini, const char *section, const char *key);

/*
 * One row for each key a file may have. parse gets the value, blanks trimmed, and the whole target struct; it returns
 * 0, or -errno with a text that says what is wrong with the value and what would be right (ini_apply puts file, line
 * and key before it).
 */
struct ini_key {
        const char *section;
        const char *key;
        int (*parse)(const char *value, void *target, struct errtext *err);
};

/*
 * Calls the row's parse for every key of the file, in the order of the table. A section or key without a row:
 * -EBADMSG, with the line and the nearest valid word. The first error ends it. path as in ini_read. only_section: if
 * not NULL, the keys of that section alone are parsed, and sections and keys elsewhere are not looked at.
 */
int ini_apply(const struct ini *ini, const char *path, const struct ini_key *keys, size_t n_keys,
              const char *only_section, void *target, struct errtext *err);

/* The word of the list (NULL-terminated) with the smallest edit distance to word, or NULL if none is near enough to
 * be meant. */
const char *ini_nearest(const char *word, const char *const *list);

/*
 * Walks a comma- or blank-separated list: *state starts as the value and is advanced; each item is copied,
 * terminated, into buf. Returns 1 for an item, 0 at the end, -ENAMETOOLONG for an item that does not fit.
 */
int ini_next_item(const char **state, char *buf, size_t size);
