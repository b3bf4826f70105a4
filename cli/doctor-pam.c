/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether logins come by the module, and whether its lines are where they should be. */

#include "config.h"

#include "doctor.h"

#include <strings.h>
#include <sys/stat.h>

#include "pam-stack.h"

#define MODULE "pam_bpfdeleg.so"

/* Services whose sessions nobody is behind, or that outlive the login (pam_bpfdeleg(8)). */
static const char *const unwanted[] = {"atd", "cron", "crond", "sudo", "systemd-user"};
#define NONINTERACTIVE "common-session-noninteractive"

static bool is_session(const struct pam_place *place) {
        return streq(place->type, "session");
}

/* ---- where it is ---- */

/* Where these are, nobody is told to edit a file by hand: a hand edit of common-* stops pam-auth-update for every
 * package. */
static bool has_profiles(void) {
        return access("/usr/sbin/pam-auth-update", X_OK) == 0 &&
               access("/usr/share/pam-configs/bpfdeleg-enforce", F_OK) == 0;
}

/* Obeys the module, and survives that it is not there. */
#define ENFORCE "[success=ok ignore=ignore module_unknown=ignore default=bad]"

static void say_nowhere(struct doctor *d) {
        doctor_fail(d, "no service in %s has " MODULE ": no login gets a delegation", d->pam_dirs[0]);
        if (has_profiles())
                doctor_fix(d, "pam-auth-update --enable bpfdeleg");
        else
                doctor_fix(d, "add at the end of %s/sshd and %s/login: session optional " MODULE, d->pam_dirs[0],
                           d->pam_dirs[0]);
}

static void say_services(struct doctor *d, const struct pam_stack *stack) {
        const char *last = "";
        char words[256] = "";
        unsigned n = 0, unlisted = 0;

        for (size_t i = 0; i < stack->n_uses; i++) {
                const struct pam_use *use = &stack->uses[i];
                size_t before = strlen(words);

                if (!is_session(&stack->places[use->place]) || streq(use->service, last))
                        continue;
                last = use->service;
                n++;
                doctor_append(words, sizeof(words), use->service);
                unlisted += strlen(words) == before;
        }
        if (n == 0)
                say_nowhere(d);
        else if (unlisted > 0)
                doctor_ok(d, MODULE " is in %u services: %s and %u more", n, words, unlisted);
        else
                doctor_ok(d, MODULE " is in %s", words);
}

/* ---- whether each line is right ---- */

/* Whether the stack goes on when the module says no. */
static bool is_optional(const char *control) {
        if (strcasecmp(control, "optional") == 0)
                return true;
        return strstr(control, "default=ignore") && !strstr(control, "session_err=");
}

/* Whether logins fail once the module is not there: after a removal, or on a host that is set up again without it. */
static bool locks_out_without(const char *control) {
        if (!strchr(control, '=')) /* no pairs: it is a word */
                return strcasecmp(control, "required") == 0 || strcasecmp(control, "requisite") == 0;
        if (strstr(control, "module_unknown="))
                return !strstr(control, "module_unknown=ignore");
        return !strstr(control, "default=ignore");
}

/* A policy that says on_failure = deny and may be for logins by this service; which users, is not asked. */
static const char *deny_policy(const struct doctor *d, const char *service) {
        const struct policy_login login = {.uid = UINT32_MAX - 1, .user = "", .service = service};

        for (size_t i = 0; i < d->n_policies; i++) {
                const struct policy *policy = d->policies[i].policy;
                struct policy of_anybody;

                if (!policy || policy->error.s[0] != '\0' || !policy->deny)
                        continue;
                of_anybody = *policy;
                of_anybody.users = of_anybody.groups = NULL;
                if (policy_matches(&of_anybody, &login) == 1)
                        return policy->name;
        }
        return NULL;
}

/* What is wrong with a place because of one or the other service that comes by it. */
struct faults {
        const char *unwanted, *above, *deny;
};

static void collect_faults(const struct doctor *d, const struct pam_place *place, const struct pam_use *use,
                           struct faults *faults) {
        for (size_t i = 0; i < ELEMENTSOF(unwanted); i++)
                if (streq(use->service, unwanted[i]))
                        faults->unwanted = use->service;
        if (use->above)
                faults->above = use->service;
        if (is_optional(place->control) && !faults->deny)
                faults->deny = deny_policy(d, use->service);
}

