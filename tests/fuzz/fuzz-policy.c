/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bytes of a policy file, and of bpfdeleg.ini: read as both. What a file grants must be within what the manual
 * says any file can grant, what it refuses it must refuse in words that can be sent and printed, and nobody whom a ~
 * names may match.
 */

#include "config.h"

#include <limits.h>
#include <linux/capability.h>

#include "fuzz.h"
#include "mask.h"
#include "proto.h"
#include "settings.h"

#define NAME "50-fuzz.ini"
#define BIT(n) (UINT64_C(1) << (n))

static struct mask_names *names;
static char path[PATH_MAX];
static const char *dirs[2];

static void setup(void) {
        dirs[0] = fuzz_dir();
        (void) snprintf(path, sizeof(path), "%s/" NAME, dirs[0]);
        /* Of the headers: the same on every machine. */
        must(mask_names_new_from_headers(&names) == 0);
}

/* ---- masks ---- */

static uint64_t host_bits(enum policy_axis axis) {
        uint64_t bits = 0;

        for (unsigned bit = 0; bit < 64; bit++)
                if (mask_risk(names, axis, bit) == RISK_HOST)
                        bits |= BIT(bit);
        return bits;
}

/* Its own words for it say the same. */
static void must_be_mask(enum policy_axis axis, uint64_t mask, bool allow_host_wide) {
        struct errtext err;
        char text[4096];
        uint64_t again;

        must(allow_host_wide || !(mask & host_bits(axis)));
        mask_format(names, axis, mask, text, sizeof(text));
        must(mask_parse(names, axis, text, allow_host_wide, &again, &err) == 0 && again == mask);
}

