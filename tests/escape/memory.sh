#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a program may read: not the kernel's memory. Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual memory' 'wide memory-wide'
