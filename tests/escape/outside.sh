#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What was made inside is of no use outside. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# BPF_OBJ_GET of a link has no hook. No program comes with it.
documented() { [ "$1" = link-pin-proc-root ]; }

attacks 'usual outside'
