#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Swapped by the kernel thread of a ring, which has its maker's table; and a flood. Each with the guard off, and on:
# lib.sh.
# vm-parallel

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

[ "$(cat /proc/sys/kernel/io_uring_disabled)" = 0 ] || skip_all "io_uring is switched off (kernel.io_uring_disabled)"
attacks 'usual races-ring flood'
