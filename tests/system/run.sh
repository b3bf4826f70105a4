#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `bpfdeleg run`: what it hands through, what is different inside, how it ends, and who is not let in.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt
simple_policy 50-test "$alice"
ok "the helper starts" helper_start
helper_idle
ok "a session opens" session_start s "$alice"
root=$(delegation_dirs)

run() { in_session s bpfdeleg run -- "$@"; }
run_sh() { in_session_sh s "bpfdeleg run -- sh -c $(printf %q "$1")"; }

# ---- status ----

exits "the command's own status: 0" 0 '' run true
exits "1" 1 '' run false
exits "42" 42 '' run sh -c 'exit 42'
exits "255" 255 '' run sh -c 'exit 255'
exits "killed by SIGKILL, as a shell sees it: 137" 137 '' run sh -c 'kill -KILL $$'
exits "killed by SIGTERM: 143" 143 '' run sh -c 'kill -TERM $$'
exits "no such command: 127" 127 'there-is-no-such' run there-is-no-such-command
exits "no such file: 127" 127 'there-is-no-such' run "$T/there-is-no-such-file"
exits "not executable: 126" 126 'permission' run "$T/policy.d/50-test.ini"
exits "a directory: 126" 126 '' run "$T"
exits "nothing to run" 125 'bpfdeleg|usage' in_session s bpfdeleg run --
exits "without -- too" 3 '' in_session s bpfdeleg run sh -c 'exit 3'
exits "options behind the command are the command's" 4 '' in_session s bpfdeleg run sh -c 'exit "$1"' sh 4
exits "an option it does not know" 125 'no-such-option' in_session s bpfdeleg run --no-such-option -- true

# ---- the tool's other words ----

prints "status has a help" '^Usage: bpfdeleg status' in_session s bpfdeleg status --help
exits "an option of status that it does not know" 125 'no-such-option' in_session s bpfdeleg status --no-such-option
exits "status takes no argument" 125 'Usage: bpfdeleg status' in_session s bpfdeleg status x
ok "status alone is none of these" in_session s bpfdeleg status
refuses_cookie() { in_session s env BPFDELEG=$'\e[31mred\a\xc2\x9b' bpfdeleg "$@"; }
exits "a BPFDELEG that a terminal would obey is shown as what it is" 125 \
        "BPFDELEG is '\\?\\[31mred\\?\\?\\?', which is no session" refuses_cookie run true
no_control_character() { ! refuses_cookie kill run | LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f-\xff]'; }
ok "and nothing of it gets to the terminal" no_control_character
# Three of its own, one for the socket; and three come. What the harness was started with, make's -j say, is closed
# before the limit: the shell keeps a copy of what it closes for one command, far up.
closed='3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-'
for n in 5 6; do
        exits "with $n descriptors there are too few, and that is said" 125 \
                'may not open as many descriptors.*ulimit -n' \
                in_session_sh s "(exec $closed; ulimit -n $n; exec bpfdeleg run -- true)"
done
ok "with 20 there are enough" in_session_sh s \
        "(exec $closed; ulimit -n 20; exec bpfdeleg run --no-proxy -- true)"

# ---- handed through ----

prints "standard input" '^from outside$' in_session_sh s 'echo from outside | bpfdeleg run -- cat'
prints "standard error" '^to stderr$' run sh -c 'echo to stderr >&2'
prints "the working directory" "^$T/home/$alice\$" in_session_sh s "cd $T/home/$alice && bpfdeleg run -- pwd"
prints "the environment" '^a value with blanks$' in_session_sh s \
        'FOO="a value with blanks" bpfdeleg run -- printenv FOO'
prints "arguments as they are" '^<a b><><\*>$' run printf '<%s>' 'a b' '' '*'
prints "the process: run becomes the command" '^same$' in_session_sh s \
        'bpfdeleg run -- sh -c "echo \$\$" >~/pid & p=$!; wait $p; read -r q <~/pid; [ $p = $q ] && echo same'
prints "the user and his groups" "^$(id -u "$alice") $(id -g "$alice")\$" run sh -c 'echo "$(id -u) $(id -g)"'
prints "the file system: what he writes is his outside" "^$alice\$" in_session_sh s \
        'bpfdeleg run -- touch ~/made && stat -c %U ~/made'
