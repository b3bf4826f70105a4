/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Policy files. The guarantees: a file grants only what every line of it says, or nothing at all; the first file in
 * order that could be meant for a login ends the search, broken or not, so that no mistake in it lets a later file
 * grant more; and a ~ keeps out whom it names, whatever else its line says. Module and helper both come through here,
 * so both judge a file alike.
 */

#include "config.h"

#include "policy.h"

#include <dirent.h>
#include <limits.h>
#include <linux/capability.h>
#include <strings.h>

#include "proto.h"

#define ITEM_MAX PROTO_USER_SIZE /* bytes in an item of a list: a user name, with its ~ */

const char *const policy_default_dirs[] = {POLICY_DIR_ETC, POLICY_DIR_RUN, POLICY_DIR_LIB, NULL};

/* ---- values ------------------------------------------------------------------------------------------------------ */

static int set_string(const char *value, char **ret) {
        char *s = strdup(value);

        if (!s)
                return -ENOMEM;
        free(*ret);
        *ret = s;
        return 0;
}

static int parse_list(const char *value, char **ret, struct errtext *err) {
        char item[ITEM_MAX + 1];
        const char *state = value;
        unsigned n = 0;
        int r;

        while ((r = ini_next_item(&state, item, sizeof(item))) > 0) {
                const char *word = item[0] == '~' ? item + 1 : item;

                if (item[0] == '\0')
                        return fail(err, -EBADMSG,
                                    "an item of the list is empty; expected words with one comma between them");
                if (word[0] == '\0' || word[0] == '~')
                        return fail(err, -EBADMSG,
                                    "'%.60s' in the list is no word; expected ~ right before what it takes out", item);
                n++;
        }
        if (r < 0)
                return fail(err, -EBADMSG, "an item of the list is longer than %d bytes", ITEM_MAX);
        if (n == 0)
                return fail(err, -EBADMSG, "the list is empty; name something, or leave the line out");
        return set_string(value, ret);
}

static int parse_path(const char *value, char **ret, struct errtext *err) {
        const char *p = value;

        if (value[0] != '/')
                return fail(err, -EBADMSG, "'%.60s' is not absolute; expected a path like /sys/fs/bpf", value);
        if (strlen(value) >= PROTO_PATH_SIZE)
                return fail(err, -EBADMSG, "longer than %d bytes", PROTO_PATH_SIZE - 1);
        /* The only control character that a file may have; it could not go over the wire. */
        if (strchr(value, '\t'))
                return fail(err, -EBADMSG, "'%.60s' has a tab in it; expected a path like /sys/fs/bpf", value);
        do {
                size_t n = strcspn(++p, "/");

                if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
                        return fail(err, -EBADMSG,
                                    "'%.60s' has an empty, '.' or '..' component; expected a path like /sys/fs/bpf",
                                    value);
                p += n;
        } while (*p);
        return set_string(value, ret);
}

static int parse_mode(const char *value, mode_t *ret, struct errtext *err) {
        uint64_t v;

        if (parse_uint(value, 8, 0777, &v) < 0)
                return fail(err, -EBADMSG, "'%.60s' is no mode; expected octal digits up to 0777, like 0700", value);
        *ret = (mode_t) v;
        return 0;
}

/* The words of an enum, by value, until NULL. */
#define WORDS_MAX 4
typedef const char *const words_t[WORDS_MAX];

static const words_t boolean_words = {"no", "yes"};
static const words_t confine_words = {
        [POLICY_CONFINE_REQUIRED] = "required",
        [POLICY_CONFINE_PREFERRED] = "preferred",
        [POLICY_CONFINE_OFF] = "off",
};
static const words_t network_words = {[POLICY_NETWORK_HOST] = "host", [POLICY_NETWORK_PRIVATE] = "private"};
static const words_t scope_words = {[POLICY_SCOPE_USER] = "user", [POLICY_SCOPE_SESSION] = "session"};
static const words_t failure_words = {"allow", "deny"};

