/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which bytes are a message. The layouts are written down here a second time, from the structs alone. Each judgement is
 * made on a heap block of exactly the message's size (for ASan) and once more right before an unmapped page (for all).
 */

#include "config.h"

#include "proto.h"

#include <sys/mman.h>

#include <setjmp.h>
#include <cmocka.h>

struct field {
        size_t offset, size;
};

#define FIELD(name, member) \
        { offsetof(struct name, member), sizeof(((struct name *) NULL)->member) }

static const struct known {
        uint32_t type;
        size_t size;
        size_t n_strings;
        struct field strings[5];
        struct field padding;
} known[] = {
        {PROTO_OPEN_SESSION,
         sizeof(struct proto_open_session),
         5,
         {FIELD(proto_open_session, policy), FIELD(proto_open_session, user), FIELD(proto_open_session, service),
          FIELD(proto_open_session, tty), FIELD(proto_open_session, rhost)},
         {0, 0}},
        {PROTO_CLOSE_SESSION, sizeof(struct proto_close_session), 0, {{0, 0}}, {0, 0}},
        {PROTO_FIND_SESSION, sizeof(struct proto_find_session), 0, {{0, 0}}, FIELD(proto_find_session, padding)},
        {PROTO_ENTER, sizeof(struct proto_enter), 0, {{0, 0}}, {0, 0}},
        {PROTO_STATUS, sizeof(struct proto_status), 0, {{0, 0}}, {0, 0}},
        {PROTO_KILL_SUBGROUP,
         sizeof(struct proto_kill_subgroup),
         1,
         {FIELD(proto_kill_subgroup, path)},
         FIELD(proto_kill_subgroup, padding)},
        {PROTO_REMOVE_SUBGROUP, sizeof(struct proto_remove_subgroup), 1, {FIELD(proto_remove_subgroup, path)}, {0, 0}},
        {PROTO_REPLY, sizeof(struct proto_reply), 1, {FIELD(proto_reply, text)}, FIELD(proto_reply, padding)},
        {PROTO_OPENED, sizeof(struct proto_opened), 1, {FIELD(proto_opened, text)}, FIELD(proto_opened, padding)},
        {PROTO_ENTERED,
         sizeof(struct proto_entered),
         2,
         {FIELD(proto_entered, path), FIELD(proto_entered, text)},
         {0, 0}},
        {PROTO_ROW,
         sizeof(struct proto_row),
         3,
         {FIELD(proto_row, policy), FIELD(proto_row, path), FIELD(proto_row, cgroup)},
         {0, 0}},
        {PROTO_END,
         sizeof(struct proto_end),
         2,
         {FIELD(proto_end, text), FIELD(proto_end, version)},
         FIELD(proto_end, padding)},
};

#define ROOM 4096 /* for any message and more; at most one page */

static char *wall; /* the first byte that nobody may touch */

static int setup(void **state) {
        char *p;

        (void) state;
        p = mmap(NULL, (size_t) 2 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                return -1;
        wall = p + 65536; /* a page's start, whatever their size */
        return mprotect(wall, 65536, PROT_NONE);
}

static int judge(const void *bytes, size_t size) {
        struct errtext err = {.s = "untouched"};
        char *copy = malloc(size + 1), *exact = malloc(size);
        int r, again;

        assert_true(copy && exact && size <= ROOM);
        if (size > 0) {
                memcpy(exact, bytes, size);
                memcpy(wall - size, bytes, size);
                memcpy(copy + 1, bytes, size);
        }
        r = proto_check(exact, size, &err);
        again = proto_check(wall - size, size, NULL);
        assert_int_equal(r, again);
        again = proto_check(copy + 1, size, NULL); /* alignment is no matter */
        assert_int_equal(r, again);
        free(exact);
        free(copy);

        if (r == 0) {
                assert_string_equal(err.s, "untouched");
        } else {
                assert_int_equal(r, -EBADMSG);
                assert_string_not_equal(err.s, "untouched");
                assert_true(err.s[0] != '\0' && !strchr(err.s, '\n'));
        }
        return r;
}

/* A well-formed message of the type, as an empty one with text in each string. */
static void make(const struct known *k, char *bytes) {
        struct proto_head head = {.version = PROTO_VERSION, .type = k->type};

        memset(bytes, 0, ROOM);
        memcpy(bytes, &head, sizeof(head));
        for (size_t i = 0; i < k->n_strings; i++)
                memcpy(bytes + k->strings[i].offset, "some text", 10);
}

/* ---- sizes, versions, types -------------------------------------------------------------------------------------- */

static void test_sizes(void **state) {
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                make(known + i, bytes);
                assert_int_equal(proto_size(known[i].type), known[i].size);
                assert_true(known[i].size <= sizeof(union proto_message));
                assert_int_equal(judge(bytes, known[i].size), 0);
                for (size_t size = 0; size < known[i].size; size++)
                        assert_int_equal(judge(bytes, size), -EBADMSG);
                for (size_t more = 1; more <= 64; more++)
                        assert_int_equal(judge(bytes, known[i].size + more), -EBADMSG);
                assert_int_equal(judge(bytes, ROOM), -EBADMSG);
        }
}

