/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One INI file. The guarantees: what is judged, digested and parsed are the same bytes, read once from one descriptor
 * whose owner and mode were checked; and nothing that an admin wrote is passed over in silence. iniparser gives the
 * values. It would skip or cut some lines without a word (below, at each check), and a line that is skipped may be the
 * one that says who is not meant, so the lines are walked here as well, joined just as iniparser joins them. iniparser
 * 4.1 and 4.2 differ only in what is refused here.
 */

#include "config.h"

#include "ini.h"

#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>

/* How much of somebody's words goes into an error text, so that the rest of the text still fits. */
#define QUOTE "'%.60s'"

enum line_kind { LINE_EMPTY, LINE_COMMENT, LINE_SECTION, LINE_KEY, LINE_OTHER };

/* A line with its continuations, taken apart in place. */
struct line {
        unsigned number; /* of the first, from 1 */
        bool continued;
        enum line_kind kind;
        char *name;  /* of a section or key */
        char *value; /* of a key, with quotes and comment */
        char text[INI_LINE_MAX + 1];
};

struct cursor {
        const char *p, *end;
        unsigned number; /* lines before p */
        char section[INI_LINE_MAX + 1];
};

static void cursor_init(struct cursor *cursor, const struct ini *ini) {
        cursor->p = ini->bytes;
        cursor->end = ini->bytes + ini->size;
        cursor->number = 0;
        cursor->section[0] = '\0';
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off the end of the n bytes at s, terminates them, and returns where the blanks at their start end. */
static char *trim(char *s, size_t n) {
        while (n > 0 && is_blank(s[n - 1]))
                n--;
        s[n] = '\0';
        while (is_blank(*s))
                s++;
        return s;
}

/* In iniparser's order: what begins with '[' and ends with ']' is a section, whatever is between. */
static void line_classify(struct line *line) {
        char *s = trim(line->text, strlen(line->text)), *equals = strchr(s, '=');
        size_t n = strlen(s);

        line->name = s;
        line->value = NULL;
        if (n == 0)
                line->kind = LINE_EMPTY;
        else if (s[0] == '#' || s[0] == ';')
                line->kind = LINE_COMMENT;
        else if (s[0] == '[' && s[n - 1] == ']') {
                line->kind = LINE_SECTION;
                line->name = trim(s + 1, n - 2);
        } else if (equals && equals != s) {
                line->kind = LINE_KEY;
                line->value = trim(equals + 1, strlen(equals + 1));
                line->name = trim(s, (size_t) (equals - s));
        } else
                line->kind = LINE_OTHER;
}

/* Returns 1 and the next line, 0 at the end, -E2BIG for a line too long, -ENODATA where a continuation is promised
 * and the file ends; ret->number holds in all cases but 0. */
static int next_line(struct cursor *cursor, struct line *ret) {
        size_t n = 0;

        ret->number = cursor->number + 1;
        for (ret->continued = false;; ret->continued = true) {
                const char *eol;
                size_t part;

                if (cursor->p == cursor->end)
                        return ret->continued ? -ENODATA : 0;
                eol = memchr(cursor->p, '\n', (size_t) (cursor->end - cursor->p));
                part = (size_t) ((eol ? eol : cursor->end) - cursor->p);
                if (n + part > INI_LINE_MAX)
                        return -E2BIG;
                memcpy(ret->text + n, cursor->p, part);
                n += part;
                cursor->p = eol ? eol + 1 : cursor->end;
                cursor->number++;
                while (n > 0 && is_blank(ret->text[n - 1]))
                        n--;
                if (n == 0 || ret->text[n - 1] != '\\')
                        break;
                n--;
        }
        ret->text[n] = '\0';
        line_classify(ret);
        if (ret->kind == LINE_SECTION)
                copy_field_cut(cursor->section, sizeof(cursor->section), ret->name);
        return 1;
}

/* A carriage return is one only where it ends a line. */
static bool is_control(const struct ini *ini, size_t i) {
        char c = ini->bytes[i];

        if (c == '\r')
                return i + 1 < ini->size && ini->bytes[i + 1] != '\n';
        return (c >= 0 && c < ' ' && c != '\t' && c != '\n') || c == 0x7f;
}

/* A NUL hides the rest of its line from iniparser; values with control characters would end up on terminals. */
static int check_bytes(const struct ini *ini, const char *path, struct errtext *err) {
        unsigned number = 1;

        if (ini->size >= 3 && memcmp(ini->bytes, "\xef\xbb\xbf", 3) == 0)
                return fail(err, -EBADMSG, "%s:1: begins with a byte order mark; save the file without it", path);
        for (size_t i = 0; i < ini->size; i++) {
                if (is_control(ini, i))
                        return fail(err, -EBADMSG, "%s:%u: a %s (0x%02x); an INI file is text", path, number,
                                    ini->bytes[i] == '\0' ? "NUL byte" : "control character",
                                    (unsigned) (unsigned char) ini->bytes[i]);
                number += ini->bytes[i] == '\n';
        }
        return 0;
}

/* iniparser drops what stands behind a closing quote, does not miss that quote, and its versions differ about
 * backslashes before it. */
static int check_quotes(const struct line *line, const char *path, struct errtext *err) {
        char quote = line->value[0];
        const char *end;

        if (quote != '"' && quote != '\'')
                return 0;
        end = strchr(line->value + 1, quote);
        if (!end)
                return fail(err, -EBADMSG, "%s:%u: no closing quote (%c) in the value of " QUOTE, path, line->number,
                            quote, line->name);
        if (memchr(line->value, '\\', (size_t) (end - line->value)))
                return fail(err, -EBADMSG, "%s:%u: a backslash inside quotes in the value of " QUOTE, path,
                            line->number, line->name);
        end += 1 + strspn(end + 1, " \t");
        if (*end != '\0' && *end != ';' && *end != '#')
                return fail(err, -EBADMSG,
                            "%s:%u: " QUOTE " stands behind the closing quote; quote the whole value or nothing", path,
                            line->number, end);
        return 0;
}

static int check_line(const struct line *line, const struct cursor *cursor, const char *path, struct errtext *err) {
        switch (line->kind) {
        case LINE_EMPTY:
                return 0;
        case LINE_COMMENT:
                if (line->continued)
                        return fail(err, -EBADMSG,
                                    "%s:%u: this comment ends in a backslash, which hides the line below it", path,
                                    line->number);
                return 0;
        case LINE_SECTION:
                /* 4.1 takes "[]" for the section before it, and "[a:b]" could overwrite key b of [a]. */
                if (line->name[0] == '\0' || strpbrk(line->name, ":[]"))
                        return fail(err, -EBADMSG, "%s:%u: " QUOTE " cannot be the name of a section", path,
                                    line->number, line->name);
                return 0;
        case LINE_KEY:
                if (cursor->section[0] == '\0')
                        return fail(err, -EBADMSG, "%s:%u: " QUOTE " stands before any [section]", path, line->number,
                                    line->name);
                return check_quotes(line, path, err);
        case LINE_OTHER:
                break;
        }
        return fail(err, -EBADMSG, "%s:%u: expected KEY = VALUE or [section], not " QUOTE "%s", path, line->number,
                    line->name, line->name[0] == '[' ? "; a [section] has its line for itself, without a comment" : "");
}

static int check_lines(const struct ini *ini, const char *path, unsigned *ret_keys, struct errtext *err) {
        struct cursor cursor;
        struct line line;
        unsigned keys = 0;
        int r;

        cursor_init(&cursor, ini);
        while ((r = next_line(&cursor, &line)) > 0) {
                r = check_line(&line, &cursor, path, err);
                if (r < 0)
                        return r;
                keys += line.kind == LINE_KEY;
        }
        if (r == -E2BIG)
                return fail(err, -EBADMSG,
                            "%s:%u: longer than %d bytes, continuations included; long lists belong in groups", path,
                            line.number, INI_LINE_MAX);
        if (r == -ENODATA)
                return fail(err, -EBADMSG, "%s:%u: ends in a backslash, but the file ends here", path, line.number);
        *ret_keys = keys;
        return 0;
}

static int swallow(const char *format, ...) {
        (void) format;
        return 0;
}

/*
 * iniparser reports through a callback that is the whole process's and prints to stderr unless one is set. Nothing of
 * ours may print into somebody's login, and two threads of a login daemon may be here at once: the lock is for that
 * alone. What was set before cannot be asked for, so the default comes back.
 */
static pthread_mutex_t callback_lock = PTHREAD_MUTEX_INITIALIZER;

static dictionary *load_silently(const char *path) {
        dictionary *dict;

        (void) pthread_mutex_lock(&callback_lock);
        iniparser_set_error_callback(swallow);
        dict = iniparser_load(path);
        iniparser_set_error_callback(NULL);
        (void) pthread_mutex_unlock(&callback_lock);
        return dict;
}

/* Gives *fd a number that nobody prints to, should it have one of those three. */
static int move_above_stdio(int *fd) {
        int high;

        if (*fd > STDERR_FILENO)
                return 0;
        high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (high < 0)
                return -errno;
        (void) close_fd(*fd);
        *fd = high;
        return 0;
}

/*
 * A descriptor from which a private copy of the bytes can be read, once. A pipe and not a file in memory: a login may
 * come with RLIMIT_FSIZE 0, and then the first byte written to any file is a SIGXFSZ, which would end the login's
 * process. A pipe is no file in this sense, and its reading end is open here, so that there is no SIGPIPE, either.
 * INI_SIZE_MAX is what every pipe holds, but for users who have very many of them: those get -EAGAIN.
 */
static int copy_to_pipe(const char *bytes, size_t size) {
        _cleanup_close_ int from = -1, to = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        from = fds[0];
        to = fds[1];
        r = move_above_stdio(&from);
        for (size_t done = 0; r >= 0 && done < size;) {
                ssize_t n = write(to, bytes + done, size - done);

                if (n < 0)
                        r = -errno;
                else
                        done += (size_t) n;
        }
        return r < 0 ? r : TAKE_FD(from);
}

/* iniparser does not tell a file that cannot be opened, for want of descriptors or of /proc, from one that is no INI
 * file. */
static int try_to_open(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : 0;
}

/*
 * iniparser writes through NULL where there is no memory for an empty dictionary; from there on it looks. So that much
 * is taken and given back before. volatile, or the compiler takes neither.
 */
static bool has_memory(void) {
        void *volatile p = malloc(16384);
        bool have = p;

        free(p);
        return have;
}

/* iniparser reads files only by name. Opened by its own name, the file could be another than the one judged by now. */
static int load(struct ini *ini, const char *path, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        char proc[64];
        int r;

        fd = copy_to_pipe(ini->bytes, ini->size);
        if (fd < 0)
                return fail(err, fd, "%s: cannot be copied to memory: %s", path, strerror(-fd));
        (void) snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        r = try_to_open(proc);
        if (r < 0)
                return fail(err, r, "%s: its copy in memory cannot be opened: %s", path, strerror(-r));
        if (!has_memory())
                return fail(err, -ENOMEM, "%s: out of memory", path);
        ini->dict = load_silently(proc);
        if (!ini->dict)
                return fail(err, -EBADMSG, "%s: iniparser cannot read this file", path);
        return 0;
}

/* "section:key" in lower case, as in the dictionary. */
static void dict_name(const char *section, const char *key, char *buf, size_t size) {
        (void) snprintf(buf, size, "%s:%s", section, key);
        for (char *p = buf; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
}

static const char missing[] = "";

/* Strikes out key after key; the second of two is then no longer there. Spoils the dictionary, which is not used
 * after this. */
static int fail_duplicate(struct ini *ini, const char *path, struct errtext *err) {
        char name[2 * INI_LINE_MAX + 2];
        struct cursor cursor;
        struct line line;

        cursor_init(&cursor, ini);
        while (next_line(&cursor, &line) > 0) {
                if (line.kind != LINE_KEY)
                        continue;
                dict_name(cursor.section, line.name, name, sizeof(name));
                if (dictionary_get(ini->dict, name, missing) == missing)
                        return fail(err, -EBADMSG, "%s:%u: " QUOTE " is given a second time in [%.60s]; write one line",
                                    path, line.number, line.name, cursor.section);
                dictionary_unset(ini->dict, name);
        }
        return fail(err, -EBADMSG, "%s: iniparser found other keys than there are", path);
}

/* The last of two equal keys wins without a word in iniparser; out of memory, it gives what it had until then. */
static int check_keys(struct ini *ini, unsigned keys, const char *path, struct errtext *err) {
        unsigned found = 0;

        for (size_t i = 0; i < (size_t) ini->dict->size; i++)
                found += ini->dict->key[i] && ini->dict->val[i];
        return found == keys ? 0 : fail_duplicate(ini, path, err);
}

static int check_trusted(const struct stat *st, const char *path, struct errtext *err) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return fail(err, -EPERM, "%s: owned by uid %u and not by root: not trusted; chown root it", path,
                            (unsigned) st->st_uid);
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return fail(err, -EPERM,
                            "%s: writable by others than its owner (mode %04o): not trusted; chmod go-w it", path,
                            (unsigned) (st->st_mode & 07777));
        return 0;
}

/* After ELOOP: the only link that means something is the mask. */
static int judge_link(int dirfd, const char *name, const char *path, struct errtext *err) {
        static const char mask[] = "/dev/null";
        char target[sizeof(mask)];

        if (readlinkat(dirfd, name, target, sizeof(target)) == sizeof(mask) - 1 &&
            memcmp(target, mask, sizeof(mask) - 1) == 0)
                return INI_MASKED;
        return fail(err, -EPERM, "%s: a symbolic link; only one to /dev/null, which masks the name, is taken", path);
}

/* Neither a FIFO nor a device may hold up a login or do anything for being opened. */
static int open_file(int dirfd, const char *name, const char *path, int *ret_fd, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) {
                r = -errno;
                if (r == -ELOOP)
                        return judge_link(dirfd, name, path, err);
                if (r != -ENXIO) /* a socket */
                        return fail(err, r, "%s: cannot be opened: %s", path, strerror(-r));
                return fail(err, -EPERM, "%s: no regular file", path);
        }
        if (fstat(fd, &st) < 0) {
                r = -errno;
                return fail(err, r, "%s: cannot be examined: %s", path, strerror(-r));
        }
        if (!S_ISREG(st.st_mode))
                return fail(err, -EPERM, "%s: no regular file", path);
        r = check_trusted(&st, path, err);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return INI_OK;
}

