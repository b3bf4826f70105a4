/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * faults --record|--try [OPTION...]: kills, fails and stalls the helper of the fault build at each system call that
 * two scenarios pass, one at a time, and looks each time whether what it had begun is found, finished or undone.
 * faults.sh prepares the place and the user, has --record write the plan, and several --try, each in a place of its
 * own, take one trial after another from it.
 *
 * life      a start; a first login, a process of his inside, `run`; a second login joins, status, leaves; `run`; the
 *           last leaves; stop recovery  before: a login with a process inside, a second one of another policy whose
 *           leader is killed, both after the helper was;
 *           then a start (which takes over the one and ends the other), `run`, the last leaves, stop
 *
 * Recording is a run of each without a fault. A trial is one passage, by its point and the way that led there, and
 * what happens at it. After it the helper is killed, if it still lives, and started again without a fault. Then must
 * hold: each login got its session, in time; who had been given a delegation has it, and its process lives; a new
 * login gets one; and after the last close and an orderly stop no process, cgroup, record, socket or mount is left. We
 * are the reaper of all (PR_SET_CHILD_SUBREAPER), so a process that is left is a child of ours.
 */

#include "config.h"

#include <dirent.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <security/pam_appl.h>

#include "util.h"

#include "shared.h"

/* Only what has gone wrong is waited for as long as this. */
#define PATIENCE_USEC (60 * USEC_PER_SEC)
#define POINTS_MAX 1024
#define TRIALS_MAX 8192
#define NAME_SIZE 120
#define TRIES 3
#define FAILURES_MAX 4

static struct {
        const char *helper, *tool, *dir, *confdir, *policy_dir, *user, *cgroup, *plan, *only;
        bool record, verbose;
} options;

/* ---- what is tried ---- */

enum scenario { LIFE, RECOVERY, SCENARIOS };
static const char *const scenario_words[] = {[LIFE] = "life", [RECOVERY] = "recovery"};
static const char *const action_words[] = {
        [FAULT_NONE] = "none", [FAULT_KILL] = "kill", [FAULT_ERROR] = "error", [FAULT_STALL] = "stall"};

struct trial {
        enum scenario scenario;
        uint32_t point, path, pass;
        enum fault_action action;
        int error;
};

/* The file --plan, mapped. */
static struct plan {
        size_t n_names, n_trials, next;  /* next: the first trial that nobody has taken */
        size_t ways, passages, repeated; /* repeated: passages not tried, because they are the same again */
        int idle_fds;                    /* descriptors of a helper that has nothing to do */
        bool passed[POINTS_MAX];
        char names[POINTS_MAX][NAME_SIZE];
        struct trial trials[TRIALS_MAX];
} * plan;

/* What a call can plausibly fail with; the first that fits the end of "FILE:FUNCTION:CALL#N". A call without a row
 * fails in no way that the helper could meet. */
