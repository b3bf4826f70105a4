/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bpfdeleg-status, the program of `bpfdeleg status`: what was delegated to the caller, in the words of the policy
 * file. */

#include "config.h"

#include <getopt.h>
#include <inttypes.h>

#include "cmd.h"
#include "mask.h"

static const char *const state_words[] = {
        [PROTO_STATE_OPENING] = "being made",
        [PROTO_STATE_ACTIVE] = "active",
        [PROTO_STATE_ENDING] = "ending",
};

static const char *confine_words(const struct proto_row *row) {
        if (row->confine == POLICY_CONFINE_OFF)
                return "not confined (confine = off)";
        return row->guarded ? "confined to your own subtree by the guard" :
                              "NOT CONFINED: bpfdelegd has no guard (confine = preferred)";
}

static void print_time(uint64_t usec) {
        time_t t = (time_t) (usec / USEC_PER_SEC);
        char text[64];
        struct tm tm;

        if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%F %T", &tm) > 0)
                (void) printf(", since %s", text);
}

static void print_row(const struct proto_row *row, const struct mask_names *names) {
        char text[1024];

        (void) printf("delegation %016" PRIx64 ": %s, %" PRIu32 " session%s", row->id,
                      row->state < ELEMENTSOF(state_words) ? state_words[row->state] : "?", row->sessions,
                      plural(row->sessions));
        print_time(row->created_usec);
        (void) printf("\n  %-16s %s, %s\n", "policy", row->policy, confine_words(row));
        if (row->refusals > 0)
                (void) printf("  %-16s %" PRIu32 " act%s; the admin's log says which\n", "refused", row->refusals,
                              plural(row->refusals));
        for (unsigned i = 0; i < POLICY_AXES; i++) {
                mask_format(names, (enum policy_axis) i, row->masks[i], text, sizeof(text));
                (void) printf("  %-16s %s\n", mask_axis_name((enum policy_axis) i), row->masks[i] ? text : "none");
        }
        policy_format_caps(row->caps, text, sizeof(text));
        (void) printf("  %-16s %s\n", "caps", row->caps ? text : "none");
        (void) printf("  %-16s %s (inside `bpfdeleg run`)\n", "bpffs", row->path);
        (void) printf("  %-16s %s below the cgroup2 mount (/sys/fs/cgroup inside)\n", "cgroup", row->cgroup);
        (void) printf("  %-16s %s\n", "network",
                      policy_network_name(row->network == POLICY_NETWORK_PRIVATE ? POLICY_NETWORK_PRIVATE :
                                                                                   POLICY_NETWORK_HOST));
        (void) printf("  %-16s %s\n", "ends",
                      row->linger ? "with its last process after the last logout (linger = yes)" :
                                    "with the last logout");
}

/* Why what should be confined is not, or is not there at all. A policy with confine = off has said that nobody
 * minds. */
static void print_guard(const struct proto_end *end, bool wanted) {
        if (!end->guard && wanted)
                (void) printf("bpfdelegd has no guard%s: %s\n",
                              end->rows == 0 ? ", so a policy that requires one grants nothing" : "", end->text);
}

/* Prints all that comes, the end row too. Returns how many delegations, or -errno. */
static int print_rows(struct client *client, const struct mask_names *names) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message message;
        bool unconfined = false;
        int rows = 0, r;

        for (;;) {
                r = client_receive(client, &message, 0, &received);
                if (r < 0)
                        return r;
                if (message.head.type == PROTO_END && message.end.result < 0)
                        return message.end.result;
                if (message.head.type == PROTO_END) {
                        if (rows == 0)
                                (void) puts(
                                        "nothing is delegated to you: none of your logins matched a policy, or it was "
                                        "refused, "
                                        "or all have ended");
                        print_guard(&message.end, unconfined || rows == 0);
                        return rows;
                }
                if (message.head.type != PROTO_ROW)
                        return -EBADMSG;
                print_row(&message.row, names);
                unconfined = unconfined || (message.row.confine == POLICY_CONFINE_PREFERRED && !message.row.guarded);
                rows++;
        }
}

static const char usage[] = "Usage: bpfdeleg status\n"
                            "Shows what was delegated to you. Exit status: 1 if that is nothing, or cannot be told.\n";

int main(int argc, char **argv) {
        static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
        struct proto_status request = PROTO_INIT(PROTO_STATUS);
        _cleanup_(mask_names_freep) struct mask_names *names = NULL;
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        int c, r;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
                if (c != 'h')
                        return EXIT_NOT_POSSIBLE;
                (void) fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        if (optind < argc) {
                (void) fputs(usage, stderr);
                return EXIT_NOT_POSSIBLE;
        }
        /* Before the connection, which has a deadline: reading the kernel's names takes seconds on an emulated
         * machine. */
        r = mask_names_new(&names);
        if (r < 0) {
                cmd_error("the kernel's names cannot be read: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        if (cmd_connect(cmd_socket(), CMD_TIMEOUT_USEC, &client) < 0)
                return EXIT_FAILURE;
        r = client_send(&client, &request);
        if (r >= 0)
                r = print_rows(&client, names);
        if (r < 0) {
                cmd_error("no status: %s", cmd_no_answer(r));
                return EXIT_FAILURE;
        }
        return r == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
