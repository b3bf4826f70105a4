/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How long a program may run: no longer than some 20 ms, whatever it does. Each of these would hold a processor, and whatever process
 * or packet it runs for, for seconds to years. It is enough that the kernel loads it.
 */

#include "escape.h"

#include <bpf/btf.h>

enum { DO_LOOP = 181 };

/* ---- functions ---- */

struct types {
        int main, callback;
};

/* int main(void *), and one more of that kind: a callback of bpf_loop(), or a function that is called. */
static struct btf *describe(enum btf_func_linkage linkage, bool callback, struct types *ret) {
        struct btf *btf = btf__new_empty();
        int number, wide, proto;

        if (!btf)
                return NULL;
        number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
        wide = btf__add_int(btf, "unsigned long", 8, 0);
        proto = btf__add_func_proto(btf, number);
        ret->main = btf__add_func(btf, "begin", BTF_FUNC_GLOBAL, proto);
        proto = btf__add_func_proto(btf, number);
        (void) btf__add_func_param(btf, "a", callback ? wide : number);
        if (callback)
                (void) btf__add_func_param(btf, "b", wide);
        ret->callback = btf__add_func(btf, "go_on", linkage, proto);
        return btf;
}

static int load_two(struct play *play, const struct bpf_insn *insns, size_t n, uint32_t second_at, enum btf_func_linkage linkage,
                    bool callback) {
        struct types types;
        struct btf *btf = describe(linkage, callback, &types);
        const void *data;
        uint32_t size;
        int fd, r;

        if (!btf)
                return -ENOMEM;
        data = btf__raw_data(btf, &size);
        fd = load_btf(play, data, size);
        if (fd < 0) {
                btf__free(btf);
                return fd;
        }
        {
                const struct bpf_func_info funcs[] = {{.insn_off = 0, .type_id = (uint32_t) types.main},
                                                      {.insn_off = second_at, .type_id = (uint32_t) types.callback}};

                r = load(play, &(struct prog_wish) {.type = PROG_SOCKET_FILTER, .insns = insns, .n = n, .btf = fd, .funcs = funcs,
                                                    .n_funcs = ELEMENTSOF(funcs)});
        }
        (void) close_fd(fd);
        btf__free(btf);
        return r;
}

static enum result loaded(struct play *play, int prog, const char *what) {
        return prog < 0 ? refused(play, prog, "load") : say(play, ESCAPED, "loaded %s", what);
}

/* ---- the ways ---- */

static enum result loop(struct play *play) {
        static const struct bpf_insn insns[] = {
                MOV(1, 1 << 23), FUNCTION(2, 6), MOV(3, 0), MOV(4, 0), CALL(DO_LOOP), MOV(0, 0), EXIT, /* 0 to 7 */
                MOV(0, 0), EXIT,
        };

        return loaded(play, load_two(play, insns, ELEMENTSOF(insns), 8, BTF_FUNC_STATIC, true), "a loop of 8 million turns");
}

#define CALLS 2000

/* A function that the verifier follows once. */
static enum result global_calls(struct play *play) {
        static struct bpf_insn insns[2 * CALLS + 2 + 1002];
        size_t n = 0;

        for (int i = 0; i < CALLS; i++) {
                insns[n] = MOV(1, 0);
                insns[n + 1] = I(0x85, 0, 1, 0, 2 * CALLS + 2 - (int) (n + 1) - 1);
                n += 2;
        }
        insns[n++] = MOV(0, 0);
        insns[n++] = EXIT;
        insns[n++] = MOV(0, 0);
        for (int i = 0; i < 1000; i++)
                insns[n++] = ADD(0, 1);
        insns[n++] = EXIT;
        return loaded(play, load_two(play, insns, n, 2 * CALLS + 2, BTF_FUNC_GLOBAL, false), "2000 calls of one function");
}

static enum result may_goto(struct play *play) {
        static const struct bpf_insn insns[] = {MOV(0, 0), I(0xe5, 0, 0, 1, 0), I(0x05, 0, 0, -2, 0), EXIT};

        return loaded(play, LOAD(play, PROG_SOCKET_FILTER, 0, insns), "a loop by may_goto");
}

#define LONG 600000

static enum result long_way(struct play *play) {
        struct bpf_insn *insns = calloc(LONG, sizeof(*insns));
        enum result result;

        if (!insns)
                return say(play, BROKEN, "out of memory");
        for (size_t i = 0; i < LONG; i++)
                insns[i] = i == 0 ? MOV(0, 0) : ADD(0, 1);
        insns[LONG - 1] = EXIT;
        result = loaded(play, load(play, &(struct prog_wish) {.type = PROG_SOCKET_FILTER, .insns = insns, .n = LONG}), "600000 instructions");
        free(insns);
        return result;
}

const struct vector time_vectors[] = {
        {.name = "long-loop", .group = "time", .inside = loop},
        {.name = "long-global-calls", .group = "time", .inside = global_calls},
        {.name = "long-may-goto", .group = "time", .inside = may_goto},
        {.name = "long-way", .group = "time", .inside = long_way},
        {.name = NULL},
};
