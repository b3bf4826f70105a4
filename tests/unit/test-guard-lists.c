/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rows of the guard's allow-lists. */

#include "config.h"

#include "guard/guard-lists.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL_CLASSES (GUARD_BIT(GUARD_SOCKET) | GUARD_BIT(GUARD_CGROUP) | GUARD_BIT(GUARD_NETNS))

/* ---- helpers ---- */

#define FUNC_NAME(name) [BPF_FUNC_##name] = #name
static const char *const func_names[] = {__BPF_FUNC_MAPPER(FUNC_NAME)};

static void test_helper_names(void **state) {
        (void) state;
        for (size_t i = 0; i < guard_n_helpers; i++) {
                const struct guard_helper *h = &guard_helpers[i];

                assert_true(h->id > 0 && h->id < ELEMENTSOF(func_names) && h->id < GUARD_HELPERS);
                assert_string_equal(h->name, func_names[h->id]);
        }
}

static void test_helpers_are_sorted(void **state) {
        (void) state;
        for (size_t i = 1; i < guard_n_helpers; i++) {
                if (guard_helpers[i].id <= guard_helpers[i - 1].id)
                        print_message("%s comes too late, or twice\n", guard_helpers[i].name);
                assert_true(guard_helpers[i].id > guard_helpers[i - 1].id);
        }
}

#define CALL_FLAGS (GUARD_LOOPS | GUARD_COSTS | GUARD_WALKS | GUARD_SENDS | GUARD_BYTES)

static void check_row(const char *name, uint32_t classes, const char *reason) {
        if ((classes & ~ALL_CLASSES) || !reason || strlen(reason) < 4)
                print_message("%s: a class that is none, or no reason\n", name);
        assert_int_equal(classes & ~ALL_CLASSES, 0);
        assert_non_null(reason);
        assert_true(strlen(reason) >= 4);
}

static void test_helpers_are_whole(void **state) {
        (void) state;
        for (size_t i = 0; i < guard_n_helpers; i++)
                check_row(guard_helpers[i].name, guard_helpers[i].classes & ~CALL_FLAGS, guard_helpers[i].reason);
}

/* What is allowed has an answer to each question, and none that forbids it. */
static void check_answers(const char *name, uint32_t classes, enum guard_gives gives, enum guard_acts acts,
                          enum guard_takes takes) {
        bool good = gives != GIVES_UNASKED && gives < GIVES_STALE && acts != ACTS_UNASKED && acts < ACTS_OTHERS &&
                    takes != TAKES_UNASKED && takes < TAKES_UNCOUNTED;

        if (classes != 0 && !good)
                fail_msg("%s is allowed: gives %d, acts %d, takes %d", name, gives, acts, takes);
}

static void test_answers(void **state) {
        (void) state;
        for (size_t i = 0; i < guard_n_helpers; i++)
                check_answers(guard_helpers[i].name, guard_helpers[i].classes, guard_helpers[i].gives,
                              guard_helpers[i].acts, guard_helpers[i].takes);
        for (size_t i = 0; i < guard_n_kfuncs; i++)
                check_answers(guard_kfuncs[i].name, guard_kfuncs[i].classes, guard_kfuncs[i].gives,
                              guard_kfuncs[i].acts, guard_kfuncs[i].takes);
}

static const struct guard_helper *find_helper(const char *name) {
        for (size_t i = 0; i < guard_n_helpers; i++)
                if (streq(guard_helpers[i].name, name))
                        return &guard_helpers[i];
        return NULL;
}

/* Each was a way out of a delegation, or into the kernel's memory. */
static void test_helpers_that_are_refused(void **state) {
        static const char *const names[] = {
                "probe_read",
                "probe_read_kernel",
                "probe_read_user",
                "probe_read_str",
                "probe_read_kernel_str",
                "probe_write_user",
                "copy_from_user",
                "get_current_task",
                "get_current_task_btf",
                "per_cpu_ptr",
                "this_cpu_ptr",
                "sk_lookup_tcp",
                "sk_lookup_udp",
                "skc_lookup_tcp",
                "timer_init",
                "timer_start",
                "kptr_xchg",
                "sys_bpf",
                "kallsyms_lookup_name",
                "override_return",
                "send_signal",
                "task_storage_get",
                "trace_printk",
                "get_func_ip",
                "btf_find_by_name_kind",
                "sys_close",
                "d_path",
                "tcp_gen_syncookie",
                "tcp_check_syncookie",
                "tcp_raw_gen_syncookie_ipv4",
                "tcp_raw_check_syncookie_ipv6",
                "sk_redirect_map",
                "sk_redirect_hash",
                "msg_push_data",
                "xdp_adjust_head",
                "xdp_adjust_meta",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const struct guard_helper *h = find_helper(names[i]);
                bool known = false;

                for (size_t id = 1; id < ELEMENTSOF(func_names); id++)
                        known |= func_names[id] && streq(func_names[id], names[i]);
                assert_true(known);
                if (h && h->classes != 0)
                        print_message("%s is allowed\n", names[i]);
                assert_true(!h || h->classes == 0);
        }
        assert_int_equal(find_helper("map_lookup_elem")->classes, ALL_CLASSES);
}

/* Each goes round as often as the program says, so it takes long_loops. */
static void test_helpers_that_loop(void **state) {
        static const char *const names[] = {"loop", "for_each_map_elem", "user_ringbuf_drain"};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(find_helper(names[i])->classes, ALL_CLASSES | GUARD_LOOPS);
        for (size_t i = 0; i < guard_n_kfuncs; i++)
                if (strncmp(guard_kfuncs[i].name, "bpf_iter_", 9) == 0 && guard_kfuncs[i].classes != 0)
                        assert_true(guard_kfuncs[i].classes & GUARD_LOOPS);
}

/* ---- kfuncs ---- */

static void test_kfuncs(void **state) {
        (void) state;
        assert_true(guard_n_kfuncs > 0 && guard_n_kfuncs <= GUARD_KFUNCS);
        for (size_t i = 0; i < guard_n_kfuncs; i++) {
                check_row(guard_kfuncs[i].name, guard_kfuncs[i].classes & ~CALL_FLAGS, guard_kfuncs[i].reason);
                assert_int_equal(strncmp(guard_kfuncs[i].name, "bpf_", 4), 0);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(guard_kfuncs[i].name, guard_kfuncs[j].name);
        }
}

static void test_kfuncs_that_are_refused(void **state) {
        static const char *const names[] = {
                "bpf_rdonly_cast",
                "bpf_cast_to_kern_ctx",
                "bpf_probe_read_kernel_dynptr",
                "bpf_strlen",
                "bpf_obj_new_impl",
                "bpf_wq_init",
                "bpf_sock_destroy",
                "bpf_throw",
                "bpf_dynptr_from_file",
                "bpf_stream_vprintk",
                "bpf_task_from_pid",
                "bpf_cgroup_from_id",
                "bpf_iter_bits_new",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                for (size_t j = 0; j < guard_n_kfuncs; j++)
                        if (streq(guard_kfuncs[j].name, names[i]))
                                assert_int_equal(guard_kfuncs[j].classes, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_helper_names),
                cmocka_unit_test(test_helpers_are_sorted),
                cmocka_unit_test(test_helpers_are_whole),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_helpers_that_loop),
                cmocka_unit_test(test_helpers_that_are_refused),
                cmocka_unit_test(test_kfuncs),
                cmocka_unit_test(test_kfuncs_that_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