static void test_init(void **state) {
        static const struct proto_status status = PROTO_INIT(PROTO_STATUS);
        static const struct proto_open_session open_session = PROTO_INIT(PROTO_OPEN_SESSION);

        (void) state;
        assert_int_equal(judge(&status, sizeof(status)), 0);
        assert_int_equal(judge(&open_session, sizeof(open_session)), 0);
        assert_int_equal(judge(&open_session, sizeof(status)), -EBADMSG);
}

static void test_versions(void **state) {
        static const uint32_t others[] = {0, 2, 3, 0x01000000, 0x00000101, 0x80000001, UINT32_MAX};
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                make(known + i, bytes);
                assert_int_equal(judge(bytes, known[i].size), 0);
                for (size_t j = 0; j < ELEMENTSOF(others); j++) {
                        memcpy(bytes + offsetof(struct proto_head, version), others + j, sizeof(others[j]));
                        assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                }
        }
}

static const struct known *find(uint32_t type) {
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i].type == type)
                        return known + i;
        return NULL;
}

/* Of a type that is not, no size is right. */
static void refuse_type(uint32_t type) {
        struct proto_head head = {.version = PROTO_VERSION, .type = type};
        char bytes[ROOM] = "";

        memcpy(bytes, &head, sizeof(head));
        assert_int_equal(proto_size(type), 0);
        assert_int_equal(judge(bytes, 0), -EBADMSG);
        assert_int_equal(judge(bytes, sizeof(head)), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
}

static void test_types(void **state) {
        static const uint32_t far[] = {257, 0x101, 0x10001, 0x01000000, 0x80000001, UINT32_MAX - 1, UINT32_MAX};
        unsigned n = 0;

        (void) state;
        for (uint32_t type = 0; type <= 200; type++) {
                const struct known *k = find(type);

                if (!k) {
                        refuse_type(type);
                        continue;
                }
                assert_int_equal(proto_size(type), k->size);
                n++;
        }
        assert_int_equal(n, ELEMENTSOF(known));
        for (size_t i = 0; i < ELEMENTSOF(far); i++)
                refuse_type(far[i]);
}

/* ---- strings and padding ----------------------------------------------------------------------------------------- */

static void test_string_lengths(void **state) {
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                for (size_t j = 0; j < known[i].n_strings; j++) {
                        const struct field *f = known[i].strings + j;

                        make(known + i, bytes);
                        memset(bytes + f->offset, 0, f->size);
                        assert_int_equal(judge(bytes, known[i].size), 0);
                        memset(bytes + f->offset, 'a', f->size - 1);
                        assert_int_equal(judge(bytes, known[i].size), 0);
                        bytes[f->offset + f->size - 1] = 'a'; /* no terminator; the next field has one */
                        assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                        memset(bytes + f->offset, 0xff, f->size);
                        assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                }
}

/* Every byte value, first, in the middle and last in the field. */
static void check_characters(const struct known *k, const struct field *f, size_t at) {
        char bytes[ROOM];

        for (unsigned c = 1; c <= 0xff; c++) {
                make(k, bytes);
                memset(bytes + f->offset, 'a', f->size - 1);
                bytes[f->offset + f->size - 1] = '\0';
                bytes[f->offset + at] = (char) c;
                assert_int_equal(judge(bytes, k->size), c < 0x20 || c == 0x7f ? -EBADMSG : 0);
        }
}

static void test_characters(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                for (size_t j = 0; j < known[i].n_strings; j++) {
                        const struct field *f = known[i].strings + j;

                        check_characters(known + i, f, 0);
                        check_characters(known + i, f, f->size / 2);
                        check_characters(known + i, f, f->size - 2);
                }
}

static void test_utf8(void **state) {
        static const char *const texts[] = {"M\xc3\xbcller", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x90\x9d",
                                            "\xe2\x80\xa6"};
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                for (size_t j = 0; j < known[i].n_strings; j++)
                        for (size_t t = 0; t < ELEMENTSOF(texts); t++) {
                                const struct field *f = known[i].strings + j;

                                make(known + i, bytes);
                                assert_int_equal(copy_field(bytes + f->offset, f->size, texts[t]), 0);
                                assert_int_equal(judge(bytes, known[i].size), 0);
                                bytes[f->offset] = '\033';
                                assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                        }
}

static void test_behind_terminator(void **state) {
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                for (size_t j = 0; j < known[i].n_strings; j++) {
                        const struct field *f = known[i].strings + j;

                        for (size_t at = 10; at < f->size; at++) { /* "some text" and its terminator are 10 */
                                make(known + i, bytes);
                                assert_int_equal(judge(bytes, known[i].size), 0);
                                bytes[f->offset + at] = 'x';
                                assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                        }
                        make(known + i, bytes);
                        bytes[f->offset] = '\0'; /* an empty string with a tail */
                        assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                }
}

static void test_padding(void **state) {
        char bytes[ROOM];
        unsigned n = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                for (size_t at = 0; at < known[i].padding.size; at++, n++)
                        for (unsigned bit = 0; bit < 8; bit++) {
                                make(known + i, bytes);
                                assert_int_equal(judge(bytes, known[i].size), 0);
                                bytes[known[i].padding.offset + at] = (char) (1u << bit);
                                assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
                        }
        assert_int_equal(n, 20); /* FIND_SESSION, KILL_SUBGROUP, REPLY, OPENED and END */
}

static bool in_field(const struct field *f, size_t at) {
        return at >= f->offset && at < f->offset + f->size;
}

/* What is neither head, string nor padding is a number, and the shape of the message does not depend on it. */
static void test_numbers(void **state) {
        char bytes[ROOM];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                make(known + i, bytes);
                for (size_t at = sizeof(struct proto_head); at < known[i].size; at++) {
                        bool other = in_field(&known[i].padding, at);

                        for (size_t j = 0; j < known[i].n_strings; j++)
                                other = other || in_field(known[i].strings + j, at);
                        if (!other)
                                bytes[at] = (char) 0xff;
                }
                assert_int_equal(judge(bytes, known[i].size), 0);
                memset(bytes, 0xff, sizeof(struct proto_head));
                assert_int_equal(judge(bytes, known[i].size), -EBADMSG);
        }
}