static int read_bytes(int fd, const char *path, struct ini *ini, struct errtext *err) {
        ssize_t n;

        ini->bytes = malloc(INI_SIZE_MAX + 2);
        if (!ini->bytes)
                return fail(err, -ENOMEM, "%s: out of memory", path);
        do {
                n = read(fd, ini->bytes + ini->size, INI_SIZE_MAX + 1 - ini->size);
                if (n < 0) {
                        int r = -errno;

                        return fail(err, r, "%s: cannot be read: %s", path, strerror(-r));
                }
                ini->size += (size_t) n;
        } while (n > 0 && ini->size <= INI_SIZE_MAX);
        if (ini->size > INI_SIZE_MAX)
                return fail(err, -EBADMSG, "%s: larger than %d bytes", path, INI_SIZE_MAX);
        ini->bytes[ini->size] = '\0';
        return 0;
}

int ini_read(int dirfd, const char *name, const char *path, struct ini *ret, struct errtext *err) {
        _cleanup_(ini_done) struct ini ini = INI_INIT;
        _cleanup_close_ int fd = -1;
        unsigned keys;
        int r;

        r = open_file(dirfd, name, path, &fd, err);
        if (r != INI_OK)
                return r;
        r = read_bytes(fd, path, &ini, err);
        if (r < 0)
                return r;
        if (ini.size == 0)
                return INI_MASKED;
        sha256(ini.bytes, ini.size, ini.digest);
        r = check_bytes(&ini, path, err);
        if (r < 0)
                return r;
        r = check_lines(&ini, path, &keys, err);
        if (r < 0)
                return r;
        r = load(&ini, path, err);
        if (r < 0)
                return r;
        r = check_keys(&ini, keys, path, err);
        if (r < 0)
                return r;
        *ret = ini;
        ini = (struct ini) INI_INIT;
        return INI_OK;
}

