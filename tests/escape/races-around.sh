#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Swapped by threads, as in races.sh and races-attach.sh, which go through the attach proxy: here around it, `run
# --no-proxy`. Each with the guard off, and on: lib.sh.
# vm-parallel

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual races-around'
