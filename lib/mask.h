/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names of BPF commands, map types, program types and attach types ↔ bits of the four masks of a delegated bpffs, and
 * the risk class of each. The names are the running kernel's own, from its BTF (kernel/bpf/inode.c parses mount
 * options by the same enums); the build's headers stand in where there is no BTF. Needs libbpf, so it is not part of
 * the PAM module.
 */

#include "policy.h"

/* Risk classes (bpfdeleg-policy(5), docs/contexts.md). A type not listed is RISK_HOST, so that types added by newer
 * kernels are denied by default. */
enum risk {
        RISK_SOCKET, /* own sockets only */
        RISK_CGROUP, /* the user's own processes */
        RISK_NETNS,  /* a whole network namespace */
        RISK_HOST,   /* the whole machine: cannot be confined */
        RISK_PLAIN,  /* no risk of its own: commands, and maps that only hold data */
};

struct mask_names;

/* The running kernel's names. Costs some 10 ms and reads 5 MB, once; keeps a few kB. Never fails for want of BTF
 * (headers then). Returns 0 or -ENOMEM. */
int mask_names_new(struct mask_names **ret);
/* The build's headers' names (for tests, and as the fallback above). */
int mask_names_new_from_headers(struct mask_names **ret);
/* The names in this BTF, which is not kept (for tests: a kernel of another age). Returns 0, -ENOMEM, or -ENOENT if
 * one of the four enums is not there. */
struct btf;
int mask_names_new_from_btf(const struct btf *btf, struct mask_names **ret);
void mask_names_free(struct mask_names *names);
static inline void mask_names_freep(struct mask_names **p) {
        mask_names_free(*p);
}
/* Whether they came from BTF. */
bool mask_names_from_kernel(const struct mask_names *names);

/*
 * Turns the text of one axis ("array, hash", "any, ~lpm_trie", "@cgroup", "12") into bits. Kernel names without
 * prefix in any case, also with it (BPF_MAP_TYPE_HASH); numbers of single types; `any`: all this kernel has, but
 * without allow_host_wide none of RISK_HOST; @socket, @cgroup, @netns, @host: a risk class; ~ before any of these
 * subtracts from what stands before it. The result never has a bit for which the kernel has no name. Returns 0, or
 * -errno with err saying the word, what is wrong and the nearest valid one:
 *   -EBADMSG     no such name anywhere, or a @host name without allow_host_wide, or a list that comes to nothing
 *   -EOPNOTSUPP  a name that the build's headers know and this kernel lacks
 */
int mask_parse(const struct mask_names *names, enum policy_axis axis, const char *text, bool allow_host_wide,
               uint64_t *ret, struct errtext *err);

/* All four axes of a policy; the text names the key. Also -EBADMSG when all four come to nothing. masks[] in order of
 * enum policy_axis. */
int mask_parse_policy(const struct mask_names *names, const struct policy *policy, uint64_t ret[POLICY_AXES],
                      struct errtext *err);

/* "array, hash" into buf, always terminated; ", …" at the end if it did not fit. */
void mask_format(const struct mask_names *names, enum policy_axis axis, uint64_t mask, char *buf, size_t size);

/* Risk class of one bit of an axis. */
enum risk mask_risk(const struct mask_names *names, enum policy_axis axis, unsigned bit);
const char *mask_risk_name(enum risk risk); /* "@socket", …, "" for RISK_PLAIN */

/* Key of an axis in a policy file, and the option's name in the kernel: "delegate_cmds". */
const char *mask_axis_name(enum policy_axis axis);
