#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where a program may be put: cgroups and network devices of others, packets and ports; and, beside each, the own ones.
# Each with the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

attacks 'usual targets own' 'wide targets-wide' 'private targets-private own-private' \
        'private-wide targets-private-wide'