ok "a signal reaches the command" in_session_sh s \
        'bpfdeleg run -- sh -c "trap \"exit 9\" USR1; : >~/ready; while :; do sleep 0.05; done" & p=$!
         for i in $(seq 200); do [ -e ~/ready ] && break; sleep 0.05; done
         kill -USR1 $p; wait $p; [ $? -eq 9 ]'
# The session has some of the harness's own: it must be the same ones.
same_descriptors() {
        in_session_sh s \
                'ls /proc/self/fd >~/outside; bpfdeleg run -- ls /proc/self/fd >~/inside; diff ~/outside ~/inside'
}
ok "no descriptor is left to it" same_descriptors

# ---- inside ----

prints "no_new_privs is set" '^NoNewPrivs:\s1$' run grep NoNewPrivs /proc/self/status
prints "LIBBPF_BPF_TOKEN_PATH is set" '^/sys/fs/bpf$' run printenv LIBBPF_BPF_TOKEN_PATH
lacks "only inside" . in_session_sh s 'printenv LIBBPF_BPF_TOKEN_PATH || true'
# CAP_NET_ADMIN is 12, CAP_BPF 39: exactly the policy's.
for set in CapAmb CapEff CapPrm CapInh; do
        prints "capabilities are exactly the policy's: $set" "^$set:\s0000008000001000\$" run grep "^$set" \
                /proc/self/status
done
prints "and outside there are none" '^CapEff:\s0000000000000000$' in_session s grep CapEff /proc/self/status
# A directory server's groups: 300 of them make /proc/PID/status longer than a page.
crowd() { setpriv --reuid="$(id -u "$alice")" --regid="$(id -g "$alice")" --groups "$(seq -s, 4000000000 4000000299)" \
        env "BPFDELEG_SOCKET=$T/run/user" bpfdeleg run -- true; }
PATH=$user_path:$PATH ok "a user of 300 groups gets in as well" crowd
uid=$(id -u "$alice") gid=$(id -g "$alice")
prints "one uid is mapped, to itself" "^ *$uid +$uid +1\$" run cat /proc/self/uid_map
ok "and no other" in_session_sh s '[ "$(bpfdeleg run -- cat /proc/self/uid_map | wc -l)" -eq 1 ]'
prints "one gid likewise" "^ *$gid +$gid +1\$" run cat /proc/self/gid_map
prints "groups cannot be dropped" '^deny$' run cat /proc/self/setgroups
prints "it sits in the delegated cgroup" '^0::/run$' run grep '^0::' /proc/self/cgroup
root_sees_it() {
        in_session_sh s 'bpfdeleg run -- sleep 60 & echo $! >~/sleeper'
        wait_until grep -qx "$(cat "$T/home/$alice/sleeper" 2>/dev/null || in_session_sh s 'cat ~/sleeper')" \
                "$root/run/cgroup.procs" || return 1
        in_session_sh s 'kill $(cat ~/sleeper)'
}
ok "root sees it there, under its own pid" root_sees_it
prints "/sys/fs/cgroup is the subtree's root" '^run supervisor $' run_sh \
        'ls -d /sys/fs/cgroup/*/ | xargs -n 1 basename | tr "\n" " "'
prints "of type cgroup2" '^cgroup2$' run sh -c 'stat -f -c %T /sys/fs/cgroup | sed s/fs$//'
ok "the user makes cgroups there" run mkdir /sys/fs/cgroup/mine
ok "and moves himself in" run_sh 'echo $$ >/sys/fs/cgroup/mine/cgroup.procs'
ok "root sees them" test -d "$root/mine"
prints "/sys/fs/bpf is a bpffs" '^bpf(_fs)?$' run stat -f -c %T /sys/fs/bpf
prints "the user's own (the kernel adds the sticky bit)" "^$alice 1700\$" run stat -c '%U %a' /sys/fs/bpf
refused "a setuid program gains nothing" 'not permitted|denied|authenticat|must be|setuid|root' run su -c true
lacks "its mounts are not to be seen outside" " - bpf .*uid=$uid,.*delegate_" cat /proc/1/mountinfo
lacks "nor in the session" " - bpf .*uid=$uid,.*delegate_" in_session s cat /proc/self/mountinfo

# ---- run in run ----