/* clang-format off */
static const struct {
        const char *call;
        int errors[2];
} errors_of[] = {
        {"open", {EMFILE, ENOMEM}}, {"openat", {EMFILE, ENOMEM}}, {"mkdir", {ENOSPC}}, {"mkdirat", {ENOSPC, EEXIST}},
        {"unlink", {EACCES}}, {"unlinkat", {EBUSY}}, {"rmdir", {EBUSY}}, {"renameat", {ENOSPC}},
        {"pread", {EIO, ENODEV}}, {"read", {EIO, ENODEV}},
        {"write", {ENOSPC, ENODEV}}, {"fstat", {EIO}}, {"fstatat", {ENOENT}}, {"stat", {ENOENT}}, {"fchown", {EPERM}},
        {"fchownat", {EPERM}}, {"fchmod", {EPERM}}, {"flock", {EWOULDBLOCK}}, {"fcntl", {EMFILE}}, {"ioctl", {ENOTTY}},
        {"poll", {EINTR}}, {"prctl", {EINVAL}}, {"setns", {EPERM}}, {"unshare", {ENOSPC, EPERM}}, {"chdir", {EACCES}},
        {"fchdir", {EACCES}}, {"mount", {EPERM}}, {"umount2", {EPERM}}, {"setsid", {EPERM}}, {"getrandom", {EAGAIN}},
        {"pipe2", {EMFILE}}, {"socket", {EMFILE}}, {"socketpair", {EMFILE, ENOMEM}}, {"bind", {EACCES}}, {"listen",
         {EADDRINUSE}},
        {"accept4", {EMFILE, ECONNABORTED}}, {"sendmsg", {EPIPE, ENOBUFS}}, {"sendto", {EAGAIN, ENOBUFS}},
         {"recvmsg", {ECONNRESET, ENOMEM}},
        {"getsockopt", {ENODATA}}, {"setsockopt", {ENOMEM}}, {"setrlimit", {EPERM}}, {"fopen", {EMFILE}}, {"fdopen",
         {ENOMEM}},
        {"opendir", {EMFILE}}, {"fdopendir", {ENOMEM}}, {"fclose", {ENOSPC}}, {"fsopen", {ENODEV}}, {"fsconfig",
         {EINVAL}},
        {"new_mount", {EPERM, EMFILE}}, {"move_mount", {ENOENT}}, {"open_tree", {ENOMEM}}, {"open_below", {EMFILE,
         ENOENT}},
        {"clone3", {EAGAIN, ENOMEM}}, {"pidfd_open", {EMFILE, ESRCH}}, {"pidfd_send_signal", {ESRCH}},
         {"process_identify", {ESRCH, EMFILE}},
        {"pidfd_ids", {ESRCH, EOPNOTSUPP}}, {"pidfd_exited", {EINTR}},
        {"process_open", {EMFILE}}, {"namespace_identify", {EIO}}, {"close_range", {EMFILE}},
        {"unshare_files", {EMFILE, ENOMEM}}, {"execveat", {ENOENT, ENOMEM}}, {"dup3", {EMFILE}}, {"own_dir", {EACCES}},
        {"capset", {EPERM}}, {"fstatfs", {EIO}},
        {"sd_event_add_io", {ENOMEM}}, {"sd_event_add_time_relative", {ENOMEM}}, {"SYS_setgroups", {EPERM}},
         {"SYS_setresgid", {EPERM}},
        {"SYS_setresuid", {EAGAIN}}, {"SYS_ptrace", {EPERM, ESRCH}}, {"SYS_pivot_root", {EINVAL}},
};
/* clang-format on */

static const int *find_errors(const char *name) {
        static const int none[2];
        const char *call = strrchr(name, ':') + 1;
        size_t n = strcspn(call, "#");

        /* A file of a tmpfs is never busy. */
        if (strncmp(name, "state.c:", 8) == 0 && strncmp(call, "unlinkat", n) == 0)
                return none;

        for (size_t i = 0; i < ELEMENTSOF(errors_of); i++)
                if (strlen(errors_of[i].call) == n && strncmp(errors_of[i].call, call, n) == 0)
                        return errors_of[i].errors;
        return none;
}

/* ---- the helper ---- */

static struct fault_shared *shared;
static char shared_path[256], log_path[256], notify_path[108];
static pid_t helper; /* 0: none */

/* What went wrong in this trial, and whether something was left by it. */
static struct errtext wrong;
static bool left_over;

static _printf_(1, 0) void complain_with(const char *format, va_list ap) {
        size_t n = strlen(wrong.s);

        if (n > 0 && n + 2 < sizeof(wrong.s))
                n += (size_t) snprintf(wrong.s + n, sizeof(wrong.s) - n, "; ");
        (void) vsnprintf(wrong.s + n, sizeof(wrong.s) - n, format, ap);
}

static _printf_(1, 2) void complain(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        complain_with(format, ap);
        va_end(ap);
}

static _printf_(1, 2) void complain_left(const char *format, ...) {
        va_list ap;

        left_over = true;
        va_start(ap, format);
        complain_with(format, ap);
        va_end(ap);
}

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "faults: %s: %s\n", what, strerror(errno));
        exit(2);
}

static const char *in_dir(const char *name) {
        static char path[4][256];
        static unsigned at;

        at = (at + 1) % 4;
        (void) snprintf(path[at], sizeof(path[at]), "%s/%s", options.dir, name);
        return path[at];
}

static bool wait_until(bool (*done)(void)) {
        uint64_t end = now_usec() + PATIENCE_USEC;

        while (!done()) {
                if (now_usec() > end)
                        return false;
                (void) usleep(2000);
        }
        return true;
}

/* Reaps whoever has ended. What is ours by name is remembered as gone. */
static void reap(void) {
        pid_t pid;

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                if (pid == helper)
                        helper = 0;
}

