#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Go programs of cilium/ebpf, which cannot but have threads, with the guard and behind the attach proxy: every attach
# goes through, and without the proxy, or elsewhere, none.
# vm-parallel

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/../escape/lib.sh"

setup
trap undo_attacks EXIT
alice=bdt-$$-a
add_user "$alice"
service bdt
install -m 0755 "$(program tests/vm/go-loader)" "$(program tests/escape/escape)" "$T/bin/" || exit 1
object=$T/bin/packets.bpf.o here=/sys/fs/cgroup/run
simple_policy 50-alice "$alice" 'bpf:delegate_maps = array' 'bpf:delegate_progs = cgroup_skb' \
        'bpf:delegate_attachs = cgroup_inet_egress' 'bpf:confine = required'
# An admin's link, too, so that the kernel has patched in all of it before the second processor is there.
ok "devices, mounts and a link are there" furnish
ok "the helper starts" helper_start
go() { answer_timeout=300 in_session s bpfdeleg run "${run[@]}" -- go-loader "$@"; }
run=()
ok "a session opens" session_start s "$alice"
cgroup_links() { bpftool link list | grep -c '^[0-9]*: cgroup '; }
links_before=$(cgroup_links)
links_as_before() { [ "$(cgroup_links)" -eq "$links_before" ] || { bpftool link list; return 1; }; }
processors 2

go once "$object" "$here" >"$T/once" 2>&1 || echo "(status $?)" >>"$T/once"
prints "cilium/ebpf finds the token, links, and updates the link" '^linked: 10, updated: 10$' cat "$T/once"
prints "and attaches without a link" '^without a link: 10$' cat "$T/once"
refused "outside of a delegation it cannot even load" 'not permitted' in_session s go-loader once "$object" "$cgroup2"
refused "it does not get to the root cgroup" 'attach: .*(not permitted|denied)' go once "$object" "$T/cg2"
prints "64 goroutines of cilium/ebpf under a collector without rest, each of 640 attaches" \
        '^640 attached, 0 failed, [1-9][0-9]* collections$' \
        go many "$object" "$here" 64 10
diag "$(cat "$T/out")"
prints "64 goroutines of the bare system call, each of 6400" '^6400 attached, 0 failed, [1-9][0-9]* collections$' \
        go raw "$object" "$here" 64 100
diag "$(cat "$T/out")"
run=(--no-proxy)
exits "without the proxy, none of the library's" 1 '^0 attached, 64 failed,' go many "$object" "$here" 64 1
cp "$T/out" "$T/none"
prints "which says why" '(not permitted|denied)' cat "$T/none"
exits "nor of the bare one's" 1 '^0 attached, 640 failed,' go raw "$object" "$here" 64 10
run=()

processors 1
ok "no link is left" wait_until links_as_before
ok "the session ends" session_end s
ok "nothing is left in the guard's maps" guard_is_empty
ok "no program of the guard was ever skipped" guard_was_never_skipped
ok "what the test has made is removed" unfurnish
finish