/* A line of another type than session: linux-pam finds nothing to call in the module, and that refuses logins. */
static void say_type(struct doctor *d, const struct pam_place *place, const char *at) {
        doctor_fail(d, "%s has " MODULE " for %s; it has only session", at, place->type);
        doctor_fix(d, "remove %s", at);
}

static void judge_place(struct doctor *d, const struct pam_stack *stack, size_t index) {
        const struct pam_place *place = &stack->places[index];
        struct faults faults = {.unwanted = NULL};
        char at[PATH_MAX + 32];

        (void) snprintf(at, sizeof(at), "line %u of %s", place->line, place->file);
        if (!is_session(place)) {
                say_type(d, place, at);
                return;
        }
        if (strstr(place->file, "/" NONINTERACTIVE))
                faults.unwanted = NONINTERACTIVE;
        for (size_t i = 0; i < stack->n_uses; i++)
                if (stack->uses[i].place == index)
                        collect_faults(d, place, &stack->uses[i], &faults);
        if (faults.unwanted) {
                doctor_warn(d, "%s is also for sessions that are no logins (%s)", at, faults.unwanted);
                doctor_fix(d, "move %s to the services that people log in by, such as sshd and login", at);
        }
        if (locks_out_without(place->control)) {
                doctor_warn(d, "%s (%s) would refuse every login if the module's file were gone", at, place->control);
                if (has_profiles())
                        doctor_fix(d, "take it away, and pam-auth-update --enable bpfdeleg-enforce");
                else
                        doctor_fix(d, "write " ENFORCE " in %s", at);
        }
        if (faults.above) {
                doctor_warn(d, "%s comes before pam_systemd.so (%s), which moves the login", at, faults.above);
                doctor_fix(d, "move %s below the line with pam_systemd.so, or below what includes that", at);
        }
        if (faults.deny) {
                doctor_warn(d, "%s is optional, so no login is refused by on_failure = deny of %s", at, faults.deny);
                if (has_profiles())
                        doctor_fix(
                                d,
                                "pam-auth-update --enable bpfdeleg-enforce, and --disable bpfdeleg or take that line "
                                "away if it is yours");
                else
                        doctor_fix(d, "write " ENFORCE " in %s", at);
        }
}

/* ---- the module's file ---- */

/* linux-pam takes a name without a slash from its own directory. */
static void judge_file(struct doctor *d, const char *module) {
        char path[PATH_MAX + sizeof(PAM_MODULE_DIR) + 1];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s%s", module[0] == '/' ? "" : PAM_MODULE_DIR "/", module);
        if (stat(path, &st) < 0) {
                doctor_fail(d, "%s: %s: logins cannot load it", path, strerror(errno));
                doctor_fix(d, "install bpfdeleg again (configure --with-pamdir=DIR: where your PAM looks for modules)");
        } else if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH)) {
                doctor_fail(d, "%s is not root's alone (uid %u, mode %04o): whoever writes it is root at a login", path,
                            (unsigned) st.st_uid, (unsigned) (st.st_mode & 07777));
                doctor_fix(d, "chown root:root %s && chmod 0644 %s", path, path);
        }
}

/* Each file once. */
static void judge_files(struct doctor *d, const struct pam_stack *stack) {
        for (size_t i = 0; i < stack->n_places; i++) {
                size_t first = 0;

                while (!streq(stack->places[first].module, stack->places[i].module))
                        first++;
                if (first == i)
                        judge_file(d, stack->places[i].module);
        }
        if (stack->n_places == 0)
                judge_file(d, MODULE);
}

/* ---- all of it ---- */

void doctor_pam(struct doctor *d) {
        _cleanup_(pam_stack_done) struct pam_stack stack = {
                .dirs = d->pam_dirs,
                .module = MODULE,
                .later = "pam_systemd.so",
        };

        if (pam_stack_read(&stack) < 0) {
                d->lost = true;
                return;
        }
        say_services(d, &stack);
        for (size_t i = 0; i < stack.n_places; i++)
                judge_place(d, &stack, i);
        judge_files(d, &stack);
        if (stack.unreadable[0] != '\0') {
                doctor_warn(d, "%s is not readable as this user", stack.unreadable);
                doctor_fix(d, "run it as root: bpfdeleg doctor");
        }
        if (stack.cut) {
                doctor_warn(d, "there is more in %s than was looked at: too many services or lines, or files in files",
                            d->pam_dirs[0]);
                doctor_fix(d, "look for files there that include themselves, or that nothing uses");
        }
}
