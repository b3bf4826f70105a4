/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The wire: one datagram, judged as helper (proto_check) and as client (client_receive) do. Besides not crashing: both
 * judge alike; what is taken is the one form of what it says, so that it comes out the same when it is put together
 * again from its parts, and nothing next to it is taken. The same bytes are tried as a cookie and as its text.
 */

#include "config.h"

#include <sys/socket.h>

#include "client.h"
#include "fuzz.h"

/* PROTOCOL once more, not the table of proto.c. */
static const struct type {
        uint32_t type;
        size_t size;
        struct {
                size_t offset, size;
        } strings[6];
        size_t padding; /* of four bytes; 0: none */
} types[] = {
        {1, 880, {{48, 128}, {176, 256}, {432, 128}, {560, 64}, {624, 248}}, 0},
        {2, 24, {{0, 0}}, 0},
        {3, 16, {{0, 0}}, 12},
        {16, 24, {{0, 0}}, 0},
        {17, 8, {{0, 0}}, 0},
        {64, 528, {{16, 512}}, 12},
        {65, 544, {{32, 512}}, 12},
        {66, 792, {{24, 256}, {280, 512}}, 0},
        {67, 736, {{96, 128}, {224, 256}, {480, 256}}, 0},
        {68, 568, {{24, 512}, {536, 32}}, 20},
};

static const struct type *find_type(uint32_t type) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (types[i].type == type)
                        return types + i;
        return NULL;
}

static bool is_taken(const void *message, size_t size) {
        struct errtext err = {.s = ""};
        int r = proto_check(message, size, &err);

        must(r == 0 || r == -EBADMSG);
        if (r < 0)
                must_be_words(err.s, sizeof(err.s));
        must(proto_check(message, size, NULL) == r);
        return r == 0;
}

/* From its strings alone, taken as C strings, the same bytes come again. */
static void must_be_canonical(const struct type *type, const uint8_t *bytes) {
        uint8_t again[sizeof(union proto_message)];

        memcpy(again, bytes, type->size);
        for (size_t i = 0; type->strings[i].size > 0; i++) {
                const char *s = (const char *) bytes + type->strings[i].offset;

                for (const char *c = s; *c; c++)
                        must((unsigned char) *c >= 0x20 && *c != 0x7f);
                memset(again + type->strings[i].offset, 0xee, type->strings[i].size);
                must(copy_field((char *) again + type->strings[i].offset, type->strings[i].size, s) == 0);
        }
        if (type->padding > 0)
                memset(again + type->padding, 0, 4);
        must(memcmp(again, bytes, type->size) == 0);
}

/* Another size, another version, a string without an end, padding: each alone is enough. */
static void must_refuse_neighbours(const struct type *type, const uint8_t *bytes) {
        uint8_t other[sizeof(union proto_message) + 1] = {0};

        memcpy(other, bytes, type->size);
        must(!is_taken(other, type->size - 1) && !is_taken(other, type->size + 1));
        other[0] ^= 2;
        must(!is_taken(other, type->size));
        other[0] ^= 2;
        for (size_t i = 0; type->strings[i].size > 0; i++) {
                uint8_t *last = other + type->strings[i].offset + type->strings[i].size - 1;

                *last = 'x';
                must(!is_taken(other, type->size));
                *last = 0;
        }
        if (type->padding > 0) {
                other[type->padding + 3] = 1;
                must(!is_taken(other, type->size));
        }
}

/* The client's way to the same verdict. */
static void try_client(const uint8_t *data, size_t size, bool taken) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        const struct proto_status status = PROTO_INIT(PROTO_STATUS);
        static int pair[2] = {-1, -1};
        union proto_message got;
        struct client client;
        int r;

        if (pair[0] < 0)
                must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
        client = (struct client){.fd = pair[0], .deadline = now_usec() + 60 * USEC_PER_SEC};
        must(sock_send(pair[1], data, size, NULL, 0) == 0);
        r = client_receive(&client, &got, 0, &received);
        must(r == (taken ? 0 : size == 0 ? -ECONNRESET : -EBADMSG));
        must(r < 0 || memcmp(&got, data, size) == 0);

        must(sock_send(pair[1], data, size, NULL, 0) == 0);
        r = client_call(&client, &status, PROTO_END, &got);
        must((r == 0) == (taken && ((const struct proto_head *) (const void *) &got)->type == PROTO_END));
        must(sock_recv(pair[1], &got, sizeof(got), 0, &received) == 0 && received.size == sizeof(status));
}

static void try_cookie(const uint8_t *data, size_t size) {
        char text[PROTO_COOKIE_TEXT_SIZE], again[PROTO_COOKIE_TEXT_SIZE], *s;
        struct proto_cookie cookie, parsed;
        uint64_t id;

        if (size >= sizeof(cookie)) {
                memcpy(&cookie, data, sizeof(cookie));
                must(proto_cookie_parse(proto_cookie_format(&cookie, text), &parsed) == 0);
                must(memcmp(&cookie, &parsed, sizeof(cookie)) == 0);
                must(proto_id_parse(proto_id_format(cookie.delegation, text), &id) == 0 && id == cookie.delegation);
        }
        s = strndup((const char *) data, size);
        must(s);
        if (proto_cookie_parse(s, &parsed) == 0)
                must(streq(proto_cookie_format(&parsed, again), s));
        if (proto_id_parse(s, &id) == 0)
                must(streq(proto_id_format(id, again), s));
        free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct type *type;
        uint32_t number;
        bool taken;

        if (size > 2 * sizeof(union proto_message))
                return 0;
        taken = is_taken(data, size);
        if (taken) {
                memcpy(&number, data + 4, sizeof(number));
                type = find_type(number);
                must(type && type->size == size && proto_size(number) == size);
                must_be_canonical(type, data);
                must_refuse_neighbours(type, data);
        }
        try_client(data, size, taken);
        try_cookie(data, size);
        return 0;
}
