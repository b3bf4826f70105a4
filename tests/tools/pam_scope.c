/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A PAM session module for `./bootstrap bench booted` alone: the least that a login with a scope of its own can cost.
 * At open it has systemd make a transient scope in the user's slice, with the properties of a delegation's and one
 * sleeping process in it, and waits for the job; at close it kills that process. No helper, no namespaces, no BPF.
 * What pam_bpfdeleg costs is measured against this.
 */

#include "config.h"

#include "util.h"

#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <systemd/sd-bus.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>

#define SESSION_DATA "pam_scope"
#define JOB_TIMEOUT_USEC (30 * USEC_PER_SEC)

/* The module's two entry points; libpam finds them by name. */
int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv);
int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv);

struct sleeper {
        pid_t pid, opener; /* a forked child of the application runs pam_end too: the end is not its to make */
};

static void sleeper_end(pam_handle_t *pamh, void *data, int status) {
        struct sleeper *sleeper = data;

        (void) pamh;
        (void) status;
        if (sleeper->opener == getpid()) {
                (void) kill(sleeper->pid, SIGKILL);
                (void) waitpid(sleeper->pid, NULL, 0);
        }
        free(sleeper);
}

static pid_t sleeper_start(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) syscall(SYS_close_range, 0u, ~0u, 0u);
                for (;;)
                        (void) pause();
        }
        return pid;
}

struct job {
        const char *path;
        bool done, failed;
};

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct job *job = userdata;
        const char *path, *result;

        (void) error;
        if (sd_bus_message_read(m, "uoss", NULL, &path, NULL, &result) < 0 || !job->path || !streq(path, job->path))
                return 0;
        job->done = true;
        job->failed = !streq(result, "done");
        return 0;
}

static int append_properties(sd_bus_message *m, uid_t uid, int pidfd) {
        char slice[64];
        int r;

        (void) snprintf(slice, sizeof(slice), "user-%u.slice", (unsigned) uid);
        r = sd_bus_message_append(m, "(sv)", "PIDFDs", "ah", 1, pidfd);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "Slice", "s", slice, "Description", "s",
                                          "scope of the bench", "Delegate", "b", 1, "KillSignal", "i", SIGKILL,
                                          "CollectMode", "s", "inactive-or-failed", "TasksMax", "t", UINT64_C(512));
        return r;
}

static int request_scope(sd_bus *bus, uid_t uid, int pidfd, sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        char name[64];
        uint64_t id;
        int r;

        if (getrandom(&id, sizeof(id), 0) != sizeof(id))
                return -EIO;
        (void) snprintf(name, sizeof(name), "bench-%016" PRIx64 ".scope", id);
        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                           "org.freedesktop.systemd1.Manager", "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_properties(m, uid, pidfd);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, JOB_TIMEOUT_USEC, NULL, ret);
        sd_bus_message_unref(m);
        return r;
}

static int wait_for_job(sd_bus *bus, struct job *job) {
        uint64_t deadline = now_usec() + JOB_TIMEOUT_USEC;
        int r;

        while (!job->done) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r == 0)
                        r = sd_bus_wait(bus, JOB_TIMEOUT_USEC);
                if (r < 0)
                        return r;
                if (now_usec() > deadline)
                        return -ETIMEDOUT;
        }
        return job->failed ? -EIO : 0;
}

static int make_scope(uid_t uid, pid_t sleeper) {
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, sleeper, 0);
        sd_bus_message *reply = NULL;
        struct job job = {.path = NULL};
        sd_bus *bus = NULL;
        int r;

        if (pidfd < 0)
                return -errno;
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                        "org.freedesktop.systemd1.Manager", "JobRemoved", on_job_removed, &job);
        if (r >= 0)
                r = request_scope(bus, uid, pidfd, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &job.path);
        if (r >= 0)
                r = wait_for_job(bus, &job);
        sd_bus_message_unref(reply);
        sd_bus_flush_close_unref(bus);
        return r;
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        const struct passwd *pw;
        const char *user;
        struct sleeper *sleeper;
        int r;

        (void) flags;
        (void) argc;
        (void) argv;
        if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || !(pw = pam_modutil_getpwnam(pamh, user)))
                return PAM_SESSION_ERR;
        sleeper = malloc(sizeof(*sleeper));
        if (!sleeper)
                return PAM_SESSION_ERR;
        *sleeper = (struct sleeper){.pid = sleeper_start(), .opener = getpid()};
        if (sleeper->pid < 0) {
                free(sleeper);
                return PAM_SESSION_ERR;
        }
        r = make_scope(pw->pw_uid, sleeper->pid);
        if (r >= 0 && pam_set_data(pamh, SESSION_DATA, sleeper, sleeper_end) == PAM_SUCCESS)
                return PAM_SUCCESS;
        pam_syslog(pamh, LOG_ERR, "no scope: %s", strerror(-r));
        sleeper_end(pamh, sleeper, 0);
        return PAM_SESSION_ERR;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        (void) flags;
        (void) argc;
        (void) argv;
        return pam_set_data(pamh, SESSION_DATA, NULL, NULL);
}
