#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What others pay while somebody with 60 000 uids floods the user socket, and what a restart costs beside a delegation
# that cannot end, against the project's own bounds. `./bootstrap bench` calls it. Quiet and flood are measured in turn,
# ROUNDS times (8), so that whatever else the machine does hits both alike. The flood has all processors but the first,
# or it would be the scheduler that is measured; `idle-loops` are as many processes there that leave the helper alone:
# what that much work costs others by itself. That each `run` works, and in how few lines the flood is told, are cases
# of tests/system/user-attacks.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

rounds=${1:-8} runs=50 restarts=12 flooders=8
answer_timeout=300 # on a busy machine, too: what is late is measured
setup
alice=bdt-$$-a
add_user "$alice" || exit 1
install -m 0755 "$(program tests/bench/proxy)" "$T/bin/bench-proxy" \
        && install -m 0755 "$(program tests/tools/abuse)" "$T/bin/" || exit 1
service bdt
simple_policy 50-bench "$alice"
mount_run && helper_start && session_start a "$alice" || exit 1
others=0
[ "$(nproc --all)" -eq 1 ] || others=1-$(($(nproc --all) - 1))

runs_usec() { # FILE
        in_session a bench-proxy times "$runs" bpfdeleg run -- true >"$T/times" || { cat "$T/times" >&2; return 1; }
        cat "$T/times" >>"$T/$1"
}
# The helper's time on a processor so far, in ticks.
helper_ticks() { sed 's/.*) //' "/proc/$helper_pid/stat" | awk '{ print $12 + $13 }'; }
idle_loops() { local i; for ((i = 0; i < flooders; i++)); do (while :; do :; done) & done; wait; }
export -f idle_loops
export flooders
flood_start() { # CMD…
        spawn setsid taskset -c "$others" "$@" </dev/null >"$T/flood" 2>&1
        flooder=$spawned
        sleep 0.3
}
flood_end() {
        kill -KILL -- "-$flooder"
        wait "$flooder" 2>/dev/null
        unset "pids[$flooder]"
}
while_flooded() { # NAME CMD…
        local name=$1 ticks begin
        shift
        flood_start "$@"
        ticks=$(helper_ticks) begin=$(now_ms)
        runs_usec "$name" || exit 1
        # The rest of two seconds, for the share of the time.
        while [ $(($(now_ms) - begin)) -lt 2000 ]; do sleep 0.05; done
        echo "$(($(helper_ticks) - ticks)) $(($(now_ms) - begin))" >>"$T/$name.share"
        flood_end
}
runs_usec first || exit 1 # the first are none to judge by
for ((i = 0; i < rounds; i++)); do
        runs_usec quiet || exit 1
        while_flooded loops bash -c idle_loops
        while_flooded uids "$T/bin/abuse" "$T/run/user" uids 0
done
quantile() {
        sort -n "$T/$1" | awk -v share="$2" '{ v[NR] = $1 } END { i = int(share * NR) + 1; print v[i < NR ? i : NR] }'
}
share() {
        awk -v hz="$(getconf CLK_TCK)" '{ ticks += $1; ms += $2 } END { print 100 * (ticks / hz) / (ms / 1000) }' \
                "$T/$1.share"
}
echo "bpfdeleg run, while 60 000 uids flood"
for name in quiet loops uids; do
        [ "$(wc -l <"$T/$name")" -eq $((rounds * runs)) ] \
                || { echo "bench: $name: not each run could be measured" >&2; exit 1; }
        row "$name: median" "$(quantile "$name" 0.5)" us
        row "$name: 99 of 100 take at most" "$(quantile "$name" 0.99)" us
done
row "  times quiet, idle loops" "$(over "$(quantile loops 0.99)" "$(quantile quiet 0.99)")"
row "  times quiet, uids" "$(over "$(quantile uids 0.99)" "$(quantile quiet 0.99)")" '' times 2
row "the helper's share of a processor" "$(share uids)" % % 20

# ---- a restart beside a delegation that does not end -----------------------------------------------------------------

# A poll of 20 ms would be all that is measured.
eval "$(declare -f wait_until | sed 's/sleep 0.02/sleep 0.001/')"
restart_usec() {
        local begin=${EPOCHREALTIME/[.,]/}
        helper_stop && helper_start || return 1
        echo $((${EPOCHREALTIME/[.,]/} - begin))
}
restarts_usec() {
        local i; for ((i = 0; i < restarts; i++)); do restart_usec >>"$T/$1" || { cat "$T/$1"; exit 1; }; done
}
pid_file=$T/home/$alice/pid
is_there() { [ -s "$pid_file" ]; }
stuck_starts() {
        rm -f "$pid_file"
        session_start s "$alice" || return 1
        in_session_sh s 'bpfdeleg run -- sh -c "echo \$\$ >~/pid; exec sleep 1000" >/dev/null 2>&1 & disown' || return 1
        wait_until is_there || return 1
        spawn "$(program tests/tools/stuck)" trace "$(cat "$pid_file")" </dev/null >"$T/stuck" 2>&1
        tracer=$spawned
        wait_until grep -qx ready "$T/stuck" && session_end s && wait_until delegations_are 1
}
stuck_ends() {
        kill "$tracer"
        wait "$tracer" 2>/dev/null
        unset "pids[$tracer]"
        expect_delegations 0
}
session_end a && expect_delegations 0 || exit 1
restarts_usec warm
for ((i = 0; i < 3; i++)); do
        restarts_usec without
        stuck_starts || { echo "bench: nothing sticks" >&2; exit 1; }
        restarts_usec with
        stuck_ends || exit 1
done
echo
echo "A restart of the helper, medians"
row "without delegations" "$(quantile without 0.5)" us
row "beside one that does not end" "$(quantile with 0.5)" us
row "  times without" "$(over "$(quantile with 0.5)" "$(quantile without 0.5)")" '' times 1.2