exits "run inside run just runs" 5 '' run bpfdeleg run -- sh -c 'exit 5'
prints "with the same place" '^0::/run$' run bpfdeleg run -- grep '^0::' /proc/self/cgroup
# The host's own bpffs may lie below.
same_mounts() {
        in_session_sh s 'cd && bpfdeleg run -- cat /proc/self/mountinfo >once
                bpfdeleg run -- bpfdeleg run -- cat /proc/self/mountinfo >twice
                diff once twice'
}
ok "the same mounts, not twice" same_mounts
prints "one of them delegated" '^1$' in_session_sh s "grep -c ' /sys/fs/bpf .* - bpf .*uid=$uid,.*delegate_' ~/twice"
exits "and the same words for what is not there" 127 'there-is-no-such' run bpfdeleg run -- there-is-no-such-command

# ---- not possible: 125, and one line that says what to do ----

one_line_125() { # CMD…: status 125, one line on stderr
        "$@" >"$T/line" 2>&1
        [ $? -eq 125 ] || { echo "status"; cat "$T/line"; return 1; }
        cat "$T/line"
        [ "$(grep -c . "$T/line")" -eq 1 ]
}
prints "outside of a session: one line, and whom to ask" 'admin' one_line_125 as_user "$bob" env -u BPFDELEG bpfdeleg \
        run -- true

prints "a cookie that is none: one line" 'BPFDELEG' one_line_125 in_session s env BPFDELEG=nonsense bpfdeleg run -- true
prints "no helper there: one line" 'admin|bpfdelegd' one_line_125 in_session s env "BPFDELEG_SOCKET=$T/none" bpfdeleg \
        run -- true
prints "the same by --socket" 'admin|bpfdelegd' one_line_125 in_session s bpfdeleg "--socket=$T/none" run -- true
ok "--socket names the right one, too" in_session s env -u BPFDELEG_SOCKET bpfdeleg "--socket=$T/run/user" run -- true

# ---- who is not moved; each pair differs in one thing alone ----

prints "ENTER with no_new_privs and one thread is let in" '^entered: .* 3 descriptors' in_session s enter-as \
        "$T/run/user"
prints "without a cookie too, there is only one" '^entered: ' in_session s enter-as --no-cookie "$T/run/user"
exits "without no_new_privs it is refused" 1 '^refused: .* 0 descriptors: .*no_new_privs' in_session s enter-as \
        --no-nnp "$T/run/user"
exits "with a second thread it is refused" 1 '^refused: .* 0 descriptors: .*thread' in_session s enter-as --thread \
        "$T/run/user"
exits "traced it is refused" 1 '^refused: .* 0 descriptors: .*trace' \
        in_session s env ASAN_OPTIONS=detect_leaks=0 strace -o /dev/null enter-as "$T/run/user"
if in_session s unshare --user true >/dev/null 2>&1; then
        exits "from another user namespace it is refused" 1 '^refused: .* 0 descriptors: .*user namespace' \
                in_session s unshare --user enter-as "$T/run/user"
        exits "and run says so" 125 'user namespace' in_session s unshare --user bpfdeleg run -- true
        exits "from another pid namespace it is refused" 1 '^refused: .* 0 descriptors: .*namespace' \
                in_session s unshare --user --pid --fork enter-as "$T/run/user"
else
        skip "from another user namespace it is refused" "unprivileged user namespaces are off"
        skip "and run says so" "unprivileged user namespaces are off"
        skip "from another pid namespace it is refused" "unprivileged user namespaces are off"
fi
nobody_else() { # the refused were not moved: nobody is in the subtree but the anchor
        local other
        other=$(find "$root" -name cgroup.procs -exec cat {} + | grep -vx "$(anchor_pid "$root")")
        [ -z "$other" ] || { echo "still there: $other"; return 1; }
}
ok "none of them is left inside" wait_until nobody_else

# ---- whatever the user does to his own tree ----

ok "the user removes his run cgroup" in_session s rmdir "$root/run"
ok "run works, it is made again" run true
prints "and is the user's" "^$alice\$" stat -c %U "$root/run"
ok "he renames nothing of root's: cgroups have no rename" test -d "$root/supervisor"
ok "he makes a cgroup named like root's files would be" in_session s mkdir -p "$root/run/a/b/c"
ok "run works" run true

ok "the session ends" session_end s
still_idle "nothing is left of it"
finish
