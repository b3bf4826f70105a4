#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Swapped under the eyes of the kernel, while links are made and updated: the verdict is about what is attached. Each
# with the guard off, and on: lib.sh.
# vm-parallel

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual races'
