#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the guard costs: calls.c with it and without, in turn, and the medians of both. `./bootstrap bench guard' runs
# it: here where a guard can be loaded, else in the vm bed, with BD_QEMU_ACCEL=count: a nanosecond is one instruction
# there, so what differs is the number of instructions that the guard adds, and of a real processor's time it says only
# that: it does some one to three of them in a nanosecond. So bounds are judged on real hardware alone. Whatever the
# numbers, the one case is that all was measured.

. "$(dirname "$0")/../system/lib.sh"

emulated() { grep -q 'QEMU TCG' /proc/cpuinfo; }

rounds=${BD_BENCH_ROUNDS:-$(if emulated; then echo 1; else echo 5; fi)}

# What a call may cost more, in nanoseconds; `load' is compared, not bounded.
bound() {
        case $1 in
        bpf-*) echo 1000 ;;
        receive-*) echo 200 ;;
        capability | cap-*) echo 100 ;;
        open-* | symlink) echo 100 ;;
        socket-*) echo 100 ;;
        fork* | netlink*) echo 200 ;;
        esac
}

# The guard's programs are gone a moment after the last link of theirs.
guard_is_there() { bpftool prog list 2>/dev/null | grep -q 'lsm *name guard_'; }
guard_has_gone() { ! guard_is_there; }

# with_guard STATE: measures, to $T/STATE. The helper that makes the token is another, the calls are the same.
with_guard() {
        bpfdelegd=$guarded
        [ "$1" = on ] || bpfdelegd=$unguarded
        patience=60 helper_start || return 1
        [ "$1" = off ] || guard_is_there || { echo "there is no guard"; cat "$T/helper.log"; return 1; }
        [ "$1" = on ] || patience=60 wait_until guard_has_gone || { echo "the guard stays"; return 1; }
        "$T/bin/calls" calls >>"$T/$1" || return 1
        login_as "$alice" -- bpfdeleg run -- calls load /sys/fs/bpf >>"$T/$1" || return 1
        patience=60 helper_stop || return 1
        rm -rf "$guard_dir"
}

# First one, then the other first: whatever changes with time hits both alike.
measure() {
        local i
        for ((i = 0; i < rounds; i++)); do
                if [ $((i % 2)) -eq 0 ]; then with_guard off && with_guard on; else with_guard on \
                        && with_guard off; fi || return 1
        done
}

median() { # FILE ROW
        awk -v row="$2" '$1 == row { print $2 }' "$1" | sort -n \
                | awk '{ v[NR] = $1 }
                        END { printf "%.1f\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# BD_QEMU_ACCEL=count has one processor, the bed's usual machine two.
unit() {
        if ! emulated; then
                echo nanoseconds
        elif [ "$(nproc)" -eq 1 ]; then
                echo instructions
        else
                echo "nanoseconds of an emulated processor, of which only the share says something"
        fi
}

table() {
        local row off on yardstick
        yardstick=$(median "$T/off" getppid)
        diag "Linux $(uname -r), $rounds rounds with and without the guard in turn, medians, $(unit)"
        diag "$(printf '%-34s %12s %12s %12s %8s %10s  %s' '' without with more share getppids 'bound, ns')"
        while read -r row; do
                off=$(median "$T/off" "$row") on=$(median "$T/on" "$row")
                diag "$(awk -v row="$row" -v off="$off" -v on="$on" -v unit="$yardstick" \
                        -v bound="$(bound "$row")" -v judged="$(emulated || echo yes)" '
                        BEGIN {
                                more = on - off
                                printf "%-34s %12.0f %12.0f %12.0f %7.1f%% %10.2f",
                                        row, off, on, more, 100 * more / off, more / unit
                                if (bound != "")
                                        printf "  %s%d", judged ? (more <= bound ? "ok: " : "over: ") : "", bound
                        }')"
        done < <(awk '!seen[$1]++ { print $1 }' "$T/off")
}

setup
guarded=$(program helper/bpfdelegd) && unguarded=$(program tests/escape/bpfdelegd-unguarded) || exit 1
alice=bdt-$$-a
add_user "$alice" || exit 1
install -m 0755 "$(program tests/bench/calls)" "$T/bin/" || exit 1
service bdt
# Loads of up to a million instructions are compared.
simple_policy 50-bench "$alice" 'bpf:delegate_progs = socket_filter, cgroup_skb' 'bpf:confine = preferred' \
        'bpf:long_loops = yes'
ok "everything is measured with the guard and without" measure
[ "$case_failures" -gt 0 ] || table
finish
