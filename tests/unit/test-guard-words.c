/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an admin reads of a refusal: each reason once, as a whole sentence. */

#include "config.h"

#include "guard/guard-words.h"
#include "util.h"

#include <setjmp.h>
#include <cmocka.h>

#define NO_CMD (~0u)
#define OWN_NETWORK                                                                                                    \
        "that network namespace is not the delegation's (network = private in the policy gives the delegation one of " \
        "its own)"

static const struct {
        struct guard_report report;
        const char *text;
} cases[] = {
        {{.what = GUARD_LOAD_HELPER,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
          .prog_name = "spy",
          .detail = BPF_FUNC_probe_read_kernel},
         "prog_load of the socket_filter program \"spy\": it calls a helper that is not on the guard's list "
         "(probe_read_kernel: "},
        {{.what = GUARD_LOAD_HELPER,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
          .prog_name = "s",
          .detail = BPF_FUNC_xdp_adjust_tail},
         "prog_load of the cgroup_skb program \"s\": it calls a helper that is not on the guard's list "
         "(xdp_adjust_tail, which is for other "
         "types of programs)"},
        {{.what = GUARD_LOAD_HELPER,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "",
          .detail = 511},
         "prog_load of a program of type xdp: it calls a helper that is not on the guard's list (number 511)"},
        {{.what = GUARD_LOAD_KFUNC,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = ~0u},
         "prog_load of the xdp program \"k\": it calls a kernel function that is not on the guard's list (that is "
         "unknown)"},
        {{.what = GUARD_LOAD_SOURCE,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k"},
         "prog_load of the xdp program \"k\": it has the address of a variable of the kernel, or a call of an unknown "
         "kind, in it"},
        {{.what = GUARD_LOAD_TYPE,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_KPROBE,
          .prog_name = "k"},
         "prog_load of the kprobe program \"k\": programs of this type reach the whole machine (allow_host_wide is "
         "not set), or are not known to "
         "the guard"},
        {{.what = GUARD_LONG_INSNS,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = 65537},
         "prog_load of the xdp program \"k\": it has more than 65536 instructions, which only long_loops = yes in the "
         "policy allows"},
        {{.what = GUARD_TOO_LONG,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k"},
         "prog_load of the xdp program \"k\": it is longer than the guard can look through"},
        {{.what = GUARD_LONG_HELPER,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = BPF_FUNC_loop},
         "prog_load of the xdp program \"k\": it calls a helper that can hold a processor for long, which only "
         "long_loops = yes in the policy "
         "allows (loop)"},
        {{.what = GUARD_LONG_KFUNC,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = ~0u},
         "prog_load of the xdp program \"k\": it calls a kernel function that can hold a processor for long, which "
         "only long_loops = yes in "
         "the policy allows (that is unknown)"},
        {{.what = GUARD_LONG_JUMP,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k"},
         "prog_load of the xdp program \"k\": it has a loop (may_goto) that can hold a processor for long, which only "
         "long_loops = yes in the "
         "policy allows"},
        {{.what = GUARD_BTF_SIZE, .cmd = BPF_BTF_LOAD, .detail = 1 << 21},
         "btf_load: its BTF is larger than 1 MiB, and no memory limit counts BTF"},
        {{.what = GUARD_BTF_FULL, .cmd = BPF_BTF_LOAD, .detail = 4096},
         "btf_load: the delegation has loaded 16 MiB of BTF, which no memory limit counts: close programs and maps "
         "that are not needed, and try "
         "again in a second"},
        {{.what = GUARD_LONG_RUN,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = 700000},
         "prog_load of the xdp program \"k\": one run of it can take too long, which only long_loops = yes in the "
         "policy allows (700000 "
         "instructions were verified; fewer of them, smaller maps and ring buffers, and no costly helpers take less "
         "time)"},
        {{.what = GUARD_LONG_CALLS,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "k",
          .detail = 9000},
         "prog_load of the xdp program \"k\": one run of it can take too long, which only long_loops = yes in the "
         "policy allows (9000 "
         "instructions were verified; make its functions static, so that the kernel counts their calls)"},
        {{.what = GUARD_TARGET_CGROUP,
          .cmd = BPF_PROG_ATTACH,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
          .prog_name = "count",
          .detail = BPF_CGROUP_INET_EGRESS,
          .path = "/system.slice"},
         "prog_attach of the cgroup_skb program \"count\" to the cgroup /system.slice: that is not in the user's own "
         "subtree"},
        {{.what = GUARD_TARGET_NETWORK,
          .cmd = BPF_LINK_CREATE,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "drop",
          .detail = BPF_XDP,
          .pid = UINT32_MAX,
          .interface = 7},
         "link_create of the xdp program \"drop\" to the interface number 7: " OWN_NETWORK},
        {{.what = GUARD_TARGET_NETWORK,
          .cmd = BPF_PROG_TEST_RUN,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "drop"},
         "prog_test_run of the xdp program \"drop\": " OWN_NETWORK},
        {{.what = GUARD_TARGET_UNKNOWN,
          .cmd = BPF_LINK_CREATE,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "x",
          .detail = 99},
         "link_create of the xdp program \"x\" as 99: the guard does not know what that is attached to"},
        {{.what = GUARD_TARGET_LINK,
          .cmd = BPF_LINK_UPDATE,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "x"},
         "link_update of the xdp program \"x\": the link is not one of the delegation's"},
        {{.what = GUARD_NO_LINK,
          .cmd = BPF_PROG_ATTACH,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_FLOW_DISSECTOR,
          .prog_name = "f",
          .detail = BPF_FLOW_DISSECTOR},
         "prog_attach of the flow_dissector program \"f\" as flow_dissector: on a network that goes by link_create "
         "only: a link can "
         "be ended with the session"},
        {{.what = GUARD_SHARED_TABLE, .cmd = BPF_LINK_CREATE, .detail = BPF_CGROUP_INET_EGRESS},
         "link_create as cgroup_inet_egress: the process shares its descriptors with another (threads), so what is "
         "seen of them does not hold"},
        {{.what = GUARD_REVOKED_USE, .cmd = BPF_MAP_CREATE}, "map_create: the delegation has ended"},
        {{.what = GUARD_REVOKED_USE, .cmd = NO_CMD}, "use of a token: the delegation has ended"},
        {{.what = GUARD_CAPABILITY,
          .cmd = BPF_PROG_LOAD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
          .prog_name = "b"},
         "prog_load of the cgroup_sock_addr program \"b\": it binds ports, which needs CAP_NET_BIND_SERVICE among the "
         "policy's caps"},
        {{.what = GUARD_LEFT_NAMESPACE,
          .cmd = NO_CMD,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_XDP,
          .prog_name = "exactly15bytes!"},
         "receiving or opening of the xdp program \"exactly15bytes!\": it may not leave the delegation's user "
         "namespace"},
        {{.what = GUARD_LEFT_NAMESPACE, .cmd = NO_CMD},
         "receiving or opening of a token: it may not leave the delegation's user namespace"},
        {{.what = GUARD_TOKEN_OPENED, .cmd = NO_CMD},
         "opening a token through /proc: nothing needs it, and looking at what is opened so crashes the kernel"},
        {{.what = GUARD_JOINED_SHARED, .cmd = NO_CMD},
         "joining the user namespace: the process shares its descriptors with another, which stays outside"},
        {{.what = GUARD_JOINED_ENDED, .cmd = NO_CMD}, "joining the user namespace: the delegation has ended"},
        {{.what = GUARD_NEW_TASK, .cmd = NO_CMD},
         "a new process or thread: the delegation has ended (the first of such refusals: the others are only counted)"},
        {{.what = GUARD_BY_NETLINK, .cmd = NO_CMD},
         "attaching a program by netlink: what netlink attaches cannot be found at the session's end: link_create "
         "does it"},
        {{.what = GUARD_TOO_MANY, .cmd = BPF_TOKEN_CREATE},
         "token_create: the delegation, or its user, has as many tokens as one may"},
        {{.what = GUARD_COUNTED_FULL, .cmd = BPF_MAP_CREATE},
         "map_create: the delegation has as many maps of local storage and of sockets as one may (32)"},
        {{.what = GUARD_SOCKETS_SIZE, .cmd = BPF_MAP_CREATE}, "map_create: a map of sockets may have 65536 entries"},
        {{.what = GUARD_ELEMENT_SIZE, .cmd = BPF_MAP_CREATE},
         "map_create: an element may have 256 KiB, key and value together: put large data into several elements"},
        {{.what = GUARD_SYMLINK, .cmd = NO_CMD},
         "making a symbolic link in the delegation's bpffs: nothing of BPF needs one, and no limit counts its memory"},
        {{.what = GUARD_TARGET_OTHERS,
          .cmd = BPF_PROG_DETACH,
          .has_prog = 1,
          .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
          .prog_name = "admins",
          .detail = BPF_CGROUP_INET_EGRESS,
          .path = "/bpfdeleg/0123"},
         "prog_detach of the cgroup_skb program \"admins\" from the cgroup /bpfdeleg/0123: what is attached there is "
         "not the delegation's"},
        {{.what = GUARD_DETACHED_OUTSIDE,
          .cmd = BPF_PROG_DETACH,
          .detail = BPF_CGROUP_INET_EGRESS,
          .path = "/bpfdeleg/0123"},
         "prog_detach from the cgroup /bpfdeleg/0123: that is in a delegation's subtree, and the process is not in "
         "that delegation"},
        {{.what = GUARD_SHARED_TABLE, .cmd = BPF_PROG_DETACH, .detail = BPF_CGROUP_INET_EGRESS},
         "prog_detach as cgroup_inet_egress: the process shares its descriptors with another (threads), so what is "
         "seen of them does not hold"},
        {{.what = 9999, .cmd = NO_CMD}, "an act: refused by the guard"},
};

static struct mask_names *names;

static void test_sentences(void **state) {
        char text[900], expected[900];
        uint64_t seen = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct guard_report report = cases[i].report;

                memcpy(report.comm, "bpftool", sizeof("bpftool"));
                report.pid = report.pid ?: 12;
                guard_describe(names, &report, text, sizeof(text));
                (void) snprintf(expected, sizeof(expected), "bpftool (pid %u): %s", report.pid, cases[i].text);
                if (strncmp(text, expected, strlen(expected)) != 0)
                        fail_msg("%s\ninstead of\n%s", text, expected);
                if (report.what < 64)
                        seen |= UINT64_C(1) << report.what;
        }
        assert_int_equal(seen, (UINT64_C(1) << GUARD_WHATS) - 1);
}

/* The loopback interface of this very process. */
static void test_interface(void **state) {
        struct guard_report report = {.what = GUARD_TARGET_NETWORK,
                                      .cmd = BPF_LINK_CREATE,
                                      .interface = 1,
                                      .comm = "x"};
        char text[900];

        (void) state;
        report.pid = (uint32_t) getpid();
        guard_describe(names, &report, text, sizeof(text));
        assert_true(strstr(text, " to the interface lo:") ||
                    strstr(text, " to the interface number 1:")); /* where lo is down */
}

/* Whatever the guard's programs send, nothing is read past its end. */
static void test_unterminated(void **state) {
        struct guard_report report;
        char text[900];

        (void) state;
        memset(&report, 'x', sizeof(report));
        guard_describe(names, &report, text, sizeof(text));
        assert_int_equal(strnlen(text, sizeof(text)) < sizeof(text), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sentences),
                cmocka_unit_test(test_interface),
                cmocka_unit_test(test_unterminated),
        };
        int r;

        if (mask_names_new_from_headers(&names) < 0)
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        mask_names_free(names);
        return r;
}
