#!/bin/bash
# shellcheck disable=SC2154 # spawned, vector_pid and more: the two files sourced
# SPDX-License-Identifier: LGPL-2.1-or-later
# A connect4 program leads every process of its cgroup elsewhere, so no privileged one may ever be in the user's. That
# one would be led is shown with a setuid program that root brings in; then its user tries all that he can do to have
# one there. The guard has no part in it.
. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

guard_preferred_policy() { echo 'confine = preferred'; }

port=7777 elsewhere=7778

trusted_said() { [ -s "$T/trusted.out" ] || gone "$trusted_pid"; }

# trusted_start COMMAND…: what becomes the setuid program, in the background, as far as its first line.
trusted_start() {
        rm -f "$T/trusted.in"
        mkfifo "$T/trusted.in"
        : >"$T/trusted.out"
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c 'in=$1 out=$2; shift 2; exec "$@" <"$in" >"$out" 2>&1' sh "$T/trusted.in" "$T/trusted.out" "$@" \
                </dev/null
        trusted_pid=$spawned
        exec {trusted_fd}>"$T/trusted.in"
        wait_until trusted_said
        export ESCAPE_PID
        ESCAPE_PID=$(sed -n 's/^ready: .* euid 0 pid //p' "$T/trusted.out")
}
trusted_go() {
        # It may have been refused already: nobody reads then, and the signal for it would be ours.
        gone "$trusted_pid" || echo >&"$trusted_fd"
        exec {trusted_fd}>&-
        wait_until gone "$trusted_pid" || kill -KILL "$trusted_pid"
        wait "$trusted_pid" 2>/dev/null
        unset "pids[$trusted_pid]"
}

# With root's help it is led: the row's first half.
bites() { # NAME
        local result=refused
        if grep -q "^connected: .* euid 0 to port $elsewhere\$" "$T/trusted.out"; then
                result=escaped
                tap ok "$1: a setuid program in the own subtree would be led elsewhere"
        else
                tap failed "$1: a setuid program in the own subtree would be led elsewhere" "$T/trusted.out"
        fi
        off["$1"]="$result: $(tail -n 1 "$T/trusted.out")"
}

# denied NAME PATTERN: the second half: this is what it said instead.
denied() {
        local result=escaped
        if grep -q "$2" "$T/trusted.out" && ! grep -q "^connected: .* euid 0 to port $elsewhere\$" \
                "$T/trusted.out"; then
                result=refused
                tap ok "$1 is refused to the user"
        else
                tap failed "$1 is refused to the user" "$T/trusted.out"
        fi
        diag "vector: $1 off=${off["$1"]%%:*} on=$result (${off["$1"]}; $(tail -n 1 "$T/trusted.out"))"
}

setup
trap undo_attacks EXIT
install -m 0755 "$(program tests/escape/escape)" "$(program tests/escape/trusted)" "$T/bin/" &&
        install -m 4755 "$(program tests/escape/trusted)" "$T/bin/setuid" || exit 1
alice=bdt-$$-a
add_user "$alice" || exit 1
service bdt
ok "the helper starts" helper_start
escape_policy preferred usual "$alice"
ok "a session" session_start a "$alice"
export ESCAPE_PORT=$elsewhere
vector_start "$alice" redirect
redirect_pid=$vector_pid redirect_fd=$vector_fd
case $vector_says in
escaped:*) tap ok "a connect4 program is attached to the own subtree" ;;
*) tap failed "a connect4 program is attached to the own subtree" "$T/vector.out" ;;
esac
run_dir=$(delegation_dirs)/run
user=(setpriv "--reuid=$(id -u "$alice")" "--regid=$(id -g "$alice")" --clear-groups)

# One that runs already.
trusted_start "${user[@]}" "$T/bin/setuid" "$port"
ok "root moves a setuid program in" sh -c 'echo "$1" >"$2/cgroup.procs"' sh "$ESCAPE_PID" "$run_dir"
trusted_go
bites setuid-moved
trusted_start "${user[@]}" "$T/bin/setuid" "$port"
vector_start "$alice" setuid-moved
vector_end
case $vector_says in
refused:*) tap ok "the user cannot move it in: ${vector_says#*: }" ;;
*) tap failed "the user cannot move a setuid program in" "$T/vector.out" ;;
esac
trusted_go
denied setuid-moved "^connected: .* euid 0 to port $port\$"

# One that is born there.
trusted_start "$T/bin/trusted" --into "$run_dir" "$T/bin/setuid" "$port"
trusted_go
bites setuid-born
trusted_start "${user[@]}" "$T/bin/trusted" --into "$run_dir" "$T/bin/setuid" "$port"
trusted_go
denied setuid-born '^failed: clone3: Permission denied$'

# One that comes by ENTER: root moves a shell in, as ENTER would if it asked for nothing.
# shellcheck disable=SC2016 # for the inner shell
trusted_start sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$run_dir" "${user[@]}" "$T/bin/setuid" "$port"
trusted_go
bites setuid-run
off[enter-no-nnp]=${off[setuid-run]} off[enter-thread]=${off[setuid-run]}
in_session a bpfdeleg run -- "$T/bin/setuid" "$port" >"$T/trusted.out"
denied setuid-run "^connected: .* euid [1-9][0-9]* to port $elsewhere\$"
in_session a enter-as --no-nnp "$T/run/user" >"$T/trusted.out"
denied enter-no-nnp '^refused: .* 0 descriptors: .*no_new_privs'
in_session a enter-as --thread "$T/run/user" >"$T/trusted.out"
denied enter-thread '^refused: .* 0 descriptors: .*thread'

vector_pid=$redirect_pid vector_fd=$redirect_fd
vector_end
ok "the session ends" session_end a
finish
