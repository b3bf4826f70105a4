/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * doctor: each check's verdicts, by files in a tree of the test's own in place of /proc, /sys, /run and /etc. For each
 * verdict that is bad there is the good one beside it, and every bad one must say what mends it.
 */

#include "config.h"

#include "files.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "cmd.h"
#include "doctor.h"

/* cli/main.c has it; here the words do not matter. */
const char *cmd_no_answer(int error) {
        return strerror(-error);
}

static const char *pam_dirs[3], *policy_dirs[2];
static struct doctor doctor;

/* A fresh tree that has all a host needs, and a doctor for it. */
static void start(const char *name) {
        static char root[512], socket[600], pam[600], vendor[600], policy[600];
        static const char *const dirs[] = {"", "/etc", "/etc/pam.d", "/vendor", "/policy", "/proc", "/run"};
        char path[300];

        for (size_t i = 0; i < ELEMENTSOF(dirs); i++) {
                (void) snprintf(path, sizeof(path), "%s%s", name, dirs[i]);
                (void) files_mkdir(path);
        }
        (void) snprintf(root, sizeof(root), "%s/%s", files_root, name);
        (void) snprintf(socket, sizeof(socket), "%s/run/user", root);
        (void) snprintf(pam, sizeof(pam), "%s/etc/pam.d", root);
        (void) snprintf(vendor, sizeof(vendor), "%s/vendor", root);
        (void) snprintf(policy, sizeof(policy), "%s/policy", root);
        pam_dirs[0] = pam;
        pam_dirs[1] = vendor;
        policy_dirs[0] = policy;
        assert_int_equal(doctor_init(&doctor, socket, pam_dirs, policy_dirs), 0);
        doctor.root = root;
}

/* Once more, after files have changed. */
static void again(void) {
        const char *root = doctor.root, *socket = doctor.socket;

        doctor_done(&doctor);
        assert_int_equal(doctor_init(&doctor, socket, pam_dirs, policy_dirs), 0);
        doctor.root = root;
}

/* Another user than root for a while, where the test runs as root; else it is one anyway. False where this namespace
 * has no other user. */
#define SOMEBODY 65534

static bool become_somebody(void) {
        if (getuid() != 0)
                return true;
        assert_int_equal(chmod(files_root, 0755), 0);
        return seteuid(SOMEBODY) == 0;
}

static void become_oneself(void) {
        if (getuid() == 0)
                assert_int_equal(seteuid(0), 0);
}

static int tear_down(void **state) {
        (void) state;
        become_oneself();
        doctor_done(&doctor);
        memset(&doctor, 0, sizeof(doctor));
        return 0;
}

/* Directories above path, then the file. */
static void put(const char *path, const char *text) {
        char full[1024];

        (void) snprintf(full, sizeof(full), "%s%s", doctor.root, path);
        for (char *slash = full + strlen(files_root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
        files_write(full + strlen(files_root) + 1, text);
}

static const char *below(const char *path) {
        static char full[1024];

        (void) snprintf(full, sizeof(full), "%s%s", doctor.root, path);
        return full;
}

/* Runs one check; its findings alone are in the doctor then. */
static void run(const char *name) {
        const struct doctor_check *check = doctor_checks;

        while (check->name && !streq(check->name, name))
                check++;
        assert_non_null(check->name);
        doctor.n_findings = 0;
        doctor_run(&doctor, check);
        assert_false(doctor.lost);
        assert_true(doctor.n_findings > 0);
        for (size_t i = 0; i < doctor.n_findings; i++) {
                const struct doctor_finding *finding = &doctor.findings[i];

                assert_string_equal(finding->name, name);
                assert_true(finding->text[0] != '\0');
                if ((finding->fix[0] == '\0') != (finding->verdict == DOCTOR_OK))
                        fail_msg("%s: verdict %d, fix '%s'", finding->text, finding->verdict, finding->fix);
        }
}

static void assert_finding(size_t i, enum doctor_verdict verdict, const char *text, const char *fix) {
        assert_true(i < doctor.n_findings);
        if (doctor.findings[i].verdict != verdict)
                fail_msg("verdict %d instead of %d: %s", doctor.findings[i].verdict, verdict, doctor.findings[i].text);
        assert_has(doctor.findings[i].text, text);
        assert_has(doctor.findings[i].fix, fix);
}

/* Runs a check that has one finding. */
static void expect(const char *check, enum doctor_verdict verdict, const char *text, const char *fix) {
        run(check);
        assert_finding(0, verdict, text, fix);
        assert_int_equal(doctor.n_findings, 1);
}

/* ---- the host ---------------------------------------------------------------------------------------------------- */

static void test_tokens(void **state) {
        static const struct {
                int token, option;
                enum doctor_verdict verdict;
                const char *text;
        } cases[] = {
                {-EBADF, 0, DOCTOR_OK, "Linux 1.2.3 has BPF tokens"},
                {-EBADF, 1, DOCTOR_OK, "Linux 1.2.3 has BPF tokens"},
                {-EBADF, -EPERM, DOCTOR_FAIL, "root may not delegate"},
                {-EBADF, -ENODEV, DOCTOR_FAIL, "root may not delegate"},
                {-EINVAL, 0, DOCTOR_FAIL, "Linux 6.9 or later is needed"},
                {-EINVAL, 1, DOCTOR_FAIL, "Linux 6.9 or later is needed"},
                {-ENOSYS, 1, DOCTOR_FAIL, "no bpf(2)"},
                {-EPERM, 0, DOCTOR_FAIL, "cannot be tried: Operation not permitted"},
        };

        (void) state;
        start("tokens");
        doctor.check = "tokens";
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                doctor.n_findings = 0;
                doctor_judge_tokens(&doctor, "1.2.3", cases[i].token, cases[i].option);
                assert_int_equal(doctor.n_findings, 1);
                assert_finding(0, cases[i].verdict, cases[i].text, "");
                assert_int_equal(doctor.findings[0].fix[0] == '\0', cases[i].verdict == DOCTOR_OK);
        }
}

/* From 6.17 on. */
static void test_tokens_and_memory(void **state) {
        static const struct {
                const char *release;
                bool counts;
        } cases[] = {{"6.9.0", false},
                     {"6.12.117+deb13-cloud-amd64", false},
                     {"6.16.12", false},
                     {"6.17.0", true},
                     {"7.3.4", true}};

        (void) state;
        start("tokens");
        doctor.check = "tokens";
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                doctor.n_findings = 0;
                doctor_judge_tokens(&doctor, cases[i].release, -EBADF, 0);
                assert_finding(0, DOCTOR_OK, "has BPF tokens", "");
                assert_int_equal(strstr(doctor.findings[0].text, "memory_max does not count") == NULL, cases[i].counts);
        }
}

