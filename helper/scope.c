/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * StartTransientUnit, then JobRemoved, by sd-bus in the helper's own loop (org.freedesktop.systemd1(5)). The
 * connection is made when it is first needed and again after it was lost: dbus may be restarted at any time. Nothing
 * here waits, so a systemd that does not answer costs the one login that asked, up to its deadline.
 *
 * Never User= on a scope: it would let the user move processes of his into it (AttachProcessesToUnit).
 */

#include "config.h"

#include "scope.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "cgroup.h"
#include "log.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define PREFIX "bpfdeleg-"
#define SUFFIX ".scope"

LIST_HEAD(job_list, scope_job);

struct scopes {
        sd_event *event;
        sd_bus *bus; /* NULL: not connected */
        bool lost;   /* the bus has gone: to be dropped outside its own callbacks */
        bool no_pidfds; /* systemd before 255 has no PIDFDs= */
        struct job_list jobs;
        sd_bus_slot *list_call;
        bool (*known)(void *userdata, uint64_t id);
        void *known_userdata;
        scope_unknown unknown;
        void *unknown_userdata;
};

struct scope_job {
        LIST_ENTRY(scope_job) entry;
        struct scopes *scopes;
        uint64_t id;
        sd_bus_slot *call;
        sd_event_source *deadline;
        char *path, *sender; /* of the job, and systemd's unique name, once it has answered */
        sd_bus_message *again; /* the same call with PIDs, for a systemd that has no PIDFDs */
        uint64_t timeout_usec;
        scope_done done;
        void *userdata;
};

void scope_name(uint64_t id, char *buf) {
        (void) snprintf(buf, SCOPE_NAME_SIZE, PREFIX "%016" PRIx64 SUFFIX, id);
}

static int parse_name(const char *name, uint64_t *ret) {
        char hex[17];

        if (strlen(name) != strlen(PREFIX SUFFIX) + 16 || strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
            !streq(name + strlen(PREFIX) + 16, SUFFIX))
                return -EINVAL;
        memcpy(hex, name + strlen(PREFIX), 16);
        hex[16] = '\0';
        if (strspn(hex, "0123456789abcdef") != 16)
                return -EINVAL;
        return parse_uint(hex, 16, UINT64_MAX, ret);
}

/* ---- the connection ---- */

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Calls that wait for an answer get an error of their own from sd-bus; jobs that wait for their signal are told here. */
static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct scopes *scopes = userdata;
        struct scope_job *job, *next;

        (void) m;
        (void) error;
        log_line(LOG_WARNING, "the connection to the system bus was lost; it is made again when it is needed");
        scopes->lost = true;
        for (job = LIST_FIRST(&scopes->jobs); job; job = next) {
                next = LIST_NEXT(job, entry);
                if (!job->call)
                        job->done(job->userdata, -ECONNRESET, "the connection to the system bus was lost while systemd made the scope");
        }
        return 0;
}

static void disconnect(struct scopes *scopes) {
        scopes->list_call = sd_bus_slot_unref(scopes->list_call);
        scopes->bus = sd_bus_close_unref(scopes->bus);
        scopes->lost = false;
}

