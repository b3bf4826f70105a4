/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything delegated, the types of the whole machine too: programs that are put in the guard's way, and then a link
 * on the root cgroup. What gets through here is what allow_host_wide means; SECURITY.md says so.
 */

#include "escape.h"

/* A program that returns `value` where the kernel calls `function`. */
static int load_at(struct play *play, uint32_t type, uint32_t attach_type, const char *function, int value) {
        struct bpf_insn insns[] = {MOV(0, value), EXIT};
        struct prog_wish wish = {.type = type, .attach_type = attach_type, .insns = insns, .n = ELEMENTSOF(insns)};
        int id = kernel_btf(function, BTF_KIND_FUNC);

        wish.attach_btf = (uint32_t) id;
        return id < 0 ? id : load(play, &wish);
}

/* It stays as long as we do. */
static enum result in_the_way(struct play *play, uint32_t type, uint32_t attach_type, const char *function, int value) {
        int prog = load_at(play, type, attach_type, function, value), r;

        if (prog < 0)
                return refused(play, prog, "loading what is to be in the way");
        r = attach_tracing(prog);
        return r < 0 ? refused(play, r, "attaching what is to be in the way") : link_given(play);
}

/* Of several LSM programs the first that refuses is believed. */
static enum result lsm_allows(struct play *play) {
        return in_the_way(play, PROG_LSM, AT_LSM, "bpf_lsm_bpf", 0);
}

/* In the place of the whole hook: 1 is no error for the kernel, and no LSM is asked. */
static enum result hook_replaced(struct play *play) {
        return in_the_way(play, PROG_TRACING, AT_MODIFY_RETURN, "security_bpf", 1);
}

/* Whether this kernel takes such programs at all: root's, without a token. */
int load_tracing_as_root(void) {
        struct play play = {.bpffs = -1, .token = -1};
        int prog = load_at(&play, PROG_TRACING, AT_MODIFY_RETURN, "security_bpf", 1);

        if (prog < 0)
                printf("refused: %s %s\n", strerror(-prog), play.said);
        return prog < 0 ? REFUSED : ESCAPED;
}

const struct vector blind_vectors[] = {
        {.name = "blind-nothing", .group = "blind", .inside = link_given, .outside = give_root},
        {.name = "blind-lsm", .group = "blind", .inside = lsm_allows, .outside = give_root},
        {.name = "blind-modify-return", .group = "blind", .inside = hook_replaced, .outside = give_root},
        {.name = NULL},
};
