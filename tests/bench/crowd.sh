#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What many delegations cost that are alive at the same time, against the project's own bounds: the open of one more,
# memory, the end of all. `./bootstrap bench` calls it. N users (5000), who need no accounts.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

n=${1:-5000}
setup
service bdt
simple_policy 50-all '~nobody-is-left-out'
mount_run && helper_start || exit 1

# What the kernel keeps, and what the helper and the anchors have: all of it in kB. The machine's other processes are
# not counted but for what they make the kernel keep, so a busy machine is seen.
kernel_kb() { awk '$1 ~ /^(Slab|KernelStack|PageTables|Percpu):/ { kb += $2 } END { print kb }' /proc/meminfo; }
ours_kb() {
        { echo "$helper_pid"; pgrep -P "$helper_pid"; } \
                | while read -r pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done \
                | awk '$1 == "Pss:" { kb += $2 } END { print kb }'
}
memory_kb() { echo $(($(kernel_kb) + $(ours_kb))); }

kb_before=$(memory_kb)
crowd_start "$n" 600 || exit 1
[[ $(cat "$T/said") =~ ^[0-9]+\ open:\ ([0-9]+)\ ([0-9]+)$ ]] || { cat "$T/said"; exit 1; }
first=${BASH_REMATCH[1]} last=${BASH_REMATCH[2]}
kb_after=$(memory_kb)
begin=$(now_ms)
crowd_end || exit 1
patience=300 wait_until delegations_are 0 || exit 1
end=$(now_ms)

echo "$n delegations at the same time"
row "open, of the first hundred" "$first" us
row "open, of the last hundred" "$last" us
row "  times the first" "$(over "$last" "$first")" '' times 1.3
row "memory for each" "$(over $((kb_after - kb_before)) "$n")" kB kB 150
row "end of all" "$((end - begin))" ms ms 10000
