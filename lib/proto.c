/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a well-formed message is, as one table: type → size, string fields, fields that must be zero. Whoever receives
 * a message calls proto_check() before looking at anything else in it, and may then use each string as a C string
 * that is safe to print in one line.
 */

#include "config.h"

#include "proto.h"

#include <inttypes.h>

struct proto_field {
        uint16_t offset, size;
};

#define FIELD(struct_name, member) \
        { offsetof(struct struct_name, member), sizeof(((struct struct_name *) NULL)->member) }

#define FIELDS_MAX 6

struct proto_layout {
        uint32_t type;
        size_t size;
        struct proto_field strings[FIELDS_MAX]; /* until size 0 */
        struct proto_field zero;                /* padding, if any */
};

static const struct proto_layout layouts[] = {
        {PROTO_OPEN_SESSION,
         sizeof(struct proto_open_session),
         {FIELD(proto_open_session, policy), FIELD(proto_open_session, user), FIELD(proto_open_session, service),
          FIELD(proto_open_session, tty), FIELD(proto_open_session, rhost)},
         {0, 0}},
        {PROTO_CLOSE_SESSION, sizeof(struct proto_close_session), {{0, 0}}, {0, 0}},
        {PROTO_FIND_SESSION, sizeof(struct proto_find_session), {{0, 0}}, FIELD(proto_find_session, padding)},
        {PROTO_ENTER, sizeof(struct proto_enter), {{0, 0}}, {0, 0}},
        {PROTO_STATUS, sizeof(struct proto_status), {{0, 0}}, {0, 0}},
        {PROTO_KILL_SUBGROUP,
         sizeof(struct proto_kill_subgroup),
         {FIELD(proto_kill_subgroup, path)},
         FIELD(proto_kill_subgroup, padding)},
        {PROTO_REMOVE_SUBGROUP, sizeof(struct proto_remove_subgroup), {FIELD(proto_remove_subgroup, path)}, {0, 0}},
        {PROTO_REPLY, sizeof(struct proto_reply), {FIELD(proto_reply, text)}, FIELD(proto_reply, padding)},
        {PROTO_OPENED, sizeof(struct proto_opened), {FIELD(proto_opened, text)}, FIELD(proto_opened, padding)},
        {PROTO_ENTERED, sizeof(struct proto_entered), {FIELD(proto_entered, path), FIELD(proto_entered, text)}, {0, 0}},
        {PROTO_ROW,
         sizeof(struct proto_row),
         {FIELD(proto_row, policy), FIELD(proto_row, path), FIELD(proto_row, cgroup)},
         {0, 0}},
        {PROTO_END,
         sizeof(struct proto_end),
         {FIELD(proto_end, text), FIELD(proto_end, version)},
         FIELD(proto_end, padding)},
};

/* The structs go over the wire as they lie in memory: no hidden padding anywhere. */
_Static_assert(sizeof(struct proto_head) == 8, "head");
_Static_assert(sizeof(struct proto_open_session) == 8 + 4 + 4 + PROTO_DIGEST_SIZE + PROTO_POLICY_SIZE +
                                                            PROTO_USER_SIZE + PROTO_SERVICE_SIZE + PROTO_TTY_SIZE +
                                                            PROTO_RHOST_SIZE + 8,
               "open_session");
_Static_assert(sizeof(struct proto_opened) == 8 + 4 + 4 + 16 + PROTO_TEXT_SIZE, "opened");
_Static_assert(sizeof(struct proto_close_session) == 24, "close_session");
_Static_assert(sizeof(struct proto_find_session) == 16, "find_session");
_Static_assert(sizeof(struct proto_enter) == 24, "enter");
_Static_assert(sizeof(struct proto_kill_subgroup) == 32 + PROTO_SUBGROUP_SIZE, "kill_subgroup");
_Static_assert(sizeof(struct proto_remove_subgroup) == 24 + PROTO_SUBGROUP_SIZE, "remove_subgroup");
_Static_assert(sizeof(struct proto_entered) == 8 + 4 + 4 + 8 + PROTO_PATH_SIZE + PROTO_TEXT_SIZE, "entered");
_Static_assert(sizeof(struct proto_row) == 8 + 8 + 8 * 4 + 8 + 4 * 8 + 8 + PROTO_POLICY_SIZE + 2 * PROTO_PATH_SIZE,
               "row");
_Static_assert(sizeof(struct proto_end) == 24 + PROTO_TEXT_SIZE + PROTO_PACKAGE_SIZE, "end");
_Static_assert(sizeof(struct proto_reply) == 16 + PROTO_TEXT_SIZE, "reply");
_Static_assert(PROTO_TEXT_SIZE == sizeof(struct errtext), "a text fits");

