/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfdelegd: arguments, what there is one of, the loop, and the orderly end. See bpfdelegd(8).
 */

#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "server.h"

struct options {
        const char *runtime_dir, *config;
        bool config_required;
        const char *policy_dirs[2]; /* --policy-dir, NULL-terminated; empty: the default ones */
};

static const char usage[] =
        "Usage: bpfdelegd [OPTION]…\n"
        "Makes and ends the BPF delegations that pam_bpfdeleg asks for. Runs in the foreground, as root.\n\n"
        "  --runtime-dir=DIR  where its sockets are (" RUNTIME_DIR ")\n"
        "  --policy-dir=DIR   the one directory of policy files, instead of the three of bpfdeleg-policy(5)\n"
        "  --config=FILE      its settings (" CONFIG_FILE ")\n"
        "  --debug            say more on stderr\n"
        "  --version          print the version\n"
        "  --help             print this\n";

/* Returns 1 to go on, 0 when all is done, or -EINVAL. */
static int parse_options(int argc, char **argv, struct options *options) {
        static const struct option longs[] = {
                {"runtime-dir", required_argument, NULL, 'r'}, {"policy-dir", required_argument, NULL, 'p'},
                {"config", required_argument, NULL, 'c'},      {"debug", no_argument, NULL, 'd'},
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

/* Four descriptors a delegation, a few a connection: what the hard limit gives. */
static void raise_descriptor_limit(void) {
        struct rlimit rl;

        if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
                rl.rlim_cur = rl.rlim_max;
                if (setrlimit(RLIMIT_NOFILE, &rl) < 0)
                        log_line(LOG_WARNING, "the limit of open files cannot be raised: %m");
        }
}

/* The one thing that signal handlers of the loop and the manager's idle callback share. */
struct stopping {
        struct server *server;
        struct manager *manager;
        bool begun;
};
static struct stopping stopping;

static void on_idle(struct manager *manager) {
        if (!stopping.begun)
                return;
        sweep_flush(manager->sweep);
        (void) sd_event_exit(manager->event, 0);
}

static int on_stop_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) usec;
        (void) userdata;
        log_line(LOG_ERR, "some delegations could not be torn down within 10 s; the next start of bpfdelegd tries again");
        return sd_event_exit(sd_event_source_get_event(source), 1);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        (void) source;
        (void) userdata;
        if (stopping.begun)
                return 0;
        stopping.begun = true;
        (void) sd_notify(0, "STOPPING=1");
        log_line(LOG_INFO, "stopping (signal %u), ending %zu delegations", si->ssi_signo, stopping.manager->n_delegations);
        server_stop(stopping.server);
        (void) sd_event_add_time_relative(stopping.manager->event, NULL, CLOCK_MONOTONIC, 10 * USEC_PER_SEC, 0, on_stop_timeout, NULL);
        manager_end_all(stopping.manager, "bpfdelegd was stopped");
        return 0;
}

/* A write to a closed socket or stderr is an error to be handled, not an end; the stopping signals come through the
 * loop. */
static int take_signals(sd_event *event) {
        static const int stop[] = {SIGTERM, SIGINT};
        sigset_t set;
        int r = 0;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGHUP, SIG_IGN); /* who sends it expects a reload, not the end of all delegations */
        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(stop); i++)
                (void) sigaddset(&set, stop[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(stop) && r >= 0; i++)
                r = sd_event_add_signal(event, NULL, stop[i], on_stop_signal, NULL);
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

static int manager_init(struct manager *manager, const struct options *options, struct errtext *err) {
        int r;

        settings_init(&manager->settings);
        r = settings_read(&manager->settings, options->config, options->config_required, err);
        if (r < 0)
                return r;
        manager->policy_dirs = options->policy_dirs[0] ? options->policy_dirs : policy_default_dirs;
        r = sd_event_new(&manager->event);
        if (r >= 0)
                r = open_timerfd(manager->event);
        if (r >= 0)
                r = mask_names_new(&manager->names);
        if (r >= 0)
                r = sweep_new(&manager->sweep, manager->event);
        if (r < 0)
                return fail(err, r, "%s", strerror(-r));
        if (!mask_names_from_kernel(manager->names))
                log_line(LOG_WARNING, "this kernel has no BTF: names in policies are those of the headers bpfdelegd was built with");
        manager->nursery_fd = nursery_new("/proc", err);
        if (manager->nursery_fd < 0)
                return manager->nursery_fd;
        return cgroup_parent_open(&manager->cgroups, manager->settings.cgroup_parent, err);
}

static void manager_done(struct manager *manager) {
        cgroup_parent_done(&manager->cgroups);
        manager->nursery_fd = close_fd(manager->nursery_fd);
        sweep_free(manager->sweep);
        mask_names_free(manager->names);
        sd_event_unref(manager->event);
}

static int serve(struct manager *manager, const struct options *options, struct errtext *err) {
        struct server *server = NULL;
        int r;

        r = server_new(&server, manager, options->runtime_dir, err);
        if (r < 0)
                return r;
        stopping = (struct stopping){.server = server, .manager = manager};
        manager->idle = on_idle;
        r = take_signals(manager->event);
        if (r < 0)
                (void) fail(err, r, "signals cannot be taken: %s", strerror(-r));
        else {
                log_line(LOG_INFO, "%s serves %s", PACKAGE_STRING, options->runtime_dir);
                (void) sd_notify(0, "READY=1");
                r = sd_event_loop(manager->event);
                if (r < 0)
                        (void) fail(err, r, "the event loop ended: %s", strerror(-r));
        }
        server_free(server);
        return r;
}

int main(int argc, char **argv) {
        struct options options = {.runtime_dir = RUNTIME_DIR, .config = CONFIG_FILE};
        struct manager manager = {.nursery_fd = -1, .cgroups = CGROUP_PARENT_INIT};
        struct errtext err = {.s = ""};
        int r;

        r = parse_options(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        if (geteuid() != 0) {
                (void) fputs("bpfdelegd: must be root: it makes namespaces and cgroups for other users\n", stderr);
                return EXIT_FAILURE;
        }
        /* Ignored by whoever started us, the kernel would reap our children, and their pids would not stay theirs. */
        (void) signal(SIGCHLD, SIG_DFL);
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
