/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names to bits and back, risk classes, and the two guarantees of mask.c: no bit without a name, no bit of @host
 * unasked. Kernels of another age are made here, as BTF.
 */

#include "config.h"

#include "mask.h"
#include "util.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <setjmp.h>
#include <cmocka.h>

#define BIT(n) (UINT64_C(1) << (n))

static struct mask_names *headers; /* of the build: the same on every machine */

static void assert_has(const char *text, const char *word) {
        if (!strstr(text, word))
                fail_msg("expected \"%s\" in: %s", word, text);
}

static int setup(void **state) {
        (void) state;
        return mask_names_new_from_headers(&headers);
}

static int teardown(void **state) {
        (void) state;
        mask_names_free(headers);
        return 0;
}

/* ---- docs/contexts.md ---- */

/* Each type that a policy may grant without allow_host_wide has its row, which says in whose name it runs. */
static void test_contexts(void **state) {
        const char *dir = getenv("top_srcdir");
        char path[4096], name[128], cell[132];
        _cleanup_free_ char *text = NULL;
        unsigned seen = 0;
        size_t n;
        FILE *f;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/docs/contexts.md", dir ?: ".");
        f = fopen(path, "re");
        assert_non_null(f);
        text = calloc(1, 1 << 16);
        assert_non_null(text);
        n = fread(text, 1, (1 << 16) - 1, f);
        (void) fclose(f);
        assert_true(n > 0 && n < (1 << 16) - 1);
        for (unsigned axis = POLICY_PROGS; axis <= POLICY_ATTACHS; axis++)
                for (unsigned bit = 0; bit < 64; bit++) {
                        if (mask_risk(headers, (enum policy_axis) axis, bit) >= RISK_HOST)
                                continue;
                        mask_format(headers, (enum policy_axis) axis, BIT(bit), name, sizeof(name));
                        (void) snprintf(cell, sizeof(cell), "`%s`", name);
                        if (!strstr(text, cell))
                                fail_msg("docs/contexts.md has no row for %s", name);
                        seen++;
                }
        assert_true(seen > 50);
}

/* ---- text to bits ------------------------------------------------------------------------------------------------ */