static int setup_bus(struct scopes *scopes) {
        int r;

        r = sd_bus_attach_event(scopes->bus, scopes->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "JobRemoved", on_job_removed, NULL,
                                              scopes);
        if (r >= 0)
                r = sd_bus_match_signal(scopes->bus, NULL, "org.freedesktop.DBus.Local", NULL, "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, scopes);
        return r;
}

static int connect_bus(struct scopes *scopes) {
        int r;

        if (scopes->lost || (scopes->bus && sd_bus_is_open(scopes->bus) <= 0))
                disconnect(scopes);
        if (scopes->bus)
                return 0;
        r = sd_bus_open_system(&scopes->bus);
        if (r >= 0)
                r = setup_bus(scopes);
        if (r < 0)
                disconnect(scopes);
        return r < 0 ? r : 0;
}

int scopes_new(struct scopes **ret, sd_event *event, scope_unknown unknown, void *userdata) {
        struct scopes *scopes;

        scopes = calloc(1, sizeof(*scopes));
        if (!scopes)
                return -ENOMEM;
        scopes->event = event;
        scopes->unknown = unknown;
        scopes->unknown_userdata = userdata;
        LIST_INIT(&scopes->jobs);
        /* Now, so that the first login does not wait for it; if it cannot be had yet, that login tries again. */
        (void) connect_bus(scopes);
        *ret = scopes;
        return 0;
}

void scopes_free(struct scopes *scopes) {
        if (!scopes)
                return;
        if (scopes->bus)
                (void) sd_bus_flush(scopes->bus); /* stops that were asked for */
        disconnect(scopes);
        free(scopes);
}

/* ---- one job ---- */

void scope_job_free(struct scope_job *job) {
        if (!job)
                return;
        LIST_REMOVE(job, entry);
        sd_bus_slot_unref(job->call);
        sd_bus_message_unref(job->again);
        sd_event_source_disable_unref(job->deadline);
        free(job->path);
        free(job->sender);
        free(job);
}

static int job_failed(struct scope_job *job, int r, const char *what, const char *why) {
        struct errtext text;

        (void) fail(&text, r, "%s: %s", what, why);
        job->done(job->userdata, r, text.s);
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int call_again(struct scope_job *job) {
        sd_bus_message *m = TAKE_PTR(job->again);
        int r;

        job->call = sd_bus_slot_unref(job->call);
        r = sd_bus_call_async(job->scopes->bus, &job->call, m, on_started, job, job->timeout_usec);
        sd_bus_message_unref(m);
        return r;
}

/* The answer to StartTransientUnit: the job's path. */
static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        struct scope_job *job = userdata;
        const char *path, *sender = sd_bus_message_get_sender(m);
        int r;

        (void) error;
        if (e && job->again &&
            (sd_bus_error_has_name(e, SD_BUS_ERROR_PROPERTY_READ_ONLY) || sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_PROPERTY))) {
                job->scopes->no_pidfds = true;
                r = call_again(job);
                return r < 0 ? job_failed(job, r, "systemd cannot be asked for a scope", strerror(-r)) : 0;
        }
        job->call = sd_bus_slot_unref(job->call);
        if (e) {
                r = -sd_bus_message_get_errno(m);
                return job_failed(job, r < 0 ? r : -EIO, "systemd refuses the scope", e->message ?: e->name);
        }
        r = sd_bus_message_read(m, "o", &path);
        if (r >= 0) {
                job->path = strdup(path);
                job->sender = strdup(sender ?: "");
                r = job->path && job->sender ? 0 : -ENOMEM;
        }
        return r < 0 ? job_failed(job, r, "systemd's answer about the scope", strerror(-r)) : 0;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *unit, *result;
        struct scopes *scopes = userdata;
        struct scope_job *job;
        uint32_t id;

        (void) error;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
                return 0;
        LIST_FOREACH(job, &scopes->jobs, entry)
                if (job->path && streq(job->path, path))
                        break;
        /* Anybody on the bus may send a signal of this form, and the next job's path can be guessed: only the one who
         * answered our call counts. */
        if (!job || !streq(sd_bus_message_get_sender(m) ?: "", job->sender))
                return 0;
        if (streq(result, "done"))
                job->done(job->userdata, 0, NULL);
        else
                (void) job_failed(job, -EIO, "systemd did not start the scope", result);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        return job_failed(userdata, -ETIMEDOUT, "systemd has not made the scope in time", "is it busy, or frozen?");
}

/* ---- the call ---- */

/* Rows of the limits: systemd.resource-control(5). */
static const struct {
        const char *property;
        uint64_t factor;
} limit_properties[POLICY_LIMITS] = {
        [POLICY_PIDS_MAX] = {"TasksMax", 1},
        [POLICY_MEMORY_MAX] = {"MemoryMax", 1},
        [POLICY_MEMORY_HIGH] = {"MemoryHigh", 1},
        [POLICY_CPU_WEIGHT] = {"CPUWeight", 1},
        [POLICY_CPU_QUOTA] = {"CPUQuotaPerSecUSec", USEC_PER_SEC / 100},
        [POLICY_IO_WEIGHT] = {"IOWeight", 1},
};

static int append_limits(sd_bus_message *m, const uint64_t limit[POLICY_LIMITS]) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < POLICY_LIMITS; i++)
                if (limit[i] != POLICY_UNSET)
                        r = sd_bus_message_append(m, "(sv)", limit_properties[i].property, "t", limit[i] * limit_properties[i].factor);
        /* Not systemd's default for units: what the policy does not bound, only the user's slice does. */
        if (r >= 0 && limit[POLICY_PIDS_MAX] == POLICY_UNSET)
                r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", UINT64_MAX);
        return r;
}

/* The policy's controllers and no others: each one more costs the whole slice something. */
static int append_controllers(sd_bus_message *m, const uint64_t limit[POLICY_LIMITS]) {
        const char *names[POLICY_LIMITS + 1] = {NULL};
        char **strv = (char **) (uintptr_t) names;
        size_t n = 0;
        int r;

        for (unsigned i = 0; i < POLICY_LIMITS; i++)
                if (limit[i] != POLICY_UNSET && (n == 0 || !streq(names[n - 1], cgroup_controller((enum policy_limit) i))))
                        names[n++] = cgroup_controller((enum policy_limit) i);
        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "DelegateControllers");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, strv);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct scope_spec *spec, bool pidfds) {
        char description[600], slice[40];
        int r;

        (void) snprintf(description, sizeof(description), "BPF delegation of %s by %s", spec->user, spec->policy);
        (void) snprintf(slice, sizeof(slice), "user-%u.slice", (unsigned) spec->uid);
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s", description, "Slice", "s", slice,
                                  "Delegate", "b", 1, "KillSignal", "i", (int32_t) SIGKILL, "SendSIGHUP", "b", 0, "CollectMode", "s",
                                  "inactive-or-failed");
        if (r >= 0)
                r = append_controllers(m, spec->limit);
        if (r >= 0)
                r = append_limits(m, spec->limit);
        if (r < 0)
                return r;
        return pidfds ? sd_bus_message_append(m, "(sv)", "PIDFDs", "ah", 1, spec->pidfd) :
                        sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t) spec->pid);
}

