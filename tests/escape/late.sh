#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What outlives the last logout by rings, timers, removed cgroups and sockets. Each with the guard off, and on: lib.sh.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Ends by the sweep, which needs no guard.
ends_anyway() { [ "$1" = late-threads ]; }

# For no socket but the one that its user has handed outside: a cgroup that was removed is not found any more, and a
# program that only the socket still has is in no map.
documented() { [ "$1" = late-legacy-removed ] || [ "$1" = late-sockmap-second ]; }

attacks late