void ini_done(struct ini *ini) {
        if (ini->dict)
                iniparser_freedict(ini->dict);
        free(ini->bytes);
        *ini = (struct ini) INI_INIT;
}

int ini_open_dir(const char *path, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                if (r == -ENOENT)
                        return r;
                if (r == -ENOTDIR || r == -ELOOP)
                        return fail(err, -EPERM, "%s: no directory (a symbolic link is not followed)", path);
                return fail(err, r, "%s: cannot be opened: %s", path, strerror(-r));
        }
        if (fstat(fd, &st) < 0) {
                r = -errno;
                return fail(err, r, "%s: cannot be examined: %s", path, strerror(-r));
        }
        /* The sticky bit does not help: others still could put a file there. */
        r = check_trusted(&st, path, err);
        if (r < 0)
                return r;
        return TAKE_FD(fd);
}

unsigned ini_line(const struct ini *ini, const char *section, const char *key) {
        enum line_kind kind = key ? LINE_KEY : LINE_SECTION;
        struct cursor cursor;
        struct line line;

        cursor_init(&cursor, ini);
        while (next_line(&cursor, &line) > 0)
                if (line.kind == kind && strcasecmp(cursor.section, section) == 0 &&
                    (!key || strcasecmp(line.name, key) == 0))
                        return line.number;
        return 0;
}

