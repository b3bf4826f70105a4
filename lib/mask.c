/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names and bits. The guarantees: no mask has a bit whose meaning this kernel does not name (so what the next kernel
 * adds is not given away by a file written today); and no bit that concerns the whole machine is in a mask unless the
 * policy says allow_host_wide, however it was asked for: by name, by number, by class or by `any`.
 */

#include "config.h"

#include "mask.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <strings.h>
#include <sys/utsname.h>

#define BITS 64
#define RISKS (RISK_PLAIN + 1)

struct mask_name {
        unsigned bit;
        char *text; /* lower case, without prefix */
};

struct axis_names {
        struct mask_name *names; /* in the kernel's order; a bit may have several */
        size_t n;
        uint64_t by_risk[RISKS];
};

struct mask_names {
        struct axis_names axis[POLICY_AXES];
        bool from_kernel;
};

/* Prefixes as in the kernel's bpf_parse_param(). */
static const struct {
        const char *key, *noun, *nouns, *enum_name, *prefix;
} axes[POLICY_AXES] = {
        [POLICY_CMDS] = {"delegate_cmds", "command", "commands", "bpf_cmd", "BPF_"},
        [POLICY_MAPS] = {"delegate_maps", "map type", "map types", "bpf_map_type", "BPF_MAP_TYPE_"},
        [POLICY_PROGS] = {"delegate_progs", "program type", "program types", "bpf_prog_type", "BPF_PROG_TYPE_"},
        [POLICY_ATTACHS] = {"delegate_attachs", "attach type", "attach types", "bpf_attach_type", "BPF_"},
};

static const char *const risk_names[RISKS] = {
        [RISK_SOCKET] = "@socket", [RISK_CGROUP] = "@cgroup", [RISK_NETNS] = "@netns",
        [RISK_HOST] = "@host",     [RISK_PLAIN] = "",
};

/* ---- risk classes ------------------------------------------------------------------------------------------------ */

/*
 * The first that fits holds, and what none fits is RISK_HOST: tracing, perf, lsm, ext, struct_ops, syscall, lirc, and
 * whatever comes next. A star at the end stands for any rest. An attach type has the class of the program type it
 * belongs to.
 */
struct pattern {
        const char *text;
        enum risk risk;
};

static const struct pattern command_risks[] = {{"*", RISK_PLAIN}, {NULL, RISK_HOST}};

/* Not here, so of the whole machine: struct_ops; devmap, by which frames leave on other interfaces; cpumap, which has
 * the kernel start a thread for each of its entries, in nobody's cgroup; arena, of which each takes 4 GiB of the
 * kernel's addresses. */
static const struct pattern map_risks[] = {
        {"hash", RISK_PLAIN},
        {"array", RISK_PLAIN},
        {"prog_array", RISK_PLAIN},
        {"perf_event_array", RISK_PLAIN},
        {"percpu_hash", RISK_PLAIN},
        {"percpu_array", RISK_PLAIN},
        {"stack_trace", RISK_PLAIN},
        {"cgroup_array", RISK_PLAIN},
        {"lru_hash", RISK_PLAIN},
        {"lru_percpu_hash", RISK_PLAIN},
        {"lpm_trie", RISK_PLAIN},
        {"array_of_maps", RISK_PLAIN},
        {"hash_of_maps", RISK_PLAIN},
        {"sockmap", RISK_PLAIN},
        {"xskmap", RISK_PLAIN},
        {"sockhash", RISK_PLAIN},
        {"cgroup_storage", RISK_PLAIN},
        {"reuseport_sockarray", RISK_PLAIN},
        {"percpu_cgroup_storage", RISK_PLAIN},
        {"queue", RISK_PLAIN},
        {"stack", RISK_PLAIN},
        {"sk_storage", RISK_PLAIN},
        {"ringbuf", RISK_PLAIN},
        {"inode_storage", RISK_PLAIN},
        {"task_storage", RISK_PLAIN},
        {"bloom_filter", RISK_PLAIN},
        {"user_ringbuf", RISK_PLAIN},
        {"cgrp_storage", RISK_PLAIN},
        {NULL, RISK_HOST},
};

