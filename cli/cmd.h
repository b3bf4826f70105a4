/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tool's commands: one file each. Each attach proxy is a copy of the tool that lives as long as a command of `run`,
 * so the tool is linked with libc alone: commands that need more are programs of their own, named bpfdeleg-COMMAND, in
 * the directory of bpfdelegd.
 */

#include "client.h"

/* Exit statuses of `run` before the command has begun, as env(1) and timeout(1) have them. */
enum { EXIT_NOT_POSSIBLE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

#define CMD_TIMEOUT_USEC (10 * USEC_PER_SEC)

/* Gets the arguments from the subcommand's name on, and the user socket's path; returns the exit status. */
int cmd_run(int argc, char **argv, const char *socket);
int cmd_kill(int argc, char **argv, const char *socket);
int cmd_remove(int argc, char **argv, const char *socket);
/* Becomes the program of the command argv[0], which gets the socket in its environment; returns only if it cannot. */
int cmd_program(int argc, char **argv, const char *socket);

/* The user socket's path: from the environment, or the built-in one. */
#define CMD_SOCKET_ENV "BPFDELEG_SOCKET"
const char *cmd_socket(void);

/* Says why on stderr, in one line that begins with the tool's name. */
void cmd_error(const char *format, ...) _printf_(1, 2);

/* Connects to the helper; says why not. timeout_usec is for all that is done with it. Returns 0 or -errno. */
int cmd_connect(const char *socket, uint64_t timeout_usec, struct client *ret);

/* $BPFDELEG, or all zero where it is not set; says what is wrong with it. Returns 0 or -EINVAL. */
int cmd_cookie(struct proto_cookie *ret);

/* Why a request has no answer, for a person. */
const char *cmd_no_answer(int error);
