#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A delegation as systemd sees it: a scope in the user's slice, whose properties are the policy's, which an admin finds
# where he looks, and can end.

. "$(dirname "$0")/lib.sh"

setup
add_user alice
uid=$(id -u alice)
simple_policy 50-test alice
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
idle

ok "alice logs in" session_start one alice
id=$(in_session one printenv BPFDELEG)
id=${id%-*}
scope=bpfdeleg-$id.scope
property() { systemctl show -P "$1" "$scope"; }
is() { prints "the scope's $1 is $2" "^$2\$" property "$1"; }

ok "there is one delegation" expect_delegations 1
prints "systemctl status finds it, active" 'Active: active' systemctl status --no-pager "$scope"
prints "and says whose it is" "alice.*50-test|50-test.*alice" systemctl status --no-pager "$scope"
prints "systemd-cgls shows it, with its two parts" "$scope" systemd-cgls --no-pager "/user.slice/user-$uid.slice"
is Slice "user-$uid.slice"
is ControlGroup "/user.slice/user-$uid.slice/$scope"
is Delegate yes
prints "no controller: the policy has no limit" '^DelegateControllers=$' systemctl show --all -p DelegateControllers \
        "$scope"
is KillSignal 9
is CollectMode inactive-or-failed
# What this policy does not bound only the user's slice does.
is TasksMax infinity
# With it, she could have systemd move any process of hers in, one with privileges too.
lacks "it has no User" . property User
attach() { in_session_sh one \
        "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
        AttachProcessesToUnit ssau $scope /run 1 \$\$"; }
refused "so systemd moves no process in for her" 'denied|authenticat' attach
kill_file=$cgroup2/user.slice/user-$uid.slice/$scope/cgroup.kill
ok "its directory is hers" test "$(stat -c %U "${kill_file%/*}")" = alice
ok "but for cgroup.kill" test "$(stat -c %U "$kill_file")" = root
ok "inside, it is the root of the cgroup tree" in_session_sh one \
        "[ \"\$(bpfdeleg run -- cat /proc/self/cgroup | sed -n 's/^0:://p')\" = /run ]"

# ---- the user's manager, logind, PID 1 ----

inside=$(sleep_inside one)
# Of a process whose leader is another user manager's, logind knows nothing more: it must leave it alone all the same.
ok "her user manager is restarted" systemctl restart "user@$uid.service"
ok "logind is restarted" systemctl restart systemd-logind
ok "PID 1 is told to read all units again" systemctl daemon-reload
ok "PID 1 is executed anew" systemctl daemon-reexec
ok "the scope is active still" systemctl is-active --quiet "$scope"
ok "and what is inside alive" alive "${inside:-0}"
ok "she can use it" in_session one bpfdeleg run -- test -d /sys/fs/bpf
recorded 'grant alice 50-test.ini'

# ---- an admin ends it ----

ok "systemctl kill -s KILL of the scope" systemctl kill -s KILL "$scope"
ok "is the delegation's end" expect_delegations 0
ok "and that of the process inside" wait_until gone "${inside:-0}"
exits "the session goes on, and is told" 125 'no delegation' in_session one bpfdeleg run -- true
ok "she logs out" session_end one
recorded 'end alice 50-test.ini' 'refuse .*'
nothing_left "after systemctl kill of the scope"

ok "alice logs in" session_start two alice
scope=$(basename "$(delegation_dirs | head -n 1)")
ok "systemctl stop of the scope" systemctl stop "$scope"
ok "is the delegation's end, too" expect_delegations 0
ok "she logs out" session_end two
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after systemctl stop of the scope"

# ---- lingering ----

ok "alice may linger" loginctl enable-linger alice
ok "she logs in" session_start three alice
ok "and out" session_end three
ok "her manager goes on" systemctl is-active --quiet "user@$uid.service"
ok "her delegation does not" expect_delegations 0
ok "alice may not linger any more" loginctl disable-linger alice
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
nothing_left "after lingering"

finish
