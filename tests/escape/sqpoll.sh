#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A ring's kernel thread has its maker's table, and swaps what is in it under the eyes of the kernel. Each with the guard off, and on: lib.sh.
# vm: preempt=full

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual races-sqpoll'
