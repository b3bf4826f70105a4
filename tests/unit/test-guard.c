/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the guard is made of: its programs' types, and the targets that it knows. */

#include "config.h"

#include "guard/guard.bpf.h"
#include "mask.h"

#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- programs ---- */

static struct bpf_object *open_guard(void) {
        const char *dir = getenv("top_builddir");
        struct bpf_object *obj;
        char path[4096];

        (void) snprintf(path, sizeof(path), "%s/helper/guard/guard.bpf.o", dir ?: ".");
        obj = bpf_object__open_file(path, NULL);
        assert_non_null(obj);
        return obj;
}

/* fentry, fexit and fmod_ret are skipped under a flood, so they can refuse nothing: LSM programs only, and the one
 * that the helper runs itself. A type that nobody thought of is no LSM program either. */
static void test_program_types(void **state) {
        struct bpf_object *obj = open_guard();
        struct bpf_program *prog;
        unsigned lsm = 0, syscalls = 0;

        (void) state;
        bpf_object__for_each_program(prog, obj) {
                if (bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL) {
                        assert_string_equal(bpf_program__name(prog), "guard_run");
                        syscalls++;
                        continue;
                }
                if (bpf_program__type(prog) != BPF_PROG_TYPE_LSM)
                        print_message("%s: section %s\n", bpf_program__name(prog), bpf_program__section_name(prog));
                assert_int_equal(bpf_program__type(prog), BPF_PROG_TYPE_LSM);
                /* Not the cgroup flavour, nor the sleepable one, which do not run everywhere. */
                assert_int_equal(bpf_program__expected_attach_type(prog), BPF_LSM_MAC);
                assert_int_equal(strncmp(bpf_program__section_name(prog), "lsm/", 4), 0);
                lsm++;
        }
        assert_int_equal(syscalls, 1);
        assert_true(lsm >= 10);
        bpf_object__close(obj);
}

/* ---- targets ---- */

/* What a policy may delegate without allow_host_wide the guard must know a target of, or each attach of it is
 * refused. But for what has none: sk_reuseport's are put on a socket by setsockopt(2), xdp's two into a map. */
static void test_targets(void **state) {
        static const char without_target[] =
                "any, ~sk_reuseport_select, ~sk_reuseport_select_or_migrate, ~xdp_devmap, ~xdp_cpumap";
        struct mask_names *names = NULL;
        unsigned seen[4] = {0};
        struct errtext err;
        uint64_t mask = 0;

        (void) state;
        assert_int_equal(mask_names_new_from_headers(&names), 0);
        assert_int_equal(mask_parse(names, POLICY_ATTACHS, without_target, false, &mask, &err), 0);
        for (unsigned i = 0; i < GUARD_ATTACH_TYPES; i++) {
                enum guard_target target = guard_target_of(i);

                seen[target]++;
                if (mask & UINT64_C(1) << i && target == GUARD_AT_UNKNOWN)
                        fail_msg("attach type %u can be delegated, and guard_target_of() does not know it", i);
        }
        assert_true(seen[GUARD_AT_CGROUP] >= 20 && seen[GUARD_AT_NETWORK] >= 8);
        assert_true(seen[GUARD_AT_MAP] == 4 && seen[GUARD_AT_UNKNOWN] > 0);
        mask_names_free(names);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_program_types),
                cmocka_unit_test(test_targets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
