#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is attached in a private network namespace, which a socket outside keeps: no program of it may go on. Each with
# the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks kept-net 'private own-private'