/* ---- any bytes --------------------------------------------------------------------------------------------------- */

/* xorshift64: the same bytes in each run. */
static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t roll(void) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
}

/* What proto_check promises, said the slow way. */
static bool well_formed(const char *bytes, size_t size) {
        const struct known *k;
        struct proto_head head;

        if (size < sizeof(head))
                return false;
        memcpy(&head, bytes, sizeof(head));
        k = find(head.type);
        if (head.version != 1 || !k || size != k->size)
                return false;
        for (size_t i = 0; i < k->n_strings; i++) {
                bool ended = false;

                for (size_t at = 0; at < k->strings[i].size; at++) {
                        unsigned char c = (unsigned char) bytes[k->strings[i].offset + at];

                        if (ended ? c != 0 : c != 0 && (c < 0x20 || c == 0x7f))
                                return false;
                        ended = ended || c == 0;
                }
                if (!ended)
                        return false;
        }
        for (size_t at = 0; at < k->padding.size; at++)
                if (bytes[k->padding.offset + at] != 0)
                        return false;
        return true;
}

/* One of: noise; noise behind a good head; a good message with a few bytes and perhaps its size changed. */
static size_t make_random(char *bytes) {
        const struct known *k = known + roll() % ELEMENTSOF(known);
        unsigned kind = (unsigned) (roll() % 4);
        size_t size = kind == 0 ? roll() % 1500 : k->size;

        make(k, bytes);
        if (kind == 0 || kind == 1)
                for (size_t at = kind == 0 ? 0 : sizeof(struct proto_head); at < size; at++)
                        bytes[at] = (char) roll();
        else
                for (uint64_t n = roll() % 4; n > 0; n--)
                        bytes[roll() % size] = (char) (roll() % 3 ? roll() : 0);
        if (kind == 3 && roll() % 2)
                size = roll() % 1500;
        return size;
}

