/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * StartTransientUnit, then JobRemoved, by sd-bus in the helper's own loop (org.freedesktop.systemd1(5)). The
 * connection is made when it is first needed and again after it was lost: dbus may be restarted at any time. A message
 * with a descriptor makes sd-bus wait for a connection that is not ready yet; so jobs are kept back until it is, and
 * nothing here ever waits: a bus or a systemd that does not answer costs the one login that asked, up to its deadline.
 *
 * Never User= on a scope: it would let the user move their own processes into it (AttachProcessesToUnit).
 */

#include "config.h"

#include "scope.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "log.h"
#include "proto.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define PREFIX "bpfdeleg-"
#define SUFFIX ".scope"

/* systemd's answer when there is no such unit. */
#define NO_SUCH_UNIT SYSTEMD ".NoSuchUnit"

#define LIST_MIN_USEC (50 * USEC_PER_MSEC)
#define LIST_MAX_USEC (5 * USEC_PER_SEC)

LIST_HEAD(job_list, scope_job);

struct scopes {
        sd_event *event;
        sd_bus *bus;    /* NULL: not connected */
        bool ready;     /* it has answered, and tells us of jobs */
        bool lost;      /* it has gone, and is dropped at the next use */
        bool no_pidfds; /* systemd before 255 has no PIDFDs= */
        struct job_list jobs;
        unsigned stopping; /* StopUnit calls without an answer */

        /* scopes of an earlier helper: listed, stopped, listed again until there are none */
        bool leftovers;
        sd_bus_slot *list_call;
        sd_event_source *list_timer;
        uint64_t list_usec; /* until the next time; 0: none yet */

        struct scopes_callbacks callbacks;
        void *userdata;
};

struct scope_job {
        LIST_ENTRY(scope_job) entry;
        struct scopes *scopes;
        struct scope_spec spec;
        sd_bus_slot *call;
        sd_event_source *deadline;
        char *path, *sender; /* of the job, and systemd's unique name, once it has answered */
        bool sent, by_pidfd;
        scope_done done;
        void *userdata;
};

void scope_name(uint64_t id, char *buf) {
        (void) snprintf(buf, SCOPE_NAME_SIZE, PREFIX "%016" PRIx64 SUFFIX, id);
}

static int parse_name(const char *name, uint64_t *ret) {
        char id[PROTO_ID_SIZE];

        if (strlen(name) != strlen(PREFIX SUFFIX) + PROTO_ID_SIZE - 1 || strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
            !streq(name + strlen(PREFIX) + PROTO_ID_SIZE - 1, SUFFIX))
                return -EINVAL;
        memcpy(id, name + strlen(PREFIX), sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        return proto_id_parse(id, ret);
}

/* ---- the connection ---- */

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error);
static void send_waiting(struct scopes *scopes);
static void list_leftovers(struct scopes *scopes);

/* Every job hears of it, here and now: what comes of an answer that will not come is sd-bus's own affair. */
static void lose_bus(struct scopes *scopes) {
        struct scope_job *job;

        if (scopes->lost)
                return;
        log_line(LOG_WARNING, "the connection to the system bus was lost; it is made again when it is needed");
        scopes->lost = true;
        scopes->ready = false;
        while ((job = LIST_FIRST(&scopes->jobs)))
                job->done(job->userdata, job->sent ? -ECONNRESET : -ENOTCONN,
                          job->sent ? "the connection to the system bus was lost while systemd made the scope" :
                                      "systemd cannot be asked for a scope: the system bus does not answer");
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        (void) m;
        (void) error;
        lose_bus(userdata);
        return 0;
}

/* The first answer there is on a connection: from now on what is sent goes out, and no JobRemoved is missed. */
static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct scopes *scopes = userdata;

        (void) error;
        if (sd_bus_message_is_method_error(m, NULL)) {
                lose_bus(scopes);
                return 0;
        }
        scopes->ready = true;
        send_waiting(scopes);
        if (scopes->leftovers)
                list_leftovers(scopes);
        return 0;
}