static const struct pattern prog_risks[] = {
        {"socket_filter", RISK_SOCKET},
        {"sk_reuseport", RISK_SOCKET},
        {"sk_msg", RISK_SOCKET},
        {"sk_skb", RISK_SOCKET},
        /* It answers the getsockopt(2) of a server about its client's credentials: docs/contexts.md. */
        {"cgroup_sockopt", RISK_HOST},
        {"cgroup_*", RISK_CGROUP},
        {"sock_ops", RISK_CGROUP},
        {"xdp", RISK_NETNS},
        {"sched_cls", RISK_NETNS},
        {"sched_act", RISK_NETNS},
        {"netfilter", RISK_NETNS},
        {"flow_dissector", RISK_NETNS},
        {"sk_lookup", RISK_NETNS},
        {"lwt_*", RISK_NETNS},
        {NULL, RISK_HOST},
};

static const struct pattern attach_risks[] = {
        {"sk_skb_*", RISK_SOCKET},
        {"sk_msg_verdict", RISK_SOCKET},
        {"sk_reuseport_*", RISK_SOCKET},
        /* These run in the system calls of a server, on the socket that it has accepted: docs/contexts.md. */
        {"cgroup_getsockopt", RISK_HOST},
        {"cgroup_setsockopt", RISK_HOST},
        {"cgroup_unix_getpeername", RISK_HOST},
        {"cgroup_unix_getsockname", RISK_HOST},
        {"cgroup_unix_recvmsg", RISK_HOST},
        /* It chooses the source address, and for IPv6 the kernel asks nobody whether that is the host's. */
        {"cgroup_udp6_sendmsg", RISK_HOST},
        {"cgroup_*",
         RISK_CGROUP}, /* sock_ops is cgroup_sock_ops here; lsm_cgroup is an lsm program's, and not among these */
        {"xdp", RISK_NETNS},
        {"xdp_*", RISK_NETNS},
        {"tcx_*", RISK_NETNS},
        {"netkit_*", RISK_NETNS},
        {"netfilter", RISK_NETNS},
        {"flow_dissector", RISK_NETNS},
        {"sk_lookup", RISK_NETNS},
        {NULL, RISK_HOST},
};

static const struct pattern *const risks[POLICY_AXES] = {
        [POLICY_CMDS] = command_risks,
        [POLICY_MAPS] = map_risks,
        [POLICY_PROGS] = prog_risks,
        [POLICY_ATTACHS] = attach_risks,
};

static bool pattern_fits(const char *pattern, const char *text) {
        size_t n = strlen(pattern);

        return pattern[n - 1] == '*' ? strncmp(text, pattern, n - 1) == 0 : streq(text, pattern);
}

static enum risk classify(enum policy_axis axis, const char *text) {
        const struct pattern *pattern = risks[axis];

        while (pattern->text && !pattern_fits(pattern->text, text))
                pattern++;
        return pattern->risk;
}

/* ---- the names --------------------------------------------------------------------------------------------------- */

static uint64_t bit_mask(unsigned bit) {
        return bit < BITS ? UINT64_C(1) << bit : 0;
}

static uint64_t known(const struct axis_names *axis) {
        uint64_t mask = 0;

        for (unsigned i = 0; i < RISKS; i++)
                mask |= axis->by_risk[i];
        return mask;
}