static void test_random(void **state) {
        unsigned accepted = 0, refused = 0;
        char bytes[ROOM];

        (void) state;
        for (unsigned i = 0; i < 100000; i++) {
                uint64_t from = seed;
                size_t size = make_random(bytes);
                bool good = judge(bytes, size) == 0;

                if (good != well_formed(bytes, size))
                        fail_msg("wrongly %s: round %u, seed %llx", good ? "accepted" : "refused", i,
                                 (unsigned long long) from);
                accepted += good;
                refused += !good;
        }
        assert_true(accepted > 1000);
        assert_true(refused > 1000);
}

/* ---- paths of sub-cgroups ---------------------------------------------------------------------------------------- */

static const char *const subgroups[] = {
        "run",          "a",       "run/a", "run/a/b/c",     "...",           "..a",        ".a",
        "a..",          "run/...", "a b",   "M\xc3\xbcller", "\xff\xfe/\x80", "supervisor", "run/supervisor",
        "cgroup.procs", "-",       "\\",
};

static const char *const no_subgroups[] = {
        "",
        "/",
        "//",
        "/run",
        "/sys/fs/cgroup/run",
        "run/",
        "run//a",
        "run///",
        ".",
        "./run",
        "run/.",
        "run/./a",
        "..",
        "../run",
        "run/..",
        "run/../a",
        "run/a/..",
        "../../..",
        "run/../../other",
        "./",
        "../",
        "a/..//",
};

static void test_subgroups(void **state) {
        char longest[PROTO_SUBGROUP_SIZE];
        struct errtext err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(subgroups); i++) {
                (void) snprintf(err.s, sizeof(err.s), "untouched");
                assert_int_equal(proto_check_subgroup(subgroups[i], &err), 0);
                assert_string_equal(err.s, "untouched");
        }
        for (size_t i = 0; i < ELEMENTSOF(no_subgroups); i++) {
                err.s[0] = '\0';
                assert_int_equal(proto_check_subgroup(no_subgroups[i], &err), -EINVAL);
                assert_string_not_equal(err.s, "");
                assert_int_equal(proto_check_subgroup(no_subgroups[i], NULL), -EINVAL);
        }
        /* Names and slashes in turn up to the field's end, right and with a ".." at its end. */
        for (size_t i = 0; i < sizeof(longest) - 1; i++)
                longest[i] = i % 2 ? '/' : 'a';
        longest[sizeof(longest) - 1] = '\0';
        assert_int_equal(proto_check_subgroup(longest, &err), 0);
        memcpy(longest + sizeof(longest) - 4, "/..", 3);
        longest[sizeof(longest) - 5] = 'a';
        assert_int_equal(proto_check_subgroup(longest, &err), -EINVAL);
}

/* ---- cookies ----------------------------------------------------------------------------------------------------- */

static const struct {
        const char *text;
        struct proto_cookie cookie;
} cookies[] = {
        {"0123456789abcdef-1", {UINT64_C(0x0123456789abcdef), 1}},
        {"0000000000000001-9", {1, 9}},
        {"0000000000000000-0", {0, 0}},
        {"fedcba9876543210-10", {UINT64_C(0xfedcba9876543210), 10}},
        {"8000000000000000-4294967296", {UINT64_C(0x8000000000000000), UINT64_C(4294967296)}},
        {"ffffffffffffffff-18446744073709551615", {UINT64_MAX, UINT64_MAX}},
};

