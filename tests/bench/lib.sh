# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How figures are printed beside their bounds. Sourced, by bash.

row() { # NAME VALUE UNIT BOUND-WORDS BOUND
        awk -v name="$1" -v value="$2" -v unit="$3" -v words="${4:-}" -v bound="${5:-}" 'BEGIN {
                printf "%-34s %10.1f %-3s", name, value, unit
                if (bound != "") printf "   %s: %s < %s", value + 0 < bound + 0 ? "ok" : "over", words, bound
                print "" }'
}
minus() { awk "BEGIN { print $1 - $2 }"; }
over() { awk "BEGIN { print $1 / $2 }"; }