ANALYZER_OFF("-Wanalyzer-malloc-leak") /* it loses sight of what is stored where reallocarray() points */
static int axis_add(struct axis_names *axis, unsigned bit, const char *text) {
        struct mask_name *names;
        char *copy;

        names = reallocarray(axis->names, axis->n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        axis->names = names;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        for (char *p = copy; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        names[axis->n++] = (struct mask_name){.bit = bit, .text = copy};
        return 0;
}
ANALYZER_ON

/* The name to show for a bit: the first that is not said to be deprecated, else the first. NULL if it has none. */
static const char *name_of(const struct axis_names *axis, unsigned bit) {
        const char *first = NULL;

        for (size_t i = 0; i < axis->n; i++) {
                if (axis->names[i].bit != bit)
                        continue;
                if (!strstr(axis->names[i].text, "deprecated"))
                        return axis->names[i].text;
                if (!first)
                        first = axis->names[i].text;
        }
        return first;
}

/* Once all names are there: a bit has one class, that of the name it is shown by. */
static void names_classify(struct mask_names *names) {
        for (unsigned a = 0; a < POLICY_AXES; a++)
                for (unsigned bit = 0; bit < BITS; bit++) {
                        const char *text = name_of(&names->axis[a], bit);

                        if (text)
                                names->axis[a].by_risk[classify((enum policy_axis) a, text)] |= bit_mask(bit);
                }
}

/* The enums' UNSPEC and __MAX are no types, and what does not fit in a mask cannot be delegated. */
static int add_enumerator(struct axis_names *axis, const char *prefix, const char *text, int64_t value) {
        size_t n = strlen(prefix);

        if (!text || strncmp(text, prefix, n) != 0 || streq(text + n, "UNSPEC") || value < 0 || value >= BITS)
                return 0;
        return axis_add(axis, (unsigned) value, text + n);
}

static int add_enum(struct axis_names *names, enum policy_axis axis, const struct btf *btf) {
        const struct btf_type *type;
        const struct btf_enum *e;
        int id, r;

        id = btf__find_by_name_kind(btf, axes[axis].enum_name, BTF_KIND_ENUM);
        if (id < 0)
                return -ENOENT;
        type = btf__type_by_id(btf, (uint32_t) id);
        e = btf_enum(type);
        for (unsigned i = 0; i < btf_vlen(type); i++) {
                r = add_enumerator(names, axes[axis].prefix, btf__name_by_offset(btf, e[i].name_off), e[i].val);
                if (r < 0)
                        return r;
        }
        return 0;
}

int mask_names_new_from_btf(const struct btf *btf, struct mask_names **ret) {
        _cleanup_(mask_names_freep) struct mask_names *names = calloc(1, sizeof(*names));
        int r;

        if (!names)
                return -ENOMEM;
        for (unsigned a = 0; a < POLICY_AXES; a++) {
                r = add_enum(&names->axis[a], (enum policy_axis) a, btf);
                if (r < 0)
                        return r;
        }
        names_classify(names);
        names->from_kernel = true;
        *ret = TAKE_PTR(names);
        return 0;
}

/* libbpf has words for the types, but none for commands. */
#define COMMAND(name) \
        { #name, BPF_##name }
static const struct {
        const char *text;
        unsigned value;
} commands[] = {
        COMMAND(MAP_CREATE),
        COMMAND(MAP_LOOKUP_ELEM),
        COMMAND(MAP_UPDATE_ELEM),
        COMMAND(MAP_DELETE_ELEM),
        COMMAND(MAP_GET_NEXT_KEY),
        COMMAND(PROG_LOAD),
        COMMAND(OBJ_PIN),
        COMMAND(OBJ_GET),
        COMMAND(PROG_ATTACH),
        COMMAND(PROG_DETACH),
        COMMAND(PROG_TEST_RUN),
        COMMAND(PROG_RUN),
        COMMAND(PROG_GET_NEXT_ID),
        COMMAND(MAP_GET_NEXT_ID),
        COMMAND(PROG_GET_FD_BY_ID),
        COMMAND(MAP_GET_FD_BY_ID),
        COMMAND(OBJ_GET_INFO_BY_FD),
        COMMAND(PROG_QUERY),
        COMMAND(RAW_TRACEPOINT_OPEN),
        COMMAND(BTF_LOAD),
        COMMAND(BTF_GET_FD_BY_ID),
        COMMAND(TASK_FD_QUERY),
        COMMAND(MAP_LOOKUP_AND_DELETE_ELEM),
        COMMAND(MAP_FREEZE),
        COMMAND(BTF_GET_NEXT_ID),
        COMMAND(MAP_LOOKUP_BATCH),
        COMMAND(MAP_LOOKUP_AND_DELETE_BATCH),
        COMMAND(MAP_UPDATE_BATCH),
        COMMAND(MAP_DELETE_BATCH),
        COMMAND(LINK_CREATE),
        COMMAND(LINK_UPDATE),
        COMMAND(LINK_GET_FD_BY_ID),
        COMMAND(LINK_GET_NEXT_ID),
        COMMAND(ENABLE_STATS),
        COMMAND(ITER_CREATE),
        COMMAND(LINK_DETACH),
        COMMAND(PROG_BIND_MAP),
        COMMAND(TOKEN_CREATE),
};

static const char *libbpf_name(enum policy_axis axis, unsigned bit) {
        switch (axis) {
        case POLICY_MAPS:
                return libbpf_bpf_map_type_str((enum bpf_map_type) bit);
        case POLICY_PROGS:
                return libbpf_bpf_prog_type_str((enum bpf_prog_type) bit);
        case POLICY_ATTACHS:
                return libbpf_bpf_attach_type_str((enum bpf_attach_type) bit);
        case POLICY_CMDS:
        case POLICY_AXES:
                break;
        }
        return NULL;
}

static int add_header_names(struct axis_names *names, enum policy_axis axis) {
        int r;

        for (size_t i = 0; axis == POLICY_CMDS && i < ELEMENTSOF(commands); i++) {
                r = axis_add(names, commands[i].value, commands[i].text);
                if (r < 0)
                        return r;
        }
        for (unsigned bit = 0; bit < BITS; bit++) {
                const char *text = libbpf_name(axis, bit);

                if (!text || streq(text, "unspec"))
                        continue;
                r = axis_add(names, bit, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

int mask_names_new_from_headers(struct mask_names **ret) {
        _cleanup_(mask_names_freep) struct mask_names *names = calloc(1, sizeof(*names));
        int r;

        if (!names)
                return -ENOMEM;
        for (unsigned a = 0; a < POLICY_AXES; a++) {
                r = add_header_names(&names->axis[a], (enum policy_axis) a);
                if (r < 0)
                        return r;
        }
        names_classify(names);
        *ret = TAKE_PTR(names);
        return 0;
}

int mask_names_new(struct mask_names **ret) {
        libbpf_print_fn_t print;
        struct btf *btf;
        int r = -ENOENT;

        /* libbpf would print what it misses. */
        print = libbpf_set_print(NULL);
        btf = btf__load_vmlinux_btf();
        (void) libbpf_set_print(print);
        if (btf)
                r = mask_names_new_from_btf(btf, ret);
        btf__free(btf);
        return r == -ENOENT ? mask_names_new_from_headers(ret) : r;
}

void mask_names_free(struct mask_names *names) {
        if (!names)
                return;
        for (unsigned a = 0; a < POLICY_AXES; a++) {
                for (size_t i = 0; i < names->axis[a].n; i++)
                        free(names->axis[a].names[i].text);
                free(names->axis[a].names);
        }
        free(names);
}

bool mask_names_from_kernel(const struct mask_names *names) {
        return names->from_kernel;
}

/* ---- text to bits ------------------------------------------------------------------------------------------------ */

/* What is being read, and what it may name. */
struct reading {
        const struct mask_names *names;
        enum policy_axis axis;
        bool allow_host_wide;
};

static const struct axis_names *axis_of(const struct reading *reading) {
        return &reading->names->axis[reading->axis];
}

/* Returns the bit, or BITS if there is no such name. */
static unsigned find_name(const struct mask_names *names, enum policy_axis axis, const char *word) {
        size_t prefix = strlen(axes[axis].prefix);

        if (strncasecmp(word, axes[axis].prefix, prefix) == 0)
                word += prefix;
        for (size_t i = 0; i < names->axis[axis].n; i++)
                if (strcasecmp(names->axis[axis].names[i].text, word) == 0)
                        return names->axis[axis].names[i].bit;
        return BITS;
}

/* Without memory there is none. */
static const char *nearest_name(const struct axis_names *axis, const char *word) {
        _cleanup_free_ const char **list = calloc(axis->n + 2, sizeof(*list));
        size_t n = 0;

        if (!list)
                return NULL;
        for (size_t i = 0; i < axis->n; i++)
                list[n++] = axis->names[i].text;
        list[n] = "any";
        return ini_nearest(word, list);
}

static int fail_name(const struct reading *reading, const char *word, struct errtext *err) {
        _cleanup_(mask_names_freep) struct mask_names *headers = NULL;
        const char *noun = axes[reading->axis].noun, *nearest;
        struct utsname uts;

        if (mask_names_new_from_headers(&headers) == 0 && find_name(headers, reading->axis, word) < BITS &&
            uname(&uts) == 0)
                return fail(err, -EOPNOTSUPP, "this kernel (%s) lacks the %s '%.60s'", uts.release, noun, word);
        for (unsigned a = 0; a < POLICY_AXES; a++)
                if (find_name(reading->names, (enum policy_axis) a, word) < BITS)
                        return fail(err, -EBADMSG, "'%.60s' is no %s; it is one of the %s and belongs in %s", word,
                                    noun, axes[a].nouns, axes[a].key);
        nearest = nearest_name(axis_of(reading), word);
        if (nearest)
                return fail(err, -EBADMSG, "'%.60s' is no %s; did you mean '%s'?", word, noun, nearest);
        return fail(err, -EBADMSG, "'%.60s' is no %s of this kernel", word, noun);
}

static int name_bits(const struct reading *reading, const char *word, uint64_t *ret, struct errtext *err) {
        unsigned bit = find_name(reading->names, reading->axis, word);

        if (bit == BITS)
                return fail_name(reading, word, err);
        *ret = bit_mask(bit);
        return 0;
}

static int number_bits(const struct reading *reading, const char *word, uint64_t *ret, struct errtext *err) {
        uint64_t bit;

        if (parse_uint(word, 10, BITS - 1, &bit) < 0)
                return fail(err, -EBADMSG, "'%.60s' is no number of a single %s (0 to %d)", word,
                            axes[reading->axis].noun, BITS - 1);
        if (!name_of(axis_of(reading), (unsigned) bit))
                return fail(err, -EBADMSG, "this kernel has no %s of the number %.60s", axes[reading->axis].noun, word);
        *ret = bit_mask((unsigned) bit);
        return 0;
}

/* Commands have no class; of map types, only those of @host have one. */
static int class_bits(const struct reading *reading, const char *word, uint64_t *ret, struct errtext *err) {
        for (unsigned i = 0; i < RISK_PLAIN; i++) {
                if (strcasecmp(word, risk_names[i]) != 0)
                        continue;
                if (reading->axis == POLICY_CMDS || (reading->axis == POLICY_MAPS && i != RISK_HOST))
                        return fail(err, -EBADMSG,
                                    "%s is no class of %s; classes are for delegate_progs and delegate_attachs",
                                    risk_names[i], axes[reading->axis].nouns);
                *ret = axis_of(reading)->by_risk[i];
                return 0;
        }
        return fail(err, -EBADMSG, "'%.60s' is no class; expected @socket, @cgroup, @netns or @host", word);
}

static int word_bits(const struct reading *reading, const char *word, uint64_t *ret, struct errtext *err) {
        if (strcasecmp(word, "any") == 0) {
                *ret = known(axis_of(reading));
                if (!reading->allow_host_wide)
                        *ret &= ~axis_of(reading)->by_risk[RISK_HOST];
                return 0;
        }
        if (word[0] == '@')
                return class_bits(reading, word, ret, err);
        if (word[0] >= '0' && word[0] <= '9')
                return number_bits(reading, word, ret, err);
        return name_bits(reading, word, ret, err);
}

/* Adds an item's bits to *mask, or takes them away. */
static int apply_item(const struct reading *reading, const char *item, uint64_t *mask, struct errtext *err) {
        bool subtract = item[0] == '~';
        const char *word = item + subtract;
        uint64_t bits = 0;
        int r;

        if (word[0] == '\0')
                return fail(err, -EBADMSG, "'%s' is no item of a list; expected words with one comma between them",
                            item);
        r = word_bits(reading, word, &bits, err);
        if (r < 0)
                return r;
        if (subtract) {
                *mask &= ~bits;
                return 0;
        }
        if (bits & axis_of(reading)->by_risk[RISK_HOST] && !reading->allow_host_wide)
                return fail(err, -EBADMSG, "'%.60s' concerns the whole machine and needs allow_host_wide = yes", word);
        *mask |= bits;
        return 0;
}

int mask_parse(const struct mask_names *names, enum policy_axis axis, const char *text, bool allow_host_wide,
               uint64_t *ret, struct errtext *err) {
        const struct reading reading = {.names = names, .axis = axis, .allow_host_wide = allow_host_wide};
        const char *state = text;
        uint64_t mask = 0;
        char item[128];
        int r;

        while ((r = ini_next_item(&state, item, sizeof(item))) > 0) {
                r = apply_item(&reading, item, &mask, err);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return fail(err, -EBADMSG, "a word of the list is too long for a %s", axes[axis].noun);
        if (mask == 0)
                return fail(err, -EBADMSG, "the list comes to nothing; leave the line out if no %s is meant",
                            axes[axis].noun);
        *ret = mask;
        return 0;
}

int mask_parse_policy(const struct mask_names *names, const struct policy *policy, uint64_t ret[POLICY_AXES],
                      struct errtext *err) {
        uint64_t masks[POLICY_AXES] = {0}, all = 0;
        struct errtext why = {.s = ""};
        int r;

        for (unsigned a = 0; a < POLICY_AXES; a++) {
                if (!policy->axis[a])
                        continue;
                r = mask_parse(names, (enum policy_axis) a, policy->axis[a], policy->allow_host_wide, &masks[a], &why);
                if (r < 0)
                        return fail(err, r, "%s: %s: %s", policy->path, axes[a].key, why.s);
                all |= masks[a];
        }
        if (all == 0)
                return fail(err, -EBADMSG,
                            "%s: delegates nothing; expected one of delegate_cmds, delegate_maps, delegate_progs and "
                            "delegate_attachs in [bpf]",
                            policy->path);
        memcpy(ret, masks, sizeof(masks));
        return 0;
}

/* ---- bits to text ------------------------------------------------------------------------------------------------ */

#define CUT "…"

/* Appends item behind the n bytes in buf if it and, when more is to follow, a cut fit. Returns the new length, or 0. */
static size_t append(char *buf, size_t size, size_t n, const char *item, bool more) {
        const char *comma = n > 0 ? ", " : "";
        size_t need = strlen(comma) + strlen(item);

        if (n + need + (more ? strlen(", " CUT) : 0) >= size)
                return 0;
        (void) snprintf(buf + n, size - n, "%s%s", comma, item);
        return n + need;
}

void mask_format(const struct mask_names *names, enum policy_axis axis, uint64_t mask, char *buf, size_t size) {
        char number[16];
        size_t n = 0;

        if (size == 0)
                return;
        buf[0] = '\0';
        for (unsigned bit = 0; mask != 0; bit++) {
                const char *text = name_of(&names->axis[axis], bit);
                size_t next;

                if (!(mask & bit_mask(bit)))
                        continue;
                mask &= ~bit_mask(bit);
                (void) snprintf(number, sizeof(number), "%u", bit);
                next = append(buf, size, n, text ? text : number, mask != 0);
                if (next == 0) {
                        (void) append(buf, size, n, CUT, false);
                        return;
                }
                n = next;
        }
}

enum risk mask_risk(const struct mask_names *names, enum policy_axis axis, unsigned bit) {
        for (unsigned i = 0; i < RISKS; i++)
                if (names->axis[axis].by_risk[i] & bit_mask(bit))
                        return (enum risk) i;
        return RISK_HOST;
}

const char *mask_risk_name(enum risk risk) {
        return risk_names[risk];
}

const char *mask_axis_name(enum policy_axis axis) {
        return axes[axis].key;
}
