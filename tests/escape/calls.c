/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpf(2), by hand: each call with exactly the fields that are meant, and a token where there is one. */

#include "escape.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <bpf/btf.h>

enum {
        CMD_MAP_CREATE = 0,
        CMD_LOOKUP = 1,
        CMD_UPDATE = 2,
        CMD_PROG_LOAD = 5,
        CMD_OBJ_PIN = 6,
        CMD_OBJ_GET = 7,
        CMD_ATTACH = 8,
        CMD_DETACH = 9,
        CMD_TEST_RUN = 10,
        CMD_INFO = 15,
        CMD_TRACING_OPEN = 17,
        CMD_BTF_LOAD = 18,
        CMD_LINK_CREATE = 28,
        CMD_LINK_UPDATE = 29,
        CMD_LINK_DETACH = 34,
        CMD_TOKEN_CREATE = 36,
};
#define TOKEN_FLAG (1U << 16)

union request {
        struct {
                uint32_t type, key_size, value_size, entries, flags, inner, numa;
                char name[16];
                uint32_t ifindex, btf, btf_key, btf_value, struct_ops;
                uint64_t extra;
                int32_t value_btf, token;
        } map;
        struct {
                uint32_t map, pad;
                uint64_t key, value, flags;
        } element;
        struct {
                uint32_t type, n;
                uint64_t insns, license;
                uint32_t log_level, log_size;
                uint64_t log;
                uint32_t version, flags;
                char name[16];
                uint32_t ifindex, attach_type, btf, func_size;
                uint64_t func;
                uint32_t func_n, line_size;
                uint64_t line;
                uint32_t line_n, attach_btf, attach_prog, relo_n;
                uint64_t fds, relos;
                uint32_t relo_size, log_true;
                int32_t token;
        } prog;
        struct {
                uint64_t path;
                uint32_t fd, flags;
        } pin;
        struct {
                uint32_t target, prog, type, flags;
        } attach;
        struct {
                uint32_t prog, ret, in_size, out_size;
                uint64_t in, out;
                uint32_t repeat, duration, ctx_in_size, ctx_out_size;
                uint64_t ctx_in, ctx_out;
                uint32_t flags, cpu, batch;
        } run;
        struct {
                uint32_t fd, size;
                uint64_t info;
        } info;
        struct {
                uint32_t prog, target, type, flags, extra[4];
        } link;
        struct {
                uint32_t link, prog, flags, old;
        } update;
        struct {
                uint32_t id, next, flags;
        } id;
        struct {
                uint64_t name;
                uint32_t prog, pad;
                uint64_t cookie;
        } tracing;
        struct {
                uint64_t data, log;
                uint32_t size, log_size, log_level, log_true, flags;
                int32_t token;
        } btf;
        struct {
                uint32_t flags, bpffs;
        } token;
        char all[168];
};

static int call(int command, union request *request) {
        int r;

        r = (int) syscall(SYS_bpf, command, request, sizeof(*request));
        return r < 0 ? -errno : r;
}

static uint64_t address(const void *p) {
        return (uint64_t) (uintptr_t) p;
}

int make_token(struct play *play) {
        union request request = {.all = {0}};

        if (play->token >= 0)
                return play->token;
        request.token.bpffs = (uint32_t) play->bpffs;
        return play->token = call(CMD_TOKEN_CREATE, &request);
}

static int load_btf_by(int token, const void *data, uint32_t size) {
        union request request = {.all = {0}};

        request.btf.data = address(data);
        request.btf.size = size;
        request.btf.flags = TOKEN_FLAG;
        request.btf.token = token;
        return call(CMD_BTF_LOAD, &request);
}

int load_btf(struct play *play, const void *data, uint32_t size) {
        int token = make_token(play);

        return token < 0 ? token : load_btf_by(token, data, size);
}

/* A map of struct_ops must have BTF of its own, whatever is in it, beside the kernel's. */
static int load_some_btf(int token) {
        static const struct {
                struct btf_header header;
                struct btf_type type;
                uint32_t of_int;
                char names[5];
        } btf = {
                .header = {.magic = BTF_MAGIC,
                           .version = BTF_VERSION,
                           .hdr_len = sizeof(btf.header),
                           .type_len = 16,
                           .str_off = 16,
                           .str_len = 5},
                .type = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
                .of_int = 32,
                .names = "\0int",
        };

        return load_btf_by(token, &btf, offsetof(__typeof__(btf), names) + sizeof(btf.names));
}