static void try_masks(const struct policy *policy) {
        uint64_t masks[POLICY_AXES];
        struct errtext err = {.s = ""};
        int r = mask_parse_policy(names, policy, masks, &err);

        must(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
        if (r < 0) {
                must_be_words(err.s, sizeof(err.s));
                return;
        }
        for (unsigned a = 0; a < POLICY_AXES; a++) {
                must(policy->axis[a] || masks[a] == 0);
                if (masks[a] != 0)
                        must_be_mask((enum policy_axis) a, masks[a], policy->allow_host_wide);
        }
}

/* ---- policies ---- */

/* Whether a list takes the word out. By strtok, not by the parser that is tried here. */
static bool list_excludes(const char *list, const char *word) {
        char *copy = strdup(list), *saved = NULL;
        bool found = false;

        must(copy);
        for (const char *item = strtok_r(copy, ", \t", &saved); item; item = strtok_r(NULL, ", \t", &saved))
                found |= item[0] == '~' && streq(item + 1, word);
        free(copy);
        return found;
}

static bool list_names(const char *list, const char *word) {
        char *copy = strdup(list), *saved = NULL;
        bool found = false;

        must(copy);
        for (const char *item = strtok_r(copy, ", \t", &saved); item; item = strtok_r(NULL, ", \t", &saved))
                found |= streq(item, word);
        free(copy);
        return found;
}

static int in_netdev(void *userdata, const char *group) {
        (void) userdata;
        return streq(group, "netdev");
}

static void try_login(const struct policy *policy, const struct policy_login *login) {
        int r = policy_matches(policy, login);

        must(r == 0 || r == 1);
        if (!policy->match_known) {
                must(r == 1 && policy->error.s[0] != '\0');
                return;
        }
        if (policy->users && list_excludes(policy->users, login->user))
                must(r == 0);
        if (policy->groups && login->in_group && list_excludes(policy->groups, "netdev"))
                must(r == 0);
        if (policy->services && list_excludes(policy->services, login->service))
                must(r == 0);
        if (login->uid == 0 && !(policy->users && list_names(policy->users, login->user)))
                must(r == 0);
}

static void try_logins(const struct policy *policy) {
        static const struct policy_login logins[] = {
                {.uid = 1000, .user = "alice", .service = "sshd", .in_group = in_netdev},
                {.uid = 1001, .user = "bob", .service = "login"},
                {.uid = 0, .user = "root", .service = "login", .in_group = in_netdev},
        };

        for (size_t i = 0; i < ELEMENTSOF(logins); i++)
                try_login(policy, logins + i);
}

static void must_be_path(const char *s) {
        must_be_words(s, PROTO_PATH_SIZE);
        must(s[0] == '/' && strlen(s) < PROTO_PATH_SIZE && s[strlen(s) - 1] != '/');
        must(!strstr(s, "//") && !strstr(s, "/./") && !strstr(s, "/../"));
        must(!streq(strrchr(s, '/'), "/..") && !streq(strrchr(s, '/'), "/."));
}

/* bpfdeleg-policy(5). */
static void must_be_grant(const struct policy *policy) {
        static const struct {
                uint64_t min, max;
        } ranges[POLICY_LIMITS] = {
                {2, 4194304}, {4096, INT64_MAX}, {4096, INT64_MAX}, {1, 10000},
                {1, 819200},  {1, 10000},        {2, 1024},         {1, 32},
        };
        char caps[200];

        must(policy->match_known && (policy->users || policy->groups));
        must(policy->mode <= 0777);
        must_be_path(policy->mount_path);
        must(policy->caps &&
             !(policy->caps & ~(BIT(CAP_BPF) | BIT(CAP_NET_ADMIN) | BIT(CAP_PERFMON) | BIT(CAP_NET_BIND_SERVICE))));
        must(!(policy->caps & BIT(CAP_PERFMON)) || policy->allow_host_wide);
        policy_format_caps(policy->caps, caps, sizeof(caps));
        must_be_words(caps, sizeof(caps));
        must(policy->confine <= POLICY_CONFINE_OFF && policy->network <= POLICY_NETWORK_PRIVATE &&
             policy->scope <= POLICY_SCOPE_SESSION);
        for (unsigned i = 0; i < POLICY_LIMITS; i++)
                must(policy->limit[i] == POLICY_UNSET ||
                     (policy->limit[i] >= ranges[i].min && policy->limit[i] <= ranges[i].max));
}

static void try_policy(const uint8_t *data, size_t size) {
        struct policy *policy = NULL;
        uint8_t digest[SHA256_SIZE];
        struct errtext err = {.s = ""};
        int r = policy_read(dirs, NAME, &policy, &err);

        must(r == (size == 0 ? INI_MASKED : 0));
        if (r == INI_MASKED)
                return;
        if (policy->error.s[0] == '\0')
                must_be_grant(policy);
        else
                must_be_words(policy->error.s, sizeof(policy->error.s));
        if (policy->text) {
                sha256(data, size, digest);
                must(policy->size == size && memcmp(policy->text, data, size) == 0 && policy->text[size] == '\0');
                must(memcmp(policy->digest, digest, sizeof(digest)) == 0);
        }
        try_masks(policy);
        try_logins(policy);
        policy_free(policy);
}

/* ---- settings ---- */

static void must_be_settings(const struct settings *s) {
        must(s->backend <= SETTINGS_BACKEND_CGROUPFS);
        must(s->cgroup_parent[0] != '\0' && s->cgroup_parent[0] != '.' && !strchr(s->cgroup_parent, '/'));
        must_be_words(s->cgroup_parent, sizeof(s->cgroup_parent));
        must(s->delegations >= 1 && s->delegations <= 100000 && s->delegations_per_uid >= 1 &&
             s->delegations_per_uid <= 1000);
        must(s->sessions_per_uid >= 1 && s->connections >= 1 && s->connections_per_uid >= 1 &&
             s->connections_per_uid <= 10000);
        must(s->request_timeout >= USEC_PER_SEC && s->request_timeout <= 60 * USEC_PER_SEC);
        must(s->open_timeout >= USEC_PER_SEC && s->enter_timeout >= USEC_PER_SEC &&
             s->close_timeout <= 60 * USEC_PER_SEC);
}

static void try_settings(void) {
        struct settings settings, before;
        struct errtext err = {.s = ""};
        int r;

        memset(&settings, 0, sizeof(settings)); /* padding, too: they are compared as bytes */
        settings_init(&settings);
        before = settings;
        r = settings_read(&settings, path, true, &err);
        must(r == 0 || r == -EBADMSG);
        if (r == 0) {
                must_be_settings(&settings);
                return;
        }
        must_be_words(err.s, sizeof(err.s));
        must(streq(settings.cgroup_parent, before.cgroup_parent) && settings.delegations == before.delegations &&
             settings.close_timeout == before.close_timeout && settings.backend == before.backend);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (!names)
                setup();
        fuzz_write(path, data, size);
        try_policy(data, size);
        try_settings();
        return 0;
}