/* Where a case says allow, it holds so with allow_host_wide and is refused without it; else it holds both ways. */
static void test_parse(void **state) {
        static const struct {
                enum policy_axis axis;
                const char *text;
                bool allow;
                uint64_t mask;
        } cases[] = {
                {POLICY_CMDS, "map_create", false, BIT(BPF_MAP_CREATE)},
                {POLICY_CMDS, "MAP_CREATE, Prog_Load", false, BIT(BPF_MAP_CREATE) | BIT(BPF_PROG_LOAD)},
                {POLICY_CMDS, "BPF_MAP_CREATE bpf_prog_load", false, BIT(BPF_MAP_CREATE) | BIT(BPF_PROG_LOAD)},
                {POLICY_CMDS, "prog_run", false, BIT(BPF_PROG_TEST_RUN)},
                {POLICY_CMDS, "prog_test_run", false, BIT(BPF_PROG_TEST_RUN)},
                {POLICY_CMDS, "0", false, BIT(0)},
                {POLICY_MAPS, "array, hash, ringbuf", false,
                 BIT(BPF_MAP_TYPE_ARRAY) | BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_RINGBUF)},
                {POLICY_MAPS, "BPF_MAP_TYPE_HASH", false, BIT(BPF_MAP_TYPE_HASH)},
                {POLICY_MAPS, "12", false, BIT(12)},
                {POLICY_MAPS, "array, hash, ~array", false, BIT(BPF_MAP_TYPE_HASH)},
                {POLICY_MAPS, "~array, array", false, BIT(BPF_MAP_TYPE_ARRAY)},
                {POLICY_MAPS, "array, ~devmap, ~@host", false, BIT(BPF_MAP_TYPE_ARRAY)},
                {POLICY_MAPS, "cgroup_storage", false, BIT(BPF_MAP_TYPE_CGROUP_STORAGE)},
                {POLICY_MAPS, "devmap", true, BIT(BPF_MAP_TYPE_DEVMAP)},
                {POLICY_MAPS, "14", true, BIT(BPF_MAP_TYPE_DEVMAP)},
                {POLICY_MAPS, "array, devmap_hash", true, BIT(BPF_MAP_TYPE_ARRAY) | BIT(BPF_MAP_TYPE_DEVMAP_HASH)},
                {POLICY_MAPS, "struct_ops", true, BIT(BPF_MAP_TYPE_STRUCT_OPS)},
                {POLICY_MAPS, "@host", true,
                 BIT(BPF_MAP_TYPE_STRUCT_OPS) | BIT(BPF_MAP_TYPE_DEVMAP) | BIT(BPF_MAP_TYPE_DEVMAP_HASH) |
                         BIT(BPF_MAP_TYPE_CPUMAP) | BIT(BPF_MAP_TYPE_ARENA)},
                {POLICY_PROGS, "socket_filter", false, BIT(BPF_PROG_TYPE_SOCKET_FILTER)},
                {POLICY_PROGS, "@socket", false,
                 BIT(BPF_PROG_TYPE_SOCKET_FILTER) | BIT(BPF_PROG_TYPE_SK_REUSEPORT) | BIT(BPF_PROG_TYPE_SK_MSG) |
                         BIT(BPF_PROG_TYPE_SK_SKB)},
                {POLICY_PROGS, "@CGROUP, ~cgroup_device", false,
                 BIT(BPF_PROG_TYPE_CGROUP_SKB) | BIT(BPF_PROG_TYPE_CGROUP_SOCK) | BIT(BPF_PROG_TYPE_CGROUP_SOCK_ADDR) |
                         BIT(BPF_PROG_TYPE_CGROUP_SYSCTL) | BIT(BPF_PROG_TYPE_SOCK_OPS)},
                {POLICY_PROGS, "cgroup_sockopt", true, BIT(BPF_PROG_TYPE_CGROUP_SOCKOPT)},
                {POLICY_PROGS, "@netns, ~@netns, xdp", false, BIT(BPF_PROG_TYPE_XDP)},
                {POLICY_PROGS, "kprobe", true, BIT(BPF_PROG_TYPE_KPROBE)},
                {POLICY_PROGS, "xdp, 2", true, BIT(BPF_PROG_TYPE_XDP) | BIT(2)},
                {POLICY_PROGS, "syscall", true, BIT(BPF_PROG_TYPE_SYSCALL)},
                {POLICY_ATTACHS, "cgroup_inet_ingress", false, BIT(BPF_CGROUP_INET_INGRESS)},
                {POLICY_ATTACHS, "BPF_CGROUP_INET_EGRESS", false, BIT(BPF_CGROUP_INET_EGRESS)},
                {POLICY_ATTACHS, "@socket", false,
                 BIT(BPF_SK_SKB_STREAM_PARSER) | BIT(BPF_SK_SKB_STREAM_VERDICT) | BIT(BPF_SK_MSG_VERDICT) |
                         BIT(BPF_SK_SKB_VERDICT) | BIT(BPF_SK_REUSEPORT_SELECT) |
                         BIT(BPF_SK_REUSEPORT_SELECT_OR_MIGRATE)},
                {POLICY_ATTACHS, "@netns", false,
                 BIT(BPF_XDP) | BIT(BPF_XDP_DEVMAP) | BIT(BPF_XDP_CPUMAP) | BIT(BPF_TCX_INGRESS) | BIT(BPF_TCX_EGRESS) |
                         BIT(BPF_NETKIT_PRIMARY) | BIT(BPF_NETKIT_PEER) | BIT(BPF_NETFILTER) | BIT(BPF_FLOW_DISSECTOR) |
                         BIT(BPF_SK_LOOKUP)},
                {POLICY_ATTACHS, "cgroup_getsockopt, cgroup_setsockopt", true,
                 BIT(BPF_CGROUP_GETSOCKOPT) | BIT(BPF_CGROUP_SETSOCKOPT)},
                {POLICY_ATTACHS, "cgroup_unix_connect", false, BIT(BPF_CGROUP_UNIX_CONNECT)},
                {POLICY_ATTACHS, "cgroup_unix_recvmsg", true, BIT(BPF_CGROUP_UNIX_RECVMSG)},
                {POLICY_ATTACHS, "cgroup_udp4_sendmsg", false, BIT(BPF_CGROUP_UDP4_SENDMSG)},
                {POLICY_ATTACHS, "cgroup_udp6_sendmsg", true, BIT(BPF_CGROUP_UDP6_SENDMSG)},
                {POLICY_ATTACHS, "cgroup_unix_getpeername, cgroup_unix_getsockname", true,
                 BIT(BPF_CGROUP_UNIX_GETPEERNAME) | BIT(BPF_CGROUP_UNIX_GETSOCKNAME)},
                {POLICY_ATTACHS, "lsm_cgroup", true, BIT(BPF_LSM_CGROUP)},
                {POLICY_ATTACHS, "any, trace_fentry, ~any, trace_fexit", true, BIT(BPF_TRACE_FEXIT)},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct errtext err = {.s = ""};
                uint64_t mask = 0;
                int r;

                r = mask_parse(headers, cases[i].axis, cases[i].text, true, &mask, &err);
                /* Newer headers have more of it. */
                if (streq(cases[i].text, "@host"))
                        mask &= BIT(BPF_MAP_TYPE_ARENA + 1) - 1;
                if (r != 0 || mask != cases[i].mask)
                        fail_msg("%s: %d, %llx: %s", cases[i].text, r, (unsigned long long) mask, err.s);
                mask = 4711;
                r = mask_parse(headers, cases[i].axis, cases[i].text, false, &mask, &err);
                if (r != (cases[i].allow ? -EBADMSG : 0) || mask != (cases[i].allow ? 4711 : cases[i].mask))
                        fail_msg("%s, without allow_host_wide: %d: %s", cases[i].text, r, err.s);
                if (cases[i].allow)
                        assert_has(err.s, "concerns the whole machine and needs allow_host_wide = yes");
        }
}

