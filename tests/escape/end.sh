#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is kept over the last logout is dead then. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks end
