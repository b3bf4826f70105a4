/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writes the part of the corpora that is binary, from the structs and names of today: seeds DIRECTORY, which is
 * tests/fuzz/corpus. To be run again after a change of the protocol or of the targets' own formats.
 */

#include "config.h"

#include <linux/bpf.h>

#include "fuzz-helper.h"
#include "fuzz.h"
#include "proto.h"

static const char *top;

static void put(const char *target, const char *name, const void *bytes, size_t size) {
        char path[1024];

        (void) snprintf(path, sizeof(path), "%s/%s/%s", top, target, name);
        fuzz_write(path, bytes, size);
}

/* ---- messages ---- */

static void put_message(const char *name, const void *message) {
        const struct proto_head *head = message;

        put("proto", name, message, proto_size(head->type));
}

static void put_requests(void) {
        struct proto_open_session open = PROTO_INIT(PROTO_OPEN_SESSION);
        struct proto_close_session close_session = PROTO_INIT(PROTO_CLOSE_SESSION);
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);
        const struct proto_status status = PROTO_INIT(PROTO_STATUS);

        open.uid = open.gid = 1000;
        memset(open.digest, 0xd1, sizeof(open.digest));
        copy_field_cut(open.policy, sizeof(open.policy), "50-netdev.ini");
        copy_field_cut(open.user, sizeof(open.user), "alice");
        copy_field_cut(open.service, sizeof(open.service), "sshd");
        copy_field_cut(open.tty, sizeof(open.tty), "pts/3");
        copy_field_cut(open.rhost, sizeof(open.rhost), "2001:db8::1");
        put_message("open-session", &open);
        copy_field_cut(open.user, sizeof(open.user), "\xc3\xa5sa");
        put_message("open-session-utf-8", &open);
        open.user[0] = '\n';
        put_message("open-session-with-a-line-feed", &open);
        memset(open.user, 'a', sizeof(open.user));
        put_message("open-session-without-an-end", &open);
        close_session.cookie = (struct proto_cookie){.delegation = UINT64_C(0x0123456789abcdef), .session = 7};
        put_message("close-session", &close_session);
        put_message("enter-the-only-one", &enter);
        enter.cookie = close_session.cookie;
        put_message("enter", &enter);
        put_message("status", &status);
}

static void put_answers(void) {
        struct proto_reply reply = PROTO_INIT(PROTO_REPLY);
        struct proto_opened opened = PROTO_INIT(PROTO_OPENED);
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);
        struct proto_row row = PROTO_INIT(PROTO_ROW);
        struct proto_end end = PROTO_INIT(PROTO_END);

        reply.result = -EINPROGRESS;
        copy_field_cut(reply.text, sizeof(reply.text), "the delegation is not torn down yet");
        put_message("reply", &reply);
        reply.padding = 1;
        put_message("reply-with-padding", &reply);
        opened.cookie = (struct proto_cookie){.delegation = 1, .session = 1};
        put_message("opened", &opened);
        entered.flags = PROTO_ENTERED_NETWORK;
        entered.caps = UINT64_C(1) << 39;
        copy_field_cut(entered.path, sizeof(entered.path), "/sys/fs/bpf");
        put_message("entered", &entered);
        row.id = 1;
        row.masks[0] = 0x1ffe;
        copy_field_cut(row.policy, sizeof(row.policy), "50-netdev.ini");
        copy_field_cut(row.path, sizeof(row.path), "/sys/fs/bpf");
        copy_field_cut(row.cgroup, sizeof(row.cgroup), "/bpfdeleg/0000000000000001");
        put_message("row", &row);
        end.rows = 1;
        copy_field_cut(end.version, sizeof(end.version), "0.1.0");
        put_message("end", &end);
        put("proto", "end-cut-short", &end, sizeof(end) - 1);
}

