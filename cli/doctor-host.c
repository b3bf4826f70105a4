/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel and its boot options must give. */

#include "config.h"

#include "doctor.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/utsname.h>

#include "mounts.h"
#include "sysapi.h"

#define SYSCTL_FILE "/etc/sysctl.d/50-bpfdeleg.conf"
#define SECURITYFS "/sys/kernel/security"

/* Applied at once, and again at each boot. */
static void fix_sysctl(struct doctor *d, const char *key, const char *value) {
        doctor_fix(d, "echo '%s = %s' >>" SYSCTL_FILE " && sysctl --system", key, value);
}

/* ---- tokens ---- */

/* Sets a delegate_* option in a file system context that is then thrown away: no file system is made. */
static int try_option(void) {
        _cleanup_close_ int fs_fd = -1;

        if (geteuid() != 0)
                return 1;
        fs_fd = sys_fsopen("bpf");
        return fs_fd < 0 ? take_fd(&fs_fd) : sys_fsconfig_string(fs_fd, "delegate_cmds", "prog_load");
}

/* Linux 6.17 was the first that charges the verifier's memory to whoever loads (docs/memory.md). */
static bool charges_verifier(const char *release) {
        unsigned major, minor;

        return sscanf(release, "%u.%u", &major, &minor) != 2 || major > 6 || (major == 6 && minor >= 17);
}

void doctor_judge_tokens(struct doctor *d, const char *release, int token, int option) {
        if (token == -EINVAL) {
                doctor_fail(d, "Linux %s has no BPF tokens; Linux 6.9 or later is needed", release);
                doctor_fix(d, "boot Linux 6.9 or later");
        } else if (token == -ENOSYS) {
                doctor_fail(d, "Linux %s has no bpf(2), or it is kept from this process", release);
                doctor_fix(d, "boot Linux 6.9 or later, built with CONFIG_BPF_SYSCALL=y");
        } else if (token != -EBADF) {
                doctor_fail(d, "whether Linux %s has BPF tokens cannot be tried: %s; a system call filter?", release,
                            strerror(-token));
                doctor_fix(d, "run doctor in a plain login on the host, not in a container");
        } else if (option < 0) {
                doctor_fail(d, "Linux %s has BPF tokens, but root may not delegate: %s", release, strerror(-option));
                doctor_fix(d, "run bpfdelegd, and doctor, on the host itself, as root with all capabilities");
        } else
                doctor_ok(d, "Linux %s has BPF tokens%s", release,
                          charges_verifier(release) ?
                                  "" :
                                  ", but memory_max does not count what a load takes: Linux 6.17 does");
}

/* The kernel looks at the command first, at the descriptor next: EBADF only where there are tokens. Any user may
 * ask. */
void doctor_tokens(struct doctor *d) {
        struct utsname uts = {.release = ""};

        (void) uname(&uts);
        doctor_judge_tokens(d, uts.release, bpf_token_create(-1, NULL), try_option());
}

/* ---- cgroup2 ---- */

int doctor_find_cgroup2(const struct doctor *d, char *ret, size_t size) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/proc/self/mountinfo", d->root);
        return mounts_find_cgroup2(path, ret, size);
}

/* Every cgroup but the root has the file. False only where one is there to see that it has not. */
static bool has_cgroup_kill(const struct doctor *d, const char *mount) {
        char path[PATH_MAX + 300];
        const struct dirent *e;
        bool seen = true;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "%s%s", d->root, mount);
        dir = opendir(path);
        if (!dir)
                return true;
        while ((e = readdir(dir)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.') {
                        (void) snprintf(path, sizeof(path), "%s/%s/cgroup.kill", mount, e->d_name);
                        seen = doctor_exists(d, path) ||
                               errno == EACCES; /* a cgroup that this user may not look into */
                        break;
                }
        (void) closedir(dir);
        return seen;
}

