/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg kill: a signal to all that is in a part of one's own subtree. */

#include "config.h"

#include <getopt.h>
#include <signal.h>

#include "cmd.h"
#include "subgroup.h"

/* signal(7): names are the same everywhere, numbers are not. */
static const struct {
        const char *name;
        int number;
} signals[] = {
        {"ABRT", SIGABRT}, {"ALRM", SIGALRM},     {"BUS", SIGBUS},     {"CHLD", SIGCHLD}, {"CONT", SIGCONT},
        {"FPE", SIGFPE},   {"HUP", SIGHUP},       {"ILL", SIGILL},     {"INT", SIGINT},   {"IO", SIGIO},
        {"KILL", SIGKILL}, {"PIPE", SIGPIPE},     {"PROF", SIGPROF},   {"PWR", SIGPWR},   {"QUIT", SIGQUIT},
        {"SEGV", SIGSEGV}, {"STOP", SIGSTOP},     {"SYS", SIGSYS},     {"TERM", SIGTERM}, {"TRAP", SIGTRAP},
        {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},   {"URG", SIGURG},   {"USR1", SIGUSR1},
        {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
};

/* RTMIN, RTMIN+3, RTMAX, RTMAX-14. */
static int parse_realtime(const char *name, uint32_t *ret) {
        bool from_min = strncmp(name, "RTMIN", 5) == 0;
        int base = from_min ? SIGRTMIN : SIGRTMAX;
        uint64_t n = 0;

        if (!from_min && strncmp(name, "RTMAX", 5) != 0)
                return -EINVAL;
        if (name[5] != '\0' &&
            (name[5] != (from_min ? '+' : '-') || parse_uint(name + 6, 10, (uint64_t) (SIGRTMAX - SIGRTMIN), &n) < 0))
                return -EINVAL;
        *ret = (uint32_t) (from_min ? base + (int) n : base - (int) n);
        return 0;
}

/* TERM, SIGTERM or 15. */
static int parse_signal(const char *s, uint32_t *ret) {
        const char *name = strncmp(s, "SIG", 3) == 0 ? s + 3 : s;
        uint64_t n;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (streq(name, signals[i].name)) {
                        *ret = (uint32_t) signals[i].number;
                        return 0;
                }
        if (parse_uint(s, 10, NSIG - 1, &n) == 0 && n > 0) {
                *ret = (uint32_t) n;
                return 0;
        }
        return parse_realtime(name, ret);
}

static const char kill_usage[] =
        "Usage: bpfdeleg kill [--signal=SIGNAL] PATH\n"
        "Sends SIGNAL (KILL) to all processes in the cgroup PATH of your subtree and below it, whoever they run as. "
        "PATH\n"
        "is as it is inside, at /sys/fs/cgroup: run/a, for one.\n";

int cmd_kill(int argc, char **argv, const char *socket) {
        static const struct option longs[] = {{"signal", required_argument, NULL, 's'},
                                              {"help", no_argument, NULL, 'h'},
                                              {NULL, 0, NULL, 0}};
        struct proto_kill_subgroup request = PROTO_INIT(PROTO_KILL_SUBGROUP);
        int c;

        request.signal = SIGKILL;
        optind = 0; /* glibc: start anew, on the subcommand's arguments */
        while ((c = getopt_long(argc, argv, "+s:", longs, NULL)) >= 0)
                switch (c) {
                case 's':
                        if (parse_signal(optarg, &request.signal) < 0) {
                                cmd_error("there is no signal %s; see signal(7)", optarg);
                                return EXIT_NOT_POSSIBLE;
                        }
                        break;
                case 'h':
                        (void) fputs(kill_usage, stdout);
                        return EXIT_SUCCESS;
                default:
                        return EXIT_NOT_POSSIBLE;
                }
        if (optind != argc - 1) {
                (void) fputs(kill_usage, stderr);
                return EXIT_NOT_POSSIBLE;
        }
        if (subgroup_take(argv[optind], request.path) < 0 || cmd_cookie(&request.cookie) < 0)
                return EXIT_FAILURE;
        return subgroup_ask(socket, &request, request.path);
}
