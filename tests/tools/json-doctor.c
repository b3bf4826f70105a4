/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads what `bpfdeleg doctor --json` printed, strictly, and says it in lines that a shell can look at:
 *
 *   version VERSION
 *   kernel RELEASE
 *   result ok|warn|fail
 *   check STATUS NAME, and for each that is not ok: fix NAME
 *
 * Exits 1 for what is no JSON, or JSON of another shape.
 */

#include "config.h"

#include <json-c/json.h>

#include "util.h"

static int bad(const char *what) {
        (void) fprintf(stderr, "json-doctor: %s\n", what);
        return 1;
}

static const char *string_of(struct json_object *object, const char *key) {
        struct json_object *value;

        if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_string))
                return NULL;
        return json_object_get_string(value);
}

static int print_check(struct json_object *check) {
        const char *name = string_of(check, "name"), *status = string_of(check, "status"),
                   *fix = string_of(check, "fix");

        if (!name || !status || !string_of(check, "text") || json_object_object_length(check) != (fix ? 4 : 3))
                return bad("a check has not name, status, text and perhaps fix");
        (void) printf("check %s %s\n", status, name);
        if (fix)
                (void) printf("fix %s\n", name);
        return 0;
}

static int print_all(struct json_object *object) {
        static const char *const keys[] = {"version", "kernel", "result"};
        struct json_object *checks;
        int r = 0;

        if (!json_object_is_type(object, json_type_object) || json_object_object_length(object) != ELEMENTSOF(keys) + 1)
                return bad("no object of four members");
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *value = string_of(object, keys[i]);

                if (!value)
                        return bad(keys[i]);
                (void) printf("%s %s\n", keys[i], value);
        }
        if (!json_object_object_get_ex(object, "checks", &checks) || !json_object_is_type(checks, json_type_array))
                return bad("checks");
        for (size_t i = 0; r == 0 && i < json_object_array_length(checks); i++)
                r = print_check(json_object_array_get_idx(checks, i));
        return r;
}

int main(void) {
        struct json_tokener *tokener = json_tokener_new();
        struct json_object *object;
        static char text[1 << 20];
        size_t n;
        int r;

        if (!tokener)
                return bad("no memory");
        n = fread(text, 1, sizeof(text) - 1, stdin);
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        /* With its terminator: so that nothing may stand behind the object. */
        object = json_tokener_parse_ex(tokener, text, (int) n + 1);
        r = json_tokener_get_error(tokener) == json_tokener_success ?
                    print_all(object) :
                    bad(json_tokener_error_desc(json_tokener_get_error(tokener)));
        json_object_put(object);
        json_tokener_free(tokener);
        return r;
}
