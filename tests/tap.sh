#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a cmocka program. cmocka before 2.0 calls a skipped case "not ok N # SKIP", which TAP readers take for a failure.
# Its exit status stays: a leak is told by that alone.

set -o pipefail
"$@" | sed 's/^not ok \([0-9]* # SKIP\)/ok \1/'
