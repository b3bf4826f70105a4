#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What outlives the last logout by rings, timers, removed cgroups and sockets. Each with the guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Ends by the sweep, which needs no guard.
ends_anyway() { [ "$1" = late-threads ]; }

attacks late
