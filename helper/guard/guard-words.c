/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was tried, with what, on what, and why it was refused: a table of reasons, and what goes into them. */

#include "config.h"

#include "guard-words.h"

#include <bpf/btf.h>
#include <ctype.h>
#include <inttypes.h>
#include <malloc.h>

#include "guard-lists.h"

#define OUT_OF_PLACE "network = private in the policy gives the delegation one of its own"

#define LONG_LOOPS ", which only long_loops = yes in the policy allows"

/* What each says of the program or process at hand. */
_Static_assert(GUARD_COUNTED == 32 && GUARD_SOCKETS == 65536 && GUARD_ELEMENT == 256 << 10 && GUARD_RUN_INSNS == 65536,
               "the texts below name the numbers");
static const char *const reasons[] = {
        [GUARD_LOAD_HELPER] = "it calls a helper that is not on the guard's list",
        [GUARD_LOAD_KFUNC] = "it calls a kernel function that is not on the guard's list",
        [GUARD_LOAD_SOURCE] = "it has the address of a variable of the kernel, or a call of an unknown kind, in it",
        [GUARD_LOAD_TYPE] =
                "programs of this type reach the whole machine (allow_host_wide is not set), or are not known to the "
                "guard",
        [GUARD_TOO_LONG] = "it is longer than the guard can look through",
        [GUARD_LONG_HELPER] = "it calls a helper that can hold a processor for long" LONG_LOOPS,
        [GUARD_LONG_KFUNC] = "it calls a kernel function that can hold a processor for long" LONG_LOOPS,
        [GUARD_LONG_JUMP] = "it has a loop (may_goto) that can hold a processor for long" LONG_LOOPS,
        [GUARD_LONG_CALLS] = "one run of it can take too long" LONG_LOOPS,
        [GUARD_BTF_SIZE] = "its BTF is larger than 1 MiB, and no memory limit counts BTF",
        [GUARD_BTF_FULL] =
                "the delegation has loaded 16 MiB of BTF, which no memory limit counts: close programs and maps that "
                "are not needed, "
                "and try again in a second",
        [GUARD_LONG_RUN] = "one run of it can take too long" LONG_LOOPS,
        [GUARD_LONG_INSNS] = "it has more than 65536 instructions" LONG_LOOPS,
        [GUARD_TARGET_CGROUP] = "that is not in the user's own subtree",
        /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text of three parts */
        [GUARD_TARGET_NETWORK] = "that network namespace is not the delegation's (" OUT_OF_PLACE ")",
        [GUARD_TARGET_UNKNOWN] = "the guard does not know what that is attached to",
        [GUARD_TARGET_LINK] = "the link is not one of the delegation's",
        [GUARD_NO_LINK] = "on a network that goes by link_create only: a link can be ended with the session",
        [GUARD_SHARED_TABLE] =
                "the process shares its descriptors with another (threads), so what is seen of them does not hold",
        [GUARD_REVOKED_USE] = "the delegation has ended",
        [GUARD_CAPABILITY] = "it binds ports, which needs CAP_NET_BIND_SERVICE among the policy's caps",
        [GUARD_LEFT_NAMESPACE] = "it may not leave the delegation's user namespace",
        [GUARD_TOKEN_OPENED] = "nothing needs it, and looking at what is opened so crashes the kernel",
        [GUARD_JOINED_SHARED] = "the process shares its descriptors with another, which stays outside",
        [GUARD_TOO_MANY] = "the delegation, or its user, has as many tokens as one may",
        [GUARD_TARGET_OTHERS] = "what is attached there is not the delegation's",
        [GUARD_DETACHED_OUTSIDE] = "that is in a delegation's subtree, and the process is not in that delegation",
        [GUARD_COUNTED_FULL] = "the delegation has as many maps of local storage and of sockets as one may (32)",
        [GUARD_SOCKETS_SIZE] = "a map of sockets may have 65536 entries",
        [GUARD_ELEMENT_SIZE] =
                "an element may have 256 KiB, key and value together: put large data into several elements",
        [GUARD_SYMLINK] = "nothing of BPF needs one, and no limit counts its memory",
        [GUARD_NEW_TASK] = "the delegation has ended (the first of such refusals: the others are only counted)",
        [GUARD_JOINED_ENDED] = "the delegation has ended",
        [GUARD_BY_NETLINK] = "what netlink attaches cannot be found at the session's end: link_create does it",
};

/* What was done, where it was no command of bpf(2). */
static const char *const acts[] = {
        [GUARD_REVOKED_USE] = "use of a token",
        [GUARD_LEFT_NAMESPACE] = "receiving or opening",
        [GUARD_TOKEN_OPENED] = "opening a token through /proc",
        [GUARD_JOINED_SHARED] = "joining the user namespace",
        [GUARD_NEW_TASK] = "a new process or thread",
        [GUARD_BY_NETLINK] = "attaching a program by netlink",
        [GUARD_SYMLINK] = "making a symbolic link in the delegation's bpffs",
        [GUARD_JOINED_ENDED] = "joining the user namespace",
};

/* ---- names ---- */

/* A bit of an axis, or its number. */
static void bit_name(const struct mask_names *names, enum policy_axis axis, uint32_t bit, char *buf, size_t size) {
        if (bit < 64)
                mask_format(names, axis, UINT64_C(1) << bit, buf, size);
        else
                (void) snprintf(buf, size, "%" PRIu32, bit);
}

static const struct guard_helper *find_helper(uint32_t id) {
        for (size_t i = 0; i < guard_n_helpers; i++)
                if (guard_helpers[i].id == id)
                        return &guard_helpers[i];
        return NULL;
}