static bool helper_gone(void) {
        reap();
        return helper == 0;
}

static void helper_kill(void) {
        if (helper)
                (void) kill(helper, SIGKILL);
        (void) wait_until(helper_gone);
}

/* It will not do anything any more. A killed one is not there to be reaped yet when who was connected to it hears of
 * it. */
static bool helper_struck(void) {
        return (shared->action == FAULT_STALL || shared->action == FAULT_KILL) && shared->fired != 0 &&
               shared->fired == helper;
}

static int notify_socket(void) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        memcpy(sa.sun_path, notify_path, sizeof(sa.sun_path));
        (void) unlink(notify_path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                die(notify_path);
        return fd;
}

/* config: with short deadlines, for what stalls is waited for; or with long ones, for what must go well on a busy
 * machine, too. */
static _Noreturn void helper_exec(const char *config_name) {
        char runtime[300], policy[300], config[300];
        int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void) snprintf(runtime, sizeof(runtime), "--runtime-dir=%s", in_dir("run"));
        (void) snprintf(policy, sizeof(policy), "--policy-dir=%s", options.policy_dir);
        (void) snprintf(config, sizeof(config), "--config=%s", in_dir(config_name));
        (void) setenv("NOTIFY_SOCKET", notify_path, 1);
        (void) setenv(FAULTS_ENV, shared_path, 1);
        (void) dup2(fd, STDOUT_FILENO);
        (void) dup2(fd, STDERR_FILENO);
        (void) execl(options.helper, "bpfdelegd-faults", runtime, policy, config, (char *) NULL);
        _exit(127);
}

/* Starts it and waits until it serves. Returns whether it does; if not, it has ended, or stalls. */
static bool helper_start(const struct trial *trial) {
        int fd = notify_socket();
        uint64_t end = now_usec() + PATIENCE_USEC;
        bool ready = false;
        char text[256];

        *shared = (struct fault_shared){.action = FAULT_NONE};
        if (trial) {
                shared->point = trial->point;
                shared->path = trial->path;
                shared->pass = trial->pass;
                shared->error = trial->error;
                shared->action = trial->action;
        }
        helper = fork();
        if (helper < 0)
                die("fork");
        if (helper == 0)
                helper_exec(trial ? "hasty.ini" : "patient.ini");
        while (!ready && !helper_gone() && !helper_struck() && now_usec() < end) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                ssize_t n = poll(&p, 1, 2) > 0 ? recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) : 0;

                text[n > 0 ? n : 0] = '\0';
                ready = strstr(text, "READY=1");
        }
        (void) close(fd);
        return ready;
}

static size_t count_entries(const char *path) {
        const struct dirent *e;
        DIR *d = opendir(path);
        size_t n = 0;

        while (d && (e = readdir(d)))
                n += e->d_name[0] != '.' || (e->d_name[1] != '\0' && !streq(e->d_name, ".."));
        if (d)
                (void) closedir(d);
        return n;
}

static int helper_fds(void) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) helper);
        return (int) count_entries(path);
}
/* Fewer where it has done without something from the start. */
static bool fds_idle(void) {
        return helper_fds() <= plan->idle_fds;
}

/* Directories of delegations. */
static size_t count_cgroups(void) {
        const struct dirent *e;
        DIR *d = opendir(options.cgroup);
        size_t n = 0;

        while (d && (e = readdir(d)))
                n += strlen(e->d_name) == 16 && strspn(e->d_name, "0123456789abcdef") == 16;
        if (d)
                (void) closedir(d);
        return n;
}
static bool no_cgroups(void) {
        return count_cgroups() == 0;
}
static bool one_cgroup(void) {
        return count_cgroups() == 1;
}
static bool no_records(void) {
        return count_entries(in_dir("run/state")) == 0;
}

static size_t count_mounts(void) {
        FILE *f = fopen("/proc/self/mountinfo", "re");
        size_t n = 0;
        int c;

        while (f && (c = fgetc(f)) != EOF)
                n += c == '\n';
        if (f)
                (void) fclose(f);
        return n;
}

/* ---- logins ---- */

enum command { COMMAND_OPEN, COMMAND_RUN, COMMAND_HOLD, COMMAND_STATUS, COMMAND_CLOSE };

struct answer {
        int status;   /* 0, a PAM code, or what the tool exited with */
        bool granted; /* it has a cookie */
        pid_t holder;
        char text[200];
};

