/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfdelegd: arguments, what there is one of, the loop, and the orderly end. See bpfdelegd(8).
 */

#include "config.h"

#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "delegation.h"
#include "maker.h"
#include "notify.h"
#include "recover.h"
#include "scope.h"
#include "server.h"
#include "sweep.h"

struct options {
        const char *runtime_dir, *config, *guard_dir;
        bool config_required;
        bool end_all;
        const char *policy_dirs[2]; /* --policy-dir, NULL-terminated; empty: the default ones */
};

#define GUARD_DIR "/sys/fs/bpf/bpfdeleg"

static const char usage[] =
        "Usage: bpfdelegd [OPTION]…\n"
        "Makes and ends the BPF delegations that pam_bpfdeleg asks for. Runs in the foreground, as root.\n\n"
        "  --runtime-dir=DIR  where its sockets are (" RUNTIME_DIR ")\n"
        "  --policy-dir=DIR   the one directory of policy files, instead of the three of bpfdeleg-policy(5)\n"
        "  --config=FILE      its settings (" CONFIG_FILE ")\n"
        "  --guard-dir=DIR    where the guard is pinned, on a bpf file system (" GUARD_DIR ")\n"
        "  --end-all          end what an earlier one left alive, take the guard away, and exit: before the package is removed\n"
        "  --debug            say more on stderr\n"
        "  --version          print the version\n"
        "  --help             print this\n";

