#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the attach proxy costs, against the project's own bounds. `./bootstrap bench` calls it. Each kind is measured in
# turn, ROUNDS times (5), so that whatever else the machine does hits all alike; the least counts.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

rounds=${1:-5}
here=/sys/fs/cgroup/run
setup
alice=bdt-$$-a
add_user "$alice" || exit 1
install -m 0755 "$(program tests/bench/proxy)" "$T/bin/bench-proxy" || exit 1
service bdt
simple_policy 50-bench "$alice"
{ mount_run && helper_start && session_start s "$alice"; } || exit 1

declare -A least=()
# measure NAME CMD…
measure() {
        local name=$1 value
        shift
        value=$(in_session s "$@")
        [[ $value =~ ^[0-9.]+$ ]] || { echo "bench: $*: $value" >&2; exit 1; }
        least[$name]=$(printf '%s\n' "$value" ${least[$name]:+"${least[$name]}"} | sort -n | head -n 1)
}
# Once the command runs, or the pages that the two still share count half; the proxies of earlier ones must have ended.
proxy_pss() {
        local uid
        uid=$(id -u "$alice")
        wait_until lone_proxy 0 || return 1
        in_session_sh s 'bpfdeleg run -- sleep 60 & echo $! >~/sleeper; disown' || return 1
        wait_until pgrep -u "$uid" -x sleep >/dev/null && wait_until lone_proxy 1 || return 1
        # Its pages, but for those of libraries that others have as well.
        awk '$1 == "Pss:" { print $2 }' "/proc/$(pgrep -u "$uid" -x bpfdeleg-proxy)/smaps_rollup"
        kill "$(cat "$T/home/$alice/sleeper")"
}
lone_proxy() { [ "$(pgrep -c -u "$(id -u "$alice")" -x bpfdeleg-proxy)" = "$1" ]; }

for _ in $(seq "$rounds"); do
        measure direct bpfdeleg run --no-proxy -- bench-proxy attach "$here" 2000
        measure continued bpfdeleg run -- bench-proxy attach "$here" 2000
        measure proxied bpfdeleg run -- bench-proxy attach "$here" 2000 thread
        measure run bench-proxy run 100 bpfdeleg run -- true
        measure run_without bench-proxy run 100 bpfdeleg run --no-proxy -- true
        measure call bpfdeleg run -- bench-proxy call 500
        measure call_without bpfdeleg run --no-proxy -- bench-proxy call 500
        measure call_least bpfdeleg run --no-proxy -- bench-proxy call 500 filter
done
pss=$(proxy_pss) || exit 1
echo "The attach proxy"
row "attach, direct" "${least[direct]}" us
row "attach, behind it, one thread" "${least[continued]}" us
row "attach, through it" "${least[proxied]}" us
row "  times direct" "$(over "${least[proxied]}" "${least[direct]}")" '' 'times' 4
row "run" "${least[run]}" us
row "run --no-proxy" "${least[run_without]}" us
row "  more" "$(minus "${least[run]}" "${least[run_without]}")" us 'more' 500
row "getppid(), with the filter" "${least[call]}" ns
row "getppid(), without" "${least[call_without]}" ns
row "  more" "$(minus "${least[call]}" "${least[call_without]}")" ns 'more' 25
row "  more with any filter" "$(minus "${least[call_least]}" "${least[call_without]}")" ns
[[ $pss =~ ^[1-9][0-9]*$ ]] || { echo "bench: the proxy's memory: '$pss'" >&2; exit 1; }
row "memory (PSS)" "$pss" kB 'kB' 250
session_end s