static void test_cgroup2(void **state) {
        (void) state;
        start("cgroup2");
        expect("cgroup2", DOCTOR_FAIL, "no cgroup2 file system", "mount -t cgroup2 ");
        put("/proc/self/mountinfo", "30 1 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                                    "31 30 0:2 /a/b /mnt rw - cgroup2 none rw\n");
        expect("cgroup2", DOCTOR_FAIL, "no cgroup2 file system", "mount -t cgroup2 ");
        put("/proc/self/mountinfo", "31 30 0:2 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
        expect("cgroup2", DOCTOR_FAIL, "/sys/kernel/cgroup/delegate", "mount -t sysfs");
        put("/sys/kernel/cgroup/delegate", "memory.reclaim\n");
        expect("cgroup2", DOCTOR_FAIL, "has no cgroup.procs", "");
        put("/sys/kernel/cgroup/delegate", "cgroup.procs\ncgroup.threads\n");
        expect("cgroup2", DOCTOR_WARN, "unified, without controllers", "cgroup_no_v1=pids,memory,cpu,io ");
        put("/sys/fs/cgroup/unified/cgroup.controllers", "cpuset cpu pids\n");
        expect("cgroup2", DOCTOR_WARN, "controllers memory, io: no policy can set memory_max, memory_high, io_weight",
               "cgroup_no_v1=memory,io ");
        put("/sys/fs/cgroup/unified/cgroup.controllers", "cpuset cpu io memory pids\n");
        expect("cgroup2", DOCTOR_OK, "at /sys/fs/cgroup/unified, with the controllers pids, memory, cpu, io", "");
        put("/sys/fs/cgroup/unified/init.scope/cgroup.procs", "1\n");
        expect("cgroup2", DOCTOR_FAIL, "have no cgroup.kill", "6.9");
        put("/sys/fs/cgroup/unified/init.scope/cgroup.kill", "");
        expect("cgroup2", DOCTOR_OK, "with the controllers", "");
}

static void test_btf(void **state) {
        (void) state;
        start("btf");
        expect("btf", DOCTOR_WARN, "vmlinux: No such file", "CONFIG_DEBUG_INFO_BTF=y");
        put("/sys/kernel/btf/vmlinux", "\x9f\xeb");
        expect("btf", DOCTOR_OK, "readable", "");
}

static void test_bpf_lsm(void **state) {
        (void) state;
        start("lsm");
        expect("bpf-lsm", DOCTOR_WARN, "securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/");
        put("/sys/kernel/security/lsm", "lockdown,capability,yama");
        expect("bpf-lsm", DOCTOR_WARN, "(lockdown,capability,yama)", "lsm=lockdown,capability,yama,bpf ");
        put("/sys/kernel/security/lsm", "ebpf,bpf2");
        expect("bpf-lsm", DOCTOR_WARN, "not among", "lsm=ebpf,bpf2,bpf ");
        put("/sys/kernel/security/lsm", "");
        expect("bpf-lsm", DOCTOR_WARN, "(none)", "lsm=bpf ");
        put("/sys/kernel/security/lsm", "lockdown,capability,bpf,yama\n");
        expect("bpf-lsm", DOCTOR_OK, "bpf is among", "");
        assert_int_equal(unlink(below("/sys/kernel/security/lsm")), 0);
        assert_int_equal(mkdir(below("/sys/kernel/security/lsm"), 0755), 0);
        expect("bpf-lsm", DOCTOR_WARN, "cannot be told: /sys/kernel/security/lsm: Is a directory", "as root");
}

static void test_lockdown(void **state) {
        static const struct {
                const char *text;
                enum doctor_verdict verdict;
                const char *words;
        } cases[] = {
                {"[none] integrity confidentiality\n", DOCTOR_OK, "none"},
                {"none [integrity] confidentiality\n", DOCTOR_OK,
                 "integrity: most kernels load a guard all the same; see the check `guard`"},
                {"none integrity [confidentiality]\n", DOCTOR_WARN, "confidentiality: no guard"},
                {"none integrity confidentiality\n", DOCTOR_WARN, "unknown"},
                {"[none", DOCTOR_WARN, "unknown"},
                {"", DOCTOR_WARN, "unknown"},
        };

        (void) state;
        start("lockdown");
        expect("lockdown", DOCTOR_WARN, "securityfs is not mounted", "mount -t securityfs");
        put("/sys/kernel/security/lsm", "bpf");
        expect("lockdown", DOCTOR_OK, "not in this kernel", "");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put("/sys/kernel/security/lockdown", cases[i].text);
                expect("lockdown", cases[i].verdict, cases[i].words, cases[i].verdict == DOCTOR_OK ? "" : "lockdown=");
        }
}

static void put_limits(const char *user, const char *net) {
        put("/proc/sys/user/max_user_namespaces", user);
        put("/proc/sys/user/max_mnt_namespaces", "1000\n");
        put("/proc/sys/user/max_cgroup_namespaces", "1000\n");
        put("/proc/sys/user/max_net_namespaces", net);
}

static void test_namespaces(void **state) {
        (void) state;
        start("namespaces");
        run("namespaces");
        assert_int_equal(doctor.n_findings, 4);
        assert_finding(0, DOCTOR_FAIL, "no user.max_user_namespaces", "CONFIG_USER_NS=y");
        put_limits("1000\n", "500\n");
        expect("namespaces", DOCTOR_OK, "each user may have 500 of a kind", "");
        put_limits("0\n", "500\n");
        expect("namespaces", DOCTOR_FAIL, "user.max_user_namespaces is 0",
               "echo 'user.max_user_namespaces = 10000' >>/etc/sysctl.d/50-bpfdeleg.conf && sysctl --system");
        put_limits("1000\n", "0\n");
        expect("namespaces", DOCTOR_FAIL, "user.max_net_namespaces is 0", "user.max_net_namespaces = ");
        put_limits("1000\n", "nonsense");
        expect("namespaces", DOCTOR_FAIL, "user.max_net_namespaces is nonsense", "user.max_net_namespaces = ");
        put_limits("1000\n", "500\n");
        put("/proc/self/uid_map", "         0          0 4294967295\n");
        expect("namespaces", DOCTOR_OK, "500", "");
        put("/proc/self/uid_map", "         0     100000      65536\n");
        expect("namespaces", DOCTOR_FAIL, "container", "on the host");
        put("/proc/self/uid_map", "");
        expect("namespaces", DOCTOR_FAIL, "container", "on the host");
}

static void test_unprivileged(void **state) {
        (void) state;
        start("unprivileged");
        expect("unpriv-bpf", DOCTOR_FAIL, "cannot be read", "CONFIG_BPF_SYSCALL");
        put("/proc/sys/kernel/unprivileged_bpf_disabled", "0\n");
        expect("unpriv-bpf", DOCTOR_FAIL, "is 0",
               "echo 'kernel.unprivileged_bpf_disabled = 2' >>/etc/sysctl.d/50-bpfdeleg.conf && sysctl --system");
        put("/proc/sys/kernel/unprivileged_bpf_disabled", "1\n");
        expect("unpriv-bpf", DOCTOR_OK, "is 1", "");
        put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        expect("unpriv-bpf", DOCTOR_OK, "is 2", "");
}

static void test_ptrace(void **state) {
        (void) state;
        start("ptrace");
        expect("ptrace", DOCTOR_OK, "yama is not in use", "");
        put("/proc/sys/kernel/yama/ptrace_scope", "3\n");
        expect("ptrace", DOCTOR_FAIL, "is 3", "reboot");
        expect("ptrace", DOCTOR_FAIL, "from processes with one thread only", "reboot");
        put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
        expect("ptrace", DOCTOR_OK, "is 2", "");
}

/* ---- the helper -------------------------------------------------------------------------------------------------- */

static void test_helper_is_not_there(void **state) {
        (void) state;
        start("helper");
        expect("helper", DOCTOR_FAIL, "bpfdelegd is not running", "start " HELPER_PATH " as root");
        expect("sockets", DOCTOR_FAIL, "there is none", "start " HELPER_PATH " as root");
        put("/run/systemd/system/x", "");
        expect("helper", DOCTOR_FAIL, "bpfdelegd is not running", "systemctl start bpfdelegd.socket");
        expect("sockets", DOCTOR_FAIL, "there is none", "systemctl start bpfdelegd.socket");
}

static int listen_at(const char *path, mode_t mode) {
        struct sockaddr_un sa;
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(sock_address(below(path), &sa), 0);
        (void) unlink(below(path));
        assert_int_equal(bind(fd, (const struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(chmod(below(path), mode), 0);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

static void test_sockets_are_roots(void **state) {
        _cleanup_close_ int user = -1, session = -1;

        (void) state;
        start("somebodys");
        if (getuid() == 0 && chown(below("/run"), SOMEBODY, (gid_t) -1) < 0)
                return; /* there is nobody else here */
        assert_true(become_somebody());
        user = listen_at("/run/user", 0666);
        session = listen_at("/run/session", 0600);
        become_oneself();
        run("sockets");
        assert_int_equal(doctor.n_findings, 3);
        assert_finding(0, DOCTOR_FAIL, "the sockets' directory, belongs to uid", "chown root:root");
        assert_finding(1, DOCTOR_FAIL, "/run/user belongs to uid", "chown root:root");
        assert_finding(2, DOCTOR_FAIL, "/run/session belongs to uid", "chown root:root");
        expect("helper", DOCTOR_FAIL, "not by root: that is not bpfdelegd", "rm ");
}

/* Only root can make what is root's. */
static void test_sockets(void **state) {
        _cleanup_close_ int user = -1, session = -1;

        (void) state;
        if (geteuid() != 0)
                return;
        start("sockets");
        user = listen_at("/run/user", 0666);
        expect("sockets", DOCTOR_FAIL, "/run/session is missing", "bpfdelegd");
        session = listen_at("/run/session", 0600);
        expect("sockets", DOCTOR_OK, "user 0666, session 0600", "");
        assert_int_equal(chmod(below("/run/session"), 0666), 0);
        expect("sockets", DOCTOR_FAIL, "/run/session has the mode 0666, it must be 0600", "chmod 0600 ");
        assert_int_equal(chmod(below("/run/session"), 0600), 0);
        assert_int_equal(chmod(below("/run/user"), 0660), 0);
        expect("sockets", DOCTOR_FAIL, "/run/user has the mode 0660, it must be 0666", "chmod 0666 ");
        assert_int_equal(chmod(below("/run/user"), 0666), 0);
        assert_int_equal(chmod(below("/run"), 01777), 0);
        expect("sockets", DOCTOR_FAIL, "writable by others than root (mode 1777)", "chmod 0755 ");
        assert_int_equal(chmod(below("/run"), 0755), 0);
        assert_int_equal(unlink(below("/run/user")), 0);
        put("/run/user", "");
        expect("sockets", DOCTOR_FAIL, "/run/user is no socket", "rm ");
}

/* ---- policy files ------------------------------------------------------------------------------------------------ */

#define FOR_ALICE "[match]\nusers = alice\n"
#define BPF "[bpf]\ndelegate_progs = cgroup_skb\n"

static void test_policy(void **state) {
        static const struct {
                const char *text;
                enum doctor_verdict verdict;
                const char *words, *fix;
        } cases[] = {
                {FOR_ALICE BPF "confine = off\n", DOCTOR_OK, "1 of 1 file in order", ""},
                {FOR_ALICE BPF, DOCTOR_WARN, "nothing is granted by it: confine = required", "confine = off"},
                {FOR_ALICE BPF "confine = required\n", DOCTOR_WARN, "nothing is granted by it", "confine = off"},
                {FOR_ALICE BPF "confine = preferred\n", DOCTOR_WARN, "what it grants is not confined: confine = pref",
                 "SECURITY.md"},
                {FOR_ALICE BPF "confine = off\nlong_loops = yes\n", DOCTOR_WARN, "can hold the processors of this host",
                 "remove long_loops"},
                {FOR_ALICE BPF "confine = off\nlong_loops = no\n", DOCTOR_OK, "1 of 1 file in order", ""},
                {FOR_ALICE BPF "confin = off\n", DOCTOR_FAIL, "50-x.ini:5: ", "edit "},
                {"nonsense\n", DOCTOR_FAIL, "(it matches everyone: no later file is tried)", "edit "},
                {FOR_ALICE "[bpf]\ndelegate_progs = cgroup_skbb\n", DOCTOR_FAIL, "did you mean 'cgroup_skb'", "edit "},
                {FOR_ALICE "[bpf]\nconfine = off\n", DOCTOR_FAIL, "delegates nothing", "edit "},
                {FOR_ALICE BPF "confine = off\n[cgroup]\npids_max = 5\n", DOCTOR_OK, "in order", ""},
                {FOR_ALICE BPF
                 "confine = off\n[cgroup]\npids_max = 5\nio_weight = 5\nmemory_max = 1G\nmemory_high = 1M\n",
                 DOCTOR_FAIL,
                 "memory_max, memory_high, io_weight cannot be kept, this host's cgroup2 lacks the controllers "
                 "memory, io",
                 "remove memory_max, memory_high, io_weight from "},
        };

        (void) state;
        start("policy");
        expect("policy", DOCTOR_WARN, "there is no policy file in ", "install -D -m 0644 " EXAMPLE_DIR "/");
        put("/proc/self/mountinfo", "31 30 0:2 / /cg rw - cgroup2 cgroup2 rw\n");
        put("/cg/cgroup.controllers", "cpu pids\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put("/policy/50-x.ini", cases[i].text);
                again();
                doctor.guard = DOCTOR_GUARD_NONE;
                expect("policy", cases[i].verdict, cases[i].words, cases[i].fix);
        }
}

/* With a guard all is well, whatever confine is; and where nobody knows, that is for the check `guard` to say. */
static void test_policy_and_guard(void **state) {
        static const char *const confine[] = {"", "confine = required\n", "confine = preferred\n", "confine = off\n"};
        char text[256];

        (void) state;
        start("policy");
        for (size_t i = 0; i < ELEMENTSOF(confine); i++) {
                (void) snprintf(text, sizeof(text), FOR_ALICE BPF "%s", confine[i]);
                put("/policy/50-x.ini", text);
                again();
                assert_int_equal(doctor.guard, DOCTOR_GUARD_UNKNOWN);
                expect("policy", DOCTOR_OK, "1 of 1 file in order", "");
                doctor.guard = DOCTOR_GUARD_THERE;
                expect("policy", DOCTOR_OK, "1 of 1 file in order", "");
        }
}

static void test_guard(void **state) {
        (void) state;
        start("guard");
        expect("guard", DOCTOR_WARN, "cannot be told", "the check `helper`");
        doctor.guard = DOCTOR_GUARD_NONE;
        (void) snprintf(doctor.guard_why, sizeof(doctor.guard_why), "the moon is wrong");
        expect("guard", DOCTOR_WARN, "confine = required grant nothing: the moon is wrong", "restart bpfdelegd");
        doctor.guard = DOCTOR_GUARD_THERE;
        expect("guard", DOCTOR_OK, "in force", "");
}

static void test_policy_files(void **state) {
        (void) state;
        start("policies");
        put("/policy/10-a.ini", FOR_ALICE BPF "confine = off\n");
        put("/policy/20-b.ini", FOR_ALICE "[bpf]\nwhat = off\n");
        put("/policy/30-c.ini", "");
        put("/policy/40-d.ini", FOR_ALICE BPF "confine = off\n");
        assert_int_equal(chmod(below("/policy/40-d.ini"), 0666), 0);
        put("/policy/50-e.ini", FOR_ALICE BPF "confine = off\n");
        again();
        run("policy");
        assert_int_equal(doctor.n_findings, 3);
        assert_finding(0, DOCTOR_FAIL, "/policy/20-b.ini:4: ", "edit ");
        assert_finding(1, DOCTOR_FAIL, "/policy/40-d.ini: writable by others", "chmod go-w ");
        assert_finding(2, DOCTOR_OK, "2 of 4 files in order", "");
        assert_int_equal(doctor_result(&doctor), DOCTOR_FAIL);

        assert_int_equal(chmod(below("/policy"), 0777), 0);
        again();
        expect("policy", DOCTOR_FAIL, "/policy: writable by others", "chown root:root ");
        assert_int_equal(chmod(below("/policy"), 0755), 0);
}

static void test_policy_not_readable(void **state) {
        (void) state;
        start("secret");
        put("/policy/10-a.ini", FOR_ALICE BPF "confine = off\n");
        assert_int_equal(chmod(below("/policy/10-a.ini"), 0), 0);
        if (!become_somebody())
                return;
        again();
        expect("policy", DOCTOR_WARN, "10-a.ini: cannot be opened: Permission denied (not readable as this user)",
               "run it as root");
        become_oneself();
        assert_int_equal(chmod(below("/policy"), 0), 0);
        assert_true(become_somebody());
        again();
        expect("policy", DOCTOR_WARN, "/policy: cannot be opened: Permission denied (not readable", "run it as root");
        become_oneself();
        assert_int_equal(chmod(below("/policy"), 0755), 0);
        assert_int_equal(chmod(below("/policy/10-a.ini"), 0644), 0);
        assert_true(become_somebody());
        again();
        expect("policy", DOCTOR_OK, "1 of 1 file", "");
}

/* ---- PAM --------------------------------------------------------------------------------------------------------- */

#define OURS "pam_bpfdeleg.so"

/* Whether a finding of the last run has these words; -1 for any verdict. */
static bool found(int verdict, const char *text) {
        for (size_t i = 0; i < doctor.n_findings; i++)
                if (verdict < 0 || (int) doctor.findings[i].verdict == verdict)
                        if (strstr(doctor.findings[i].text, text))
                                return true;
        return false;
}

static void test_pam_ways(void **state) {
        static const struct {
                const char *sshd, *common;
                bool has;
        } cases[] = {
                {"session optional " OURS "\n", "", true},
                {"session required\t/a/b/" OURS " debug # why\n", "", true},
                {"-Session optional " OURS, "", true},
                {"session [success=1 default=ignore] " OURS "\n", "", true},
                {"session [a=\\] b] " OURS "\n", "", true},
                {"session \\\n  optional \\\n " OURS "\n", "", true},
                {"# session optional " OURS "\n", "", false},
                {"session optional other.so " OURS "\n", "", false},
                {"session optional # " OURS "\n", "", false},
                {"session optional x" OURS "\n", "", false},
                {"session optional\n", "", false},
                {"session include common-session\n", "session optional " OURS "\n", true},
                {"session substack common-session\n", "session optional " OURS "\n", true},
                {"-session INCLUDE common-session\n", "session optional " OURS "\n", true},
                {"@include common-session\n", "session optional " OURS "\n", true},
                {"auth include common-session\n", "session optional " OURS "\n", false},
                {"@include common-else\n", "session optional " OURS "\n", false},
                {"@include\nsession include\n", "session optional " OURS "\n", false},
        };

        (void) state;
        start("ways");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put("/etc/pam.d/sshd", cases[i].sshd);
                put("/etc/pam.d/common-session", cases[i].common);
                run("pam");
                if (found(DOCTOR_OK, OURS " is in sshd") != cases[i].has ||
                    found(DOCTOR_FAIL, "no service in ") == cases[i].has)
                        fail_msg("case %zu: %s", i, doctor.findings[0].text);
                /* What would lock people out when the module is missing is another finding. */
                assert_int_equal(found(DOCTOR_WARN, ""),
                                 strstr(cases[i].sshd, "required") || strstr(cases[i].sshd, "[a=") ? 1 : 0);
        }
}

static void test_pam_services(void **state) {
        char name[64];

        (void) state;
        start("services");
        put("/etc/pam.d/common-session", "session optional " OURS "\n");
        put("/etc/pam.d/system-auth", "session optional " OURS "\n");
        put("/etc/pam.d/sshd.dpkg-old", "session optional " OURS "\n");
        put("/etc/pam.d/sshd~", "session optional " OURS "\n");
        put("/etc/pam.d/.sshd.swp", "session optional " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_FAIL, "no service in "));
        /* A name in the first directory hides it in the second. */
        put("/vendor/su", "session optional " OURS "\n");
        put("/vendor/login", "session optional " OURS "\n");
        put("/etc/pam.d/su", "session required pam_unix.so\n");
        run("pam");
        assert_true(found(DOCTOR_OK, OURS " is in login"));
        assert_false(found(-1, "login, su"));
        put("/etc/pam.d/sshd", "@include common-session\nsession optional " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_OK, OURS " is in login, sshd"));
        for (unsigned i = 0; i < 100; i++) {
                (void) snprintf(name, sizeof(name), "/etc/pam.d/service%03u", i);
                put(name, "@include common-session\n");
        }
        run("pam");
        assert_true(found(DOCTOR_OK, " is in 102 services: login, service000, service001"));
        assert_true(found(DOCTOR_OK, " more"));
}

static void test_pam_systemd(void **state) {
        (void) state;
        start("systemd");
        put("/etc/pam.d/sshd", "session optional " OURS "\nauth optional pam_systemd.so\n"
                               "session optional pam_systemd_home.so\n");
        run("pam");
        assert_false(found(DOCTOR_WARN, "pam_systemd"));
        put("/etc/pam.d/sshd", "session optional pam_systemd.so\nsession optional " OURS "\n");
        run("pam");
        assert_false(found(DOCTOR_WARN, "pam_systemd"));
        put("/etc/pam.d/sshd", "\nsession optional " OURS "\nsession optional pam_systemd.so\n");
        run("pam");
        assert_true(found(DOCTOR_WARN, "line 2 of "));
        assert_true(found(DOCTOR_WARN, "comes before pam_systemd.so (sshd)"));
        put("/etc/pam.d/common-session", "session optional pam_systemd.so\n");
        put("/etc/pam.d/sshd", "session optional " OURS "\n@include common-session\n");
        run("pam");
        assert_true(found(DOCTOR_WARN, "comes before pam_systemd.so (sshd)"));
        put("/etc/pam.d/sshd", "@include common-session\nsession optional " OURS "\n");
        run("pam");
        assert_false(found(DOCTOR_WARN, "pam_systemd"));
}

static void test_pam_unwanted(void **state) {
        (void) state;
        start("unwanted");
        put("/etc/pam.d/common-session", "session optional " OURS "\n");
        put("/etc/pam.d/sshd", "@include common-session\n");
        put("/etc/pam.d/cron", "@include common-session-noninteractive\n");
        run("pam");
        assert_false(found(DOCTOR_WARN, ""));
        put("/etc/pam.d/cron", "@include common-session\n");
        run("pam");
        assert_true(found(DOCTOR_WARN, "common-session is also for sessions that are no logins (cron)"));
        put("/etc/pam.d/cron", "@include common-session-noninteractive\n");
        put("/etc/pam.d/common-session-noninteractive", "session optional " OURS "\n");
        put("/etc/pam.d/other", "@include common-session-noninteractive\n");
        assert_int_equal(unlink(below("/etc/pam.d/cron")), 0);
        run("pam");
        assert_true(found(DOCTOR_WARN, "no logins (common-session-noninteractive)"));
        assert_int_equal(unlink(below("/etc/pam.d/common-session-noninteractive")), 0);
        put("/vendor/systemd-user", "session optional " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_WARN, "systemd-user is also for sessions that are no logins (systemd-user)"));
}

static void test_pam_type(void **state) {
        (void) state;
        start("type");
        put("/etc/pam.d/sshd", "auth required " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_FAIL, "no service in "));
        assert_true(found(DOCTOR_FAIL, "has " OURS " for auth; it has only session"));
        put("/etc/pam.d/sshd", "session required " OURS "\n");
        run("pam");
        assert_false(found(-1, "it has only session"));
}