/* Returns 1 to go on, 0 when all is done, or -EINVAL. */
static int parse_options(int argc, char **argv, struct options *options) {
        static const struct option longs[] = {
                {"runtime-dir", required_argument, NULL, 'r'}, {"policy-dir", required_argument, NULL, 'p'},
                {"config", required_argument, NULL, 'c'},      {"end-all", no_argument, NULL, 'e'},
                {"guard-dir", required_argument, NULL, 'g'},
                {"debug", no_argument, NULL, 'd'},
                {"version", no_argument, NULL, 'v'},           {"help", no_argument, NULL, 'h'},
                {NULL, 0, NULL, 0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0)
                switch (c) {
                case 'r':
                        options->runtime_dir = optarg;
                        break;
                case 'p':
                        options->policy_dirs[0] = optarg;
                        break;
                case 'c':
                        options->config = optarg;
                        options->config_required = true;
                        break;
                case 'g':
                        options->guard_dir = optarg;
                        break;
                case 'e':
                        options->end_all = true;
                        break;
                case 'd':
                        log_set_debug(true);
                        break;
                case 'v':
                        (void) puts(PACKAGE_STRING);
                        return 0;
                case 'h':
                        (void) fputs(usage, stdout);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                (void) fprintf(stderr, "bpfdelegd: unexpected argument: %s (see bpfdelegd --help)\n", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* Three descriptors a delegation, a few a connection: what the hard limit gives. */
static void raise_descriptor_limit(void) {
        struct rlimit rl;

        if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
                rl.rlim_cur = rl.rlim_max;
                if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
                        log_line(LOG_WARNING, "the limit of open files cannot be raised: %m");
        }
}

/* What the signals' handlers and the manager's callback share. */
struct running {
        struct server *server; /* NULL with --end-all */
        struct manager *manager;
        const struct options *options;
        bool stopping, ending_all;
};
static struct running running;

/* For what SIGTERM does not wait for: a process that does not die is no hurry, and may be a user's making. */
#define STOP_PASSES 3

/*
 * The loop ends when what was in the making is torn down (manager_is_settled()), and with ending_all when nothing is left. The records
 * of all else say what it is, and the next start goes on from there.
 */
static void on_settled(struct manager *manager) {
        if (!running.stopping || !manager_is_settled(manager, running.ending_all))
                return;
        sweep_flush(manager->sweep, running.ending_all ? UINT_MAX : STOP_PASSES);
        if (manager->guard)
                guard_finish(manager->guard);
        (void) sd_event_exit(manager->event, 0);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) usec;
        (void) userdata;
        log_line(LOG_ERR, "some delegations could not be torn down within 10 s; the next start of bpfdelegd tries again");
        return sd_event_exit(sd_event_source_get_event(source), 1);
}

/* What is torn down since a moment ago has had its time by now. */
static int on_stop_grace(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        (void) userdata;
        on_settled(running.manager);
        return 0;
}

static void stop(bool end_all) {
        struct manager *manager = running.manager;

        if (running.stopping && (running.ending_all || !end_all))
                return;
        running.stopping = true;
        running.ending_all = end_all;
        (void) sd_notify(0, "STOPPING=1");
        log_line(LOG_INFO, end_all ? "ending all of %zu delegation%s" : "stopping; of %zu delegation%s those that are active go on, and "
                 "the next start of bpfdelegd takes them over", manager->n_delegations, plural(manager->n_delegations));
        if (running.server)
                server_stop(running.server);
        (void) sd_event_add_time_relative(manager->event, NULL, CLOCK_MONOTONIC, 10 * USEC_PER_SEC, 0, on_stop_timeout, NULL);
        (void) sd_event_add_time_relative(manager->event, NULL, CLOCK_MONOTONIC, DELEGATION_GRACE_USEC, 1, on_stop_grace, NULL);
        manager_end_all(manager, !end_all, end_all ? "bpfdelegd was told to end all" : "bpfdelegd was stopped");
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        (void) source;
        (void) userdata;
        stop(si->ssi_signo == SIGINT);
        return 0;
}

/* Limits and timeouts of running delegations stay as they are; what is made from now on gets the new ones. */
static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        const struct options *options = running.options;
        struct manager *manager = running.manager;
        struct settings next;
        struct errtext err;

        (void) source;
        (void) si;
        (void) userdata;
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) now_usec());
        settings_init(&next);
        if (settings_read(&next, options->config, options->config_required, &err) < 0)
                log_line(LOG_ERR, "not reloaded, the old settings stay: %s", err.s);
        else {
                if (next.backend != manager->settings.backend || !streq(next.cgroup_parent, manager->settings.cgroup_parent))
                        log_line(LOG_NOTICE, "another backend or cgroup_parent counts from the next start of bpfdelegd on");
                memcpy(next.cgroup_parent, manager->settings.cgroup_parent, sizeof(next.cgroup_parent));
                next.backend = manager->settings.backend;
                manager->settings = next;
                log_line(LOG_INFO, "reloaded %s", options->config);
        }
        (void) sd_notify(0, "READY=1");
        return 0;
}

static const struct {
        int number;
        sd_event_signal_handler_t handler;
} signals[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_reload_signal}};

/* From the first moment on: one that comes while the helper starts waits for the loop, and does there what it does later. A write to a closed
 * socket or stderr is an error to be handled, not an end. */
static void block_signals(void) {
        sigset_t set;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&set, signals[i].number);
        (void) sigprocmask(SIG_BLOCK, &set, NULL); /* fails for no set and no how, of which there are some */
}

static int take_signals(sd_event *event) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(signals) && r >= 0; i++)
                r = sd_event_add_signal(event, NULL, signals[i].number, signals[i].handler, NULL);
        return r;
}

/* sd-event opens its timerfd with the first timer and keeps it. Have it from the start: then the descriptors of an
 * idle helper are the same before the first delegation and after the last, and a leak shows. */
static int open_timerfd(sd_event *event) {
        sd_event_source *source = NULL;
        int r;

        r = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, USEC_PER_SEC, 0, NULL, NULL);
        sd_event_source_disable_unref(source);
        return r;
}

static bool on_known(void *userdata, uint64_t id) {
        return manager_find(userdata, id);
}

static void on_scopes_settled(void *userdata) {
        struct manager *manager = userdata;

        if (manager->settled)
                manager->settled(manager);
}