static void judge_controllers(struct doctor *d, const char *mount, const char *list) {
        char here[128] = "", missing[128] = "", lost[256] = "";
        const char *controller;

        for (unsigned i = 0; i < POLICY_LIMITS; i++) {
                char *which = here;

                controller = policy_limit_controller((enum policy_limit) i);
                if (!controller)
                        continue;
                if (!doctor_has_word(list, controller)) {
                        which = missing;
                        doctor_append(lost, sizeof(lost), policy_limit_name((enum policy_limit) i));
                }
                if (!doctor_has_word(which, controller))
                        doctor_append(which, sizeof(here), controller);
        }
        if (missing[0] == '\0') {
                doctor_ok(d, "mounted at %s, with the controllers %s", mount, here);
                return;
        }
        if (here[0] == '\0')
                doctor_warn(
                        d,
                        "mounted at %s, without controllers: no policy can set a limit of processes, memory, CPU or "
                        "I/O",
                        mount);
        else
                doctor_warn(d, "mounted at %s, without the controllers %s: no policy can set %s", mount, missing, lost);
        for (char *comma = missing; (comma = strstr(comma, ", "));)
                (void) memmove(comma + 1, comma + 2, strlen(comma + 2) + 1);
        doctor_fix(d, "boot with cgroup_no_v1=%s on the kernel command line (and without cgroup_disable=)", missing);
}

