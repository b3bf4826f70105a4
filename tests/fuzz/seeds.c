/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writes the part of the corpora that is binary, from the structs and names of today: seeds DIRECTORY, which is
 * tests/fuzz/corpus. To be run again after a change of the protocol or of the targets' own formats.
 */

#include "config.h"

#include <linux/bpf.h>

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
        return EXIT_SUCCESS;
}