static void put_cookies(void) {
        static const struct {
                const char *name, *text;
        } rows[] = {
                {"cookie", "0123456789abcdef-1"},
                {"cookie-largest", "ffffffffffffffff-18446744073709551615"},
                {"cookie-leading-zero", "0123456789abcdef-01"},
                {"cookie-too-large", "0123456789abcdef-18446744073709551616"},
                {"cookie-upper-case", "0123456789ABCDEF-1"},
                {"id", "0123456789abcdef"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                put("proto", rows[i].name, rows[i].text, strlen(rows[i].text));
}

/* ---- attaching calls ---- */

static void put_attrs(void) {
        static const struct {
                const char *name;
                uint32_t words[7]; /* the command first */
        } rows[] = {
                {"link-create-cgroup", {BPF_LINK_CREATE, 7, 8, BPF_CGROUP_INET_INGRESS}},
                {"link-create-cgroup-before", {BPF_LINK_CREATE, 7, 8, BPF_CGROUP_INET_EGRESS, BPF_F_BEFORE, 9}},
                {"link-create-by-id", {BPF_LINK_CREATE, 7, 8, BPF_CGROUP_INET_EGRESS, BPF_F_BEFORE | BPF_F_ID, 9}},
                {"link-create-xdp", {BPF_LINK_CREATE, 7, 1, BPF_XDP, 2}},
                {"link-create-tcx", {BPF_LINK_CREATE, 7, 1, BPF_TCX_INGRESS, BPF_F_AFTER | BPF_F_LINK, 9}},
                {"link-create-netns", {BPF_LINK_CREATE, 7, 8, BPF_SK_LOOKUP}},
                {"link-create-pointers", {BPF_LINK_CREATE, 7, 8, BPF_TRACE_KPROBE_MULTI}},
                {"link-create-unknown-type", {BPF_LINK_CREATE, 7, 8, 4096}},
                {"link-create-unknown-flags", {BPF_LINK_CREATE, 7, 8, BPF_CGROUP_DEVICE, 0x80000000}},
                {"link-update", {BPF_LINK_UPDATE, 7, 8}},
                {"link-update-replace", {BPF_LINK_UPDATE, 7, 8, BPF_F_REPLACE, 9}},
                {"link-update-unknown-flags", {BPF_LINK_UPDATE, 7, 8, 0x100}},
                {"prog-attach-cgroup", {BPF_PROG_ATTACH, 7, 8, BPF_CGROUP_INET_INGRESS, BPF_F_ALLOW_MULTI}},
                {"prog-attach-replace", {BPF_PROG_ATTACH, 7, 8, BPF_CGROUP_DEVICE, BPF_F_REPLACE, 9, 10}},
                {"prog-attach-netns", {BPF_PROG_ATTACH, 0, 8, BPF_FLOW_DISSECTOR}},
                {"prog-attach-netkit", {BPF_PROG_ATTACH, 1, 8, BPF_NETKIT_PRIMARY, BPF_F_AFTER, 0, 9}},
                {"prog-attach-lsm", {BPF_PROG_ATTACH, 1, 8, BPF_LSM_MAC}},
                {"map-create", {BPF_MAP_CREATE, 1, 4, 4, 16}},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                put("attr", rows[i].name, rows[i].words, sizeof(rows[i].words));
}

/* ---- acts ---- */

/* clang-format off */
/* A login, from its connection to its answer, of the peer and connection of that number; and the tool's request. */
#define TURN {ACT_TURN, 15, 0, 0}
#define LOGIN_BEGINS(n, who, policy) {ACT_CONNECT, (n), 0, 0}, {ACT_OPEN, (n), (who), (policy)}, TURN
#define CHILD_STEP {ACT_CHILD, 0, CHILD_GOES_ON, 0}, TURN
#define LOGIN(n, who, policy) LOGIN_BEGINS(n, who, policy), CHILD_STEP, CHILD_STEP, CHILD_STEP, CHILD_STEP, TURN, \
        {ACT_HANGUP, (n), 0, 0}, TURN
#define LOGIN_SCOPE(n, who, policy) \
        LOGIN_BEGINS(n, who, policy), CHILD_STEP, {ACT_SYSTEMD, 0, SYSTEMD_MAKES, 0}, TURN, CHILD_STEP, CHILD_STEP, \
                CHILD_STEP, TURN, \
                {ACT_HANGUP, (n), 0, 0}, TURN
#define CLOSE(n, cookie) {ACT_CONNECT, (n), 0, 0}, {ACT_CLOSE, (n), (cookie), 0}, TURN, TURN, \
        {ACT_HANGUP, (n), 0, 0}, TURN
#define ENTER(n, peer) {ACT_CONNECT, (n), (peer), 1}, {ACT_ENTER, (n), 0, 0}, TURN, CHILD_STEP, TURN
#define SUBGROUP(n, peer, cookie, how) {ACT_CONNECT, (n), (peer), 1}, {ACT_SUBGROUP, (n), (cookie), (how)}, TURN
#define STATUS(n, peer) {ACT_CONNECT, (n), (peer), 1}, {ACT_STATUS, (n), 0, 0}, TURN, {ACT_HANGUP, (n), 0, 0}, TURN
/* clang-format on */

enum policy { PLAIN, EACH, LINGER, PRIVATE, GUARDED, LIMITS, BROKEN, MISSING };

static void put_acts(void) {
        /* clang-format off */
        static const struct {
                const char *name;
                uint8_t flags, acts[96][4];
        } rows[] = {
                {"login", 0, {LOGIN(0, 0, PLAIN), CLOSE(0, 0)}},
                {"login-scope", WITH_SCOPES, {LOGIN_SCOPE(0, 0, PLAIN), CLOSE(0, 0)}},
                {"login-guarded", WITH_GUARD, {LOGIN(0, 0, GUARDED), STATUS(1, 1), CLOSE(0, 0)}},
                {"login-unguarded", 0, {LOGIN(0, 0, GUARDED)}},
                {"login-private", WITH_GUARD, {LOGIN(0, 0, PRIVATE), ENTER(1, 1), CLOSE(0, 0)}},
                {"login-limits", WITH_CONTROLLERS, {LOGIN(0, 0, LIMITS), CLOSE(0, 0)}},
                {"login-limits-scope", WITH_CONTROLLERS | WITH_SCOPES, {LOGIN_SCOPE(0, 0, LIMITS), CLOSE(0, 0)}},
                {"login-limits-refused", 0, {LOGIN(0, 0, LIMITS)}},
                {"login-broken-policy", 0, {LOGIN(0, 0, BROKEN)}},
                {"login-missing-policy", 0, {LOGIN(0, 0, MISSING)}},
                {"login-stale-policy", 0, {LOGIN(0, 0, 0x80)}},
                {"login-policy-changes", 0, {LOGIN(0, 0, PLAIN), {ACT_POLICY, PLAIN, 1, 0}, LOGIN(1, 0, PLAIN)}},
                {"login-nobody", 0, {LOGIN(0, 4, PLAIN), LOGIN(1, 6, PLAIN), LOGIN(2, 3, PLAIN), LOGIN(3, 5, PLAIN)}},
                {"join", 0, {LOGIN(0, 0, PLAIN), LOGIN_BEGINS(1, 0, PLAIN), CLOSE(2, 0), CLOSE(3, 1)}},
                {"join-early", 0, {LOGIN_BEGINS(1, 0, PLAIN), LOGIN(0, 0, PLAIN), CLOSE(2, 1), CLOSE(3, 0)}},
                {"each", 0, {LOGIN(0, 0, EACH), LOGIN(1, 0, EACH), ENTER(2, 1), STATUS(3, 1)}},
                {"gone-before-its-answer", 0, {LOGIN_BEGINS(0, 0, PLAIN), CHILD_STEP, {ACT_HANGUP, 0, 0, 0}, TURN,
                 TURN}},
                {"leader-dies", 0, {LOGIN(0, 0, PLAIN), {ACT_PEER, 0, PEER_DIES, 0}, TURN, TURN}},
                {"linger", 0, {LOGIN(0, 0, LINGER), ENTER(1, 1), CLOSE(0, 0), {ACT_TIME, 0, 0, 0}, TURN,
                 {ACT_PEER, 1, PEER_DIES, 0}, {ACT_TIME, 0, 0, 0}, TURN}},
                {"enter", 0, {LOGIN(0, 0, PLAIN), ENTER(1, 1), CLOSE(0, 0)}},
                {"enter-other-user", 0, {LOGIN(0, 0, PLAIN), ENTER(1, 2)}},
                {"enter-not-restricted", 0, {LOGIN(0, 0, PLAIN), ENTER(1, 7)}},
                {"enter-escort-dies", 0, {LOGIN(0, 0, PLAIN), {ACT_CONNECT, 1, 1, 1}, {ACT_ENTER, 1, 1, 0}, TURN,
                 {ACT_CHILD, 0, CHILD_DIES, 0}, TURN}},
                {"enter-late", 0, {LOGIN(0, 0, PLAIN), {ACT_CONNECT, 1, 1, 1}, {ACT_ENTER, 1, 1, 0}, TURN,
                 CLOSE(2, 0), {ACT_TIME, 60, 10, 0}, TURN}},
                {"maker-fails", 0, {LOGIN_BEGINS(0, 0, PLAIN), {ACT_CHILD, 0, CHILD_FAILS, 2}, TURN}},
                {"maker-talks", 0, {LOGIN_BEGINS(0, 0, PLAIN), CHILD_STEP, {ACT_CHILD, 0, CHILD_TALKS, 0x63}, TURN}},
                {"maker-late", WITH_LAZY_DEATHS, {LOGIN_BEGINS(0, 0, PLAIN), CHILD_STEP, {ACT_TIME, 60, 11, 0}, TURN,
                 TURN}},
                {"anchor-dies", 0, {LOGIN(0, 0, PLAIN), {ACT_PROCESS, 2, USER_KILLS_ANCHOR, 0}, TURN, TURN}},
                {"systemd-refuses", WITH_SCOPES, {LOGIN_BEGINS(0, 0, PLAIN), CHILD_STEP,
                 {ACT_SYSTEMD, 0, SYSTEMD_REFUSES, 0}, TURN, CHILD_STEP, CHILD_STEP, CHILD_STEP}},
                {"systemd-silent", WITH_SCOPES, {LOGIN_BEGINS(0, 0, PLAIN), {ACT_SYSTEMD, 0, SYSTEMD_SILENT, 0}, TURN}},
                {"systemd-elsewhere", WITH_SCOPES, {LOGIN_BEGINS(0, 0, PLAIN),
                 {ACT_SYSTEMD, 0, SYSTEMD_ELSEWHERE, 0}, TURN}},
                {"systemd-lazy", WITH_SCOPES, {LOGIN_SCOPE(0, 0, PLAIN), {ACT_SYSTEMD, 0, SYSTEMD_LAZY, 0},
                 CLOSE(0, 0), {ACT_TIME, 100, 2, 0}, TURN}},
                {"stray", WITH_GUARD, {LOGIN(0, 0, GUARDED), {ACT_PROCESS, 3, USER_STARTS, 0},
                 {ACT_PROCESS, 3, USER_LEAVES, 0}, CLOSE(0, 0), {ACT_TIME, 0, 0, 0}, TURN}},
                {"subgroups", 0, {LOGIN(0, 0, PLAIN), {ACT_PROCESS, 3, USER_MAKES_GROUP, 0},
                 {ACT_PROCESS, 4, USER_NESTS, 0}, {ACT_PROCESS, 5, USER_STUCK, 0}, CLOSE(0, 0), {ACT_TIME, 100, 8,
                 0}, TURN, {ACT_DEATHS, 1, 0, 0}}},
                {"subgroup-killed", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0, 8), CHILD_STEP, SUBGROUP(2, 1, 1, 9),
                 CHILD_STEP}},
                {"subgroup-removed", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0x80, 1), CHILD_STEP}},
                {"subgroup-stays", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0x80, 1), {ACT_CHILD, 0, CHILD_FAILS, 4},
                 TURN}},
                {"subgroups-queued", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0, 8), SUBGROUP(2, 1, 0x80, 1),
                 SUBGROUP(3, 1, 0, 8), {ACT_HANGUP, 2, 0, 0}, CHILD_STEP, CLOSE(4, 0)}},
                {"subgroup-late", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0, 8), {ACT_TIME, 60, 10, 0}, TURN}},
                {"subgroup-refused", 0, {LOGIN(0, 0, PLAIN), SUBGROUP(1, 1, 0, 10), SUBGROUP(2, 2, 0, 8),
                 SUBGROUP(3, 1, 0, 12)}},
                {"run-removed", 0, {LOGIN(0, 0, PLAIN), {ACT_PROCESS, 3, USER_REMOVES_RUN, 0}, ENTER(1, 1)}},
                {"restart", WITH_GUARD, {LOGIN(0, 0, GUARDED), LOGIN(1, 1, PLAIN), {ACT_RESTART, 0, 0, 0},
                 ENTER(2, 1), STATUS(3, 2), CLOSE(0, 0)}},
                {"restart-in-order", WITH_SCOPES, {LOGIN_SCOPE(0, 0, PLAIN), LOGIN_BEGINS(1, 1, PLAIN),
                 {ACT_RESTART, 1, 0, 0}, CLOSE(0, 0)}},
                {"restart-half-made", 0, {LOGIN_BEGINS(0, 0, PLAIN), CHILD_STEP, {ACT_RESTART, 0, 0, 0}, TURN}},
                {"small-limits", WITH_SMALL_LIMITS, {LOGIN(0, 0, EACH), LOGIN(1, 0, EACH), LOGIN_BEGINS(2, 0, EACH),
                 {ACT_CONNECT, 3, 1, 1}, {ACT_CONNECT, 4, 1, 1}, {ACT_CONNECT, 5, 1, 1}, TURN}},
                {"wrong-socket", 0, {{ACT_CONNECT, 0, 1, 1}, {ACT_OPEN, 0, 0, 0}, {ACT_CONNECT, 1, 1, 0},
                 {ACT_OPEN, 1, 0, 0}, {ACT_CONNECT, 2, 0, 0}, {ACT_STATUS, 2, 0, 0}, TURN}},
                {"two-requests", 0, {{ACT_CONNECT, 0, 0, 0}, {ACT_OPEN, 0, 0, 0}, {ACT_OPEN, 0, 0, 0}, TURN, TURN}},
                {"another-sender", 0, {{ACT_CONNECT, 0, 1, 1}, {ACT_CUT, 0, 0, 2}, {ACT_STATUS, 0, 0, 0}, TURN}},
                {"descriptors", 0, {{ACT_CONNECT, 0, 1, 1}, {ACT_CUT, 0, 4, 0}, {ACT_STATUS, 0, 0, 0}, TURN}},
                {"bent", 0, {{ACT_CONNECT, 0, 1, 1}, {ACT_BEND, 0, 4, 0x55}, {ACT_STATUS, 0, 0, 0}, TURN,
                 {ACT_CONNECT, 1, 0, 0}, {ACT_CUT, 0xc0, 0, 0}, {ACT_OPEN, 1, 0, 0}, TURN}},
                {"half-open", 0, {{ACT_CONNECT, 0, 1, 1}, TURN, {ACT_TIME, 60, 11, 0}, TURN}},
                {"no-descriptors-left", WITH_GUARD, {{ACT_FAULT, 20, 0, 0}, LOGIN(0, 0, GUARDED),
                 {ACT_FAULT, 40, 0, 0}, LOGIN(1, 0, GUARDED)}},
                {"no-memory-left", WITH_SCOPES, {{ACT_FAULT, 30, 1, 0}, LOGIN_SCOPE(0, 0, PLAIN),
                 {ACT_FAULT, 6, 1, 0}, STATUS(1, 1)}},
                {"reports", WITH_GUARD, {LOGIN(0, 0, GUARDED), {ACT_REPORT, 0, 0, 1}, {ACT_REPORT, 0, 5, 1},
                 {ACT_REPORT, 1, 12, 12}}},
                {"same-random-number", 0, {LOGIN(0, 0, EACH), {ACT_REPEAT, 0, 0, 0}, LOGIN(1, 0, EACH)}},
                {"pid-again", 0, {LOGIN(0, 0, PLAIN), {ACT_CONNECT, 1, 1, 1}, {ACT_PEER, 1, PEER_DIES, 0},
                 {ACT_PEER, 1, PEER_REBORN, 1}, {ACT_ENTER, 1, 0, 0}, TURN}},
                {"inside", 0, {LOGIN(0, 0, PLAIN), {ACT_PEER, 1, PEER_INSIDE, 0}, ENTER(1, 1)}},
                {"container", 0, {LOGIN(0, 0, PLAIN), {ACT_PEER, 1, PEER_CONTAINER, 1}, ENTER(1, 1),
                 {ACT_PEER, 4, PEER_PID_NAMESPACE, 1}, ENTER(2, 4)}},
        };
        /* clang-format on */
        uint8_t bytes[1 + sizeof(rows[0].acts)];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t n = ELEMENTSOF(rows[i].acts);

                while (n > 0 && memcmp(rows[i].acts[n - 1], "\0\0\0", 4) == 0)
                        n--;
                bytes[0] = rows[i].flags;
                memcpy(bytes + 1, rows[i].acts, 4 * n);
                put("helper", rows[i].name, bytes, 1 + 4 * n);
        }
}

int main(int argc, char **argv) {
        if (argc != 2) {
                (void) fprintf(stderr, "Usage: seeds DIRECTORY\n");
                return EXIT_FAILURE;
        }
        top = argv[1];
        put_requests();
        put_answers();
        put_cookies();
        put_attrs();
        put_acts();
        return EXIT_SUCCESS;
}
