#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What was made inside is given to other users, to other namespaces, and by seccomp. Each with the guard off, and on:
# lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual receivers'
