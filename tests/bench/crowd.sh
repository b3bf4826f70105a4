#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What many delegations cost that are alive at the same time, against the project's own bounds: the open of one more, memory, the end of all.
# `./bootstrap bench` calls it. N users (5000), who need no accounts.

. "$(dirname "$0")/../system/lib.sh"

n=${1:-5000}
setup
service bdt
simple_policy 50-all '~nobody-is-left-out'
crowd=$(program tests/tools/crowd) || exit 1
mount_run && helper_start || exit 1

# What the kernel keeps, and what the helper and the anchors have: all of it in kB. The machine's other processes are not counted but
# for what they make the kernel keep, so a busy machine is seen.
kernel_kb() { awk '$1 ~ /^(Slab|KernelStack|PageTables|Percpu):/ { kb += $2 } END { print kb }' /proc/meminfo; }
ours_kb() {
        { echo "$helper_pid"; pgrep -P "$helper_pid"; } | while read -r pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done \
                | awk '$1 == "Pss:" { kb += $2 } END { print kb }'
}
memory_kb() { echo $(($(kernel_kb) + $(ours_kb))); }
row() { # NAME VALUE UNIT BOUND-WORDS BOUND
        awk -v name="$1" -v value="$2" -v unit="$3" -v words="${4:-}" -v bound="${5:-}" 'BEGIN {
                printf "%-34s %10.1f %-3s", name, value, unit
                if (bound != "") printf "   %s: %s < %s", value + 0 < bound + 0 ? "ok" : "over", words, bound
                print "" }'
}
over() { awk "BEGIN { print $1 / $2 }"; }

mkfifo "$T/words"
kb_before=$(memory_kb)
# shellcheck disable=SC2016 # for the inner shell
spawn bash -c 'words=$1 said=$2; shift 2; exec "$@" <"$words" >"$said" 2>&1' sh "$T/words" "$T/said" \
        "$crowd" "$T/run/session" "$T/policy.d" 50-all.ini 100000 "$n" </dev/null
crowd_pid=$spawned
exec {words}>"$T/words"
is_there() { [ -s "$T/said" ] || gone "$crowd_pid"; }
patience=600 wait_until is_there
[[ $(cat "$T/said") =~ ^[0-9]+\ open:\ ([0-9]+)\ ([0-9]+)$ ]] || { cat "$T/said"; exit 1; }
first=${BASH_REMATCH[1]} last=${BASH_REMATCH[2]}
kb_after=$(memory_kb)
begin=$(now_ms)
exec {words}>&-
wait "$crowd_pid"
unset "pids[$crowd_pid]"
patience=300 wait_until delegations_are 0 || exit 1
end=$(now_ms)

echo "$n delegations at the same time"
row "open, of the first hundred" "$first" us
row "open, of the last hundred" "$last" us
row "  times the first" "$(over "$last" "$first")" '' times 1.3
row "memory for each" "$(over $((kb_after - kb_before)) "$n")" kB kB 150
row "end of all" "$((end - begin))" ms ms 10000