static int parse_word(const char *value, const words_t words, unsigned *ret, struct errtext *err) {
        for (unsigned i = 0; words[i]; i++)
                if (strcasecmp(value, words[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        return fail(err, -EBADMSG, "'%.60s' is not known; expected %s%s%s or %s", value, words[2] ? words[0] : "",
                    words[2] ? ", " : "", words[words[2] ? 1 : 0], words[words[2] ? 2 : 1]);
}

/* Capabilities that a policy can grant. CAP_NET_BIND_SERVICE is asked for by the guard. */
static const struct {
        const char *name;
        unsigned number;
} capabilities[] = {
        {"CAP_BPF", CAP_BPF},
        {"CAP_NET_ADMIN", CAP_NET_ADMIN},
        {"CAP_PERFMON", CAP_PERFMON},
        {"CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE},
};

static int parse_cap(const char *word, uint64_t *caps, struct errtext *err) {
        const char *names[ELEMENTSOF(capabilities) + 1] = {NULL}, *nearest;

        for (size_t i = 0; i < ELEMENTSOF(capabilities); i++) {
                names[i] = capabilities[i].name;
                if (strcasecmp(word, names[i]) == 0) {
                        *caps |= UINT64_C(1) << capabilities[i].number;
                        return 0;
                }
        }
        if (strcasecmp(word, "CAP_SYS_ADMIN") == 0)
                return fail(err, -EBADMSG, "CAP_SYS_ADMIN is never delegated");
        nearest = ini_nearest(word, names);
        if (nearest)
                return fail(err, -EBADMSG, "'%.60s' cannot be delegated; did you mean %s?", word, nearest);
        return fail(err, -EBADMSG,
                    "'%.60s' cannot be delegated; expected CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON or "
                    "CAP_NET_BIND_SERVICE",
                    word);
}

static int parse_caps_list(const char *value, uint64_t *ret, struct errtext *err) {
        const char *state = value;
        uint64_t caps = 0;
        char item[64];
        int r;

        while ((r = ini_next_item(&state, item, sizeof(item))) > 0) {
                r = parse_cap(item, &caps, err);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return fail(err, -EBADMSG, "a word of the list is too long for a capability");
        if (caps == 0)
                return fail(err, -EBADMSG, "the list is empty; name a capability, or leave the line out for CAP_BPF");
        *ret = caps;
        return 0;
}

enum limit_kind { LIMIT_NUMBER, LIMIT_BYTES, LIMIT_PERCENT };

/*
 * Ranges are the kernel's, but for what would leave no delegation alive: a place for the anchor and one more, and
 * one page. The size of the subtree is bounded by what the helper's walks are made for.
 */
static const struct {
        const char *name, *controller; /* NULL: cgroup2 itself */
        enum limit_kind kind;
        uint64_t min, max;
        const char *expected;
} limits[POLICY_LIMITS] = {
        [POLICY_PIDS_MAX] = {"pids_max", "pids", LIMIT_NUMBER, 2, 4194304, "a number from 2 to 4194304"},
        [POLICY_MEMORY_MAX] = {"memory_max", "memory", LIMIT_BYTES, 4096, INT64_MAX,
                               "bytes from 4096, or with K, M, G or T, like 512M"},
        [POLICY_MEMORY_HIGH] = {"memory_high", "memory", LIMIT_BYTES, 4096, INT64_MAX,
                                "bytes from 4096, or with K, M, G or T, like 512M"},
        [POLICY_CPU_WEIGHT] = {"cpu_weight", "cpu", LIMIT_NUMBER, 1, 10000, "a number from 1 to 10000"},
        [POLICY_CPU_QUOTA] = {"cpu_quota", "cpu", LIMIT_PERCENT, 1, 819200,
                              "per cent of one CPU from 1% to 819200%, like 150%"},
        [POLICY_IO_WEIGHT] = {"io_weight", "io", LIMIT_NUMBER, 1, 10000, "a number from 1 to 10000"},
        [POLICY_DESCENDANTS_MAX] = {"descendants_max", NULL, LIMIT_NUMBER, 2, 1024, "a number from 2 to 1024"},
        [POLICY_DEPTH_MAX] = {"depth_max", NULL, LIMIT_NUMBER, 1, 32, "a number from 1 to 32"},
};
_Static_assert(POLICY_LIMITS == 8,
               "a new limit needs a row here, in helper/cgroup.c and in helper/scope.c; then raise this number");

static const struct {
        enum limit_kind kind;
        const char *suffix;
        unsigned shift;
} units[] = {
        {LIMIT_NUMBER, "", 0},  {LIMIT_BYTES, "", 0},   {LIMIT_BYTES, "K", 10},  {LIMIT_BYTES, "M", 20},
        {LIMIT_BYTES, "G", 30}, {LIMIT_BYTES, "T", 40}, {LIMIT_PERCENT, "%", 0},
};

/* Digits, then a unit that this kind of limit has. Returns 0 or -EINVAL. */
static int split_number(const char *value, enum limit_kind kind, uint64_t *ret, unsigned *ret_shift) {
        size_t n = strspn(value, "0123456789");
        char digits[24];
        uint64_t v;
        int r;

        if (n >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, value, n);
        digits[n] = '\0';
        r = parse_uint(digits, 10, UINT64_MAX, &v);
        if (r < 0)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (units[i].kind == kind && strcasecmp(value + n, units[i].suffix) == 0) {
                        *ret = v;
                        *ret_shift = units[i].shift;
                        return 0;
                }
        return -EINVAL;
}

static int parse_limit(const char *value, enum policy_limit limit, uint64_t *ret, struct errtext *err) {
        unsigned shift;
        uint64_t v;

        if (split_number(value, limits[limit].kind, &v, &shift) < 0 || v > limits[limit].max >> shift ||
            v << shift < limits[limit].min)
                return fail(err, -EBADMSG, "'%.60s' cannot be taken; expected %s", value, limits[limit].expected);
        *ret = v << shift;
        return 0;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

#define PARSER(name, call)                                                              \
        static int parse_##name(const char *value, void *target, struct errtext *err) { \
                struct policy *policy = target;                                         \
                                                                                        \
                return call;                                                            \
        }
#define LIST_PARSER(name, member) PARSER(name, parse_list(value, &policy->member, err))
#define WORD_PARSER(name, words, member)                                                \
        static int parse_##name(const char *value, void *target, struct errtext *err) { \
                struct policy *policy = target;                                         \
                unsigned v = 0;                                                         \
                int r;                                                                  \
                                                                                        \
                r = parse_word(value, words, &v, err);                                  \
                if (r < 0)                                                              \
                        return r;                                                       \
                policy->member = v;                                                     \
                return 0;                                                               \
        }
#define LIMIT_PARSER(name, limit_index) PARSER(name, parse_limit(value, limit_index, &policy->limit[limit_index], err))

LIST_PARSER(users, users)
LIST_PARSER(groups, groups)
LIST_PARSER(services, services)
LIST_PARSER(cmds, axis[POLICY_CMDS])
LIST_PARSER(maps, axis[POLICY_MAPS])
LIST_PARSER(progs, axis[POLICY_PROGS])
LIST_PARSER(attachs, axis[POLICY_ATTACHS])
PARSER(mount_path, parse_path(value, &policy->mount_path, err))
PARSER(mount_mode, parse_mode(value, &policy->mode, err))
PARSER(caps, parse_caps_list(value, &policy->caps, err))
WORD_PARSER(host_wide, boolean_words, allow_host_wide)
WORD_PARSER(long_loops, boolean_words, long_loops)
WORD_PARSER(confine, confine_words, confine)
WORD_PARSER(network, network_words, network)
LIMIT_PARSER(pids_max, POLICY_PIDS_MAX)
LIMIT_PARSER(memory_max, POLICY_MEMORY_MAX)
LIMIT_PARSER(memory_high, POLICY_MEMORY_HIGH)
LIMIT_PARSER(cpu_weight, POLICY_CPU_WEIGHT)
LIMIT_PARSER(cpu_quota, POLICY_CPU_QUOTA)
LIMIT_PARSER(io_weight, POLICY_IO_WEIGHT)
LIMIT_PARSER(descendants_max, POLICY_DESCENDANTS_MAX)
LIMIT_PARSER(depth_max, POLICY_DEPTH_MAX)
WORD_PARSER(scope, scope_words, scope)
WORD_PARSER(linger, boolean_words, linger)
WORD_PARSER(failure, failure_words, deny)

static const struct ini_key keys[] = {
        {"match", "users", parse_users},
        {"match", "groups", parse_groups},
        {"match", "services", parse_services},
        {"bpf", "delegate_cmds", parse_cmds},
        {"bpf", "delegate_maps", parse_maps},
        {"bpf", "delegate_progs", parse_progs},
        {"bpf", "delegate_attachs", parse_attachs},
        {"bpf", "path", parse_mount_path},
        {"bpf", "mode", parse_mount_mode},
        {"bpf", "caps", parse_caps},
        {"bpf", "allow_host_wide", parse_host_wide},
        {"bpf", "long_loops", parse_long_loops},
        {"bpf", "confine", parse_confine},
        {"bpf", "network", parse_network},
        {"cgroup", "pids_max", parse_pids_max},
        {"cgroup", "memory_max", parse_memory_max},
        {"cgroup", "memory_high", parse_memory_high},
        {"cgroup", "cpu_weight", parse_cpu_weight},
        {"cgroup", "cpu_quota", parse_cpu_quota},
        {"cgroup", "io_weight", parse_io_weight},
        {"cgroup", "descendants_max", parse_descendants_max},
        {"cgroup", "depth_max", parse_depth_max},
        {"session", "scope", parse_scope},
        {"session", "linger", parse_linger},
        {"session", "on_failure", parse_failure},
};

/* ---- one file ---------------------------------------------------------------------------------------------------- */

/*
 * Whoever attaches at the top of a subtree has the kernel go through all of it under cgroup_mutex, which root's mkdir
 * waits for; and each cgroup has an array of the programs of all above it, which no memory limit counts. Both grow
 * with these.
 */
#define DEFAULT_DESCENDANTS 128
#define DEFAULT_DEPTH 8

static int policy_new(const char *dir, const char *name, struct policy **ret) {
        _cleanup_(policy_freep) struct policy *policy = calloc(1, sizeof(*policy));

        if (!policy)
                return -ENOMEM;
        policy->mode = 0700;
        policy->caps = UINT64_C(1) << CAP_BPF;
        for (unsigned i = 0; i < POLICY_LIMITS; i++)
                policy->limit[i] = POLICY_UNSET;
        policy->limit[POLICY_DESCENDANTS_MAX] = DEFAULT_DESCENDANTS;
        policy->limit[POLICY_DEPTH_MAX] = DEFAULT_DEPTH;
        policy->name = strdup(name);
        policy->mount_path = strdup("/sys/fs/bpf");
        if (asprintf(&policy->path, "%s/%s", dir, name) < 0)
                policy->path = NULL;
        if (!policy->name || !policy->mount_path || !policy->path)
                return -ENOMEM;
        *ret = TAKE_PTR(policy);
        return 0;
}

void policy_free(struct policy *policy) {
        if (!policy)
                return;
        free(policy->name);
        free(policy->path);
        free(policy->users);
        free(policy->groups);
        free(policy->services);
        for (unsigned i = 0; i < POLICY_AXES; i++)
                free(policy->axis[i]);
        free(policy->mount_path);
        free(policy->text);
        free(policy);
}

/* What only all keys together can tell. */
static int check_policy(const struct policy *policy, const struct ini *ini, struct errtext *err) {
        if (policy->caps & UINT64_C(1) << CAP_PERFMON && !policy->allow_host_wide)
                return fail(err, -EBADMSG,
                            "%s:%u: caps: CAP_PERFMON reads the whole machine's memory and needs "
                            "allow_host_wide = yes",
                            policy->path, ini_line(ini, "bpf", "caps"));
        return 0;
}

/*
 * [match] first and for itself: a mistake elsewhere in the file must stop those whom it is for, and nobody else.
 * Returns 0, -EBADMSG with policy->error, or -ENOMEM.
 */
static int apply(struct policy *policy, const struct ini *ini) {
        int r;

        memcpy(policy->digest, ini->digest, sizeof(policy->digest));
        r = ini_apply(ini, policy->path, keys, ELEMENTSOF(keys), "match", policy, &policy->error);
        if (r < 0)
                return r;
        if (!policy->users && !policy->groups)
                return fail(&policy->error, -EBADMSG,
                            "%s: says not whom it is for; expected users or groups in [match]", policy->path);
        policy->match_known = true;
        r = ini_apply(ini, policy->path, keys, ELEMENTSOF(keys), NULL, policy, &policy->error);
        if (r < 0)
                return r;
        return check_policy(policy, ini, &policy->error);
}

/* Reads one file of one directory. Returns 0 and *ret, which may be broken; INI_MASKED; -ENOENT; or another -errno
 * with err. */
static int read_one(int dirfd, const char *dir, const char *name, struct policy **ret, struct errtext *err) {
        _cleanup_(policy_freep) struct policy *policy = NULL;
        _cleanup_(ini_done) struct ini ini = INI_INIT;
        int r;

        r = policy_new(dir, name, &policy);
        if (r < 0)
                return fail(err, r, "%s/%s: out of memory", dir, name);
        r = ini_read(dirfd, name, policy->path, &ini, &policy->error);
        if (r == INI_MASKED || r == -ENOENT)
                return r;
        if (r == INI_OK) {
                r = apply(policy, &ini);
                policy->size = ini.size;
                policy->text = TAKE_PTR(ini.bytes);
        }
        if (r < 0 && r != -EPERM && r != -EBADMSG)
                return fail(err, r, "%s", policy->error.s);
        *ret = TAKE_PTR(policy);
        return 0;
}

/* Whether it looks like a policy file at all; others (editors' copies, README) are nobody's business. */
static bool is_candidate(const char *name) {
        size_t n = strlen(name), suffix = strlen(POLICY_SUFFIX);

        return name[0] != '.' && n > suffix && streq(name + n - suffix, POLICY_SUFFIX);
}

/* The name goes over the wire and into logs. */
static bool is_plain(const char *name) {
        for (const char *p = name; *p; p++)
                if ((*p >= 0 && *p < ' ') || *p == 0x7f || *p == '/')
                        return false;
        return strlen(name) <= POLICY_NAME_MAX;
}

int policy_read(const char *const *dirs, const char *name, struct policy **ret, struct errtext *err) {
        if (!is_candidate(name) || !is_plain(name))
                return fail(err, -EINVAL, "'%.60s' is no name of a policy file", name);
        for (; *dirs; dirs++) {
                _cleanup_close_ int fd = -1;
                int r;

                fd = ini_open_dir(*dirs, err);
                if (fd == -ENOENT)
                        continue;
                if (fd < 0)
                        return fd;
                r = read_one(fd, *dirs, name, ret, err);
                if (r != -ENOENT)
                        return r;
        }
        return fail(err, -ENOENT, "%s: no policy directory has it", name);
}

/* ---- whom it is for ---------------------------------------------------------------------------------------------- */

bool policy_uid_is_system(uid_t uid) {
        static const struct {
                uid_t first, last;
        } ranges[] = {
                {0, SYSTEM_UID_MAX},
                {61184, 65519}, /* systemd's DynamicUser= */
                {65534, 65535}, /* nobody, and what 16 bits took for "none" */
                {(uid_t) -1, (uid_t) -1},
        };

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (uid >= ranges[i].first && uid <= ranges[i].last)
                        return true;
        return false;
}

/* Whether an item means this login: 1, 0 or -errno. */
typedef int (*item_hits)(const char *item, const struct policy_login *login);

static int user_hits(const char *item, const struct policy_login *login) {
        return streq(item, login->user);
}

static int service_hits(const char *item, const struct policy_login *login) {
        return streq(item, login->service);
}

static int group_hits(const char *item, const struct policy_login *login) {
        return login->in_group(login->userdata, item);
}

enum verdict { MISSED = 0, NAMED = 1, NOT_EXCLUDED = 2 };

/* What a list, that parse_list took, says of a login. NOT_EXCLUDED: it has only ~ items, and none of them hits. */
static int judge_list(const char *list, item_hits hits, const struct policy_login *login) {
        bool positive = false, named = false;
        char item[ITEM_MAX + 1];
        int r;

        while ((r = ini_next_item(&list, item, sizeof(item))) > 0) {
                bool excludes = item[0] == '~';

                r = hits(item + excludes, login);
                if (r < 0)
                        return r;
                if (excludes && r > 0)
                        return MISSED;
                positive |= !excludes;
                named |= !excludes && r > 0;
        }
        if (r < 0)
                return r;
        if (!positive)
                return NOT_EXCLUDED;
        return named ? NAMED : MISSED;
}

int policy_matches(const struct policy *policy, const struct policy_login *login) {
        int by_user = NOT_EXCLUDED, r;

        if (!policy->match_known)
                return 1;
        if (policy->services) {
                r = judge_list(policy->services, service_hits, login);
                if (r <= 0)
                        return r;
        }
        if (policy->users) {
                by_user = judge_list(policy->users, user_hits, login);
                if (by_user <= 0)
                        return by_user;
        }
        if (by_user != NAMED && policy_uid_is_system(login->uid))
                return 0;
        /* Last, because a directory server may be behind it. */
        if (policy->groups && login->in_group) {
                r = judge_list(policy->groups, group_hits, login);
                if (r <= 0)
                        return r;
        }
        return 1;
}

/* ---- all files --------------------------------------------------------------------------------------------------- */

#define DIRS_MAX 8

struct candidate {
        unsigned dir; /* which of the search's directories */
        char name[POLICY_NAME_MAX + 1];
};

struct search {
        const char *paths[DIRS_MAX];
        DIR *streams[DIRS_MAX];
        unsigned n_dirs;
        struct candidate *files;
        size_t n_files, allocated;
};

static void search_done(struct search *search) {
        for (unsigned i = 0; i < search->n_dirs; i++)
                (void) closedir(search->streams[i]);
        free(search->files);
}

static int search_add_file(struct search *search, unsigned dir, const char *name, struct errtext *err) {
        struct candidate *files;

        if (!is_plain(name))
                return fail(err, -ENAMETOOLONG,
                            "%s: a file's name is longer than %d bytes or has control characters: %.60s…",
                            search->paths[dir], POLICY_NAME_MAX, name);
        if (search->n_files == POLICY_FILES_MAX)
                return fail(err, -E2BIG, "%s: more than %d policy files", search->paths[dir], POLICY_FILES_MAX);
        if (search->n_files == search->allocated) {
                files = reallocarray(search->files, search->allocated + 32, sizeof(*files));
                if (!files)
                        return fail(err, -ENOMEM, "%s: out of memory", search->paths[dir]);
                search->files = files;
                search->allocated += 32;
        }
        search->files[search->n_files].dir = dir;
        copy_field_cut(search->files[search->n_files].name, sizeof(search->files[0].name), name);
        search->n_files++;
        return 0;
}

static int search_read_dir(struct search *search, unsigned dir, struct errtext *err) {
        const struct dirent *entry;
        int r;

        while (errno = 0, entry = readdir(search->streams[dir])) {
                if (!is_candidate(entry->d_name))
                        continue;
                r = search_add_file(search, dir, entry->d_name, err);
                if (r < 0)
                        return r;
        }
        r = -errno;
        return r == 0 ? 0 : fail(err, r, "%s: cannot be read: %s", search->paths[dir], strerror(-r));
}

static int search_add_dir(struct search *search, const char *path, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        DIR *stream;

        fd = ini_open_dir(path, err);
        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return fd;
        if (search->n_dirs == DIRS_MAX)
                return fail(err, -E2BIG, "%s: more than %d policy directories", path, DIRS_MAX);
        stream = fdopendir(fd);
        if (!stream) {
                int r = -errno;

                return fail(err, r, "%s: cannot be read: %s", path, strerror(-r));
        }
        (void) TAKE_FD(fd);
        search->streams[search->n_dirs] = stream;
        search->paths[search->n_dirs] = path;
        return search_read_dir(search, search->n_dirs++, err);
}

/* By name, and of one name the earlier directory's first. */
static int compare_candidates(const void *a, const void *b) {
        const struct candidate *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->dir > y->dir) - (x->dir < y->dir);
}

static int search_collect(struct search *search, const char *const *dirs, struct errtext *err) {
        int r;

        for (; *dirs; dirs++) {
                r = search_add_dir(search, *dirs, err);
                if (r < 0)
                        return r;
        }
        if (search->n_files > 1)
                qsort(search->files, search->n_files, sizeof(*search->files), compare_candidates);
        return 0;
}

/* What is done with a file. Returns 0 to go on with the next one, -ENOENT if it has gone meanwhile, so that a later
 * directory's is tried; anything else ends the search. */
typedef int (*visit_fn)(const struct search *search, const struct candidate *file, void *userdata, struct errtext *err);

static int search_walk(const char *const *dirs, visit_fn visit, void *userdata, struct errtext *err) {
        _cleanup_(search_done) struct search search = {.n_dirs = 0};
        const char *seen = NULL;
        int r;

        r = search_collect(&search, dirs, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < search.n_files; i++) {
                if (seen && streq(search.files[i].name, seen))
                        continue;
                r = visit(&search, &search.files[i], userdata, err);
                if (r == -ENOENT)
                        continue;
                if (r != 0)
                        return r;
                seen = search.files[i].name;
        }
        return 0;
}

static int search_read(const struct search *search, const struct candidate *file, struct policy **ret,
                       struct errtext *err) {
        return read_one(dirfd(search->streams[file->dir]), search->paths[file->dir], file->name, ret, err);
}

struct matching {
        const struct policy_login *login;
        struct policy **ret;
};

/* 1 if the file is for this login; 0 if not, or masked. */
static int match_file(const struct search *search, const struct candidate *file, void *userdata, struct errtext *err) {
        _cleanup_(policy_freep) struct policy *policy = NULL;
        const struct matching *matching = userdata;
        int r;

        r = search_read(search, file, &policy, err);
        if (r == INI_MASKED)
                return 0;
        if (r < 0)
                return r;
        r = policy_matches(policy, matching->login);
        if (r == -E2BIG)
                return fail(err, r, "%s: %s is in more than %d groups, which is more than a process can have",
                            policy->path, matching->login->user, NGROUPS_MAX);
        if (r < 0)
                return fail(err, r == -ENOENT ? -EIO : r, "%s: cannot tell whether %s is in its groups: %s",
                            policy->path, matching->login->user, strerror(-r));
        if (r > 0)
                *matching->ret = TAKE_PTR(policy);
        return r;
}

int policy_find(const char *const *dirs, const struct policy_login *login, struct policy **ret, struct errtext *err) {
        struct matching matching = {.login = login, .ret = ret};

        return search_walk(dirs, match_file, &matching, err);
}

struct showing {
        policy_each_fn each;
        void *userdata;
};

/* What cannot be read is the callback's to judge, and no reason to stop. */
static int show_file(const struct search *search, const struct candidate *file, void *userdata, struct errtext *err) {
        const struct showing *showing = userdata;
        char path[PATH_MAX + POLICY_NAME_MAX];
        struct policy *policy = NULL;
        struct errtext why = {.s = ""};
        int r;

        (void) err;
        r = search_read(search, file, &policy, &why);
        if (r == -ENOENT)
                return r;
        if (r == INI_MASKED)
                return 0;
        (void) snprintf(path, sizeof(path), "%s/%s", search->paths[file->dir], file->name);
        showing->each(showing->userdata, path, policy, r, why.s);
        return 0;
}

int policy_each(const char *const *dirs, policy_each_fn each, void *userdata, struct errtext *err) {
        struct showing showing = {.each = each, .userdata = userdata};

        return search_walk(dirs, show_file, &showing, err);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

const char *policy_confine_name(enum policy_confine confine) {
        return confine_words[confine];
}

const char *policy_network_name(enum policy_network network) {
        return network_words[network];
}

const char *policy_limit_name(enum policy_limit limit) {
        return limits[limit].name;
}

const char *policy_limit_controller(enum policy_limit limit) {
        return limits[limit].controller;
}

void policy_format_caps(uint64_t caps, char *buf, size_t size) {
        size_t n = 0;

        if (size > 0)
                buf[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(capabilities) && n < size; i++)
                if (caps & UINT64_C(1) << capabilities[i].number)
                        n += (size_t) snprintf(buf + n, size - n, "%s%s", n > 0 ? ", " : "", capabilities[i].name);
}
