/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The idioms of util.h: descriptors and pointers handed over, texts that never overflow, numbers that are numbers. */

#include "config.h"

#include "util.h"

/* cmocka has a macro fail(), so util.h comes first; (fail) is the function. */
#include <setjmp.h>
#include <cmocka.h>

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

static void test_close(void **state) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        assert_true(fd >= 0);
        errno = EXDEV;
        assert_int_equal(close_fd(fd), -1);
        assert_int_equal(errno, EXDEV);
        assert_false(is_open(fd));
        errno = EXDEV;
        assert_int_equal(close_fd(-1), -1);
        assert_int_equal(errno, EXDEV);
}

static void test_cleanup_close(void **state) {
        int seen;

        (void) state;
        {
                _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                seen = fd;
                assert_true(is_open(seen));
        }
        assert_false(is_open(seen));
}

static void test_take(void **state) {
        int kept = -1;
        char *text;

        (void) state;
        {
                _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                _cleanup_free_ char *p = strdup("kept");

                kept = TAKE_FD(fd);
                assert_int_equal(fd, -1);
                text = TAKE_PTR(p);
                assert_null(p);
        }
        assert_true(is_open(kept));
        assert_string_equal(text, "kept");
        (void) close_fd(kept);
        free(text);
}

static void test_fail(void **state) {
        struct errtext err = {.s = ""};
        char many[2 * sizeof(err.s)];

        (void) state;
        assert_int_equal((fail) (&err, -EPERM, "%s:%d", "file", 3), -EPERM);
        assert_string_equal(err.s, "file:3");
        assert_int_equal((fail) (NULL, -EINVAL, "nobody reads this"), -EINVAL);

        memset(many, 'x', sizeof(many));
        many[sizeof(many) - 1] = '\0';
        assert_int_equal((fail) (&err, -EPERM, "%s", many), -EPERM);
        assert_int_equal(strlen(err.s), sizeof(err.s) - 1);
}

static void test_copy_field(void **state) {
        char field[5] = {1, 1, 1, 1, 1}, one[8] = "1";

        (void) state;
        assert_int_equal(copy_field(field, sizeof(field), "12345"), -ENAMETOOLONG);
        assert_memory_equal(field, "\1\1\1\1\1", sizeof(field));
        assert_int_equal(copy_field(field, sizeof(field), "12"), 0);
        assert_memory_equal(field, "12\0\0\0", sizeof(field));
        assert_int_equal(copy_field(field, sizeof(field), "1234"), 0);
        assert_memory_equal(field, "1234", sizeof(field));
        assert_int_equal(copy_field(field, sizeof(field), ""), 0);
        assert_memory_equal(field, "\0\0\0\0\0", sizeof(field));

        copy_field_cut(field, sizeof(field), "12345678");
        assert_memory_equal(field, "1234", sizeof(field));
        copy_field_cut(field, sizeof(field), one);
        assert_memory_equal(field, "1\0\0\0\0", sizeof(field));
}

static void test_parse_uint(void **state) {
        static const struct {
                const char *text;
                int base;
                uint64_t max;
                int result;
                uint64_t value;
        } cases[] = {
                {"0", 10, 10, 0, 0},
                {"10", 10, 10, 0, 10},
                {"11", 10, 10, -ERANGE, 0},
                {"0012", 10, 100, 0, 12},
                {"18446744073709551615", 10, UINT64_MAX, 0, UINT64_MAX},
                {"18446744073709551616", 10, UINT64_MAX, -ERANGE, 0},
                {"0700", 8, 0777, 0, 0700},
                {"1000", 8, 0777, -ERANGE, 0},
                {"8", 8, 0777, -EINVAL, 0},
                {"ff", 16, 255, 0, 255},
                {"FF", 16, 255, 0, 255},
                {"g", 16, 255, -EINVAL, 0},
                {"0x10", 0, 255, 0, 16},
                {"", 10, 10, -EINVAL, 0},
                {"", 16, 10, -EINVAL, 0},
                {"-1", 10, UINT64_MAX, -EINVAL, 0},
                {"+1", 10, UINT64_MAX, -EINVAL, 0},
                {" 1", 10, 10, -EINVAL, 0},
                {"1 ", 10, 10, -EINVAL, 0},
                {"1x", 10, 10, -EINVAL, 0},
                {"x", 10, 10, -EINVAL, 0},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t v = 4711;
                int r = parse_uint(cases[i].text, cases[i].base, cases[i].max, &v);

                if (r != cases[i].result || v != (r == 0 ? cases[i].value : 4711))
                        fail_msg("'%s' in base %d: %d, %llu", cases[i].text, cases[i].base, r, (unsigned long long) v);
        }
}

/* strtoull alone would take all of these, whose first character a caller does not see in hexadecimal. */
static void test_parse_uint_hex_signs(void **state) {
        static const char *const refused[] = {"-1", "+1", " 1", "\t1"};
        uint64_t v;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                assert_int_equal(parse_uint(refused[i], 16, UINT64_MAX, &v), -EINVAL);
}

static void test_clock(void **state) {
        uint64_t before = now_usec();

        (void) state;
        assert_true(usleep(2000) == 0);
        assert_true(now_usec() >= before + 2000);
        assert_true(now_usec() < before + 60 * USEC_PER_SEC);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_cleanup_close),
                cmocka_unit_test(test_take),
                cmocka_unit_test(test_fail),
                cmocka_unit_test(test_copy_field),
                cmocka_unit_test(test_parse_uint),
                cmocka_unit_test(test_parse_uint_hex_signs),
                cmocka_unit_test(test_clock),
        };

        return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