int make_map_by(int token, const struct map_wish *wish) {
        _cleanup_close_ int btf = wish->struct_ops ? load_some_btf(token) : -1;
        union request request = {.all = {0}};

        if (wish->struct_ops && btf < 0)
                return take_fd(&btf);

        request.map.type = wish->type;
        request.map.key_size = wish->key_size;
        request.map.value_size = wish->value_size;
        request.map.entries = wish->entries;
        request.map.inner = (uint32_t) wish->inner;
        request.map.struct_ops = wish->struct_ops;
        request.map.btf = (uint32_t) (btf < 0 ? wish->btf : btf);
        request.map.btf_key = wish->key_type;
        request.map.btf_value = wish->value_type;
        request.map.flags = TOKEN_FLAG | wish->flags;
        request.map.token = token;
        return call(CMD_MAP_CREATE, &request);
}

int make_map(struct play *play, const struct map_wish *wish) {
        int token = make_token(play);

        return token < 0 ? token : make_map_by(token, wish);
}

int map_put(int map, uint32_t key, const void *value) {
        union request request = {.all = {0}};

        request.element.map = (uint32_t) map;
        request.element.key = address(&key);
        request.element.value = address(value);
        return call(CMD_UPDATE, &request);
}

int map_get(int map, uint32_t key, void *value) {
        union request request = {.all = {0}};

        request.element.map = (uint32_t) map;
        request.element.key = address(&key);
        request.element.value = address(value);
        return call(CMD_LOOKUP, &request);
}

