/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg-doctor, the program of `bpfdeleg doctor`: what a host lacks, and how to fix it. The checks are in
 * doctor-*.c; here is what is printed. */

#include "config.h"

#include <getopt.h>
#include <json-c/json.h>
#include <sys/utsname.h>

#include "cmd.h"
#include "doctor.h"

enum { EXIT_OK = 0, EXIT_WARNINGS = 1, EXIT_FAILURES = 2, EXIT_USAGE = 2 };

static const char *const verdict_words[] = {[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};
static const int exit_statuses[] = {
        [DOCTOR_OK] = EXIT_OK,
        [DOCTOR_WARN] = EXIT_WARNINGS,
        [DOCTOR_FAIL] = EXIT_FAILURES,
};

static const char usage[] =
        "Usage: bpfdeleg doctor [OPTION]…\n"
        "Looks whether this host has what delegations need, and says how to fix it. Changes nothing.\n\n"
        "  --json            print one JSON object\n"
        "  --pam-dir=DIR     PAM service files, instead of /etc/pam.d and /usr/lib/pam.d\n"
        "  --policy-dir=DIR  the one directory of policy files, instead of the three of bpfdeleg-policy(5)\n"
        "  --help            print this\n\n"
        "Exit status: 0 all ok, 1 warnings, 2 failures or a wrong argument.\n";

struct options {
        bool json;
        const char *pam_dirs[3], *policy_dirs[2]; /* NULL-terminated; policy_dirs empty: the default ones */
};

/* ---- text ---- */

static void print_findings(const struct doctor *doctor, size_t from) {
        for (size_t i = from; i < doctor->n_findings; i++) {
                const struct doctor_finding *finding = &doctor->findings[i];

                (void) printf("%-4s  %-10s  %s\n", verdict_words[finding->verdict], finding->name, finding->text);
                if (finding->fix[0] != '\0')
                        (void) printf("%18s-> %s\n", "", finding->fix);
        }
        (void) fflush(stdout);
}

static void print_sum(const struct doctor *doctor) {
        size_t n[ELEMENTSOF(verdict_words)] = {0};

        for (size_t i = 0; i < doctor->n_findings; i++)
                n[doctor->findings[i].verdict]++;
        (void) printf("\n%zu ok, %zu warning%s, %zu failure%s\n", n[DOCTOR_OK], n[DOCTOR_WARN],
                      n[DOCTOR_WARN] == 1 ? "" : "s", n[DOCTOR_FAIL], n[DOCTOR_FAIL] == 1 ? "" : "s");
}

/* ---- JSON ---- */

/* Takes value, which may be NULL for want of memory. Returns whether it is in the object. */
static bool add(struct json_object *object, const char *key, struct json_object *take_value) {
        if (take_value && json_object_object_add(object, key, take_value) == 0)
                return true;
        json_object_put(take_value);
        return false;
}

static bool add_string(struct json_object *object, const char *key, const char *value) {
        return add(object, key, json_object_new_string(value));
}

static bool add_finding(struct json_object *list, const struct doctor_finding *finding) {
        struct json_object *object = json_object_new_object();
        bool good;

        good = object && add_string(object, "name", finding->name) &&
               add_string(object, "status", verdict_words[finding->verdict]) &&
               add_string(object, "text", finding->text) &&
               (finding->fix[0] == '\0' || add_string(object, "fix", finding->fix)) &&
               json_object_array_add(list, object) == 0;
        if (!good)
                json_object_put(object);
        return good;
}

/* The whole object, or NULL. */
static struct json_object *make_json(const struct doctor *doctor) {
        struct json_object *object = json_object_new_object(), *list = json_object_new_array();
        struct utsname uts = {.release = ""};
        bool good = object && list;

        (void) uname(&uts);
        for (size_t i = 0; i < doctor->n_findings; i++)
                good = good && add_finding(list, &doctor->findings[i]);
        good = good && add_string(object, "version", PACKAGE_VERSION) && add_string(object, "kernel", uts.release) &&
               add_string(object, "result", verdict_words[doctor_result(doctor)]);
        if (good && add(object, "checks", list))
                return object;
        if (!good)
                json_object_put(list);
        json_object_put(object);
        return NULL;
}

static int print_json(const struct doctor *doctor) {
        static const int style = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
        struct json_object *object = make_json(doctor);
        const char *text = object ? json_object_to_json_string_ext(object, style) : NULL;
        int r = text ? 0 : -ENOMEM;

        if (text)
                (void) puts(text);
        json_object_put(object);
        return r;
}

/* ---- the command ---- */

/* Returns 1 to go on, 0 when all is done, or -EINVAL. */
static int parse_options(int argc, char **argv, struct options *ret) {
        static const struct option longs[] = {
                {"json", no_argument, NULL, 'j'},
                {"pam-dir", required_argument, NULL, 'a'},
                {"policy-dir", required_argument, NULL, 'p'},
                {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        int c;

        *ret = (struct options){.pam_dirs = {"/etc/pam.d", "/usr/lib/pam.d"}};
        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
                switch (c) {
                case 'j':
                        ret->json = true;
                        break;
                case 'a':
                        ret->pam_dirs[0] = optarg;
                        ret->pam_dirs[1] = NULL;
                        break;
                case 'p':
                        ret->policy_dirs[0] = optarg;
                        break;
                case 'h':
                        (void) fputs(usage, stdout);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                cmd_error("doctor takes no argument: %s", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

static int examine(struct doctor *doctor, bool json) {
        for (const struct doctor_check *check = doctor_checks; check->name; check++) {
                size_t before = doctor->n_findings;

                doctor_run(doctor, check);
                if (!json)
                        print_findings(doctor, before);
        }
        if (!json)
                print_sum(doctor);
        return json ? print_json(doctor) : 0;
}

int main(int argc, char **argv) {
        struct options options;
        struct doctor doctor;
        int r, status;

        r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_OK;
        r = doctor_init(&doctor, cmd_socket(), options.pam_dirs,
                        options.policy_dirs[0] ? options.policy_dirs : policy_default_dirs);
        if (r >= 0)
                r = examine(&doctor, options.json);
        if (r < 0 || doctor.lost)
                cmd_error("doctor: out of memory");
        status = r < 0 ? EXIT_FAILURES : exit_statuses[doctor_result(&doctor)];
        doctor_done(&doctor);
        return status;
}