void doctor_cgroup2(struct doctor *d) {
        char mount[256], path[300], text[4096];
        int r;

        if (doctor_find_cgroup2(d, mount, sizeof(mount)) < 0) {
                doctor_fail(d, "no cgroup2 file system is mounted");
                doctor_fix(d, "mount -t cgroup2 none /sys/fs/cgroup");
                return;
        }
        r = doctor_read(d, "/sys/kernel/cgroup/delegate", text, sizeof(text));
        if (r < 0 || !doctor_has_word(text, "cgroup.procs")) {
                doctor_fail(d, "/sys/kernel/cgroup/delegate, the list of files to delegate: %s",
                            r < 0 ? strerror(-r) : "has no cgroup.procs");
                doctor_fix(d, "mount -t sysfs sysfs /sys; if it is mounted: boot Linux 6.9 or later");
                return;
        }
        if (!has_cgroup_kill(d, mount)) {
                doctor_fail(d, "the cgroups at %s have no cgroup.kill, which ends a delegation", mount);
                doctor_fix(d, "boot Linux 6.9 or later");
                return;
        }
        (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
        (void) doctor_read(d, path, text, sizeof(text));
        judge_controllers(d, mount, text);
}

/* ---- what the guard wants ---- */

void doctor_btf(struct doctor *d) {
        char magic[8];
        int r;

        r = doctor_read(d, "/sys/kernel/btf/vmlinux", magic, sizeof(magic));
        if (r < 0) {
                doctor_warn(d,
                            "/sys/kernel/btf/vmlinux: %s: names in policies are those of the build's headers, "
                            "no guard can be loaded",
                            strerror(-r));
                doctor_fix(d, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's are)");
        } else
                doctor_ok(d, "/sys/kernel/btf/vmlinux is readable");
}

/* The kernel makes `lsm` in every securityfs. */
static bool has_securityfs(struct doctor *d) {
        char text[8];
        int r;

        r = doctor_read(d, SECURITYFS "/lsm", text, sizeof(text));
        if (r == -ENOENT) {
                doctor_warn(d, "cannot be told: securityfs is not mounted");
                doctor_fix(d, "mount -t securityfs securityfs " SECURITYFS);
        } else if (r < 0) {
                doctor_warn(d, "cannot be told: " SECURITYFS "/lsm: %s", strerror(-r));
                doctor_fix(d, "run it as root on the host: bpfdeleg doctor");
        }
        return r == 0;
}

void doctor_bpf_lsm(struct doctor *d) {
        char list[512];

        if (!has_securityfs(d))
                return;
        (void) doctor_read(d, SECURITYFS "/lsm", list, sizeof(list));
        if (doctor_has_word(list, "bpf")) {
                doctor_ok(d, "bpf is among the security modules (%s)", list);
                return;
        }
        doctor_warn(d, "bpf is not among the security modules (%s): policies with confine = required grant nothing",
                    list[0] != '\0' ? list : "none");
        doctor_fix(d, "boot with lsm=%s%sbpf on the kernel command line", list, list[0] != '\0' ? "," : "");
}

void doctor_lockdown(struct doctor *d) {
        char text[128], *open, *close;
        int r;

        if (!has_securityfs(d))
                return;
        r = doctor_read(d, SECURITYFS "/lockdown", text, sizeof(text));
        if (r == -ENOENT) {
                doctor_ok(d, "not in this kernel");
                return;
        }
        open = strchr(text, '[');
        close = open ? strchr(open, ']') : NULL;
        if (close)
                *close = '\0';
        if (close && streq(open + 1, "none"))
                doctor_ok(d, "none");
        else if (close && streq(open + 1, "integrity"))
                doctor_ok(d, "integrity: most kernels load a guard all the same; see the check `guard` for this one");
        else {
                doctor_warn(d, "%s: no guard can be loaded", close ? open + 1 : r < 0 ? strerror(-r) : "unknown");
                doctor_fix(d, "boot with lockdown=integrity, which is what Secure Boot wants, or without lockdown=");
        }
}

/* ---- sysctls ---- */

/* Root's 4294967295 uids, from 0 to 0: the host's own. */
static bool in_first_user_namespace(const struct doctor *d) {
        unsigned long inside, outside, count;
        char text[128];

        if (doctor_read(d, "/proc/self/uid_map", text, sizeof(text)) < 0)
                return true; /* no CONFIG_USER_NS */
        return sscanf(text, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
               count == UINT32_MAX;
}

/* A limit of this kind of namespace; 0 if there may be none, and then that is a finding. */
static uint64_t namespaces_of(struct doctor *d, const char *kind) {
        char path[64], key[48], text[32];
        uint64_t limit = 0;

        (void) snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kind);
        (void) snprintf(key, sizeof(key), "user.max_%s_namespaces", kind);
        if (doctor_read(d, path, text, sizeof(text)) < 0) {
                doctor_fail(d, "this kernel has no %s: no %s namespace can be made", key, kind);
                doctor_fix(d, "boot a kernel built with CONFIG_USER_NS=y and CONFIG_NET_NS=y (Debian's are)");
        } else if (parse_uint(text, 10, UINT64_MAX, &limit) < 0 || limit == 0) {
                doctor_fail(d, "%s is %s: no %s namespace can be made", key, text, kind);
                fix_sysctl(d, key, "10000");
        }
        return limit;
}

void doctor_namespaces(struct doctor *d) {
        static const char *const kinds[] = {"user", "mnt", "cgroup", "net"};
        uint64_t least = UINT64_MAX;

        if (!in_first_user_namespace(d)) {
                doctor_fail(d, "this is a container, or inside `bpfdeleg run`: nothing can be delegated here, "
                               "and owners of files look wrong");
                doctor_fix(d, "run doctor in a plain login on the host");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                uint64_t limit = namespaces_of(d, kinds[i]);

                least = limit < least ? limit : least;
        }
        if (least > 0)
                doctor_ok(d, "user, mnt, cgroup, net: each user may have %" PRIu64 " of a kind", least);
}

void doctor_unprivileged(struct doctor *d) {
        static const char key[] = "kernel.unprivileged_bpf_disabled";
        char text[32];
        int r;

        r = doctor_read(d, "/proc/sys/kernel/unprivileged_bpf_disabled", text, sizeof(text));
        if (r < 0) {
                doctor_fail(d, "%s cannot be read: %s", key, strerror(-r));
                doctor_fix(d, "boot a kernel built with CONFIG_BPF_SYSCALL=y, and mount /proc");
        } else if (streq(text, "1") || streq(text, "2"))
                doctor_ok(d, "%s is %s", key, text);
        else {
                doctor_fail(d, "%s is %s: anybody may load programs, and call into those of a delegation", key, text);
                fix_sysctl(d, key, "2");
        }
}

/* helper/enter.c: a process must be held on to while it is moved. proxy.c: takes copies of descriptors. */
void doctor_ptrace(struct doctor *d) {
        static const char key[] = "kernel.yama.ptrace_scope";
        char text[32];
        int r;

        r = doctor_read(d, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
        if (r == -ENOENT)
                doctor_ok(d, "yama is not in use");
        else if (r < 0) {
                doctor_warn(d, "%s cannot be read: %s", key, strerror(-r));
                doctor_fix(d, "run it as root: bpfdeleg doctor");
        } else if (text[0] >= '0' && text[0] <= '2')
                doctor_ok(d, "%s is %s", key, text);
        else {
                doctor_fail(d,
                            "%s is %s: no process can be held while it is moved, so nobody can use run, and those that "
                            "are inside "
                            "attach from processes with one thread only",
                            key, text);
                doctor_fix(d, "echo '%s = 2' >>" SYSCTL_FILE ", and reboot: 3 stays until then", key);
        }
}
