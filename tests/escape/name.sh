#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# In whose name a program runs, and whose memory it is given: docs/contexts.md. Each with the guard off, and on: lib.sh.
# Whether memory is cleared is the kernel's boot option.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual name' 'wide name-wide' 'private name-private'