static void test_pam_deny(void **state) {
        static const struct {
                const char *control, *policy;
                bool warned;
        } cases[] = {
                {"optional", FOR_ALICE BPF "[session]\non_failure = deny\n", true},
                {"OPTIONAL", FOR_ALICE BPF "[session]\non_failure = deny\n", true},
                {"[success=ok default=ignore]", FOR_ALICE BPF "[session]\non_failure = deny\n", true},
                {"[success=ok session_err=bad default=ignore]", FOR_ALICE BPF "[session]\non_failure = deny\n", false},
                {"required", FOR_ALICE BPF "[session]\non_failure = deny\n", false},
                {"optional", FOR_ALICE BPF "[session]\non_failure = allow\n", false},
                {"optional", FOR_ALICE "services = sshd\n" BPF "[session]\non_failure = deny\n", true},
                {"optional", FOR_ALICE "services = login\n" BPF "[session]\non_failure = deny\n", false},
                {"optional", FOR_ALICE "services = ~sshd\n" BPF "[session]\non_failure = deny\n", false},
                {"optional", FOR_ALICE "[bpf]\nwrong = x\n[session]\non_failure = deny\n", false},
        };
        char line[128];

        (void) state;
        start("deny");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                (void) snprintf(line, sizeof(line), "session %s " OURS "\n", cases[i].control);
                put("/etc/pam.d/sshd", line);
                put("/policy/50-x.ini", cases[i].policy);
                again();
                run("pam");
                if (found(DOCTOR_WARN, "no login is refused by on_failure = deny of 50-x.ini") != cases[i].warned)
                        fail_msg("case %zu", i);
        }
}

