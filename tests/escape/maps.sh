#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Maps whose memory no limit counts, or that make the kernel walk long lists, are bounded; a symbolic link in the bpffs
# is refused. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual maps own-maps'
