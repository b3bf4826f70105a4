/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tool's subcommands: one file each. */

#include "client.h"

/* Exit statuses of `run` before the command has begun, as env(1) and timeout(1) have them. */
enum { EXIT_NOT_POSSIBLE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

#define CLI_TIMEOUT_USEC (10 * USEC_PER_SEC)

/* Gets the arguments from the subcommand's name on, and the user socket's path; returns the exit status. */
int cmd_run(int argc, char **argv, const char *socket);
int cmd_doctor(int argc, char **argv, const char *socket);
int cmd_status(int argc, char **argv, const char *socket);

/* Says why on stderr, in one line that begins with the tool's name. */
void cli_error(const char *format, ...) _printf_(1, 2);

/* Connects to the helper; says why not. Returns 0 or -errno. */
int cli_connect(const char *socket, struct client *ret);

/* Why a request has no answer, for a person. */
const char *cli_no_answer(int error);