/* Whoever includes himself, or makes a maze, is cut short and told so. */
static void test_pam_mazes(void **state) {
        char text[4096];

        (void) state;
        start("mazes");
        put("/etc/pam.d/sshd", "@include sshd\n@include sshd\n@include sshd\nsession optional " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_OK, OURS " is in sshd"));
        assert_true(found(DOCTOR_WARN, "there is more in "));
        (void) snprintf(text, sizeof(text), "session include %s\nsession include ../pam.d/common-x\n",
                        below("/etc/pam.d/common-x"));
        put("/etc/pam.d/sshd", text);
        put("/etc/pam.d/common-x", "session optional " OURS "\n");
        run("pam");
        assert_true(found(DOCTOR_OK, OURS " is in sshd"));
        assert_false(found(DOCTOR_WARN, ""));
}

static void test_pam_weird_files(void **state) {
        static char large[200000];

        (void) state;
        start("weird");
        assert_int_equal(mkfifo(below("/etc/pam.d/fifo"), 0644), 0);
        assert_int_equal(mkdir(below("/etc/pam.d/dir"), 0755), 0);
        assert_int_equal(symlink("loop", below("/etc/pam.d/loop")), 0);
        assert_int_equal(symlink("/dev/zero", below("/etc/pam.d/zero")), 0);
        put("/etc/pam.d/empty", "");
        put("/etc/pam.d/backslash", "\\");
        put("/etc/pam.d/bracket", "session [a");
        put("/etc/pam.d/dash", "-");
        put("/etc/pam.d/ba\nd\033[1m\xff", "session optional " OURS "\n");
        memset(large, 'x', sizeof(large) - 1);
        put("/etc/pam.d/large", large);
        run("pam");
        assert_true(found(DOCTOR_OK, OURS " is in ba?d?[1m?"));
        assert_true(found(DOCTOR_WARN, "there is more in "));
        assert_int_equal(unlink(below("/etc/pam.d/large")), 0);
        run("pam");
        assert_false(found(DOCTOR_WARN, ""));
}

