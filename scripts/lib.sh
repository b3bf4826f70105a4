# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the parts of bootstrap share: its steps, how they are shown, what runs beside them. Sourced by bootstrap, which
# has set $src (where the sources are), $build and $me (how it is called).

tmp=
declare -A asides=() # what runs beside the steps: name → process group, empty once it has ended
cleanup() {
        local code=$? group
        for group in ${asides[@]+"${asides[@]}"}; do [ -z "$group" ] || kill -TERM -- "-$group" 2>/dev/null; done
        [ -z "$tmp" ] || rm -rf "$tmp"
        [ -z "${shm:-}" ] || rm -rf "$shm"
        exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
need_tmp() { [ -n "$tmp" ] || tmp=$(mktemp -d /tmp/bpfdeleg-bootstrap.XXXXXX) || die "no temporary directory"; }

# excerpt LOG LINES: what of it tells of the failure. Of tests in there that is each failed case with what it printed,
# and not the passed ones; of a make its errors. Where neither is found: its end.
excerpt() {
        local told
        told=$(awk '
                /^ok [0-9]+ |^PASS[: ]|^SKIP: |^1\.\.[0-9]+/ { showing = 0; next }
                /^not ok [0-9]+ |^(FAIL|XPASS|ERROR): / { showing = 12 }
                / (error|Error|ERROR): |^make(\[[0-9]+\])?: \*\*\* |^E: / { if (!showing) showing = 1 }
                showing { print; showing-- }' "$1" | tail -n "$2")
        [ -n "$told" ] || told=$(tail -n "$2" "$1")
        printf '%s\n' "$told" | sed 's/^/    /'
}

# step WORDS LOG CMD…: one line on the screen, the output in LOG; on failure its tail is shown.
step() {
        local words=$1 log=$2 begin=$SECONDS
        shift 2
        printf '%-58s' "$words"
        if "$@" >"$log" 2>&1; then
                printf ' ok  %3d s\n' $((SECONDS - begin))
                return 0
        fi
        printf ' FAILED\n'
        [ "${tail_lines:-40}" = 0 ] || excerpt "$log" "${tail_lines:-40}"
        say "    (all of it: $log)"
        return 1
}

# aside NAME CMD…: begins CMD now, beside the steps; `awaited NAME` waits for it, prints what it printed and takes its
# status. A session of its own, so that it can be ended with all its children. Not far behind the others: whoever is
# preempted in a fork holds back everybody's moves into cgroups (cgroup_threadgroup_rwsem), and at nice 19 that was a
# minute.
aside() {
        local name=$1
        shift
        need_tmp
        setsid nice -n 3 bash -c \
                'out=$1; shift; status=0; "$@" >"$out" 2>&1 </dev/null || status=$?; echo "$status" >"$out.status"' \
                sh "$tmp/$name" "$@" &
        asides[$name]=$!
}
awaited() { # NAME
        wait "${asides[$1]}"
        asides[$1]=''
        cat "$tmp/$1"
        return "$(cat "$tmp/$1.status" 2>/dev/null || echo 1)"
}