static const struct proto_layout *layout_of(uint32_t type) {
        for (size_t i = 0; i < ELEMENTSOF(layouts); i++)
                if (layouts[i].type == type)
                        return layouts + i;
        return NULL;
}

size_t proto_size(uint32_t type) {
        const struct proto_layout *layout = layout_of(type);

        return layout ? layout->size : 0;
}

static bool all_zero(const char *p, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

/* Terminated, zero behind the terminator, and no byte that could forge a second line or a terminal sequence in a log.
 * Bytes above 0x7f stay: names may be UTF-8. */
static bool string_ok(const char *field, size_t size) {
        size_t n = strnlen(field, size);

        if (n == size || !all_zero(field + n, size - n))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) field[i] < 0x20 || field[i] == 0x7f)
                        return false;
        return true;
}

int proto_check(const void *message, size_t size, struct errtext *err) {
        const struct proto_layout *layout;
        struct proto_head head;

        if (size < sizeof(head))
                return fail(err, -EBADMSG, "message of %zu bytes is shorter than its header", size);
        memcpy(&head, message, sizeof(head));
        if (head.version != PROTO_VERSION)
                return fail(err, -EBADMSG, "protocol version %" PRIu32 ", this is version %u", head.version,
                            PROTO_VERSION);
        layout = layout_of(head.type);
        if (!layout)
                return fail(err, -EBADMSG, "unknown message type %" PRIu32, head.type);
        if (size != layout->size)
                return fail(err, -EBADMSG, "message type %" PRIu32 " of %zu bytes instead of %zu", head.type, size,
                            layout->size);

        for (size_t i = 0; i < FIELDS_MAX && layout->strings[i].size; i++)
                if (!string_ok((const char *) message + layout->strings[i].offset, layout->strings[i].size))
                        return fail(err, -EBADMSG, "message type %" PRIu32 " with a malformed string at byte %u",
                                    head.type, (unsigned) layout->strings[i].offset);
        if (!all_zero((const char *) message + layout->zero.offset, layout->zero.size))
                return fail(err, -EBADMSG, "message type %" PRIu32 " with padding that is not zero", head.type);
        return 0;
}

int proto_check_subgroup(const char *path, struct errtext *err) {
        if (path[0] == '\0')
                return fail(err, -EINVAL, "no cgroup is named");
        if (path[0] == '/')
                return fail(err, -EINVAL,
                            "the path begins with a slash, and is one from the root of your subtree on, such as run/a");
        for (const char *p = path;; p++) {
                size_t n = strcspn(p, "/");

                if (n == 0)
                        return fail(err, -EINVAL, "there is an empty name in the path");
                if (p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')))
                        return fail(
                                err, -EINVAL,
                                "'%.*s' in the path: name the cgroups from the root of your subtree on, such as run/a",
                                (int) n, p);
                p += n;
                if (*p == '\0')
                        return 0;
        }
}

char *proto_cookie_format(const struct proto_cookie *cookie, char *buf) {
        (void) snprintf(buf, PROTO_COOKIE_TEXT_SIZE, "%016" PRIx64 "-%" PRIu64, cookie->delegation, cookie->session);
        return buf;
}

char *proto_id_format(uint64_t id, char *buf) {
        (void) snprintf(buf, PROTO_ID_SIZE, "%016" PRIx64, id);
        return buf;
}

int proto_id_parse(const char *s, uint64_t *ret) {
        if (strlen(s) != PROTO_ID_SIZE - 1 || strspn(s, "0123456789abcdef") != PROTO_ID_SIZE - 1)
                return -EINVAL;
        return parse_uint(s, 16, UINT64_MAX, ret);
}

int proto_cookie_parse(const char *s, struct proto_cookie *ret) {
        char id[PROTO_ID_SIZE], again[PROTO_COOKIE_TEXT_SIZE];
        struct proto_cookie cookie;

        if (strnlen(s, PROTO_ID_SIZE + 1) < PROTO_ID_SIZE + 1 || s[PROTO_ID_SIZE - 1] != '-')
                return -EINVAL;
        memcpy(id, s, sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        if (proto_id_parse(id, &cookie.delegation) < 0 ||
            parse_uint(s + sizeof(id), 10, UINT64_MAX, &cookie.session) < 0)
                return -EINVAL;
        /* Only what proto_cookie_format would have written: no leading zero. */
        if (!streq(proto_cookie_format(&cookie, again), s))
                return -EINVAL;
        *ret = cookie;
        return 0;
}
