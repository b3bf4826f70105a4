/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records: a table of keys for each kind of file says how it is written and read. Strings are written with everything
 * but letters, digits and a few signs as %XX, for they may be anything a directory server calls a user, and an INI
 * value may not.
 */

#include "config.h"

#include "state.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "log.h"

#define RECORD "record"
#define SESSION "session-"
#define BAD "bad-"
#define PART_SIZE (PROTO_ID_SIZE + 1)
#define TIDY_USEC (1 * USEC_PER_SEC)
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@/:"
#define HEX "0123456789ABCDEF"

/* ---- values ---- */

enum kind { NUMBER32, NUMBER64, TEXT, WORD_STATE, WORD_BACKEND };

/* One line of a file: where in the struct it comes from. */
struct field {
        const char *key;
        enum kind kind;
        size_t offset, size;
        bool optional; /* not in what an earlier version wrote: zero then */
};
#define FIELD(type, member, k)                                                        \
        {                                                                             \
                .key = #member, .kind = (k), .offset = offsetof(struct type, member), \
                .size = sizeof(((struct type *) 0)->member)                           \
        }

static const char *const state_words[] = {
        [PROTO_STATE_OPENING] = "opening",
        [PROTO_STATE_ACTIVE] = "active",
        [PROTO_STATE_ENDING] = "ending",
};
static const char *const backend_words[] = {[CGROUP_FS] = "cgroupfs", [CGROUP_SCOPE] = "systemd"};

static void put_text(FILE *f, const char *s) {
        for (; *s; s++)
                if (strchr(PLAIN, *s))
                        (void) fputc(*s, f);
                else
                        (void) fprintf(f, "%%%02X", (unsigned) (unsigned char) *s);
}

static int get_text(const char *value, char *field, size_t size) {
        char text[PROTO_PATH_SIZE + 1];
        size_t n = 0;

        for (const char *p = value; *p; p++) {
                unsigned c = (unsigned char) *p;

                if (n == sizeof(text) - 1)
                        return -ENAMETOOLONG;
                if (*p == '%') {
                        if (strspn(p + 1, HEX) < 2 || sscanf(p + 1, "%2X", &c) != 1)
                                return -EINVAL;
                        /* proto_check() lets none of these in, so none was ever written. */
                        if (c < 0x20 || c == 0x7f)
                                return -EINVAL;
                        p += 2;
                } else if (!strchr(PLAIN, *p))
                        return -EINVAL;
                text[n++] = (char) c;
        }
        text[n] = '\0';
        return copy_field(field, size, text);
}

static int get_word(const char *value, const char *const *words, size_t n, void *field) {
        for (unsigned i = 0; i < n; i++)
                if (streq(value, words[i])) {
                        memcpy(field, &i, sizeof(i)); /* an enum of these is an unsigned int */
                        return 0;
                }
        return -EINVAL;
}

static void put_field(FILE *f, const struct field *field, const void *target) {
        const void *p = (const char *) target + field->offset;
        uint64_t v = 0;
        unsigned word;

        (void) fprintf(f, "%s = ", field->key);
        memcpy(&word, p, sizeof(word));
        switch (field->kind) {
        case NUMBER32:
                (void) fprintf(f, "%u", word);
                break;
        case NUMBER64:
                memcpy(&v, p, sizeof(v));
                (void) fprintf(f, "%" PRIu64, v);
                break;
        case TEXT:
                put_text(f, p);
                break;
        case WORD_STATE:
                (void) fputs(state_words[word], f);
                break;
        case WORD_BACKEND:
                (void) fputs(backend_words[word], f);
                break;
        }
        (void) fputc('\n', f);
}

static int get_field(const struct field *field, const char *value, void *target) {
        void *p = (char *) target + field->offset;
        uint32_t v32;
        uint64_t v;
        int r;

        switch (field->kind) {
        case NUMBER32:
        case NUMBER64:
                r = parse_uint(value, 10, field->kind == NUMBER32 ? UINT32_MAX : UINT64_MAX, &v);
                if (r < 0)
                        return r;
                v32 = (uint32_t) v;
                memcpy(p, field->kind == NUMBER32 ? (const void *) &v32 : (const void *) &v, field->size);
                return 0;
        case TEXT:
                return get_text(value, p, field->size);
        case WORD_STATE:
                return get_word(value, state_words, ELEMENTSOF(state_words), p);
        case WORD_BACKEND:
                return get_word(value, backend_words, ELEMENTSOF(backend_words), p);
        }
        return -EINVAL;
}