static bool row_has(const struct ini_key *row, const char *section, const char *key) {
        return (!section || streq(row->section, section)) && (!key || streq(row->key, key));
}

/* The first row with this section and this key; NULL stands for any. */
static const struct ini_key *find_row(const struct ini_key *keys, size_t n_keys, const char *section, const char *key) {
        for (size_t i = 0; i < n_keys; i++)
                if (row_has(&keys[i], section, key))
                        return &keys[i];
        return NULL;
}

/* The nearest section (section NULL) or key of that section. Without memory there is none. */
static const char *nearest_row(const struct ini_key *keys, size_t n_keys, const char *section, const char *word) {
        _cleanup_free_ const char **list = calloc(n_keys + 1, sizeof(*list));
        size_t n = 0;

        if (!list)
                return NULL;
        for (size_t i = 0; i < n_keys; i++)
                if (row_has(&keys[i], section, NULL))
                        list[n++] = section ? keys[i].key : keys[i].section;
        return ini_nearest(word, list);
}

static int fail_section(const struct ini *ini, const char *path, const struct ini_key *keys, size_t n_keys,
                        const char *section, struct errtext *err) {
        const char *nearest = nearest_row(keys, n_keys, NULL, section);
        unsigned line = ini_line(ini, section, NULL);

        if (nearest)
                return fail(err, -EBADMSG, "%s:%u: unknown section [%.60s]; did you mean [%s]?", path, line, section,
                            nearest);
        return fail(err, -EBADMSG, "%s:%u: unknown section [%.60s]", path, line, section);
}