/* A process that opens a PAM session and keeps it, as sshd does. */
struct login {
        pid_t pid; /* 0: none */
        int fd;
        bool granted;
        pid_t holder; /* its process inside, or 0 */
};

static int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *userdata) {
        (void) messages;
        (void) userdata;
        *ret = calloc((size_t) n, sizeof(**ret));
        return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static _Noreturn void tool_exec(const char *cookie, enum command command, int out_fd) {
        const struct passwd *pw = getpwnam(options.user);

        if (!pw || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0 || chdir("/") < 0)
                _exit(120);
        (void) setenv("BPFDELEG_SOCKET", in_dir("run/user"), 1);
        if (cookie)
                (void) setenv("BPFDELEG", cookie, 1);
        (void) dup2(out_fd, STDOUT_FILENO);
        (void) dup2(out_fd, STDERR_FILENO);
        if (command == COMMAND_STATUS)
                (void) execl(options.tool, "bpfdeleg", "status", (char *) NULL);
        else if (command == COMMAND_RUN)
                (void) execl(options.tool, "bpfdeleg", "run", "--", "/bin/sh", "-c",
                             "test -d /sys/fs/bpf/. && echo inside", (char *) NULL);
        else
                (void) execl(options.tool, "bpfdeleg", "run", "--no-proxy", "--", "/bin/sh", "-c",
                             "echo inside; exec sleep 1000 >/dev/null 2>&1", (char *) NULL);
        _exit(127);
}

/* In the login: runs the tool as the user. A holder has said "inside" when this returns, or has failed. */
static void run_tool(pam_handle_t *pamh, enum command command, struct answer *answer) {
        int fds[2], status = 0;
        ssize_t n = 0, got;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                die("pipe");
        pid = fork();
        if (pid == 0)
                tool_exec(pam_getenv(pamh, "BPFDELEG"), command, fds[1]);
        (void) close(fds[1]);
        while (n < (ssize_t) sizeof(answer->text) - 1 &&
               (got = read(fds[0], answer->text + n, sizeof(answer->text) - 1 - (size_t) n)) > 0) {
                n += got;
                if (command == COMMAND_HOLD && strstr(answer->text, "inside"))
                        break;
        }
        (void) close(fds[0]);
        if (command == COMMAND_HOLD && strstr(answer->text, "inside")) {
                answer->holder = pid;
                return;
        }
        (void) waitpid(pid, &status, 0);
        answer->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static _Noreturn void login_main(const char *service, int fd) {
        static const struct pam_conv conv = {.conv = converse};
        pam_handle_t *pamh = NULL;
        enum command command;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void) setenv("LC_ALL", "C", 1);
        if (pam_start_confdir(service, options.user, &conv, options.confdir, &pamh) != PAM_SUCCESS)
                _exit(1);
        while (recv(fd, &command, sizeof(command), 0) == sizeof(command)) {
                struct answer answer = {.status = 0};

                if (command == COMMAND_OPEN)
                        answer.status = pam_open_session(pamh, 0);
                else if (command == COMMAND_CLOSE)
                        answer.status = pam_close_session(pamh, 0);
                else
                        run_tool(pamh, command, &answer);
                answer.granted = pam_getenv(pamh, "BPFDELEG");
                (void) send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
                if (command == COMMAND_CLOSE)
                        break;
        }
        (void) pam_end(pamh, PAM_SUCCESS);
        _exit(0);
}

/* Asks, and waits for the answer. A helper that stalls is killed if the tool waits for it: that has a longer deadline
 * than we have patience. The module's own is part of what is tried. */
static struct answer login_ask(struct login *login, enum command command) {
        struct answer answer = {.status = -1};
        uint64_t end = now_usec() + PATIENCE_USEC;
        struct pollfd p = {.fd = login->fd, .events = POLLIN};

        (void) send(login->fd, &command, sizeof(command), MSG_NOSIGNAL);
        while (poll(&p, 1, 5) == 0 && now_usec() < end)
                if (command != COMMAND_OPEN && command != COMMAND_CLOSE && helper_struck())
                        helper_kill();
        if (recv(login->fd, &answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer))
                complain("a login hangs (command %d)", (int) command);
        return answer;
}

static void login_open(struct login *login, const char *service) {
        struct answer answer;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                die("socketpair");
        *login = (struct login){.pid = fork(), .fd = fds[0]};
        if (login->pid < 0)
                die("fork");
        if (login->pid == 0) {
                (void) close(fds[0]);
                login_main(service, fds[1]);
        }
        (void) close(fds[1]);
        answer = login_ask(login, COMMAND_OPEN);
        if (answer.status != PAM_SUCCESS)
                complain("a login failed (%d)", answer.status);
        login->granted = answer.granted;
}

static void login_hold(struct login *login) {
        login->holder = login_ask(login, COMMAND_HOLD).holder;
}

static bool login_runs(struct login *login, struct answer *ret) {
        *ret = login_ask(login, COMMAND_RUN);
        return ret->status == 0;
}

static void login_forget(struct login *login) {
        if (login->pid)
                (void) close(login->fd);
        *login = (struct login){.fd = -1};
}

static void login_close(struct login *login) {
        if (login->pid && login_ask(login, COMMAND_CLOSE).status != PAM_SUCCESS)
                complain("a logout failed");
        login_forget(login);
}

static void login_kill(struct login *login) {
        if (login->pid)
                (void) kill(login->pid, SIGKILL);
        login_forget(login);
}

static bool is_alive(pid_t pid) {
        char path[64], text[300], *after;
        FILE *f;
        size_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        f = fopen(path, "re");
        if (!f)
                return false;
        n = fread(text, 1, sizeof(text) - 1, f);
        (void) fclose(f);
        text[n] = '\0';
        after = strrchr(text, ')');
        return after && after[1] && after[2] != 'Z' && after[2] != 'X';
}

/* ---- the scenarios ---- */

/* What a scenario leaves for what comes after. */
struct world {
        struct login first, second, other;
        bool started; /* the helper came to serve */
};
#define WORLD_INIT                                                              \
        {                                                                       \
                .first = {.fd = -1}, .second = {.fd = -1}, .other = {.fd = -1 } \
        }

/* Whether to go on: nobody would answer. */
static bool helper_works(void) {
        return !helper_gone() && !helper_struck();
}

static void stop(void) {
        if (helper)
                (void) kill(helper, SIGTERM);
        (void) wait_until(helper_gone);
}

static void life(struct world *w, const struct trial *trial) {
        const char *service = trial ? "hasty" : "patient";
        struct answer answer;

        w->started = helper_start(trial);
        if (!w->started)
                return;
        if (!trial) {
                (void) usleep(100000); /* the socket on which it said that it is ready is closed by then */
                plan->idle_fds = helper_fds();
        }
        login_open(&w->first, service);
        if (helper_works())
                login_hold(&w->first);
        if (helper_works())
                (void) login_runs(&w->first, &answer);
        if (helper_works())
                login_open(&w->second, service);
        if (helper_works())
                (void) login_ask(&w->second, COMMAND_STATUS);
        if (helper_works())
                login_close(&w->second);
        if (helper_works())
                (void) login_runs(&w->first, &answer);
        if (helper_works())
                login_close(&w->first);
}

static void recovery(struct world *w, const struct trial *trial) {
        struct answer answer;

        if (!helper_start(NULL))
                complain("the helper does not start");
        login_open(&w->first, "patient");
        login_hold(&w->first);
        login_open(&w->other, "other");
        login_hold(&w->other);
        helper_kill();
        login_kill(&w->other);
        w->started = helper_start(trial);
        if (!w->started)
                return;
        if (helper_works())
                (void) login_runs(&w->first, &answer);
        if (helper_works())
                login_close(&w->first);
}

/* ---- after it ---- */

/* Whether it holds, as long as there is a helper to see to it: what is to strike it may come to it only now. */
static bool helper_sees_to(bool (*done)(void)) {
        uint64_t end = now_usec() + PATIENCE_USEC;

        while (!done() && helper_works()) {
                if (now_usec() > end)
                        return false;
                (void) usleep(2000);
        }
        return true;
}

/* All is closed, nothing is under way: a helper that has lived through it must have let go of everything. */
static void check_idle(void) {
        if (!helper_sees_to(no_cgroups))
                complain_left("%zu cgroups are left while the helper runs", count_cgroups());
        if (!helper_sees_to(no_records))
                complain_left("records are left while the helper runs");
        if (plan->idle_fds && !helper_sees_to(fds_idle))
                complain_left("the helper has %d descriptors, idle it had %d", helper_fds(), plan->idle_fds);
}

static bool no_children(void) {
        reap();
        return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void check_stopped(size_t mounts) {
        struct stat st;

        if (!wait_until(no_children))
                complain_left("processes are left");
        if (stat(options.cgroup, &st) == 0)
                complain_left("%s is left", options.cgroup);
        if (stat(in_dir("run/state"), &st) == 0)
                complain_left("%s is left", in_dir("run/state"));
        if (stat(in_dir("run/session"), &st) == 0 || stat(in_dir("run/user"), &st) == 0)
                complain_left("its sockets are left");
        if (count_mounts() != mounts)
                complain_left("%zu mounts, there were %zu", count_mounts(), mounts);
}

/* Who had been given something has it still. Who had not may have it, if it was written down: then it must work. */
static void check_open(struct login *login) {
        struct answer answer;
        bool runs = login_runs(login, &answer);

        if (login->granted && !runs)
                complain("run does not work any more in a login that had been granted: %s", answer.text);
        if (login->granted && login->holder && !is_alive(login->holder))
                complain("its process was killed");
        if (!login->granted && !runs && !wait_until(no_cgroups))
                complain("a delegation is there that cannot be entered: %s", answer.text);
}

/* Started again without a fault: taken over, finished or undone. */
static void check_restarted(struct world *w) {
        struct login fresh = {.fd = -1};
        struct answer answer;

        if (!helper_start(NULL)) {
                complain("the helper does not start again");
                return;
        }
        if (w->first.pid)
                check_open(&w->first);
        login_open(&fresh, "patient");
        if (!fresh.granted)
                complain("a new login gets no delegation");
        else if (!login_runs(&fresh, &answer))
                complain("run does not work in a new login: %s", answer.text);
        else if (!wait_until(one_cgroup))
                complain("%zu delegations, and one user", count_cgroups());
        login_close(&w->second);
        login_close(&w->first);
        login_close(&fresh);
        check_idle();
        stop();
}

/* So that one trial's leftovers are not the next one's. */
static void clean_up(struct world *w) {
        char command[1200];

        login_kill(&w->first);
        login_kill(&w->second);
        login_kill(&w->other);
        helper_kill();
        (void) snprintf(
                command, sizeof(command),
                "rm -rf %s/run; cd %s 2>/dev/null || exit 0; echo 1 >cgroup.kill; sleep 0.3; find \"$PWD\" -depth "
                "-type d -exec rmdir '{}' +",
                options.dir, options.cgroup);
        if (system(command) != 0)
                (void) fprintf(stderr, "faults: what a trial left cannot be removed\n");
        (void) wait_until(no_children);
}

static void describe(const struct trial *trial, char *buf, size_t size) {
        (void) snprintf(buf, size, "%s/%s/%08x/%u:%s%s%s", scenario_words[trial->scenario], plan->names[trial->point],
                        trial->path, trial->pass, action_words[trial->action], trial->error ? "=" : "",
                        trial->error ? strerrorname_np(trial->error) : "");
}

static void show_log(void) {
        char command[400];

        (void) snprintf(command, sizeof(command), "tail -n 12 %s | sed 's/^/#     /'", log_path);
        (void) fflush(stdout);
        if (system(command) != 0)
                (void) fprintf(stderr, "faults: no log\n");
}

static void (*const scenarios[])(struct world *w, const struct trial *trial) = {[LIFE] = life, [RECOVERY] = recovery};

/* Returns whether all was well. *ret_fired: whether the fault came to be. */
static bool try(enum scenario scenario, const struct trial *trial, bool *ret_fired) {
        struct world w = WORLD_INIT;
        size_t mounts = count_mounts();

        wrong.s[0] = '\0';
        left_over = false;
        (void) truncate(log_path, 0);
        scenarios[scenario](&w, trial);
        if (helper_works() && w.started && !w.first.pid) {
                check_idle();
                if (!trial || trial->action != FAULT_ERROR)
                        stop();
        }
        *ret_fired = shared->fired != 0;
        helper_kill();
        if (trial)
                check_restarted(&w);
        check_stopped(mounts);
        if (wrong.s[0] != '\0')
                clean_up(&w);
        return wrong.s[0] == '\0';
}

/* ---- recording ---- */

static void read_names(void) {
        char command[400], line[NAME_SIZE + 20];
        FILE *f;

        (void) snprintf(command, sizeof(command), FAULTS_LIST_ENV "=1 %s", options.helper);
        f = popen(command, "re");
        while (f && plan->n_names < POINTS_MAX && fgets(line, sizeof(line), f))
                if (sscanf(line, "%*u %119s", plan->names[plan->n_names]) == 1)
                        plan->n_names++;
        if (!f || pclose(f) != 0 || plan->n_names == 0)
                die("the points cannot be listed");
}

static void add_trial(const struct trial *trial) {
        if (plan->n_trials == TRIALS_MAX)
                die("more trials than there is room for");
        plan->trials[plan->n_trials++] = *trial;
}

/* What a start reads as INI files are records, on a tmpfs: no device that could fail. */
static bool can_be(enum scenario scenario, const char *name, int error) {
        return scenario != RECOVERY || strncmp(name, "ini.c:", strlen("ini.c:")) != 0 ||
               (error != EIO && error != ENODEV);
}

/* Each way to a point once for all actions; for a kill each passage, up to a few: a loop over many is the same again
 * and again. */
#define PASSES_MAX 3
static void add_trials(enum scenario scenario, const struct fault_row *row, unsigned pass) {
        const int *errors = find_errors(plan->names[row->point]);
        struct trial trial = {
                .scenario = scenario, .point = row->point, .path = row->path, .pass = pass, .action = FAULT_KILL};

        add_trial(&trial);
        if (pass > 1)
                return;
        trial.action = FAULT_STALL;
        add_trial(&trial);
        trial.action = FAULT_ERROR;
        for (unsigned i = 0; i < 2 && errors[i]; i++) {
                trial.error = errors[i];
                if (can_be(scenario, plan->names[row->point], errors[i]))
                        add_trial(&trial);
        }
}

/* What life passes as well is not tried again in recovery. */
static unsigned pass_of(const struct fault_row *rows, uint32_t n) {
        unsigned pass = 1;

        for (uint32_t i = 0; i < n; i++)
                pass += rows[i].point == rows[n].point && rows[i].path == rows[n].path;
        return pass;
}

static bool is_known(const struct fault_row *row, enum scenario scenario) {
        for (size_t i = 0; i < plan->n_trials; i++)
                if (plan->trials[i].scenario != scenario && plan->trials[i].point == row->point &&
                    plan->trials[i].path == row->path)
                        return true;
        return false;
}

static void record(enum scenario scenario) {
        bool fired;

        if (!try(scenario, NULL, &fired)) {
                (void) printf("# without any fault (%s): %s\n", scenario_words[scenario], wrong.s);
                show_log();
                exit(2);
        }
        if (shared->n > FAULTS_ROWS)
                die("more passages than there is room for");
        for (uint32_t i = 0; i < shared->n; i++) {
                const struct fault_row *row = &shared->rows[i];
                unsigned pass = pass_of(shared->rows, i);

                plan->passed[row->point] = true;
                plan->passages++;
                if (pass > PASSES_MAX || is_known(row, scenario)) {
                        plan->repeated++;
                        continue;
                }
                plan->ways += pass == 1;
                add_trials(scenario, row, pass);
        }
}

/* ---- the whole of it ---- */

/* The numbers of one who tries, by what is done at a point. */
struct count {
        size_t tried[FAULT_STALL + 1], tries, survived, never, left;
};

static void try_one(const struct trial *trial, const char *name, struct count *count) {
        uint64_t begin = now_usec();
        bool fired = false, well = true;

        /* Which way a helper takes may depend on what comes first, the answer or the clock: a passage may not come
         * again each time. */
        for (unsigned i = 0; i < TRIES && well && !fired; i++)
                well = try(trial->scenario, trial, &fired);
        count->tries++;
        count->tried[trial->action] += fired;
        count->survived += well && fired;
        count->never += well && !fired;
        count->left += left_over;
        if (!well) {
                (void) printf("failed: %s: %s\n", name, wrong.s);
                show_log();
        } else if (options.verbose || !fired)
                (void) printf("# %s: %s (%" PRIu64 " ms)\n", fired ? "survived" : "never came to it", name,
                              (now_usec() - begin) / USEC_PER_MSEC);
        (void) fflush(stdout);
}

static int run_trials(void) {
        struct count count = {0};
        char name[400];
        size_t i;

        /* Each failure is long waits. The rest is missing then from the sum of trials. */
        while (count.tries - count.survived - count.never < FAILURES_MAX &&
               (i = __atomic_fetch_add(&plan->next, 1, __ATOMIC_SEQ_CST)) < plan->n_trials) {
                describe(&plan->trials[i], name, sizeof(name));
                if (!options.only || strstr(name, options.only))
                        try_one(&plan->trials[i], name, &count);
        }
        (void) printf("trials %zu killed %zu failed %zu stalled %zu survived %zu never %zu left %zu\n", count.tries,
                      count.tried[FAULT_KILL], count.tried[FAULT_ERROR], count.tried[FAULT_STALL], count.survived,
                      count.never, count.left);
        return count.tries == count.survived + count.never ? 0 : 1;
}

static int record_all(void) {
        size_t n = 0;

        read_names();
        for (unsigned i = 0; i < SCENARIOS; i++)
                record((enum scenario) i);
        for (size_t i = 0; i < plan->n_names; i++) {
                n += plan->passed[i];
                if (!plan->passed[i])
                        (void) printf("unpassed %s\n", plan->names[i]);
        }
        (void) printf("points %zu passed %zu trials %zu ways %zu passages %zu repeated %zu\n", plan->n_names, n,
                      plan->n_trials, plan->ways, plan->passages, plan->repeated);
        return 0;
}

static int parse_options(int argc, char **argv) {
        static const struct option longs[] = {
                {"helper", required_argument, NULL, 'h'},
                {"tool", required_argument, NULL, 't'},
                {"dir", required_argument, NULL, 'd'},
                {"confdir", required_argument, NULL, 'c'},
                {"policy-dir", required_argument, NULL, 'p'},
                {"user", required_argument, NULL, 'u'},
                {"cgroup", required_argument, NULL, 'g'},
                {"only", required_argument, NULL, 'o'},
                {"plan", required_argument, NULL, 'l'},
                {"record", no_argument, NULL, 'r'},
                {"try", no_argument, NULL, 'y'},
                {"verbose", no_argument, NULL, 'v'},
                {NULL, 0, NULL, 0},
        };
        const char **const strings[] = {
                ['h'] = &options.helper,  ['t'] = &options.tool,       ['d'] = &options.dir,
                ['c'] = &options.confdir, ['p'] = &options.policy_dir, ['u'] = &options.user,
                ['g'] = &options.cgroup,  ['o'] = &options.only,       ['l'] = &options.plan,
        };
        bool trying = false;
        int c;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
                if (c == 'v')
                        options.verbose = true;
                else if (c == 'r')
                        options.record = true;
                else if (c == 'y')
                        trying = true;
                else if ((size_t) c < ELEMENTSOF(strings) && strings[c])
                        *strings[c] = optarg;
                else
                        return -EINVAL;
        return options.helper && options.tool && options.dir && options.confdir && options.policy_dir && options.user &&
                               options.cgroup && options.plan && options.record != trying ?
                       0 :
                       -EINVAL;
}

/* A file of this size, zeros if it is new. */
static void *map_file(const char *path, size_t size, bool keep) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (keep ? 0 : O_TRUNC), 0600);
        void *p = MAP_FAILED;

        if (fd >= 0 && ftruncate(fd, (off_t) size) == 0)
                p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd >= 0)
                (void) close(fd);
        if (p == MAP_FAILED)
                die(path);
        return p;
}

static void map_shared(void) {
        (void) snprintf(shared_path, sizeof(shared_path), "%s/shared", options.dir);
        (void) snprintf(log_path, sizeof(log_path), "%s/helper.log", options.dir);
        (void) snprintf(notify_path, sizeof(notify_path), "%s/notify", options.dir);
        shared = map_file(shared_path, sizeof(*shared), false);
        plan = map_file(options.plan, sizeof(*plan), !options.record);
}

int main(int argc, char **argv) {
        if (parse_options(argc, argv) < 0) {
                (void) fprintf(
                        stderr,
                        "usage: faults --record|--try --plan FILE --helper PROGRAM --tool PROGRAM --dir DIR --confdir "
                        "DIR\n"
                        "              --policy-dir DIR --user USER --cgroup DIR [--only TEXT] [--verbose]\n");
                return 2;
        }
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                die("prctl");
        (void) signal(SIGPIPE, SIG_IGN);
        map_shared();
        return options.record ? record_all() : run_trials();
}
