#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Kills, fails and stalls the helper at each of its system calls: tests/faults/faults.c. BD_FAULT=TEXT tries only what
# has TEXT in its name, as it is printed ("state.c:write_file:renameat", ":stall"); BD_FAULT_WORKERS=N (6) at the same
# time, for most of it is waiting.

. "$(dirname "$0")/../system/lib.sh"

setup
workers=${BD_FAULT_WORKERS:-6}
args=()
[ -z "${BD_FAULT:-}" ] || args+=(--only "$BD_FAULT" --verbose)
# Beside the anchor's program.
faulty=$T/bin/bpfdelegd-faults
install -m 0755 "$(program tests/faults/bpfdelegd-faults)" "$faulty" && driver=$(program tests/faults/faults) || exit 1

# config FILE SECONDS, service FILE SECONDS DIR: with so much patience.
config() {
        printf '%s\n' '[helper]' "cgroup_parent = $3" 'backend = cgroupfs' '[timeouts]' "request = $2" "open = $2" \
                "enter = $2" "close = $2" >"$1"
}
service() {
        printf 'session required %s socket=%s/run/session policy_dir=%s/policy.d timeout=%d\n' "$pam_module" "$3" \
                "$3" "$2" >"$1"
}

# prepare I: a place, a user and a cgroup parent of its own. While a fault is tried deadlines are short, for what stalls
# is waited for; after it they are long: a busy machine is no fault.
prepare() {
        local dir=$T/w$1 user=bdt-$$-$1 name services
        mkdir -p "$dir/run" "$dir/pam.d" "$dir/policy.d" && add_user "$user" || return 1
        config "$dir/hasty.ini" 1 "bdt-$$-w$1"
        config "$dir/patient.ini" 40 "bdt-$$-w$1"
        service "$dir/pam.d/hasty" 2 "$dir"
        service "$dir/pam.d/patient" 50 "$dir"
        cp "$dir/pam.d/patient" "$dir/pam.d/other"
        for name in both other; do
                services=$name
                [ "$name" = other ] || services='hasty, patient'
                simple_policy "50-$name" "$user" 'bpf:network = private' || return 1
                sed "s/^users = .*/&\nservices = $services/" "$T/policy.d/50-$name.ini" >"$dir/policy.d/50-$name.ini"
        done
}

drive() { # I WHAT
        local dir=$T/w$1
        spawn "$driver" "$2" --plan "$T/plan" --helper "$faulty" --tool "$T/bin/bpfdeleg" --dir "$dir" --confdir \
                "$dir/pam.d" \
                --policy-dir "$dir/policy.d" --user "bdt-$$-$1" --cgroup "$cgroup2/bdt-$$-w$1" "${args[@]}" \
                        >"$dir/out" 2>&1 </dev/null
}
driven() { # PID
        local code=0
        wait "$1" || code=$?
        unset "pids[$1]"
        return "$code"
}

# The drivers' helpers and logins die with them; what a helper has made does not.
end_workers() {
        local code=$? pid dir
        [ "$BASHPID" = "$$" ] || return "$code" # as in undo
        trap '' INT TERM HUP # timeout(1) says it twice
        for pid in "${!pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
        for dir in "$cgroup2/bdt-$$"-w*; do
                [ -d "$dir" ] && echo 1 >"$dir/cgroup.kill" \
                        && patience=2 wait_until sh -c 'find "$0" -depth -type d -exec rmdir "{}" +' "$dir" 2>/dev/null
        done
        return "$code"
}
trap 'end_workers; undo' EXIT

for ((i = 0; i < workers; i++)); do prepare "$i" || exit 1; done

record() { drive 0 --record && driven "$spawned"; }
ok "the scenarios go through without a fault" record || { cat "$T/w0/out"; exit 1; }
read -r _ points _ passed _ trials _ ways _ passages _ repeated < <(grep '^points ' "$T/w0/out")
diag "$points fault points, $passed of them passed, on $ways ways, $passages times: $trials trials, \
by $workers at the same time." \
        "Not tried: $repeated passages that are others again (the fourth of a loop, in recovery what life has), \
and errors and stalls at any but the first"
[ -z "${BD_FAULT:-}" ] || sed -n 's/^unpassed /# never passed: /p' "$T/w0/out"

# no_less NAME NUMBER: the count in tests/faults/least. Who takes a fault point away on purpose changes it there.
no_less() {
        local least
        least=$(awk -v name="$1" '$1 == name { print $2 }' "$top_srcdir/tests/faults/least")
        [ "$2" -ge "${least:-$(($2 + 1))}" ] && return 0
        echo "$1: $2, and by tests/faults/least there must be ${least:-a number}"
        return 1
}
ok "there are as many fault points as there were" no_less points "$points"
ok "the scenarios pass as many of them as they did" no_less passed "$passed"
ok "there are as many trials as there were" no_less trials "$trials"

drivers=()
for ((i = 0; i < workers; i++)); do
        drive "$i" --try
        drivers+=("$spawned")
done
died=0
for pid in "${drivers[@]}"; do
        driven "$pid"
        [ $? -le 1 ] || died=1
done
for ((i = 0; i < workers; i++)); do sed -n '/^failed:/p; /^faults:/p; /^# /p' "$T/w$i/out"; done >"$T/said"
[ -z "${BD_FAULT:-}" ] || cat "$T/said"
cat "$T"/w*/out | awk '$1 == "trials" { n++; for (i = 2; i <= NF; i += 2) sum[$(i - 1)] += $i }
        END { printf "workers %d", n; for (name in sum) printf " %s %d", name, sum[name]; print "" }' >"$T/sums"
sum() { sed -n "s/.*\b$1 \([0-9]*\).*/\1/p" "$T/sums"; }
diag "faults tried: $(($(sum killed) + $(sum failed) + $(sum stalled))) \
($(sum killed) kills, $(sum failed) errors, $(sum stalled) stalls), survived: $(sum survived)," \
        "leftovers: $(sum left); ways that were not taken again: $(sum never); $SECONDS s"
all_done() {
        [ "$died" -eq 0 ] && [ "$(sum workers)" -eq "$workers" ] && { [ -n "${BD_FAULT:-}" ] \
                || [ "$(sum trials)" -eq "$trials" ]; }
}
ok "all of them were tried" all_done || cat "$T/said"
none_failed() { ! grep -A 13 '^failed: ' "$T/said"; }
ok "each fault is survived" none_failed
ok "nothing is left by any" test "$(sum left)" = 0
# What is not taken again each time is no fault that was tried: a few at most.
ok "nearly all of them came to be" test "$(($(sum never) * 10))" -le "$(sum trials)"
finish
