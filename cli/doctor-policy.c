/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Policy files: what would be refused at a login is said here before anybody logs in. */

#include "config.h"

#include "doctor.h"

#include <sys/stat.h>

#include "mask.h"

/* As lib/ini.c has it, which says so in words. */
static bool is_trusted(const struct stat *st) {
        return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* What fixes a file that is broken: its owner and mode, or else what is in it. */
static void fix_file(struct doctor *d, const char *path) {
        struct stat st;

        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && !is_trusted(&st))
                doctor_fix(d, "chown root:root %s && chmod go-w %s", path, path);
        else
                doctor_fix(d, "edit %s, see bpfdeleg-policy(5)", path);
}

/* One file, or a whole directory. Root's to judge, unless it is a matter of owner and mode. */
static void say_unreadable(struct doctor *d, const char *text, int error) {
        if (error == -EACCES && geteuid() != 0) {
                doctor_warn(d, "%s (not readable as this user)", text);
                doctor_fix(d, "run it as root: bpfdeleg doctor");
        } else {
                doctor_fail(d, "%s: nothing is granted", text);
                doctor_fix(d, "fix or remove it, see bpfdeleg-policy(5)");
        }
}

/* The directory that nobody may trust, if it is that. */
static void fix_dirs(struct doctor *d) {
        struct stat st;

        for (const char *const *dir = d->policy_dirs; *dir; dir++) {
                if (lstat(*dir, &st) < 0)
                        continue;
                if (!S_ISDIR(st.st_mode))
                        doctor_fix(d, "rm %s && install -d -m 0755 %s", *dir, *dir);
                else if (!is_trusted(&st))
                        doctor_fix(d, "chown root:root %s && chmod go-w %s", *dir, *dir);
        }
}

/* Limits that the helper will refuse to promise. */
static bool judge_limits(struct doctor *d, const struct policy *policy, const char *controllers) {
        char missing[128] = "", words[256] = "";
        const char *controller;

        for (unsigned i = 0; i < POLICY_LIMITS; i++) {
                controller = policy_limit_controller((enum policy_limit) i);
                if (!controller || policy->limit[i] == POLICY_UNSET || doctor_has_word(controllers, controller))
                        continue;
                doctor_append(words, sizeof(words), policy_limit_name((enum policy_limit) i));
                if (!doctor_has_word(missing, controller))
                        doctor_append(missing, sizeof(missing), controller);
        }
        if (words[0] == '\0')
                return true;
        doctor_fail(d, "%s: %s cannot be kept, this host's cgroup2 lacks the controllers %s: nothing is granted by it",
                    policy->path, words, missing);
        doctor_fix(d, "remove %s from %s, or see the check `cgroup2`", words, policy->path);
        return false;
}

/* What `confine` comes to on this host (helper/request.c, read_policy). Of a guard nobody knows of, nothing is said. */
static bool judge_confine(struct doctor *d, const struct policy *policy) {
        static const char fix[] =
                "see the check `guard`; to go on without one, read SECURITY.md and write confine = off under [bpf] in "
                "%s";

        if (d->guard != DOCTOR_GUARD_NONE)
                return true;
        switch (policy->confine) {
        case POLICY_CONFINE_REQUIRED:
                doctor_warn(d, "%s: nothing is granted by it: confine = required (the default), and there is no guard",
                            policy->path);
                doctor_fix(d, fix, policy->path);
                return false;
        case POLICY_CONFINE_PREFERRED:
                doctor_warn(d, "%s: what it grants is not confined: confine = preferred, and there is no guard",
                            policy->path);
                doctor_fix(d, fix, policy->path);
                return false;
        case POLICY_CONFINE_OFF:
                break;
        }
        return true;
}

/* Whoever may load such programs can stop the machine. */
static bool judge_loops(struct doctor *d, const struct policy *policy) {
        if (!policy->long_loops)
                return true;
        doctor_warn(d,
                    "%s: long_loops = yes: its users can hold the processors of this host for hours, and no end of a "
                    "session stops that",
                    policy->path);
        doctor_fix(d,
                   "remove long_loops from %s, if their programs do without (bpfdeleg-programs(7) has other ways to "
                   "write loops)",
                   policy->path);
        return false;
}

static bool judge_file(struct doctor *d, const struct doctor_policy *file, const struct mask_names *names,
                       const char *controllers) {
        const struct policy *policy = file->policy;
        uint64_t masks[POLICY_AXES];
        struct errtext err;
        bool good;

        if (!policy) {
                say_unreadable(d, file->why, file->error);
                return false;
        }
        if (policy->error.s[0] != '\0') {
                doctor_fail(d, "%s%s", policy->error.s,
                            policy->match_known ? "" : " (it matches everyone: no later file is tried)");
                fix_file(d, policy->path);
                return false;
        }
        if (mask_parse_policy(names, policy, masks, &err) < 0) {
                doctor_fail(d, "%s", err.s);
                fix_file(d, policy->path);
                return false;
        }
        good = judge_limits(d, policy, controllers);
        good = judge_loops(d, policy) && good;
        return judge_confine(d, policy) && good;
}

/* No cgroup2 at all is another check's finding. */
static void read_controllers(const struct doctor *d, char *buf, size_t size) {
        char mount[256], path[300];

        buf[0] = '\0';
        if (doctor_find_cgroup2(d, mount, sizeof(mount)) < 0)
                return;
        (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
        (void) doctor_read(d, path, buf, size);
}

static void say_good(struct doctor *d, size_t good) {
        doctor_ok(d, "%zu of %zu file%s in order", good, d->n_policies, d->n_policies == 1 ? "" : "s");
}

void doctor_policy(struct doctor *d) {
        _cleanup_(mask_names_freep) struct mask_names *names = NULL;
        char controllers[1024];
        size_t good = 0;

        if (d->policies_error < 0) {
                say_unreadable(d, d->policies_why.s, d->policies_error);
                if (d->policies_error == -EPERM)
                        fix_dirs(d);
                return;
        }
        if (d->n_policies == 0) {
                doctor_warn(d, "there is no policy file in %s: nothing is granted to anybody", d->policy_dirs[0]);
                doctor_fix(d, "install -D -m 0644 " EXAMPLE_DIR "/50-netdev.ini %s/50-netdev.ini, and edit it",
                           d->policy_dirs[0]);
                return;
        }
        if (mask_names_new(&names) < 0) {
                d->lost = true;
                return;
        }
        read_controllers(d, controllers, sizeof(controllers));
        for (size_t i = 0; i < d->n_policies; i++)
                good += judge_file(d, &d->policies[i], names, controllers);
        if (good > 0)
                say_good(d, good);
}