/* ---- the two kinds of file ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define PROCESS(type, member) \
        FIELD(type, member.pid, NUMBER32), FIELD(type, member.start, NUMBER64), FIELD(type, member.inode, NUMBER64)
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct field record_fields[] = {
        FIELD(state_record, uid, NUMBER32),
        FIELD(state_record, gid, NUMBER32),
        FIELD(state_record, user, TEXT),
        FIELD(state_record, policy, TEXT),
        FIELD(state_record, state, WORD_STATE),
        FIELD(state_record, created_usec, NUMBER64),
        FIELD(state_record, last_session, NUMBER64),
        FIELD(state_record, backend, WORD_BACKEND),
        FIELD(state_record, cgroup, TEXT),
        PROCESS(state_record, anchor),
        FIELD(state_record, userns.inode, NUMBER64),
        FIELD(state_record, userns.id, NUMBER64),
};

static const struct field session_fields[] = {
        PROCESS(state_session, leader),
        FIELD(state_session, service, TEXT),
        {.key = "attempt",
         .kind = NUMBER64,
         .offset = offsetof(struct state_session, attempt),
         .size = 8,
         .optional = true},
};

/* A row is copied with the size of its type; 32-bit ones must have that. */
_Static_assert(sizeof(uid_t) == 4 && sizeof(gid_t) == 4 && sizeof(pid_t) == 4 && sizeof(enum proto_state) == 4 &&
                       sizeof(enum cgroup_backend) == 4,
               "fields of 32 bits");

