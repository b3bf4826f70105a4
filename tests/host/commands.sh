#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command lines of README.md and of the manual's EXAMPLES where there is a guard, with those that need it:
# tests/commands.
# host-seconds: 800

BED_COMMANDS='booted host' exec bash "$(dirname "$0")/../booted/85-commands.sh"
