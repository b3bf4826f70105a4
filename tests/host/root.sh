#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How a delegation could become root, from a login on: with the widest example of bpfdeleg-policy(5) a user comes by
# ssh, wants every server to be told that their client is root, and asks systemd for a command; and wants a thread of
# the kernel to write to the journal for them. Both are refused. Each is tried once more where it must work: the first
# with allow_host_wide, the second under a helper without a guard.

. "$(dirname "$0")/../booted/lib.sh"

journal_id=14ee0303ed3f4f40aa8ec3070f917699

setup
# The bed goes on after this test: it gets its helper back whatever happens.
trap 'code=$?; as_shipped >/dev/null 2>&1; (exit "$code"); undo' EXIT
install -m 0755 "$bed/escape/forge" "$T/bin/" || exit 1
add_user alice
uid=$(id -u alice)

# example [MORE-PROGS MORE-ATTACHS [LINE…]]: the manual's second example, and what comes after it in its lists and
# section.
example() {
        local progs=${1:-} attachs=${2:-}
        [ $# -lt 2 ] || shift 2
        { cat; printf '%s\n' "$@"; } <<END | policy 50-example
[match]
users = alice, bob
[session]
scope = session
[bpf]
delegate_cmds = any
delegate_maps = any
delegate_progs = @socket, @cgroup, ~cgroup_device$progs
delegate_attachs = @socket, @cgroup, ~cgroup_device$attachs
caps = CAP_BPF, CAP_NET_ADMIN
network = private
END
}
run() { in_session one bpfdeleg run -- "$@"; }
# as_root FILE: what is asked of systemd.
as_root() { printf '%s\n' systemd-run --system --no-ask-password --wait --quiet touch "$1"; }
touched() { find "$T" -maxdepth 1 -name "$1" -printf '%u %f\n'; }

# ---- who the client is -----------------------------------------------------------------------------------------------

# The kernel says no to the load, before the guard is asked: the token is not for that type.
not_root() { # WHEN
        local file=$T/of-$1 command
        mapfile -t command < <(as_root "$file")
        refused "$1: systemd takes no command of hers" 'access denied|authentication required' run "${command[@]}"
        refused "$1: she cannot have it told that she is root" \
                '^forge: the load of a cgroup_sockopt program: operation not permitted$' run "$T/bin/forge" peercred \
                        "${command[@]}"
        lacks "$1: and there is no file of root's" . touched "of-$1"
}

example
ok "alice logs in" session_start one alice
prints "the guard keeps her" '50-example.ini, confined to your own subtree by the guard' in_session one bpfdeleg status
not_root example
ok "she can load what the policy has" in_session_sh one "bpfdeleg run -- $(load_packets)"

# ---- in whose name the journal is written ----------------------------------------------------------------------------

# Whoever says so: journald has the sender's uid from the kernel.
forged() { journal -o json | jq -r --arg text "$1" 'select(.MESSAGE == $text) | "uid \(._UID)"'; }
is_forged() { forged "$1" | grep -qx 'uid 0'; }
mark
refused "a thread of the kernel sends nothing for her" '^forge: the load of an sk_skb program: ' run "$T/bin/forge" \
        journal "written with a guard" true
refusal="guard: uid=$uid user=alice policy=50-example.ini .*: forge \\(pid [0-9]+\\): prog_load.*sk_redirect_map"
ok "the journal says what she tried" logged "$refusal"
prints "in a record of its own kind" '"BPFDELEG_USER":"alice"' journal -o json "MESSAGE_ID=$journal_id"
ok "a word of her own gets there" in_session one logger "written by herself"
of_hers() { forged "written by herself" | grep -qx "uid $uid"; }
ok "as hers" wait_until of_hers
lacks "and nothing of root's, or of anybody's" . forged "written with a guard"
ok "she logs out" session_end one

# ---- what the tests above would see ----------------------------------------------------------------------------------

example ', cgroup_sockopt' ', cgroup_getsockopt, cgroup_setsockopt' 'allow_host_wide = yes'
ok "with allow_host_wide: alice logs in" session_start one alice
mapfile -t command < <(as_root "$T/of-host-wide")
refused "by herself she is nobody" 'access denied|authentication required' run "${command[@]}"
ok "but root when she has it told so" run "$T/bin/forge" peercred "${command[@]}"
prints "the file is root's" '^root of-host-wide$' touched of-host-wide
ok "she logs out" session_end one

example
helper_without_guard
example '' '' 'confine = off'
ok "without a guard: alice logs in" session_start one alice
mark
ok "a thread of the kernel sends" run "$T/bin/forge" journal "written without a guard" sleep 10
ok "and the journal has it as root's" wait_until is_forged "written without a guard"
not_root unguarded
ok "she logs out" session_end one

ok "the package's helper is back" as_shipped
example
ok "with its guard: alice logs in" session_start one alice
mark
refused "and is refused as before" '^forge: the load of an sk_skb program: ' run "$T/bin/forge" journal \
        "written with a guard" true
ok "which the journal says" logged "$refusal"
ok "she logs out" session_end one

finish