/* The scope backend where systemd is the service manager, unless bpfdeleg.ini wants another. */
static int choose_backend(struct manager *manager, struct errtext *err) {
        static const struct scopes_callbacks callbacks = {
                .known = on_known, .unknown = delegation_scope_unknown, .settled = on_scopes_settled,
        };
        enum settings_backend backend = manager->settings.backend;
        int r;

        if (backend == SETTINGS_BACKEND_CGROUPFS || (backend == SETTINGS_BACKEND_AUTO && sd_booted() <= 0))
                return 0;
        if (sd_booted() <= 0)
                return fail(err, -EOPNOTSUPP, "backend = systemd, and systemd is not the service manager here (sd_booted(3)); "
                            "`backend = auto' takes what there is");
        /* Scopes have one name space for the whole host: two helpers would end each other's. */
        if (flock(manager->cgroups.mount_fd, LOCK_EX | LOCK_NB) < 0)
                return fail(err, -errno, "another bpfdelegd makes scopes on this host; one beside it needs `backend = cgroupfs' and a "
                            "cgroup_parent of its own in its bpfdeleg.ini");
        r = scopes_new(&manager->scopes, manager->event, &callbacks, manager);
        return r < 0 ? fail(err, r, "%s", strerror(-r)) : 0;
}

static int manager_init_cgroups(struct manager *manager, const struct options *options, struct errtext *err) {
        static const struct guard_callbacks callbacks = {.refused = delegation_guard_refused, .detached = delegation_detached};
        int r;

        r = cgroups_open(&manager->cgroups, manager->settings.cgroup_parent, err);
        if (r >= 0)
                r = state_open(&manager->state, options->runtime_dir, err);
        if (r >= 0)
                r = choose_backend(manager, err);
        if (r < 0)
                return r;
        /* With scopes, too: delegations may have fallen back to it. */
        r = cgroups_use_parent(&manager->cgroups, !manager->scopes, err);
        if (r < 0 && r != -ENOENT)
                return r;
        /* Under all locks: a second helper must not put its guard in the place of the first one's. */
        if (guard_new(&manager->guard, manager->event, manager->names, options->guard_dir, &callbacks, manager,
                      &manager->guard_why) < 0)
                log_line(LOG_NOTICE, "no guard, so policies with confine = required grant nothing: %s", manager->guard_why.s);
        /* What the kernel's BTF took. Each maker is a fork, and pays for the page tables of what is kept. */
        (void) malloc_trim(0);
        manager->setup.event = manager->event;
        manager->setup.settings = &manager->settings;
        manager->setup.cgroups = &manager->cgroups;
        manager->setup.scopes = manager->scopes;
        return manager_recover(manager, err);
}

static int manager_init(struct manager *manager, const struct options *options, struct errtext *err) {
        static const struct sweep_callbacks swept = {.living = delegation_lives_in, .swept = delegation_swept};
        int r;

        settings_init(&manager->settings);
        r = settings_read(&manager->settings, options->config, options->config_required, err);
        if (r < 0 && !options->end_all)
                return r;
        if (r < 0)
                log_line(LOG_ERR, "%s; ending all with the built-in settings", err->s);
        manager->policy_dirs = options->policy_dirs[0] ? options->policy_dirs : policy_default_dirs;
        child_init();
        r = sd_event_new(&manager->event);
        if (r >= 0)
                r = open_timerfd(manager->event);
        if (r >= 0)
                r = mask_names_new(&manager->names);
        if (r >= 0)
                r = sweep_new(&manager->sweep, manager->event, &swept, manager);
        if (r >= 0)
                r = subgroups_new(&manager->subgroups, manager->event, &manager->settings.subgroup_timeout,
                                  delegation_find_subgroup_target, manager);
        if (r < 0)
                return fail(err, r, "%s", strerror(-r));
        if (!mask_names_from_kernel(manager->names))
                log_line(LOG_WARNING, "this kernel has no BTF: names in policies are those of the headers bpfdelegd was built with");
        manager->setup.nursery_fd = nursery_new("/proc", err);
        if (manager->setup.nursery_fd < 0)
                return manager->setup.nursery_fd;
        manager->setup.anchor_dirfd = anchor_program_open(err);
        if (manager->setup.anchor_dirfd < 0)
                log_line(LOG_NOTICE, "anchors stay forks of bpfdelegd and take 100 kB more each: %s", err->s);
        return manager_init_cgroups(manager, options, err);
}