static int fail_key(const struct ini *ini, const char *path, const struct ini_key *keys, size_t n_keys,
                    const char *section, const char *key, struct errtext *err) {
        const struct ini_key *elsewhere = find_row(keys, n_keys, NULL, key);
        const char *nearest = nearest_row(keys, n_keys, section, key);
        unsigned line = ini_line(ini, section, key);

        if (elsewhere)
                return fail(err, -EBADMSG, "%s:%u: unknown key " QUOTE " in [%s]; it belongs in [%s]", path, line, key,
                            section, elsewhere->section);
        if (nearest)
                return fail(err, -EBADMSG, "%s:%u: unknown key " QUOTE " in [%s]; did you mean '%s'?", path, line, key,
                            section, nearest);
        return fail(err, -EBADMSG, "%s:%u: unknown key " QUOTE " in [%s]", path, line, key, section);
}

/* Entries are walked as they are: iniparser's own lists of sections and keys leave some out. */
static int check_entry(const struct ini *ini, const char *path, const struct ini_key *keys, size_t n_keys,
                       const char *only_section, const char *entry, struct errtext *err) {
        const char *colon = strchr(entry, ':');
        _cleanup_free_ char *section = strndup(entry, colon ? (size_t) (colon - entry) : strlen(entry));

        if (!section)
                return fail(err, -ENOMEM, "%s: out of memory", path);
        if (only_section && !streq(section, only_section))
                return 0;
        if (!find_row(keys, n_keys, section, NULL))
                return fail_section(ini, path, keys, n_keys, section, err);
        if (colon && !find_row(keys, n_keys, section, colon + 1))
                return fail_key(ini, path, keys, n_keys, section, colon + 1, err);
        return 0;
}