/* The verifier's last words, without its summary. */
static void keep_last_line(struct play *play, char *log) {
        char *line, *last = NULL, *state = NULL;

        for (line = strtok_r(log, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                if (strncmp(line, "processed ", 10) != 0)
                        last = line;
        if (last)
                (void) snprintf(play->said, sizeof(play->said), "%.500s", last);
}

int load(struct play *play, const struct prog_wish *wish) {
        static char log[1 << 16];
        union request request = {.all = {0}};
        int token, r;

        play->said[0] = '\0';
        token = play->bpffs < 0 ? 0 : make_token(play); /* 0: root's own, without */
        if (token < 0)
                return token;
        request.prog.type = wish->type;
        request.prog.attach_type = wish->attach_type;
        request.prog.insns = address(wish->insns);
        request.prog.n = (uint32_t) wish->n;
        request.prog.license = address("GPL");
        (void) snprintf(request.prog.name, sizeof(request.prog.name), "escape");
        request.prog.flags = (play->bpffs < 0 ? 0 : TOKEN_FLAG) | wish->flags;
        request.prog.token = token;
        request.prog.btf = (uint32_t) wish->btf;
        request.prog.func = address(wish->funcs);
        request.prog.func_n = (uint32_t) wish->n_funcs;
        request.prog.func_size = wish->n_funcs > 0 ? sizeof(*wish->funcs) : 0;
        request.prog.attach_btf = wish->attach_btf;
        r = call(CMD_PROG_LOAD, &request);
        if (r >= 0)
                return r;
        log[0] = '\0';
        request.prog.log_level = 1;
        request.prog.log_size = sizeof(log);
        request.prog.log = address(log);
        r = call(CMD_PROG_LOAD, &request);
        if (r < 0)
                keep_last_line(play, log);
        return r;
}

int load_return(struct play *play, uint32_t type, uint32_t attach_type, int value) {
        struct bpf_insn insns[] = {MOV(0, value), EXIT};

        return LOAD(play, type, attach_type, insns);
}

int make_link(const struct link_wish *wish) {
        union request request = {.all = {0}};

        request.link.prog = wish->prog;
        request.link.target = wish->target;
        request.link.type = wish->attach_type;
        request.link.flags = wish->flags;
        memcpy(request.link.extra, wish->extra, sizeof(wish->extra));
        return call(CMD_LINK_CREATE, &request);
}

int make_link_at(int prog, int target, uint32_t attach_type) {
        struct link_wish wish = {.prog = (uint32_t) prog, .target = (uint32_t) target, .attach_type = attach_type};

        return make_link(&wish);
}

int update_link(int link, int prog) {
        union request request = {.all = {0}};

        request.update.link = (uint32_t) link;
        request.update.prog = (uint32_t) prog;
        return call(CMD_LINK_UPDATE, &request);
}

static int attach_or_detach(int command, int prog, int target, uint32_t type, uint32_t flags) {
        union request request = {.all = {0}};

        request.attach.prog = (uint32_t) prog;
        request.attach.target = (uint32_t) target;
        request.attach.type = type;
        request.attach.flags = flags;
        return call(command, &request);
}

int attach(int prog, int target, uint32_t attach_type, uint32_t flags) {
        return attach_or_detach(CMD_ATTACH, prog, target, attach_type, flags);
}

int detach(int prog, int target, uint32_t attach_type) {
        return attach_or_detach(CMD_DETACH, prog, target, attach_type, 0);
}

int attach_tracing(int prog) {
        union request request = {.all = {0}};

        request.tracing.prog = (uint32_t) prog;
        return call(CMD_TRACING_OPEN, &request);
}

int pin(int fd, const char *path) {
        union request request = {.all = {0}};

        request.pin.path = address(path);
        request.pin.fd = (uint32_t) fd;
        return call(CMD_OBJ_PIN, &request);
}

int get_pin(const char *path) {
        union request request = {.all = {0}};

        request.pin.path = address(path);
        return call(CMD_OBJ_GET, &request);
}

int open_id(enum object kind, uint32_t id) {
        union request request = {.all = {0}};

        request.id.id = id;
        return call((int) kind, &request);
}

int detach_link(int link) {
        union request request = {.all = {0}};

        request.update.link = (uint32_t) link;
        return link < 0 ? link : call(CMD_LINK_DETACH, &request);
}

int test_run(struct run_wish *wish) {
        union request request = {.all = {0}};
        int r;

        request.run.prog = (uint32_t) wish->prog;
        request.run.in = address(wish->data);
        request.run.in_size = wish->size;
        request.run.ctx_in = address(wish->ctx);
        request.run.ctx_in_size = wish->ctx_size;
        request.run.repeat = wish->repeat;
        request.run.flags = wish->flags;
        r = call(CMD_TEST_RUN, &request);
        wish->ret = request.run.ret;
        return r;
}

uint32_t object_number(int fd, size_t n) {
        union request request = {.all = {0}};
        uint32_t info[64] = {0};

        request.info.fd = (uint32_t) fd;
        request.info.size = sizeof(info);
        request.info.info = address(info);
        return call(CMD_INFO, &request) < 0 ? 0 : info[n];
}

uint32_t object_id(int fd) {
        return object_number(fd, 1);
}

uint64_t link_cgroup(int link) {
        union request request = {.all = {0}};
        struct {
                uint32_t type, id, prog, pad;
                uint64_t cgroup;
                char rest[256];
        } info = {.type = 0};

        request.info.fd = (uint32_t) link;
        request.info.size = sizeof(info);
        request.info.info = address(&info);
        return call(CMD_INFO, &request) < 0 ? 0 : info.cgroup;
}

static struct btf *kernel(void) {
        static struct btf *btf;

        if (!btf)
                btf = btf__load_vmlinux_btf();
        return btf;
}

int kernel_btf(const char *name, uint32_t kind) {
        int id = kernel() ? btf__find_by_name_kind(kernel(), name, kind) : -ENOENT;

        return id < 0 ? -ENOENT : id;
}

static int field_offset(int id, const char *field, uint32_t *ret) {
        const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(kernel(), (uint32_t) id);
        const struct btf_member *member = type ? btf_members(type) : NULL;

        for (uint32_t i = 0; type && i < btf_vlen(type); i++)
                if (streq(btf__name_by_offset(kernel(), member[i].name_off), field)) {
                        *ret = btf_member_bit_offset(type, i) / 8;
                        return 0;
                }
        return -ENOENT;
}

int struct_ops_layout(const char *ops, const char *field, uint32_t *ret_data, uint32_t *ret_field, uint32_t *ret_size) {
        char name[100];
        int id, r;

        (void) snprintf(name, sizeof(name), "bpf_struct_ops_%s", ops);
        id = kernel_btf(name, BTF_KIND_STRUCT);
        r = field_offset(id, "data", ret_data);
        if (r == 0)
                r = field_offset(kernel_btf(ops, BTF_KIND_STRUCT), field, ret_field);
        if (r == 0)
                *ret_size = btf__type_by_id(kernel(), (uint32_t) id)->size;
        return r;
}
