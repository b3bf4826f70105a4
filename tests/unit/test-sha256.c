/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SHA-256 against the vectors of FIPS 180-4 and NIST's CAVP, and around the lengths where the padding takes another
 * block. */

#include "config.h"

#include "sha256.h"
#include "util.h"

#include <setjmp.h>
#include <cmocka.h>

static void assert_digest(const void *data, size_t size, const char *expected) {
        uint8_t digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];

        sha256(data, size, digest);
        for (size_t i = 0; i < SHA256_SIZE; i++)
                (void) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        assert_string_equal(hex, expected);
}

static void test_vectors(void **state) {
        static const struct {
                const char *text, *digest;
        } vectors[] = {
                {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                 "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++)
                assert_digest(vectors[i].text, strlen(vectors[i].text), vectors[i].digest);
}

static void test_binary(void **state) {
        static const uint8_t one[] = {0xbd}, four[] = {0xc9, 0x8c, 0x8e, 0x55};

        (void) state;
        assert_digest(one, sizeof(one), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
        assert_digest(four, sizeof(four), "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
}

/* NIST's additional vectors: zero bytes, in numbers around one block and its padding. */
static void test_padding(void **state) {
        static const uint8_t zeros[1000];

        (void) state;
        assert_digest(zeros, 55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
        assert_digest(zeros, 56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
        assert_digest(zeros, 57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
        assert_digest(zeros, 64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
        assert_digest(zeros, 1000, "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53");
}

static void test_million(void **state) {
        size_t n = 1000000;
        char *a = malloc(n);

        (void) state;
        assert_non_null(a);
        memset(a, 'a', n);
        assert_digest(a, n, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
        free(a);
}

/* The refusal beside the grants: another byte, another length, is another digest. */
static void test_differs(void **state) {
        uint8_t a[SHA256_SIZE], b[SHA256_SIZE];
        char text[128];

        (void) state;
        memset(text, 'x', sizeof(text));
        for (size_t n = 1; n < sizeof(text); n++) {
                sha256(text, n, a);
                sha256(text, n - 1, b);
                assert_memory_not_equal(a, b, sizeof(a));
                text[n - 1] ^= 1;
                sha256(text, n, b);
                assert_memory_not_equal(a, b, sizeof(a));
                text[n - 1] ^= 1;
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors), cmocka_unit_test(test_binary),  cmocka_unit_test(test_padding),
                cmocka_unit_test(test_million), cmocka_unit_test(test_differs),
        };

        return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