static int apply_row(const struct ini *ini, const char *path, const struct ini_key *row, void *target,
                     struct errtext *err) {
        char name[INI_LINE_MAX + 1], buf[INI_LINE_MAX + 1];
        struct errtext why = {.s = ""};
        const char *value;
        int r;

        (void) snprintf(name, sizeof(name), "%s:%s", row->section, row->key);
        value = dictionary_get(ini->dict, name, NULL);
        if (!value)
                return 0;
        r = copy_field(buf, sizeof(buf), value);
        if (r < 0)
                return fail(err, r, "%s: %s: too long", path, row->key);
        r = row->parse(trim(buf, strlen(buf)), target, &why);
        if (r < 0)
                return fail(err, r, "%s:%u: %s: %s", path, ini_line(ini, row->section, row->key), row->key,
                            why.s[0] != '\0' ? why.s : strerror(-r));
        return 0;
}

int ini_apply(const struct ini *ini, const char *path, const struct ini_key *keys, size_t n_keys,
              const char *only_section, void *target, struct errtext *err) {
        int r;

        for (size_t i = 0; i < (size_t) ini->dict->size; i++) {
                if (!ini->dict->key[i])
                        continue;
                r = check_entry(ini, path, keys, n_keys, only_section, ini->dict->key[i], err);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n_keys; i++) {
                if (only_section && !streq(keys[i].section, only_section))
                        continue;
                r = apply_row(ini, path, &keys[i], target, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

#define WORD_MAX 63

static char fold(char c) {
        if (c >= 'A' && c <= 'Z')
                c = (char) (c - 'A' + 'a');
        return c;
}

static unsigned min(unsigned a, unsigned b) {
        return a < b ? a : b;
}

/* Levenshtein's distance, with two letters swapped as one edit: "bfp" is near "bpf". Both words have at most
 * WORD_MAX letters. */
static unsigned distance(const char *a, const char *b) {
        uint8_t d[WORD_MAX + 1][WORD_MAX + 1] = {{0}};
        size_t i, j;

        for (j = 0; j <= strlen(b); j++)
                d[0][j] = (uint8_t) j;
        for (i = 1; a[i - 1]; i++) {
                d[i][0] = (uint8_t) i;
                for (j = 1; b[j - 1]; j++) {
                        bool same = fold(a[i - 1]) == fold(b[j - 1]);
                        unsigned edits = min(d[i - 1][j - 1] + !same, min(d[i - 1][j], d[i][j - 1]) + 1);

                        if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                                edits = min(edits, d[i - 2][j - 2] + 1);
                        d[i][j] = (uint8_t) edits;
                }
        }
        return d[i - 1][j - 1];
}

const char *ini_nearest(const char *word, const char *const *list) {
        unsigned n = (unsigned) strnlen(word, WORD_MAX + 1), nearest_distance;
        const char *nearest = NULL;

        if (n > WORD_MAX)
                return NULL;
        /* Up to a third of the word, two letters of a short one, one of a very short one. */
        nearest_distance = 1 + (n >= 9 ? n / 3 : n >= 4 ? 2 : 1);
        for (; *list; list++) {
                unsigned d = strlen(*list) > WORD_MAX ? nearest_distance : distance(word, *list);

                if (d < nearest_distance) {
                        nearest_distance = d;
                        nearest = *list;
                }
        }
        return nearest;
}

/*
 * *state rests on a comma only where that comma has no item before it, or none behind it: "a,,b", ",a" and "a," so give
 * an empty item, which each caller refuses in its own words.
 */
int ini_next_item(const char **state, char *buf, size_t size) {
        const char *p = *state + strspn(*state, " \t"), *rest;
        size_t n = strcspn(p, ", \t");

        if (*p == '\0')
                return 0;
        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(buf, p, n);
        buf[n] = '\0';
        p += n + strspn(p + n, " \t");
        if (*p == ',') {
                rest = p + 1 + strspn(p + 1, " \t");
                if (n == 0 || *rest != '\0')
                        p++;
        }
        *state = p;
        return 1;
}