static void disconnect(struct scopes *scopes) {
        scopes->list_call = sd_bus_slot_unref(scopes->list_call);
        scopes->bus = sd_bus_close_unref(scopes->bus);
        scopes->lost = scopes->ready = false;
}

static int setup_bus(struct scopes *scopes) {
        int r;

        /* Else the end of the loop would wait for all to be written. */
        r = sd_bus_set_close_on_exit(scopes->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(scopes->bus, scopes->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "JobRemoved",
                                              on_job_removed, on_subscribed, scopes);
        if (r >= 0)
                r = sd_bus_match_signal(scopes->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, scopes);
        return r;
}

/* A connection, though it may not be ready yet. */
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

int scopes_new(struct scopes **ret, sd_event *event, const struct scopes_callbacks *callbacks, void *userdata) {
        struct scopes *scopes;

        scopes = calloc(1, sizeof(*scopes));
        if (!scopes)
                return -ENOMEM;
        scopes->event = event;
        scopes->callbacks = *callbacks;
        scopes->userdata = userdata;
        LIST_INIT(&scopes->jobs);
        /* Now, so that the first login does not wait for it; if it cannot be had yet, that login tries again. */
        (void) connect_bus(scopes);
        *ret = scopes;
        return 0;
}

void scopes_free(struct scopes *scopes) {
        if (!scopes)
                return;
        sd_event_source_disable_unref(scopes->list_timer);
        disconnect(scopes);
        free(scopes);
}

bool scopes_busy(const struct scopes *scopes, bool leftovers) {
        return (scopes->ready && scopes->stopping > 0) || (leftovers && scopes->leftovers);
}

/* ---- one job ---- */

void scope_job_free(struct scope_job *job) {
        if (!job)
                return;
        LIST_REMOVE(job, entry);
        sd_bus_slot_unref(job->call);
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

static int send_call(struct scope_job *job);

/* systemd before 255: the same again, with PIDs. */
static bool is_old(const struct scope_job *job, const sd_bus_error *e) {
        return job->by_pidfd && (sd_bus_error_has_name(e, SD_BUS_ERROR_PROPERTY_READ_ONLY) ||
                                 sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_PROPERTY));
}

/* sd-bus answers so in the name of a peer that has gone. */
static bool is_lost(const sd_bus_error *e) {
        int r = sd_bus_error_get_errno(e);

        return r == ECONNRESET || r == ENOTCONN || sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED);
}

/* The answer to StartTransientUnit: the job's path. */
static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *sender = sd_bus_message_get_sender(m);
        const sd_bus_error *e = sd_bus_message_get_error(m);
        struct scope_job *job = userdata;
        int r;

        (void) error;
        job->call = sd_bus_slot_unref(job->call);
        if (e && is_old(job, e)) {
                job->scopes->no_pidfds = true;
                r = send_call(job);
                return r < 0 ? job_failed(job, r, "systemd cannot be asked for a scope", strerror(-r)) : 0;
        }
        if (e && is_lost(e)) {
                lose_bus(job->scopes);
                return 0;
        }
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
        struct scope_job *job = userdata;

        (void) source;
        (void) usec;
        if (!job->sent)
                return job_failed(job, -ENOTCONN, "systemd cannot be asked for a scope",
                                  "the system bus does not answer");
        return job_failed(job, -ETIMEDOUT, "systemd has not made the scope in time", "is it busy, or frozen?");
}

/* ---- the call ---- */

/* Rows of the limits: systemd.resource-control(5). What systemd does not know is for cgroup_adopt_scope() to set. */
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
_Static_assert(POLICY_LIMITS == 8,
               "a new limit needs a row here, in lib/policy.c and in helper/cgroup.c; then raise this number");

static int append_limits(sd_bus_message *m, const uint64_t limit[POLICY_LIMITS]) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < POLICY_LIMITS; i++)
                if (limit[i] != POLICY_UNSET && limit_properties[i].property)
                        r = sd_bus_message_append(m, "(sv)", limit_properties[i].property, "t",
                                                  limit[i] * limit_properties[i].factor);
        /* Not systemd's default for units: what the policy does not bound, only the user's slice does. */
        if (r >= 0 && limit[POLICY_PIDS_MAX] == POLICY_UNSET)
                r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", UINT64_MAX);
        return r;
}

