/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which members of an attaching call are descriptors: each attach type, by the kernel's numbers and not by the table's
 * own names, and the flags that change it.
 */

#include "config.h"

#include "proxy-attr.h"

#include <setjmp.h>

#include <cmocka.h>

/* Words of the attr. */
#define CREATE(type, flags, relative)                    \
        {                                                \
                .words = { 0, 0, type, flags, relative } \
        }
#define ATTACH(type, flags)                    \
        {                                      \
                .words = { 0, 0, type, flags } \
        }

static void assert_members(uint32_t command, union proxy_attr attr, const char *wanted) {
        struct proxy_members members;
        char found[32] = "kernel";

        memset(&members, 0xff, sizeof(members));
        if (proxy_attr_members(command, &attr, &members)) {
                size_t n = 0;

                assert_true(members.n <= PROXY_FDS_MAX);
                for (unsigned i = 0; i < members.n; i++) {
                        assert_true(members.words[i] * sizeof(uint32_t) < PROXY_ATTR_LEAST);
                        found[n++] = (char) ('0' + members.words[i]);
                }
                found[n] = '\0';
                if (members.in_network)
                        (void) strcat(found, " network");
        }
        if (!streq(found, wanted))
                fail_msg("command %u, type or flags %u, %u: %s, wanted %s", command, attr.words[2], attr.words[3],
                         found, wanted);
}

/* A range of attach types, what LINK_CREATE has, what PROG_ATTACH. */
static const struct {
        uint32_t first, last;
        const char *link, *attach;
} types[] = {
        {0, 3, "01", "10"},
        {4, 5, "01", "10"},
        {6, 6, "01", "10"},
        {7, 7, "01", "10"},
        {8, 15, "01", "10"},
        {16, 16, "kernel", "kernel"},
        {17, 17, "01", "1 network"},
        {18, 22, "01", "10"},
        {23, 27, "01", "kernel"},
        {28, 28, "kernel", "kernel"},
        {29, 32, "01", "10"},
        {33, 33, "kernel", "kernel"},
        {34, 34, "01", "10"},
        {35, 35, "kernel", "kernel"},
        {36, 36, "01", "1 network"},
        {37, 37, "0 network", "kernel"},
        {38, 38, "01", "10"},
        {39, 40, "kernel", "kernel"},
        {41, 41, "01", "kernel"},
        {42, 42, "kernel", "kernel"},
        {43, 43, "01", "10"},
        {44, 44, "0", "kernel"},
        {45, 45, "0 network", "kernel"},
        {46, 47, "04 network", "15 network"},
        {48, 48, "kernel", "kernel"},
        {49, 53, "01", "10"},
        {54, 55, "04 network", "15 network"},
        {56, 57, "kernel", "kernel"},
        {58, 58, "01", "kernel"},
        {59, 300, "kernel", "kernel"},
        {0x80000000, 0x80000001, "kernel", "kernel"},
        {~0U, ~0U, "kernel", "kernel"},
};

static void test_types(void **state) {
        uint32_t next = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                assert_true(types[i].first == next || types[i].first >= 0x80000000);
                for (uint64_t type = types[i].first; type <= types[i].last; type++) {
                        union proxy_attr link = CREATE((uint32_t) type, 0, 77), attach = ATTACH((uint32_t) type, 0);

                        assert_members(BPF_LINK_CREATE, link, types[i].link);
                        assert_members(BPF_PROG_ATTACH, attach, types[i].attach);
                        assert_members(BPF_PROG_DETACH, attach, types[i].attach);
                }
                next = types[i].last + 1;
        }
}

static void test_relative(void **state) {
        static const struct {
                uint32_t type, flags;
                const char *link, *attach;
        } cases[] = {
                /* A cgroup's only with an order: without one the same place is an ext program's BTF id. */
                {1, BPF_F_BEFORE, "014", "105"},
                {1, BPF_F_AFTER, "014", "105"},
                {1, BPF_F_LINK, "01", "10"},
                {1, BPF_F_AFTER | BPF_F_LINK, "014", "105"},
                {1, BPF_F_AFTER | BPF_F_ID, "01", "10"},
                {1, BPF_F_AFTER | BPF_F_LINK | BPF_F_ID, "01", "10"},
                {46, BPF_F_LINK, "04 network", "15 network"},
                {46, BPF_F_ID, "0 network", "1 network"},
                {54, BPF_F_BEFORE | BPF_F_ID, "0 network", "1 network"},
                /* None has one. */
                {5, BPF_F_BEFORE, "01", "10"},
                {36, BPF_F_AFTER, "01", "1 network"},
                {37, BPF_F_BEFORE, "0 network", "kernel"},
                /* What PROG_ATTACH replaces. */
                {1, BPF_F_REPLACE | BPF_F_ALLOW_MULTI, "01", "104"},
                {46, BPF_F_REPLACE | BPF_F_ID, "0 network", "14 network"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                union proxy_attr link = CREATE(cases[i].type, cases[i].flags, 77);
                union proxy_attr attach = ATTACH(cases[i].type, cases[i].flags);

                assert_members(BPF_LINK_CREATE, link, cases[i].link);
                assert_members(BPF_PROG_ATTACH, attach, cases[i].attach);
                assert_members(BPF_PROG_DETACH, attach, cases[i].attach);
        }
}

static void test_update(void **state) {
        union proxy_attr plain = {.words = {1, 2, 0, 3}}, replace = {.words = {1, 2, BPF_F_REPLACE, 3}};
        union proxy_attr unknown = {.words = {1, 2, 1U << 20, 3}};

        (void) state;
        assert_members(BPF_LINK_UPDATE, plain, "01");
        assert_members(BPF_LINK_UPDATE, replace, "013");
        assert_members(BPF_LINK_UPDATE, unknown, "kernel");
}

/* A flag may be what makes a descriptor of a member. */
static void test_flags_unknown(void **state) {
        (void) state;
        for (unsigned bit = 0; bit < 32; bit++) {
                union proxy_attr link = CREATE(0, 1U << bit, 0);
                bool known = bit < 7 || bit == 13, ordered = bit == 3 || bit == 4;

                assert_members(BPF_LINK_CREATE, link, !known ? "kernel" : ordered ? "014" : "01");
        }
}

static void test_commands(void **state) {
        union proxy_attr attr = CREATE(0, 0, 0);

        (void) state;
        for (uint32_t command = 0; command < 64; command++)
                if (command != BPF_LINK_CREATE && command != BPF_LINK_UPDATE && command != BPF_PROG_ATTACH &&
                    command != BPF_PROG_DETACH)
                        assert_members(command, attr, "kernel");
        assert_members(BPF_LINK_CREATE | 1U << 16, attr, "kernel");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_types),         cmocka_unit_test(test_relative), cmocka_unit_test(test_update),
                cmocka_unit_test(test_flags_unknown), cmocka_unit_test(test_commands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