static void kfunc_name(uint32_t id, char *buf, size_t size) {
        struct btf *btf = btf__load_vmlinux_btf();
        const struct btf_type *type = btf ? btf__type_by_id(btf, id) : NULL;

        (void) snprintf(buf, size, "%s", type ? btf__name_by_offset(btf, type->name_off) : "that is unknown");
        btf__free(btf);
        (void) malloc_trim(0); /* as at the start: main.c */
}

#define LINES_MAX 4096 /* of the user's making: one for each group that one of their sockets has joined */

/* The helper may be in another network namespace than the process, which has no other way to tell: these two files have
 * numbers and names of interfaces. */
static bool interface_name(uint32_t pid, uint32_t interface, char name[16]) {
        static const char *const files[] = {"igmp", "dev_mcast"};
        char path[64], line[256];
        unsigned number;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                unsigned lines = 0;
                bool found = false;
                FILE *f;

                (void) snprintf(path, sizeof(path), "/proc/%" PRIu32 "/net/%s", pid, files[i]);
                f = fopen(path, "re");
                while (f && !found && lines++ < LINES_MAX && fgets(line, sizeof(line), f))
                        found = isdigit((unsigned char) line[0]) && sscanf(line, "%u %15s", &number, name) == 2 &&
                                number == interface;
                if (f)
                        (void) fclose(f);
                if (found)
                        return true;
        }
        return false;
}

/* ---- parts ---- */

static void write_act(const struct mask_names *names, const struct guard_report *report, char *buf, size_t size) {
        if (report->cmd != ~0u)
                bit_name(names, POLICY_CMDS, report->cmd, buf, size);
        else
                (void) snprintf(buf, size, "%s",
                                (report->what < ELEMENTSOF(acts) ? acts[report->what] : NULL) ?: "an act");
}

static void write_prog(const struct mask_names *names, const struct guard_report *report, char *buf, size_t size) {
        char type[64];

        buf[0] = '\0';
        if (report->has_prog) {
                bit_name(names, POLICY_PROGS, report->prog_type, type, sizeof(type));
                if (report->prog_name[0] != '\0')
                        (void) snprintf(buf, size, " of the %s program \"%.16s\"", type, report->prog_name);
                else /* libbpf before 1.6 gives none where there is a token */
                        (void) snprintf(buf, size, " of a program of type %s", type);
        } else if (report->what == GUARD_LEFT_NAMESPACE)
                (void) snprintf(buf, size, " of a token");
}

static bool is_attach(const struct guard_report *report) {
        return report->what == GUARD_TARGET_UNKNOWN || report->what == GUARD_NO_LINK ||
               (report->what == GUARD_SHARED_TABLE &&
                (report->cmd == BPF_LINK_CREATE || report->cmd == BPF_PROG_ATTACH || report->cmd == BPF_PROG_DETACH));
}

static void write_target(const struct mask_names *names, const struct guard_report *report, char *buf, size_t size) {
        const char *to = report->cmd == BPF_PROG_DETACH ? "from" : "to";
        char name[64];

        buf[0] = '\0';
        if (report->path[0] != '\0')
                (void) snprintf(buf, size, " %s the cgroup %.*s", to, GUARD_PATH, report->path);
        else if (report->interface != 0 && interface_name(report->pid, report->interface, name))
                (void) snprintf(buf, size, " %s the interface %s", to, name);
        else if (report->interface != 0)
                (void) snprintf(buf, size, " %s the interface number %" PRIu32, to, report->interface);
        else if (is_attach(report)) {
                bit_name(names, POLICY_ATTACHS, report->detail, name, sizeof(name));
                (void) snprintf(buf, size, " as %s", name);
        }
}

/* What the list knows of the helper, the kfunc's name. */
static void write_detail(const struct guard_report *report, char *buf, size_t size) {
        const struct guard_helper *helper;
        char name[128];

        buf[0] = '\0';
        if (report->what == GUARD_LONG_RUN || report->what == GUARD_LONG_CALLS) {
                (void) snprintf(
                        buf, size, " (%" PRIu32 " instructions were verified; %s)", report->detail,
                        report->what == GUARD_LONG_RUN ?
                                "fewer of them, smaller maps and ring buffers, and no costly helpers take less time" :
                                "make its functions static, so that the kernel counts their calls");
        } else if (report->what == GUARD_LOAD_HELPER || report->what == GUARD_LONG_HELPER) {
                helper = find_helper(report->detail);
                if (helper && report->what == GUARD_LONG_HELPER)
                        (void) snprintf(buf, size, " (%s)", helper->name);
                else if (helper)
                        (void) snprintf(buf, size, " (%s%s%s)", helper->name, helper->classes == 0 ? ": " : "",
                                        helper->classes == 0 ? helper->reason :
                                                               ", which is for other types of programs");
                else
                        (void) snprintf(buf, size, " (number %" PRIu32 ")", report->detail);
        } else if (report->what == GUARD_LOAD_KFUNC || report->what == GUARD_LONG_KFUNC) {
                kfunc_name(report->detail, name, sizeof(name));
                (void) snprintf(buf, size, " (%s)", name);
        }
}

void guard_describe(const struct mask_names *names, const struct guard_report *report, char *buf, size_t size) {
        char act[64], prog[128], target[GUARD_PATH + GUARD_NAME + 32], detail[200];

        write_act(names, report, act, sizeof(act));
        write_prog(names, report, prog, sizeof(prog));
        write_target(names, report, target, sizeof(target));
        write_detail(report, detail, sizeof(detail));
        (void) snprintf(buf, size, "%.16s (pid %" PRIu32 "): %s%s%s: %s%s", report->comm, report->pid, act, prog,
                        target,
                        (report->what < ELEMENTSOF(reasons) ? reasons[report->what] : NULL) ?: "refused by the guard",
                        detail);
}