/* Writes name.new in dirfd, then gives it its name. */
static int write_file(int dirfd, const char *name, int (*write_to)(FILE *f, const void *data), const void *data) {
        char new[PROTO_POLICY_SIZE + 8];
        FILE *f;
        int fd, r;

        (void) snprintf(new, sizeof(new), ".%s.new", name);
        fd = openat(dirfd, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        f = fd < 0 ? NULL : fdopen(fd, "w");
        if (!f) {
                r = -errno;
                (void) close_fd(fd);
                return r;
        }
        r = write_to(f, data);
        if (ferror(f) && r >= 0)
                r = -EIO;
        if (fclose(f) != 0 && r >= 0)
                r = -errno;
        if (r >= 0 && renameat(dirfd, new, dirfd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dirfd, new, 0);
        return r;
}

struct fields {
        const struct field *rows;
        size_t n;
        const void *target;
};

static int write_fields(FILE *f, const void *data) {
        const struct fields *fields = data;

        (void) fputs("[bpfdeleg]\n", f);
        for (size_t i = 0; i < fields->n; i++)
                put_field(f, &fields->rows[i], fields->target);
        return 0;
}

struct bytes {
        const char *p;
        size_t size;
};

static int write_bytes(FILE *f, const void *data) {
        const struct bytes *bytes = data;

        return fwrite(bytes->p, 1, bytes->size, f) == bytes->size ? 0 : -EIO;
}

/* Every key must be there but the optional ones, and no other. */
static int read_fields(int dirfd, const char *name, const char *path, const struct field *rows, size_t n, void *target,
                       struct errtext *err) {
        _cleanup_(ini_done) struct ini ini = INI_INIT;
        size_t found = 0;
        int r;

        r = ini_read(dirfd, name, path, &ini, err);
        if (r != INI_OK)
                return r < 0 ? r : fail(err, -EBADMSG, "%s: empty", path);
        for (size_t i = 0; i < n; i++) {
                char key[64];
                const char *value;

                (void) snprintf(key, sizeof(key), "bpfdeleg:%s", rows[i].key);
                value = iniparser_getstring(ini.dict, key, NULL);
                if (!value && rows[i].optional)
                        continue;
                if (!value || get_field(&rows[i], value, target) < 0)
                        return fail(err, -EBADMSG, "%s: %s is missing or makes no sense", path, rows[i].key);
                found++;
        }
        if ((size_t) iniparser_getsecnkeys(ini.dict, "bpfdeleg") != found || iniparser_getnsec(ini.dict) != 1)
                return fail(err, -EBADMSG, "%s: not the keys that belong into it", path);
        return 0;
}

/* ---- writing ---- */

static int open_id(const struct state_dir *dir, uint64_t id) {
        char name[PROTO_ID_SIZE];
        int fd;

        (void) proto_id_format(id, name);
        fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

static int write_record(int dirfd, const struct state_record *record) {
        const struct fields fields = {.rows = record_fields, .n = ELEMENTSOF(record_fields), .target = record};

        return write_file(dirfd, RECORD, write_fields, &fields);
}

/* A directory that is being filled, or emptied. */
static void part_name(uint64_t id, char buf[PART_SIZE]) {
        buf[0] = '.';
        (void) proto_id_format(id, buf + 1);
}

static int fill(const struct state_dir *dir, const char *part, const struct state_record *record,
                const struct bytes *policy) {
        _cleanup_close_ int fd = -1;
        char name[PROTO_ID_SIZE];
        int r;

        fd = openat(dir->fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = write_file(fd, record->policy, write_bytes, policy);
        if (r >= 0)
                r = write_record(fd, record);
        if (r >= 0 && renameat(dir->fd, part, dir->fd, proto_id_format(record->id, name)) < 0)
                r = -errno;
        return r;
}

int state_update(const struct state_dir *dir, const struct state_record *record) {
        _cleanup_close_ int fd = -1;

        fd = open_id(dir, record->id);
        return fd < 0 ? take_fd(&fd) : write_record(fd, record);
}

static void session_name(uint64_t number, char *buf, size_t size) {
        (void) snprintf(buf, size, SESSION "%" PRIu64, number);
}

int state_add_session(const struct state_dir *dir, uint64_t id, const struct state_session *session) {
        const struct fields fields = {.rows = session_fields, .n = ELEMENTSOF(session_fields), .target = session};
        _cleanup_close_ int fd = -1;
        char name[40];

        session_name(session->number, name, sizeof(name));
        fd = open_id(dir, id);
        return fd < 0 ? take_fd(&fd) : write_file(fd, name, write_fields, &fields);
}

void state_remove_session(const struct state_dir *dir, uint64_t id, uint64_t number) {
        _cleanup_close_ int fd = -1;
        char name[40];

        session_name(number, name, sizeof(name));
        fd = open_id(dir, id);
        if (fd >= 0)
                (void) unlinkat(fd, name, 0);
}

static DIR *open_stream(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                (void) close_fd(fd);
        return d;
}

static int remove_dir(const struct state_dir *dir, const char *name) {
        const struct dirent *e;
        int r = 0;
        DIR *d;

        d = open_stream(dir->fd, name);
        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d)))
                if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && unlinkat(dirfd(d), e->d_name, 0) < 0)
                        r = -errno;
        (void) closedir(d);
        if (r < 0)
                return r;
        return unlinkat(dir->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static bool is_part(const char *name) {
        uint64_t id;

        return name[0] == '.' && proto_id_parse(name + 1, &id) == 0;
}

/* Removes leftovers: records whose removal failed earlier, and records that were only partly written. Returns 0 or
 * -errno. If several removals fail, resource errors (is_shortage()) take precedence. */
static int tidy(const struct state_dir *dir) {
        const struct dirent *e;
        int r = 0, last;
        DIR *d;

        d = open_stream(dir->fd, ".");
        if (!d)
                return -errno;
        while ((e = readdir(d)))
                if (is_part(e->d_name) && (last = remove_dir(dir, e->d_name)) < 0 && !is_shortage(r))
                        r = last;
        (void) closedir(d);
        return r;
}

static int on_tidying(sd_event_source *source, uint64_t usec, void *userdata);

/* A record could not be removed, or a half made one, for want of something (descriptors, memory). It counts no more,
 * but nobody else would come for it before the next start. */
static void tidy_later(struct state_dir *dir) {
        int r;

        dir->tidying = sd_event_source_disable_unref(dir->tidying);
        if (!dir->event)
                return;
        r = sd_event_add_time_relative(dir->event, &dir->tidying, CLOCK_MONOTONIC, TIDY_USEC, 0, on_tidying, dir);
        if (r < 0)
                log_line(LOG_WARNING, "some of a record is left in %s until the next start: %s", dir->path,
                         strerror(-r));
}

static int on_tidying(sd_event_source *source, uint64_t usec, void *userdata) {
        struct state_dir *dir = userdata;

        (void) source;
        (void) usec;
        if (is_shortage(tidy(dir)))
                tidy_later(dir);
        else
                dir->tidying = sd_event_source_disable_unref(dir->tidying);
        return 0;
}

/* ---- a delegation's beginning and end ---- */

int state_new(struct state_dir *dir, const struct state_record *record, const char *policy_text, size_t policy_size) {
        const struct bytes policy = {.p = policy_text, .size = policy_size};
        char part[PART_SIZE];
        int r;

        part_name(record->id, part);
        if (mkdirat(dir->fd, part, 0700) < 0)
                r = -errno;
        else if ((r = fill(dir, part, record, &policy)) < 0)
                (void) remove_dir(dir, part);
        if (is_shortage(r))
                tidy_later(dir);
        return r;
}

void state_remove(struct state_dir *dir, uint64_t id) {
        char name[PROTO_ID_SIZE], part[PART_SIZE];
        int r;

        (void) proto_id_format(id, name);
        part_name(id, part);
        /* Where it cannot be renamed: better half of it for a moment than all of it for ever. */
        r = remove_dir(dir, renameat(dir->fd, name, dir->fd, part) < 0 ? name : part);
        if (is_shortage(r))
                tidy_later(dir);
        else if (r < 0)
                log_line(LOG_WARNING, "the record of %s cannot be removed from %s: %s", name, dir->path, strerror(-r));
}

/* ---- reading ---- */

struct reading {
        const struct state_dir *dir;
        const struct state_reader *reader;
        int count;
};

/* An earlier one of the same name gives way, unless root has put something into it. */
static void set_aside(const struct state_dir *dir, const char *name, const char *why) {
        char bad[sizeof(BAD) + PROTO_ID_SIZE];

        (void) snprintf(bad, sizeof(bad), BAD "%.*s", PROTO_ID_SIZE - 1, name);
        if (unlinkat(dir->fd, bad, 0) < 0)
                (void) remove_dir(dir, bad);
        if (renameat(dir->fd, name, dir->fd, bad) == 0)
                log_line(LOG_ERR, "the record of a delegation makes no sense and is set aside (%s/%s): %s", dir->path,
                         bad, why);
        else
                log_line(LOG_ERR,
                         "the record of a delegation makes no sense and is passed over (it cannot be renamed to %s/%s: "
                         "%m): %s",
                         dir->path, bad, why);
}

/* What is opened, killed and removed below the cgroup2 mount must be below it: "" or "/a/b". */
static bool is_cgroup_path(const char *path) {
        for (const char *p = path; *p; p += strcspn(p, "/")) {
                size_t n = *p == '/' ? strcspn(++p, "/") : 0;

                if (n == 0 || strncmp(p, ".", n) == 0 || strncmp(p, "..", n) == 0)
                        return false;
        }
        return true;
}

/* All in it is going to be killed, should the anchor have gone: each subtree has its id in its name, and nobody
 * else's has. */
static bool is_cgroup_of(const struct state_record *record) {
        const char *name = strrchr(record->cgroup, '/');
        char id[PROTO_ID_SIZE];

        return !name || strstr(name, proto_id_format(record->id, id));
}

static int read_record(const char *path, int fd, uint64_t id, struct state_record *record, struct policy **policy,
                       struct errtext *err) {
        const char *dirs[] = {path, NULL};
        char text[320];
        int r;

        (void) snprintf(text, sizeof(text), "%s/" RECORD, path);
        r = read_fields(fd, RECORD, text, record_fields, ELEMENTSOF(record_fields), record, err);
        if (r < 0)
                return r;
        record->id = id;
        if (!is_cgroup_path(record->cgroup) || !is_cgroup_of(record))
                return fail(err, -EBADMSG, "%s: '%.60s' is no cgroup of this delegation", text, record->cgroup);
        (void) fail(err, 0, "%s: the copy of its policy is missing", path);
        r = policy_read(dirs, record->policy, policy, err);
        if (r != 0)
                return r < 0 ? r : -EBADMSG;
        if ((*policy)->error.s[0] != '\0')
                return fail(err, -EBADMSG, "%s", (*policy)->error.s);
        return 0;
}

/* A policy's name may begin like that, too, but has a suffix. No leading zero: a number has one file. */
static bool is_session(const char *name, uint64_t *ret) {
        char again[40];

        if (strncmp(name, SESSION, strlen(SESSION)) != 0 || parse_uint(name + strlen(SESSION), 10, UINT64_MAX, ret) < 0)
                return false;
        session_name(*ret, again, sizeof(again));
        return streq(again, name);
}

static int read_session(const struct reading *reading, const char *path, int fd, uint64_t id, const char *name) {
        struct state_session session = {0};
        struct errtext err;
        char text[320];
        int r;

        if (!is_session(name, &session.number))
                return 0;
        (void) snprintf(text, sizeof(text), "%s/%.40s", path, name);
        r = read_fields(fd, name, text, session_fields, ELEMENTSOF(session_fields), &session, &err);
        if (r >= 0)
                reading->reader->session(reading->reader->userdata, id, &session);
        else if (!is_shortage(r))
                log_line(LOG_ERR, "the record of a session makes no sense and is passed over: %s", err.s);
        return is_shortage(r) ? r : 0;
}

/* Returns 0, or -errno if it may make sense and cannot be read now. */
static int read_delegation(struct reading *reading, const char *name, uint64_t id) {
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct state_record record = {0};
        const struct dirent *e;
        struct errtext err;
        char path[256];
        DIR *d;
        int r;

        (void) snprintf(path, sizeof(path), "%s/%s", reading->dir->path, name);
        d = open_stream(reading->dir->fd, name);
        r = d ? read_record(path, dirfd(d), id, &record, &policy, &err) : fail(&err, -errno, "%s: %m", path);
        if (r < 0) {
                if (d)
                        (void) closedir(d);
                if (!is_shortage(r))
                        set_aside(reading->dir, name, err.s);
                return is_shortage(r) ? r : 0;
        }
        reading->count++;
        reading->reader->delegation(reading->reader->userdata, &record, TAKE_PTR(policy));
        for (r = 0; r >= 0 && (e = readdir(d));)
                r = read_session(reading, path, dirfd(d), id, e->d_name);
        (void) closedir(d);
        return r;
}

int state_read(const struct state_dir *dir, const struct state_reader *reader, struct errtext *err) {
        struct reading reading = {.dir = dir, .reader = reader};
        const struct dirent *e;
        uint64_t id;
        int r = 0;
        DIR *d;

        d = open_stream(dir->fd, ".");
        if (!d)
                return fail(err, -errno, "%s cannot be read: %m", dir->path);
        while (r >= 0 && (e = readdir(d)))
                if (proto_id_parse(e->d_name, &id) == 0)
                        r = read_delegation(&reading, e->d_name, id);
                else if (is_part(e->d_name))
                        (void) remove_dir(dir, e->d_name);
        (void) closedir(d);
        return r < 0 ? fail(err, r, "%s cannot be read now: %s", dir->path, strerror(-r)) : reading.count;
}

/* Returns whether the name is one of a note, and which. */
static bool is_closed(const char *name, struct proto_cookie *cookie, uint64_t *attempt) {
        if (strncmp(name, PROTO_CLOSED, strlen(PROTO_CLOSED)) != 0)
                return false;
        name += strlen(PROTO_CLOSED);
        *attempt = 0;
        return proto_cookie_parse(name, cookie) == 0 || (proto_id_parse(name, attempt) == 0 && *attempt != 0);
}

void state_read_closed(const struct state_dir *dir,
                       void (*closed)(void *userdata, const struct proto_cookie *cookie, uint64_t attempt),
                       void *userdata) {
        struct proto_cookie cookie = {0};
        const struct dirent *e;
        uint64_t attempt;
        DIR *d;

        d = open_stream(dir->fd, ".");
        if (!d) {
                log_line(LOG_ERR, "%s cannot be read: %m; logouts that nobody heard of are not made up for", dir->path);
                return;
        }
        while ((e = readdir(d)))
                if (is_closed(e->d_name, &cookie, &attempt)) {
                        closed(userdata, &cookie, attempt);
                        (void) unlinkat(dir->fd, e->d_name, 0);
                }
        (void) closedir(d);
}

/* Returns a locked descriptor, or -errno with err. */
static int lock_dir(const char *path, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        struct stat st, now;

        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fail(err, -errno, "%s cannot be opened: %m", path);
        if (st.st_uid != geteuid() || (st.st_mode & 0077))
                return fail(err, -EPERM, "%s must be root's, with mode 0700", path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return fail(err, -EWOULDBLOCK, "another bpfdelegd keeps its records in %s", path);
        /* One that was just ending may have removed it meanwhile. */
        if (stat(path, &now) < 0 || now.st_ino != st.st_ino)
                return fail(err, -EAGAIN, "%s was removed at the same time by another bpfdelegd; start this one again",
                            path);
        return TAKE_FD(fd);
}

int state_open(struct state_dir *ret, sd_event *event, const char *runtime_dir, struct errtext *err) {
        struct state_dir dir = STATE_DIR_INIT;
        char path[200];

        if ((size_t) snprintf(path, sizeof(path), "%s/state", runtime_dir) >= sizeof(path))
                return fail(err, -ENAMETOOLONG, "%s: too long", runtime_dir);
        if ((mkdir(runtime_dir, 0755) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
                return fail(err, -errno, "%s cannot be made: %m", path);
        dir.fd = lock_dir(path, err);
        if (dir.fd < 0)
                return dir.fd;
        dir.path = strdup(path);
        if (!dir.path) {
                (void) close_fd(dir.fd);
                return fail(err, -ENOMEM, "out of memory");
        }
        dir.event = event;
        *ret = dir;
        return 0;
}

void state_done(struct state_dir *dir) {
        dir->tidying = sd_event_source_disable_unref(dir->tidying);
        if (dir->fd >= 0) {
                (void) tidy(dir);
                (void) rmdir(dir->path);
        }
        dir->fd = close_fd(dir->fd);
        free(dir->path);
        dir->path = NULL;
}
