#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Credentials and files that leave by an io_uring. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

[ "$(cat /proc/sys/kernel/io_uring_disabled)" = 0 ] || skip_all "io_uring is switched off (kernel.io_uring_disabled)"
attacks 'usual uring own-uring'
