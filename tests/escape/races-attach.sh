#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Swapped under the eyes of the kernel, while programs are attached without a link and run. Each with the guard off, and
# on: lib.sh.
# vm-parallel

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual races-attach'