static const char *const no_cookies[] = {
        "",
        "-",
        "1",
        "-1",
        "0123456789abcdef",
        "0123456789abcdef-",
        "0123456789abcdef1",
        "0123456789abcde-1",
        "0123456789abcdef0-1",
        "123456789abcdef-1",
        "0123456789ABCDEF-1",
        "0123456789abcdeF-1",
        "0x23456789abcdef-1",
        "0X23456789abcdef-1",
        "0x0123456789abcdef-1",
        "0123456789abcdef-0x1",
        "0123456789abcdef-01",
        "0123456789abcdef-00",
        "0123456789abcdef-1 ",
        " 0123456789abcdef-1",
        " 123456789abcdef-1",
        "0123456789abcdef -1",
        "0123456789abcdef- 1",
        "0123456789abcdef-1\n",
        "0123456789abcdef--1",
        "-123456789abcdef-1",
        "+123456789abcdef-1",
        "0123456789abcdef-+1",
        "0123456789abcdef-1-",
        "0123456789abcdef-1-1",
        "0123456789abcdef-a",
        "0123456789abcdef-1a",
        "0123456789abcdeg-1",
        "0123456789abcdef_1",
        "0123456789abcdef:1",
        "01234567-9abcdef-1",
        "0123456789abcdef-18446744073709551616",
        "0123456789abcdef-99999999999999999999",
        "0123456789abcdef-111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
        "0123456789abcdef-1.",
        "0123456789abcdef-1e1",
        "0123456789abcde\xc3-1",
        "0123456789abcdef-\xd9\xa1",
        "                  ",
        "------------------",
        "gggggggggggggggg-1",
};

/* From a block of its exact size, so that ASan sees a read behind the terminator. */
static int parse(const char *text, struct proto_cookie *ret) {
        char *copy = strdup(text);
        int r;

        assert_non_null(copy);
        r = proto_cookie_parse(copy, ret);
        free(copy);
        return r;
}

static void test_cookies(void **state) {
        char buf[PROTO_COOKIE_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cookies); i++) {
                struct proto_cookie cookie = {.session = 77};

                memset(buf, 'x', sizeof(buf));
                assert_ptr_equal(proto_cookie_format(&cookies[i].cookie, buf), buf);
                assert_string_equal(buf, cookies[i].text);
                assert_int_equal(parse(cookies[i].text, &cookie), 0);
                assert_memory_equal(&cookie, &cookies[i].cookie, sizeof(cookie));
        }
}

static void test_no_cookies(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(no_cookies); i++) {
                struct proto_cookie cookie = {.delegation = 5, .session = 7};

                if (parse(no_cookies[i], &cookie) != -EINVAL)
                        fail_msg("taken for a cookie: \"%s\"", no_cookies[i]);
                assert_true(cookie.delegation == 5 && cookie.session == 7);
        }
}

static void test_random_cookies(void **state) {
        (void) state;
        for (unsigned i = 0; i < 10000; i++) {
                struct proto_cookie cookie = {roll() >> (roll() % 64), roll() >> (roll() % 64)}, back = {0, 0};
                char buf[PROTO_COOKIE_TEXT_SIZE], other[PROTO_COOKIE_TEXT_SIZE];
                size_t at;

                assert_int_equal(parse(proto_cookie_format(&cookie, buf), &back), 0);
                assert_memory_equal(&cookie, &back, sizeof(cookie));
                /* Changed anywhere, it is no cookie or another one: there are no two ways to write the same. */
                at = roll() % strlen(buf);
                buf[at] = (char) (buf[at] ^ (char) (1 + roll() % 127));
                if (parse(buf, &back) == 0) {
                        assert_memory_not_equal(&cookie, &back, sizeof(cookie));
                        assert_string_equal(proto_cookie_format(&back, other), buf);
                }
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),          cmocka_unit_test(test_init),
                cmocka_unit_test(test_versions),       cmocka_unit_test(test_types),
                cmocka_unit_test(test_string_lengths), cmocka_unit_test(test_characters),
                cmocka_unit_test(test_utf8),           cmocka_unit_test(test_behind_terminator),
                cmocka_unit_test(test_padding),        cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_random),         cmocka_unit_test(test_subgroups),
                cmocka_unit_test(test_cookies),        cmocka_unit_test(test_no_cookies),
                cmocka_unit_test(test_random_cookies),
        };

        return cmocka_run_group_tests_name("proto", tests, setup, NULL);
}
