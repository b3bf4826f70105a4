/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "attacher.h"

#include <pthread.h>
#include <sys/syscall.h>

int attacher_bpf(unsigned command, const void *attr, unsigned size) {
        long r = syscall(SYS_bpf, command, attr, size);

        return r < 0 ? -errno : (int) r;
}

void attacher_die(const char *what, int r) {
        (void) fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
}

int attacher_token(void) {
        const char *path = getenv("LIBBPF_BPF_TOKEN_PATH");
        union bpf_attr attr = {0};
        int fd, r;

        if (!path)
                return -1;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                attacher_die(path, -errno);
        attr.token_create.bpffs_fd = (uint32_t) fd;
        r = attacher_bpf(BPF_TOKEN_CREATE, &attr, sizeof(attr));
        if (r < 0)
                attacher_die("no token", r);
        (void) close(fd);
        return r;
}

int attacher_load(int token, enum bpf_prog_type type, enum bpf_attach_type expected, int result) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = result},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {
                .prog_type = type,
                .expected_attach_type = expected,
                .insns = (uintptr_t) insns,
                .insn_cnt = ELEMENTSOF(insns),
                .license = (uintptr_t) "GPL",
        };

        if (token >= 0) {
                attr.prog_flags = BPF_F_TOKEN_FD;
                attr.prog_token_fd = token;
        }
        return attacher_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

int attacher_map(int token, enum bpf_map_type type) {
        union bpf_attr attr = {.map_type = type, .key_size = 4, .value_size = 4, .max_entries = 8};

        if (token >= 0) {
                attr.map_flags = BPF_F_TOKEN_FD;
                attr.map_token_fd = token;
        }
        return attacher_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
}

static void *sleep_for_ever(void *userdata) {
        (void) userdata;
        for (;;)
                (void) pause();
        return NULL;
}

void attacher_start_thread(void) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, sleep_for_ever, NULL);

        if (r != 0)
                attacher_die("no thread", -r);
}
