/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the programs share that try attaching calls: bpf(2) itself, with whatever attr, and programs of each type. */

#include "config.h"

#include <linux/bpf.h>

#include "util.h"

/* bpf(2). Returns -errno instead of -1. */
int attacher_bpf(unsigned command, const void *attr, unsigned size);

/* Says what failed and exits: these are tests. */
void attacher_die(const char *what, int r) __attribute__((noreturn));

/* A token of LIBBPF_BPF_TOKEN_PATH, or -1 where that is not set. */
int attacher_token(void);

/* A program that returns `result`, with token unless that is -1. Returns its descriptor or -errno. */
int attacher_load(int token, enum bpf_prog_type type, enum bpf_attach_type expected, int result);

/* A map of 4-byte keys and values, 8 of them. Returns its descriptor or -errno. */
int attacher_map(int token, enum bpf_map_type type);

/* A second thread, which sleeps until the process ends. */
void attacher_start_thread(void);