/* Only root can make a module that is root's. */
static void test_pam_module_file(void **state) {
        char line[1200];

        (void) state;
        if (geteuid() != 0)
                return;
        start("module");
        put("/lib/" OURS, "");
        (void) snprintf(line, sizeof(line), "session optional %s\n", below("/lib/" OURS));
        put("/etc/pam.d/sshd", line);
        expect("pam", DOCTOR_OK, "is in sshd", "");
        assert_int_equal(chmod(below("/lib/" OURS), 0664), 0);
        run("pam");
        assert_finding(1, DOCTOR_FAIL, "is not root's alone (uid 0, mode 0664)", "chmod 0644 ");
        assert_int_equal(chmod(below("/lib/" OURS), 0644), 0);
        expect("pam", DOCTOR_OK, "is in sshd", "");
        assert_int_equal(unlink(below("/lib/" OURS)), 0);
        run("pam");
        assert_finding(1, DOCTOR_FAIL, OURS ": No such file or directory", "install bpfdeleg again");
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

static void test_texts_are_plain(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                {"plain", "plain"},
                {"a\nb\tc\033[2J\177", "a?b?c?[2J?"},
                {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x9d", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x90\x9d"},
                {"\xc2\x9b"
                 "2J",
                 "??2J"},                                      /* a control character of two bytes */
                {"\xff\xfe \xc3", "?? ?"},                     /* none, and one cut short */
                {"\xc0\xaf \xe0\x80\xaf", "?? ???"},           /* overlong */
                {"\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"}, /* a surrogate; above U+10FFFF */
        };
        char many[2000];

        (void) state;
        start("plain");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                doctor_warn(&doctor, "%s", cases[i].in);
                doctor_fix(&doctor, "%s", cases[i].in);
                assert_string_equal(doctor.findings[i].text, cases[i].out);
                assert_string_equal(doctor.findings[i].fix, cases[i].out);
        }
        /* Cut in the middle of a character. */
        memset(many, 'x', sizeof(many));
        many[sizeof(many) - 1] = '\0';
        memcpy(many + sizeof(doctor.findings[0].text) - 2, "\xe2\x82\xac", 3);
        doctor_ok(&doctor, "%s", many);
        assert_string_equal(doctor.findings[doctor.n_findings - 1].text + sizeof(doctor.findings[0].text) - 3, "x?");
}