static int new_call(sd_bus *bus, const struct scope_spec *spec, bool pidfds, sd_bus_message **ret) {
        sd_bus_message *m = NULL;
        char name[SCOPE_NAME_SIZE];
        int r;

        scope_name(spec->id, name);
        r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, SYSTEMD_PATH, MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_properties(m, spec, pidfds);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                m = sd_bus_message_unref(m);
        *ret = m;
        return r;
}

static int start(struct scope_job *job, const struct scope_spec *spec) {
        struct scopes *scopes = job->scopes;
        sd_bus_message *m = NULL;
        int r;

        r = new_call(scopes->bus, spec, !scopes->no_pidfds, &m);
        if (r >= 0 && !scopes->no_pidfds)
                r = new_call(scopes->bus, spec, false, &job->again);
        if (r >= 0)
                r = sd_bus_call_async(scopes->bus, &job->call, m, on_started, job, spec->timeout_usec);
        if (r >= 0)
                r = sd_event_add_time_relative(scopes->event, &job->deadline, CLOCK_MONOTONIC, spec->timeout_usec, 1, on_deadline, job);
        sd_bus_message_unref(m);
        return r;
}

int scope_start(struct scope_job **ret, struct scopes *scopes, const struct scope_spec *spec, scope_done done, void *userdata,
                struct errtext *err) {
        struct scope_job *job;
        int r;

        r = connect_bus(scopes);
        if (r < 0)
                return fail(err, r, "systemd cannot be asked for a scope: the system bus cannot be reached: %s "
                            "(`systemctl start dbus`, or `backend = cgroupfs` in bpfdeleg.ini)", strerror(-r));
        job = calloc(1, sizeof(*job));
        if (!job)
                return fail(err, -ENOMEM, "out of memory");
        *job = (struct scope_job){
                .scopes = scopes, .id = spec->id, .timeout_usec = spec->timeout_usec, .done = done, .userdata = userdata,
        };
        LIST_INSERT_HEAD(&scopes->jobs, job, entry);
        r = start(job, spec);
        if (r < 0) {
                scope_job_free(job);
                return fail(err, r, "systemd cannot be asked for a scope: %s", strerror(-r));
        }
        *ret = job;
        return 0;
}

/* ---- ending ---- */

struct stopping {
        struct scopes *scopes;
        uint64_t id;
};

static int on_stopped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const struct stopping *stopping = userdata;

        (void) error;
        if (sd_bus_message_is_method_error(m, SYSTEMD ".NoSuchUnit"))
                stopping->scopes->unknown(stopping->scopes->unknown_userdata, stopping->id);
        return 0;
}

void scope_stop(struct scopes *scopes, uint64_t id) {
        struct stopping *stopping = malloc(sizeof(*stopping));
        char name[SCOPE_NAME_SIZE];
        sd_bus_slot *slot = NULL;

        if (!stopping)
                return; /* whoever waits for it asks again */
        *stopping = (struct stopping){.scopes = scopes, .id = id};
        scope_name(id, name);
        if (connect_bus(scopes) < 0 || sd_bus_call_method_async(scopes->bus, &slot, SYSTEMD, SYSTEMD_PATH, MANAGER, "StopUnit", on_stopped,
                                                                 stopping, "ss", name, "replace") < 0) {
                free(stopping);
                return;
        }
        (void) sd_bus_slot_set_destroy_callback(slot, free);
        (void) sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct scopes *scopes = userdata;
        const char *name;
        uint64_t id;

        (void) error;
        scopes->list_call = sd_bus_slot_unref(scopes->list_call);
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_enter_container(m, 'a', "(ssssssouso)") < 0)
                return 0;
        while (sd_bus_message_read(m, "(ssssssouso)", &name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) > 0)
                if (parse_name(name, &id) >= 0 && !scopes->known(scopes->known_userdata, id)) {
                        log_line(LOG_NOTICE, "ending %s of an earlier helper", name);
                        scope_stop(scopes, id);
                }
        return 0;
}

void scopes_end_leftovers(struct scopes *scopes, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        int r;

        scopes->known = known;
        scopes->known_userdata = userdata;
        r = connect_bus(scopes);
        if (r >= 0)
                r = sd_bus_call_method_async(scopes->bus, &scopes->list_call, SYSTEMD, SYSTEMD_PATH, MANAGER, "ListUnitsByPatterns",
                                             on_listed, scopes, "asas", 0, 1, PREFIX "*" SUFFIX);
        if (r < 0)
                log_line(LOG_WARNING, "systemd cannot be asked for scopes of an earlier helper: %s", strerror(-r));
}
