#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# From a user namespace inside the delegation it is no better. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual nested own-nested'