static void test_parse_refusals(void **state) {
        static const struct {
                enum policy_axis axis;
                const char *text, *refusal;
        } cases[] = {
                {POLICY_MAPS, "arrray", "'arrray' is no map type; did you mean 'array'?"},
                {POLICY_MAPS, "array, rinbguf", "'rinbguf' is no map type; did you mean 'ringbuf'?"},
                {POLICY_MAPS, "xyzzy", "'xyzzy' is no map type of this kernel"},
                {POLICY_MAPS, "all", "'all' is no map type"},
                {POLICY_MAPS, "any, ~xyzzy", "'xyzzy' is no map type"},
                {POLICY_MAPS, "unspec", "'unspec' is no map type"},
                {POLICY_MAPS, "bpf_map_type_unspec", "'bpf_map_type_unspec' is no map type"},
                {POLICY_MAPS, "__MAX_BPF_MAP_TYPE", "'__MAX_BPF_MAP_TYPE' is no map type"},
                {POLICY_MAPS, "map_type_hash", "'map_type_hash' is no map type"},
                {POLICY_MAPS, "0", "this kernel has no map type of the number 0"},
                {POLICY_MAPS, "63", "this kernel has no map type of the number 63"},
                {POLICY_MAPS, "64", "'64' is no number of a single map type (0 to 63)"},
                {POLICY_MAPS, "0x2", "'0x2' is no number of a single map type"},
                {POLICY_MAPS, "18446744073709551616", "'18446744073709551616' is no number of a single map type"},
                {POLICY_MAPS, "-1", "'-1' is no map type"},
                {POLICY_MAPS, "@socket",
                 "@socket is no class of map types; classes are for delegate_progs and delegate_attachs"},
                {POLICY_CMDS, "@host", "@host is no class of commands"},
                {POLICY_CMDS, "@cgroup", "@cgroup is no class of commands"},
                {POLICY_PROGS, "@net", "'@net' is no class; expected @socket, @cgroup, @netns or @host"},
                {POLICY_PROGS, "@", "'@' is no class"},
                {POLICY_PROGS, "@any", "'@any' is no class"},
                {POLICY_PROGS, "@host", "'@host' concerns the whole machine and needs allow_host_wide = yes"},
                {POLICY_PROGS, "any, kprobe", "'kprobe' concerns the whole machine"},
                {POLICY_PROGS, "cgroup_inet_ingress",
                 "'cgroup_inet_ingress' is no program type; it is one of the attach types and belongs in "
                 "delegate_attachs"},
                {POLICY_ATTACHS, "cgroup_skb",
                 "'cgroup_skb' is no attach type; it is one of the program types and belongs in delegate_progs"},
                {POLICY_CMDS, "hash", "'hash' is no command; it is one of the map types and belongs in delegate_maps"},
                {POLICY_MAPS, "", "the list comes to nothing; leave the line out if no map type is meant"},
                {POLICY_MAPS, "array, ~array", "the list comes to nothing"},
                {POLICY_MAPS, "~array", "the list comes to nothing"},
                {POLICY_MAPS, "array, ~any", "the list comes to nothing"},
                {POLICY_MAPS, "array,,hash", "'' is no item of a list"},
                {POLICY_MAPS, "array, ~", "'~' is no item of a list"},
                {POLICY_MAPS, "~~array", "'~array' is no map type"},
                {POLICY_CMDS,
                 "a1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
                 "123456789012345678901234567890",
                 "a word of the list is too long for a command"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct errtext err = {.s = ""};
                uint64_t mask = 4711;
                int r = mask_parse(headers, cases[i].axis, cases[i].text, false, &mask, &err);

                if (r != -EBADMSG)
                        fail_msg("%s: %d: %s", cases[i].text, r, err.s);
                assert_has(err.s, cases[i].refusal);
                assert_int_equal(mask, 4711);
        }
}

/* `any` is every bit with a name and no other, less those of @host: what the names say, bit by bit. */
static void check_any(const struct mask_names *names) {
        for (unsigned a = 0; a < POLICY_AXES; a++) {
                uint64_t all, some;

                assert_int_equal(mask_parse(names, (enum policy_axis) a, "any", true, &all, NULL), 0);
                assert_int_equal(mask_parse(names, (enum policy_axis) a, "any", false, &some, NULL), 0);
                assert_true(all != UINT64_MAX);
                for (unsigned bit = 0; bit < 64; bit++) {
                        bool host = mask_risk(names, (enum policy_axis) a, bit) == RISK_HOST;
                        char number[4];
                        uint64_t one = 0;

                        (void) snprintf(number, sizeof(number), "%u", bit);
                        assert_int_equal(mask_parse(names, (enum policy_axis) a, number, true, &one, NULL) == 0,
                                         (all & BIT(bit)) != 0);
                        assert_int_equal((some & BIT(bit)) != 0, (all & BIT(bit)) != 0 && !host);
                }
        }
}

static void test_any(void **state) {
        (void) state;
        check_any(headers);
}

/* ---- risk classes ------------------------------------------------------------------------------------------------ */

static void test_risks(void **state) {
        static const struct {
                enum policy_axis axis;
                unsigned bit;
                enum risk risk;
        } cases[] = {
                {POLICY_CMDS, BPF_MAP_CREATE, RISK_PLAIN},
                {POLICY_CMDS, 63, RISK_HOST},
                {POLICY_MAPS, BPF_MAP_TYPE_ARRAY, RISK_PLAIN},
                {POLICY_MAPS, BPF_MAP_TYPE_CGROUP_STORAGE, RISK_PLAIN},
                {POLICY_MAPS, BPF_MAP_TYPE_ARENA, RISK_HOST},
                {POLICY_MAPS, BPF_MAP_TYPE_CPUMAP, RISK_HOST},
                {POLICY_MAPS, BPF_MAP_TYPE_DEVMAP, RISK_HOST},
                {POLICY_MAPS, BPF_MAP_TYPE_DEVMAP_HASH, RISK_HOST},
                {POLICY_MAPS, BPF_MAP_TYPE_STRUCT_OPS, RISK_HOST},
                {POLICY_MAPS, 0, RISK_HOST},
                {POLICY_MAPS, 63, RISK_HOST},
                {POLICY_MAPS, 64, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_SK_SKB, RISK_SOCKET},
                {POLICY_PROGS, BPF_PROG_TYPE_SOCK_OPS, RISK_CGROUP},
                {POLICY_PROGS, BPF_PROG_TYPE_CGROUP_SYSCTL, RISK_CGROUP},
                {POLICY_PROGS, BPF_PROG_TYPE_LWT_SEG6LOCAL, RISK_NETNS},
                {POLICY_PROGS, BPF_PROG_TYPE_SCHED_ACT, RISK_NETNS},
                {POLICY_PROGS, BPF_PROG_TYPE_KPROBE, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_TRACEPOINT, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_PERF_EVENT, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_TRACING, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_LSM, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_EXT, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_STRUCT_OPS, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_SYSCALL, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_LIRC_MODE2, RISK_HOST},
                {POLICY_ATTACHS, BPF_CGROUP_SOCK_OPS, RISK_CGROUP},
                {POLICY_ATTACHS, BPF_CGROUP_UNIX_SENDMSG, RISK_CGROUP},
                {POLICY_ATTACHS, BPF_CGROUP_UNIX_GETSOCKNAME, RISK_HOST},
                {POLICY_PROGS, BPF_PROG_TYPE_CGROUP_SOCKOPT, RISK_HOST},
                {POLICY_ATTACHS, BPF_LSM_CGROUP, RISK_HOST},
                {POLICY_ATTACHS, BPF_LSM_MAC, RISK_HOST},
                {POLICY_ATTACHS, BPF_SK_REUSEPORT_SELECT, RISK_SOCKET},
                {POLICY_ATTACHS, BPF_SK_LOOKUP, RISK_NETNS},
                {POLICY_ATTACHS, BPF_TCX_INGRESS, RISK_NETNS},
                {POLICY_ATTACHS, BPF_TRACE_ITER, RISK_HOST},
                {POLICY_ATTACHS, BPF_TRACE_UPROBE_MULTI, RISK_HOST},
                {POLICY_ATTACHS, BPF_MODIFY_RETURN, RISK_HOST},
                {POLICY_ATTACHS, BPF_PERF_EVENT, RISK_HOST},
                {POLICY_ATTACHS, BPF_STRUCT_OPS, RISK_HOST},
                {POLICY_ATTACHS, BPF_LIRC_MODE2, RISK_HOST},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (mask_risk(headers, cases[i].axis, cases[i].bit) != cases[i].risk)
                        fail_msg("axis %d, bit %u", (int) cases[i].axis, cases[i].bit);
        assert_string_equal(mask_risk_name(RISK_SOCKET), "@socket");
        assert_string_equal(mask_risk_name(RISK_HOST), "@host");
        assert_string_equal(mask_risk_name(RISK_PLAIN), "");
        assert_string_equal(mask_axis_name(POLICY_CMDS), "delegate_cmds");
        assert_string_equal(mask_axis_name(POLICY_ATTACHS), "delegate_attachs");
}

/* ---- bits to text ------------------------------------------------------------------------------------------------ */

static void test_format(void **state) {
        static const struct {
                uint64_t mask;
                size_t size;
                const char *text;
        } cases[] = {
                {0, 64, ""},
                {BIT(BPF_MAP_TYPE_HASH), 64, "hash"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 64, "hash, array"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 12, "hash, array"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 11, "hash, …"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 10, "hash, …"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 9, "…"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 4, "…"},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(BPF_MAP_TYPE_ARRAY), 3, ""},
                {BIT(BPF_MAP_TYPE_HASH), 5, "hash"},
                {BIT(BPF_MAP_TYPE_HASH), 4, "…"},
                {BIT(BPF_MAP_TYPE_HASH), 1, ""},
                {BIT(BPF_MAP_TYPE_HASH) | BIT(63), 64, "hash, 63"},
                {BIT(0), 64, "0"},
                {BIT(BPF_MAP_TYPE_CGROUP_STORAGE), 64, "cgroup_storage"},
        };
        char buf[4096];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                memset(buf, 'x', sizeof(buf));
                mask_format(headers, POLICY_MAPS, cases[i].mask, buf, cases[i].size);
                if (!streq(buf, cases[i].text))
                        fail_msg("%llx in %zu: %s", (unsigned long long) cases[i].mask, cases[i].size, buf);
                assert_int_equal(buf[cases[i].size], 'x');
        }
        buf[0] = 'x';
        mask_format(headers, POLICY_MAPS, BIT(1), buf, 0);
        assert_int_equal(buf[0], 'x');
        mask_format(headers, POLICY_CMDS, BIT(BPF_PROG_RUN), buf, sizeof(buf));
        assert_string_equal(buf, "prog_test_run");
}