static void test_result(void **state) {
        (void) state;
        start("result");
        assert_int_equal(doctor_result(&doctor), DOCTOR_OK);
        doctor_ok(&doctor, "x");
        assert_int_equal(doctor_result(&doctor), DOCTOR_OK);
        doctor_warn(&doctor, "x");
        doctor_ok(&doctor, "x");
        assert_int_equal(doctor_result(&doctor), DOCTOR_WARN);
        doctor_fail(&doctor, "x");
        doctor_warn(&doctor, "x");
        assert_int_equal(doctor_result(&doctor), DOCTOR_FAIL);
        doctor.n_findings = 0;
        doctor.lost = true;
        assert_int_equal(doctor_result(&doctor), DOCTOR_FAIL);
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(test_tokens),
                TEST(test_tokens_and_memory),
                TEST(test_cgroup2),
                TEST(test_btf),
                TEST(test_bpf_lsm),
                TEST(test_lockdown),
                TEST(test_namespaces),
                TEST(test_unprivileged),
                TEST(test_ptrace),
                TEST(test_helper_is_not_there),
                TEST(test_sockets_are_roots),
                TEST(test_sockets),
                TEST(test_policy),
                TEST(test_guard),
                TEST(test_policy_and_guard),
                TEST(test_policy_files),
                TEST(test_policy_not_readable),
                TEST(test_pam_ways),
                TEST(test_pam_services),
                TEST(test_pam_systemd),
                TEST(test_pam_unwanted),
                TEST(test_pam_type),
                TEST(test_pam_deny),
                TEST(test_pam_mazes),
                TEST(test_pam_weird_files),
                TEST(test_pam_module_file),
                TEST(test_texts_are_plain),
                TEST(test_result),
        };

        return cmocka_run_group_tests_name("doctor", tests, files_setup, files_teardown);
}
