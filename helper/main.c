/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bpfdelegd: arguments, signals, the loop, and the orderly end. See bpfdelegd(8).
 */

#include "config.h"

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "child.h"
#include "guard/guard.h"
#include "manager.h"
#include "notify.h"
#include "request.h"
#include "server.h"
#include "sweep.h"

#define GUARD_DIR "/sys/fs/bpf/bpfdeleg"

static const char usage[] =
        "Usage: bpfdelegd [OPTION]…\n"
        "Makes and ends the BPF delegations that pam_bpfdeleg asks for. Runs in the foreground, as root.\n\n"
        "  --runtime-dir=DIR  where its sockets are (" RUNTIME_DIR ")\n"
        "  --policy-dir=DIR   the one directory of policy files, instead of the three of bpfdeleg-policy(5)\n"
        "  --config=FILE      its settings (" CONFIG_FILE ")\n"
        "  --guard-dir=DIR    where the guard is pinned, on a bpf file system (" GUARD_DIR ")\n"
        "  --end-all          end what an earlier one left alive, take the guard away, and exit: before the package "
        "is removed\n"
        "  --debug            say more on stderr\n"
        "  --version          print the version\n"
        "  --help             print this\n";

/* Returns 1 to go on, 0 when all is done, or -EINVAL. */
static int parse_options(int argc, char **argv, struct options *options) {
        static const struct option longs[] = {
                {"runtime-dir", required_argument, NULL, 'r'},
                {"policy-dir", required_argument, NULL, 'p'},
                {"config", required_argument, NULL, 'c'},
                {"end-all", no_argument, NULL, 'e'},
                {"guard-dir", required_argument, NULL, 'g'},
                {"debug", no_argument, NULL, 'd'},
                {"version", no_argument, NULL, 'v'},
                {"help", no_argument, NULL, 'h'},
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
 * The loop ends when what was in the making is torn down (manager_is_settled()), and with ending_all when nothing is
 * left. The records of all else say what it is, and the next start goes on from there.
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
        log_line(LOG_ERR,
                 "some delegations could not be torn down within 10 s; the next start of bpfdelegd tries again");
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
        log_line(LOG_INFO,
                 end_all ? "ending all of %zu delegation%s" :
                           "stopping; of %zu delegation%s those that are active go on, and "
                           "the next start of bpfdelegd takes them over",
                 manager->n_delegations, plural(manager->n_delegations));
        if (running.server)
                server_stop(running.server);
        (void) sd_event_add_time_relative(manager->event, NULL, CLOCK_MONOTONIC, 10 * USEC_PER_SEC, 0, on_stop_timeout,
                                          NULL);
        (void) sd_event_add_time_relative(manager->event, NULL, CLOCK_MONOTONIC, DELEGATION_GRACE_USEC, 1,
                                          on_stop_grace, NULL);
        manager_end_all(manager, !end_all, end_all ? "bpfdelegd was told to end all" : "bpfdelegd was stopped");
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        (void) source;
        (void) userdata;
        stop(si->ssi_signo == SIGINT);
        return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        (void) source;
        (void) si;
        (void) userdata;
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) now_usec());
        manager_reload(running.manager, running.options);
        (void) sd_notify(0, "READY=1");
        return 0;
}

static const struct {
        int number;
        sd_event_signal_handler_t handler;
} signals[] = {{SIGTERM, on_stop_signal}, {SIGINT, on_stop_signal}, {SIGHUP, on_reload_signal}};

/* From the first moment on: one that comes while the helper starts waits for the loop, and does there what it does
 * later. A write to a closed socket or stderr is an error to be handled, not an end. */
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
                r = server_new(&running.server, manager, request_rows, options->runtime_dir, err);
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
        struct manager manager = MANAGER_INIT;
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
        r = manager_init(&manager, &options, &err);
        if (r >= 0)
                r = serve(&manager, &options, &err);
        if (r < 0)
                log_line(LOG_ERR, "%s", err.s);
        manager_done(&manager);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