static void manager_done(struct manager *manager) {
        manager_forget(manager);
        scopes_free(manager->scopes);
        guard_free(manager->guard);
        cgroups_done(&manager->cgroups);
        state_done(&manager->state);
        manager->setup.nursery_fd = close_fd(manager->setup.nursery_fd);
        manager->setup.anchor_dirfd = close_fd(manager->setup.anchor_dirfd);
        sweep_free(manager->sweep);
        subgroups_free(manager->subgroups);
        mask_names_free(manager->names);
        sd_event_unref(manager->event);
}

static int loop(struct manager *manager, struct errtext *err) {
        int r;

        r = sd_event_loop(manager->event);
        return r < 0 ? fail(err, r, "the event loop ended: %s", strerror(-r)) : r;
}

/* Before the package goes: nobody would be left to take the guard away. */
static int end_all(struct manager *manager, const struct options *options, struct errtext *err) {
        int r;

        stop(true);
        r = loop(manager, err);
        return r == 0 && manager->guard ? guard_remove(manager->guard, options->guard_dir, err) : r;
}

static int serve(struct manager *manager, const struct options *options, struct errtext *err) {
        struct notify *notify = NULL;
        int r;

        if (!options->end_all) {
                r = server_new(&running.server, manager, options->runtime_dir, err);
                if (r < 0)
                        return r;
        }
        running.manager = manager;
        running.options = options;
        manager->settled = on_settled;
        r = take_signals(manager->event);
        if (r >= 0)
                r = sd_event_set_watchdog(manager->event, true);
        if (r < 0)
                (void) fail(err, r, "signals or the watchdog cannot be taken: %s", strerror(-r));
        else if (options->end_all)
                r = end_all(manager, options, err);
        else {
                log_line(LOG_INFO, "%s serves %s", PACKAGE_STRING, options->runtime_dir);
                (void) sd_notify(0, "READY=1");
                /* It can do without. */
                if (notify_new(&notify, manager) < 0)
                        log_line(LOG_WARNING, "the service manager is not told how many delegations there are");
                r = loop(manager, err);
        }
        notify_free(notify);
        server_free(running.server);
        return r;
}

int main(int argc, char **argv) {
        struct options options = {.runtime_dir = RUNTIME_DIR, .config = CONFIG_FILE, .guard_dir = GUARD_DIR};
        struct manager manager = {.setup = {.nursery_fd = -1, .anchor_dirfd = -1}, .cgroups = CGROUPS_INIT, .state = STATE_DIR_INIT};
        struct errtext err = {.s = ""};
        int r;

        block_signals();
        child_keep_arguments(argc, argv);
        r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (geteuid() != 0) {
                (void) fputs("bpfdelegd: must be root: it makes namespaces and cgroups for other users\n", stderr);
                return EXIT_FAILURE;
        }
        /* Ignored by whoever started us, the kernel would reap our children, and their pids would not stay theirs. */
        (void) signal(SIGCHLD, SIG_DFL);
        (void) umask(0022); /* sockets and cgroups have the modes that are written here, whoever starts us */
        raise_descriptor_limit();
        LIST_INIT(&manager.delegations);
        r = manager_init(&manager, &options, &err);
        if (r >= 0)
                r = serve(&manager, &options, &err);
        if (r < 0)
                log_line(LOG_ERR, "%s", err.s);
        manager_done(&manager);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