/* What is shown can be read again. */
static void check_round_trip(const struct mask_names *names) {
        char buf[4096];

        for (unsigned a = 0; a < POLICY_AXES; a++) {
                uint64_t all, again;

                assert_int_equal(mask_parse(names, (enum policy_axis) a, "any", true, &all, NULL), 0);
                mask_format(names, (enum policy_axis) a, all, buf, sizeof(buf));
                assert_int_equal(mask_parse(names, (enum policy_axis) a, buf, true, &again, NULL), 0);
                assert_true(again == all);
        }
}

static void test_round_trip(void **state) {
        (void) state;
        check_round_trip(headers);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static void test_this_kernel(void **state) {
        struct mask_names *names = NULL;
        char buf[4096];

        (void) state;
        assert_int_equal(mask_names_new(&names), 0);
        check_any(names);
        check_round_trip(names);
        if (mask_names_from_kernel(names)) {
                /* The kernel's names mean what libbpf's do; the kernel may have more of them, or lack the latest. */
                for (unsigned a = 0; a < POLICY_AXES; a++)
                        for (unsigned bit = 0; bit < 64; bit++) {
                                uint64_t mask = BIT(bit);

                                mask_format(headers, (enum policy_axis) a, BIT(bit), buf, sizeof(buf));
                                if (buf[0] < 'a' || mask_parse(names, (enum policy_axis) a, buf, true, &mask, NULL) < 0)
                                        continue;
                                if (mask != BIT(bit))
                                        fail_msg("%s: %llx", buf, (unsigned long long) mask);
                        }
        }
        mask_names_free(names);
}

struct enumerator {
        const char *name;
        int value;
};

static void add_enum(struct btf *btf, const char *name, const struct enumerator *values) {
        assert_true(btf__add_enum(btf, name, 4) > 0);
        for (; values->name; values++)
                assert_int_equal(btf__add_enum_value(btf, values->name, values->value), 0);
}

/* A kernel with a few of each; without the last enum if it is to be one that cannot be used. */
static struct btf *make_kernel(bool whole) {
        static const struct enumerator cmds[] = {
                {"BPF_MAP_CREATE", 0},
                {"BPF_PROG_LOAD", 5},
                {"BPF_FUTURE_COMMAND", 60},
                {"__MAX_BPF_CMD", 61},
                {NULL, 0},
        };
        static const struct enumerator maps[] = {
                {"BPF_MAP_TYPE_UNSPEC", 0},
                {"BPF_MAP_TYPE_HASH", 1},
                {"BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED", 19},
                {"BPF_MAP_TYPE_CGROUP_STORAGE", 19},
                {"BPF_MAP_TYPE_OLD_DEPRECATED", 20},
                {"BPF_MAP_TYPE_NOVEL", 50},
                {"BPF_MAP_TYPE_HUGE", 64},
                {"BPF_MAP_TYPE_NEGATIVE", -1},
                {"__MAX_BPF_MAP_TYPE", 65},
                {NULL, 0},
        };
        static const struct enumerator progs[] = {
                {"BPF_PROG_TYPE_UNSPEC", 0},
                {"BPF_PROG_TYPE_SOCKET_FILTER", 1},
                {"BPF_PROG_TYPE_NOVEL", 50},
                {NULL, 0},
        };
        static const struct enumerator attachs[] = {
                {"BPF_CGROUP_INET_INGRESS", 0},
                {"BPF_TRACE_NOVEL", 50},
                {"__MAX_BPF_ATTACH_TYPE", 51},
                {NULL, 0},
        };
        struct btf *btf = btf__new_empty();

        assert_non_null(btf);
        add_enum(btf, "bpf_cmd", cmds);
        add_enum(btf, "bpf_map_type", maps);
        add_enum(btf, "bpf_prog_type", progs);
        if (whole)
                add_enum(btf, "bpf_attach_type", attachs);
        return btf;
}

static struct mask_names *other_kernel(void) {
        struct btf *btf = make_kernel(true);
        struct mask_names *names = NULL;

        assert_int_equal(mask_names_new_from_btf(btf, &names), 0);
        btf__free(btf);
        assert_true(mask_names_from_kernel(names));
        assert_false(mask_names_from_kernel(headers));
        return names;
}

static void test_older_kernel(void **state) {
        _cleanup_(mask_names_freep) struct mask_names *names = other_kernel();
        struct errtext err;
        uint64_t mask = 4711;

        (void) state;
        assert_int_equal(mask_parse(names, POLICY_MAPS, "hash", false, &mask, &err), 0);
        assert_int_equal(mask_parse(names, POLICY_MAPS, "hash, Ringbuf", false, &mask, &err), -EOPNOTSUPP);
        assert_has(err.s, "this kernel (");
        assert_has(err.s, ") lacks the map type 'Ringbuf'");
        assert_int_equal(mask_parse(names, POLICY_PROGS, "BPF_PROG_TYPE_NETFILTER", false, &mask, &err), -EOPNOTSUPP);
        assert_has(err.s, ") lacks the program type 'BPF_PROG_TYPE_NETFILTER'");
        assert_int_equal(mask_parse(names, POLICY_MAPS, "2", false, &mask, &err), -EBADMSG);
        assert_has(err.s, "this kernel has no map type of the number 2");
        assert_int_equal(mask_parse(names, POLICY_MAPS, "rinbuff_", false, &mask, &err), -EBADMSG);
}

/* What nobody here has heard of is @host, whatever it is called. */
static void test_newer_kernel(void **state) {
        _cleanup_(mask_names_freep) struct mask_names *names = other_kernel();
        struct errtext err;
        uint64_t mask = 0;

        (void) state;
        check_any(names);
        check_round_trip(names);
        assert_int_equal(mask_risk(names, POLICY_MAPS, 50), RISK_HOST);
        assert_int_equal(mask_risk(names, POLICY_PROGS, 50), RISK_HOST);
        assert_int_equal(mask_risk(names, POLICY_ATTACHS, 50), RISK_HOST);
        assert_int_equal(mask_parse(names, POLICY_PROGS, "novel", false, &mask, &err), -EBADMSG);
        assert_has(err.s, "'novel' concerns the whole machine and needs allow_host_wide = yes");
        assert_int_equal(mask_parse(names, POLICY_PROGS, "novel", true, &mask, &err), 0);
        assert_true(mask == BIT(50));
        assert_int_equal(mask_parse(names, POLICY_PROGS, "any", false, &mask, &err), 0);
        assert_true(mask == BIT(1));
        assert_int_equal(mask_parse(names, POLICY_CMDS, "any", false, &mask, &err), 0);
        assert_true(mask == (BIT(0) | BIT(5) | BIT(60)));
}

static void test_odd_enumerators(void **state) {
        _cleanup_(mask_names_freep) struct mask_names *names = other_kernel();
        struct errtext err;
        uint64_t mask;
        char buf[64];

        (void) state;
        assert_int_equal(mask_parse(names, POLICY_MAPS, "any", true, &mask, &err), 0);
        assert_true(mask == (BIT(1) | BIT(19) | BIT(20) | BIT(50)));
        mask_format(names, POLICY_MAPS, BIT(19) | BIT(20), buf, sizeof(buf));
        assert_string_equal(buf, "cgroup_storage, old_deprecated");
        assert_int_equal(mask_parse(names, POLICY_MAPS, "cgroup_storage_deprecated", false, &mask, &err), 0);
        assert_true(mask == BIT(19));
        assert_int_equal(mask_parse(names, POLICY_MAPS, "huge", true, &mask, &err), -EBADMSG);
        assert_int_equal(mask_parse(names, POLICY_MAPS, "negative", true, &mask, &err), -EBADMSG);
        assert_int_equal(mask_parse(names, POLICY_MAPS, "unspec", true, &mask, &err), -EBADMSG);
}

static void test_useless_btf(void **state) {
        struct btf *btf = make_kernel(false);
        struct mask_names *names = NULL;

        (void) state;
        assert_int_equal(mask_names_new_from_btf(btf, &names), -ENOENT);
        assert_null(names);
        btf__free(btf);
}

/* ---- whole policies ---------------------------------------------------------------------------------------------- */

static char *text(const char *s) {
        return s ? strdup(s) : NULL;
}

static int parse_policy(const char *maps, const char *progs, bool allow, uint64_t ret[POLICY_AXES],
                        struct errtext *err) {
        struct policy policy = {.path = text("DIR/x.ini"), .allow_host_wide = allow};
        int r;

        policy.axis[POLICY_MAPS] = text(maps);
        policy.axis[POLICY_PROGS] = text(progs);
        r = mask_parse_policy(headers, &policy, ret, err);
        free(policy.path);
        for (unsigned i = 0; i < POLICY_AXES; i++)
                free(policy.axis[i]);
        return r;
}

static void test_policy(void **state) {
        uint64_t masks[POLICY_AXES] = {7, 7, 7, 7};
        struct errtext err;

        (void) state;
        assert_int_equal(parse_policy("hash", "kprobe", false, masks, &err), -EBADMSG);
        assert_string_equal(
                err.s,
                "DIR/x.ini: delegate_progs: 'kprobe' concerns the whole machine and needs allow_host_wide = yes");
        assert_int_equal(parse_policy("hsh", NULL, false, masks, &err), -EBADMSG);
        assert_string_equal(err.s, "DIR/x.ini: delegate_maps: 'hsh' is no map type; did you mean 'hash'?");
        assert_int_equal(parse_policy(NULL, NULL, true, masks, &err), -EBADMSG);
        assert_has(err.s, "DIR/x.ini: delegates nothing; expected one of delegate_cmds,");
        for (unsigned i = 0; i < POLICY_AXES; i++)
                assert_int_equal(masks[i], 7);

        assert_int_equal(parse_policy("hash", "kprobe", true, masks, &err), 0);
        assert_true(masks[POLICY_CMDS] == 0 && masks[POLICY_ATTACHS] == 0);
        assert_true(masks[POLICY_MAPS] == BIT(BPF_MAP_TYPE_HASH) && masks[POLICY_PROGS] == BIT(BPF_PROG_TYPE_KPROBE));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),        cmocka_unit_test(test_parse_refusals),
                cmocka_unit_test(test_any),          cmocka_unit_test(test_risks),
                cmocka_unit_test(test_format),       cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_this_kernel),  cmocka_unit_test(test_older_kernel),
                cmocka_unit_test(test_newer_kernel), cmocka_unit_test(test_odd_enumerators),
                cmocka_unit_test(test_useless_btf),  cmocka_unit_test(test_policy),
                cmocka_unit_test(test_contexts),
        };

        return cmocka_run_group_tests_name("mask", tests, setup, teardown);
}