static size_t controllers(const uint64_t limit[POLICY_LIMITS], const char *ret[POLICY_LIMITS + 1]) {
        size_t n = 0;

        for (unsigned i = 0; i < POLICY_LIMITS; i++) {
                const char *controller = policy_limit_controller((enum policy_limit) i);

                if (limit[i] != POLICY_UNSET && controller && (n == 0 || !streq(ret[n - 1], controller)))
                        ret[n++] = controller;
        }
        ret[n] = NULL;
        return n;
}

/*
 * The policy's controllers and no others: each one more costs the whole slice something. DelegateControllers adds to
 * what Delegate=yes has turned on, which is all of them, and an empty list takes all away; so each alone would be
 * wrong once.
 */
static int append_delegate(sd_bus_message *m, const uint64_t limit[POLICY_LIMITS]) {
        const char *names[POLICY_LIMITS + 1];
        size_t n = controllers(limit, names);
        int r = 0;

        if (n == 0)
                r = sd_bus_message_append(m, "(sv)", "Delegate", "b", 1);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "DelegateControllers");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) (uintptr_t) names);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* A user's name may be any bytes, and D-Bus takes none but UTF-8. */
static void describe(const struct scope_spec *spec, char *buf, size_t size) {
        (void) snprintf(buf, size, "BPF delegation of %s by %s", spec->user, spec->policy);
        for (char *p = buf; *p; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
}

static int append_properties(sd_bus_message *m, const struct scope_spec *spec, bool pidfds) {
        char description[600], slice[40];
        int r;

        describe(spec, description, sizeof(description));
        (void) snprintf(slice, sizeof(slice), "user-%u.slice", (unsigned) spec->uid);
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", description, "Slice", "s", slice,
                                  "KillSignal", "i", (int32_t) SIGKILL, "SendSIGHUP", "b", 0, "CollectMode", "s",
                                  "inactive-or-failed");
        if (r >= 0)
                r = append_delegate(m, spec->limit);
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

static int send_call(struct scope_job *job) {
        struct scopes *scopes = job->scopes;
        sd_bus_message *m = NULL;
        int r;

        job->by_pidfd = !scopes->no_pidfds;
        r = new_call(scopes->bus, &job->spec, job->by_pidfd, &m);
        if (r >= 0)
                r = sd_bus_call_async(scopes->bus, &job->call, m, on_started, job, job->spec.timeout_usec);
        sd_bus_message_unref(m);
        job->sent = r >= 0;
        return r;
}

static void send_waiting(struct scopes *scopes) {
        struct scope_job *job, *next;
        int r;

        for (job = LIST_FIRST(&scopes->jobs); job; job = next) {
                next = LIST_NEXT(job, entry); /* job may be freed by its own end, and no other is */
                if (job->sent)
                        continue;
                r = send_call(job);
                if (r < 0)
                        (void) job_failed(job, r, "systemd cannot be asked for a scope", strerror(-r));
        }
}

int scope_start(struct scope_job **ret, struct scopes *scopes, const struct scope_spec *spec, scope_done done,
                void *userdata, struct errtext *err) {
        struct scope_job *job;
        int r;

        r = connect_bus(scopes);
        if (r < 0)
                return fail(err, r,
                            "systemd cannot be asked for a scope: the system bus cannot be reached: %s "
                            "(`systemctl start dbus`, or `backend = cgroupfs` in bpfdeleg.ini)",
                            strerror(-r));
        job = malloc(sizeof(*job));
        if (!job)
                return fail(err, -ENOMEM, "out of memory");
        *job = (struct scope_job){.scopes = scopes, .spec = *spec, .done = done, .userdata = userdata};
        LIST_INSERT_HEAD(&scopes->jobs, job, entry);
        /* The deadline first: once it is sent, there must be an end to waiting. */
        r = sd_event_add_time_relative(scopes->event, &job->deadline, CLOCK_MONOTONIC, spec->timeout_usec, 1,
                                       on_deadline, job);
        if (r >= 0 && scopes->ready)
                r = send_call(job);
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

static void settle(struct scopes *scopes) {
        scopes->callbacks.settled(scopes->userdata);
}

static int on_stopped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const struct stopping *stopping = userdata;
        struct scopes *scopes = stopping->scopes;

        (void) error;
        if (sd_bus_message_is_method_error(m, NO_SUCH_UNIT))
                scopes->callbacks.unknown(scopes->userdata, stopping->id);
        settle(scopes);
        return 0;
}

/* Whether it was answered or not. */
static void stopping_free(void *userdata) {
        struct stopping *stopping = userdata;

        stopping->scopes->stopping--;
        free(stopping);
}

void scope_stop(struct scopes *scopes, uint64_t id) {
        struct stopping *stopping;
        char name[SCOPE_NAME_SIZE];
        sd_bus_slot *slot = NULL;

        /* Whoever waits for its end asks again. */
        if (connect_bus(scopes) < 0 || !(stopping = malloc(sizeof(*stopping))))
                return;
        *stopping = (struct stopping){.scopes = scopes, .id = id};
        scope_name(id, name);
        if (sd_bus_call_method_async(scopes->bus, &slot, SYSTEMD, SYSTEMD_PATH, MANAGER, "StopUnit", on_stopped,
                                     stopping, "ss", name, "replace") < 0) {
                free(stopping);
                return;
        }
        scopes->stopping++;
        (void) sd_bus_slot_set_destroy_callback(slot, stopping_free);
        (void) sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
}

static int on_list_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct scopes *scopes = userdata;

        (void) source;
        (void) usec;
        scopes->list_timer = sd_event_source_disable_unref(scopes->list_timer);
        list_leftovers(scopes);
        return 0;
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct scopes *scopes = userdata;
        const char *name;
        uint64_t id;
        bool any = false;
        int r;

        (void) error;
        scopes->list_call = sd_bus_slot_unref(scopes->list_call);
        if (sd_bus_message_is_method_error(m, NULL)) {
                if (!is_lost(sd_bus_message_get_error(m)))
                        log_line(LOG_WARNING, "systemd does not list scopes of an earlier helper: %s",
                                 sd_bus_message_get_error(m)->message);
                return 0; /* asked again with the next connection */
        }
        r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssssssouso)", &name, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, NULL)) > 0)
                if (parse_name(name, &id) >= 0 && !scopes->callbacks.known(scopes->userdata, id)) {
                        /* One that does not end is met again each time. */
                        log_line(scopes->list_usec == 0 ? LOG_NOTICE : LOG_DEBUG, "ending %s of an earlier helper",
                                 name);
                        scope_stop(scopes, id);
                        any = true;
                }
        scopes->list_usec = scopes->list_usec * 2 < LIST_MAX_USEC ? scopes->list_usec * 2 : LIST_MAX_USEC;
        if (scopes->list_usec < LIST_MIN_USEC)
                scopes->list_usec = LIST_MIN_USEC;
        if (any)
                (void) sd_event_add_time_relative(scopes->event, &scopes->list_timer, CLOCK_MONOTONIC,
                                                  scopes->list_usec, 1, on_list_timer, scopes);
        else {
                scopes->leftovers = false;
                settle(scopes);
        }
        return 0;
}

static void list_leftovers(struct scopes *scopes) {
        int r;

        r = connect_bus(scopes);
        if (r >= 0 && scopes->ready && !scopes->list_call)
                r = sd_bus_call_method_async(scopes->bus, &scopes->list_call, SYSTEMD, SYSTEMD_PATH, MANAGER,
                                             "ListUnitsByPatterns", on_listed, scopes, "asas", 0, 1, PREFIX "*" SUFFIX);
        if (r < 0)
                log_line(LOG_WARNING,
                         "systemd cannot be asked for scopes of an earlier helper, that comes with the next login: %s",
                         strerror(-r));
}

void scopes_end_leftovers(struct scopes *scopes) {
        scopes->leftovers = true;
        list_leftovers(scopes);
}
