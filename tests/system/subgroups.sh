#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Parts of a subtree: their user kills and removes them, whoever owns them, and nothing else; and the end of a session
# takes them all.
# not in the vm bed: nothing in it depends on the guard or the kernel, and it takes ten minutes there.

. "$(dirname "$0")/lib.sh"

setup
install -m 0755 "$(program tests/tools/subgroup)" "$T/bin/" || exit 1
alice=bdt-$$-a
add_user "$alice"
bob=bdt-$$-b
add_user "$bob"
carol=bdt-$$-c
add_user "$carol"
dave=bdt-$$-d
add_user "$dave"
service bdt
simple_policy 50-test "$alice, $bob" 'cgroup:descendants_max = 1024' 'cgroup:depth_max = 32'
simple_policy 60-each "$dave" 'session:scope = session'
# Patient, for a busy machine: how it is to give up has its own helper, below.
ok "the helper starts" helper_start '[timeouts]' 'subgroup = 60'
helper_idle

# ---- what the cases are made of ----

# Two uids that are nobody's here, as a container's are.
other=3000000001
another=3000000002

sleepers=()
# sleeper UID DIR [CMD…]: a process of that uid in that cgroup.
sleeper() {
        local uid=$1 dir=$2
        shift 2
        [ $# -gt 0 ] || set -- sleep 1000
        spawn setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@" </dev/null >/dev/null 2>&1
        sleepers+=("$spawned")
        echo "$spawned" >"$dir/cgroup.procs"
}
living() { for pid in "${sleepers[@]}"; do alive "$pid" || return 1; done; }
gone_all() { for pid in "${sleepers[@]}"; do alive "$pid" && echo "$pid is there still" && return 1; done; return 0; }
forget() {
        local pid
        for pid in "${sleepers[@]}"; do
                kill -KILL "$pid" 2>/dev/null
                wait "$pid" 2>/dev/null
                unset "pids[$pid]"
        done
        sleepers=()
}

# foreign DIR: what a container's manager leaves: nested, populated on each level, owned by two other uids, one part
# closed to all.
foreign() {
        mkdir -p "$1/a/b/c" "$1/d" || return 1
        sleeper "$other" "$1/a" && sleeper "$another" "$1/a/b/c" && sleeper 0 "$1/d" \
                && sleeper "$(id -u "$alice")" "$1/a/b" || return 1
        chown -R "$other:$other" "$1/a" && chown -R "$another:$another" "$1/a/b/c" && chown -R 0:0 "$1/d" || return 1
        chmod 0000 "$1/a/b" "$1/d" && chmod 0000 "$1/a"/cgroup.* && wait_until living
}

there() { [ -d "$1" ]; }
not_there() { ! [ -e "$1" ]; }
owner_is() { [ "$(stat -c '%u %a' "$1")" = "$2 $3" ] || { stat -c '%u %a %n' "$1"; return 1; }; }

# raw USER ARGUMENT…: past the tool's own judgement.
raw() {
        local user=$1
        shift
        as_user "$user" subgroup "$@"
}
# ask USER kill|remove PATH
ask() { raw "$1" "$T/run/user" "$2" "$3"; }

ok "a user logs in" session_start a "$alice"
ok "a second one" session_start b "$bob"
ok "and one without a policy" session_start c "$carol"
cookie_a=$(in_session a printenv BPFDELEG)
cookie_b=$(in_session b printenv BPFDELEG)
tree=$cgroup2/$cgroup_parent/${cookie_a%-*}
tree_b=$cgroup2/$cgroup_parent/${cookie_b%-*}

# ---- one's own ----

ok "he makes cgroups" in_session a bpfdeleg run -- mkdir -p /sys/fs/cgroup/run/own/deep
ok "and puts a process there" in_session_sh a \
        'bpfdeleg run -- sh -c "echo \$\$ >/sys/fs/cgroup/run/own/deep/cgroup.procs; exec sleep 1000" & echo $!'
own=$(grep -Eo '^[0-9]+$' "$T/out")
in_own() { grep -qx "$own" "$tree/run/own/deep/cgroup.procs"; }
ok "which sits there" wait_until in_own
exits "what is populated is not removed" 1 'run/own: there are processes in it.*bpfdeleg kill' in_session a bpfdeleg \
        remove run/own
ok "nor harmed by the attempt" alive "$own"
ok "nor taken from its owner" owner_is "$tree/run/own" "$(id -u "$alice")" 755
ok "he kills it" in_session a bpfdeleg kill run/own
ok "and when that has ended, the process has, too" gone "$own"
ok "a second time does no harm" in_session a bpfdeleg kill run/own
ok "then he removes it" in_session a bpfdeleg remove run/own/
ok "and it is gone" not_there "$tree/run/own"
exits "what is not there is not removed" 1 'no such cgroup' in_session a bpfdeleg remove run/own
exits "nor killed" 1 'no such cgroup' in_session a bpfdeleg kill run/own
ok "the helper says who was refused, and why" logged \
        "refuse: .*user=$alice.*remove by pid [0-9]+: there are processes in it.*\(run/own\)"

ok "it works inside, too" in_session a bpfdeleg run -- sh -c \
        'mkdir /sys/fs/cgroup/inside && bpfdeleg kill inside && bpfdeleg remove inside &&
                ! [ -e /sys/fs/cgroup/inside ]'
ok "a process in \`run\`" sleeper "$(id -u "$alice")" "$tree/run"
ok "goes with all of it" in_session a bpfdeleg kill run
ok "at once" gone_all
forget
ok "\`run\` can be removed" in_session a bpfdeleg remove run
ok "and comes again when it is needed" in_session a bpfdeleg run -- test -d /sys/fs/cgroup/run

# ---- others' ----

ok "a container leaves cgroups of other uids" foreign "$tree/run/ct"
refused "he cannot remove them himself" 'denied|not permitted|busy' in_session a rmdir "$tree/run/ct/a/b/c"
refused "nor kill what is in there" 'not permitted' in_session a kill -KILL "${sleepers[0]}"
exits "bpfdeleg does not remove them either while they are populated" 1 'processes in it' in_session a bpfdeleg \
        remove run/ct
ok "all as it was: processes" living
ok "owners and modes" owner_is "$tree/run/ct/a/b" "$other" 0
ok "bpfdeleg kills what is in a part" in_session a bpfdeleg kill run/ct/a/b/c
one_less() { gone "${sleepers[1]}" && alive "${sleepers[0]}" && alive "${sleepers[2]}" && alive "${sleepers[3]}"; }
ok "and nothing beside it" one_less
ok "and removes that part" in_session a bpfdeleg remove run/ct/a/b/c
ok "bpfdeleg kills all that is left" in_session a bpfdeleg kill run/ct
ok "and it is gone" gone_all
ok "bpfdeleg removes all that is left" in_session a bpfdeleg remove run/ct
ok "and it is gone" not_there "$tree/run/ct"
forget

# ---- signals ----

# Counts each signal that it gets. read(2) is interrupted by one, and the trap runs then.
counter='trap "echo \$\$ >>'$T/counts'" USR1; mkfifo "$1" && exec 3<>"$1" && echo ready >>'$T/ready';
        while :; do read -r -t 1000 _ <&3; done'
counters() {
        local i dir
        : >"$T/counts"
        : >"$T/ready"
        chmod 0666 "$T/counts" "$T/ready"
        install -d -m 0777 "$T/fifos"
        for i in 1 2 3 4 5 6; do
                dir=$tree/run/sig/$((i % 3))
                mkdir -p "$dir"
                sleeper $((other + i % 2)) "$dir" bash -c "$counter" counter "$T/fifos/$i"
        done
}
ready_are() { [ "$(grep -c . "$T/ready")" -eq "$1" ]; }
counts_are() { [ "$(grep -c . "$T/counts")" -eq "$1" ] && [ "$(sort -u "$T/counts" | grep -c .)" -eq "$1" ]; }
ok "six processes of two other uids, in three cgroups" counters
ok "are there" wait_until ready_are 6
ok "he signals them" in_session a bpfdeleg kill --signal=USR1 run/sig
ok "each has got it, once" wait_until counts_are 6
ok "all live on" living
ok "by number, and one cgroup only" in_session a bpfdeleg kill -s "$(kill -l USR1)" run/sig/1
two_more() { [ "$(grep -c . "$T/counts")" -eq 8 ] && [ "$(sort -u "$T/counts" | grep -c .)" -eq 6 ]; }
ok "two more signals have come" wait_until two_more
for bad in 0 65 -1 FOO SIGRTMIN+99 '' KILL1 1.5; do
        exits "there is no signal '$bad'" 125 'there is no signal' in_session a bpfdeleg kill "--signal=$bad" run/sig
done
for bad in 0 65 4294967295; do
        exits "the helper knows none of number $bad" 1 'refused: Invalid argument: there is no signal' \
                raw "$alice" --signal "$bad" "$T/run/user" kill run/sig
done
ok "all live on" living
ok "a real-time signal ends those that do not expect it" in_session a bpfdeleg kill --signal=SIGRTMIN+3 run/sig
ok "all of them" wait_until gone_all
ok "he removes their cgroups" in_session a bpfdeleg remove run/sig
forget

many() { # more than one reading, and more than one batch of pidfds
        local i
        mkdir "$tree/run/many" || return 1
        for ((i = 0; i < 300; i++)); do sleeper "$other" "$tree/run/many"; done
        wait_until living
}
ok "three hundred processes in one cgroup" many
ok "SIGTERM reaches them" in_session a bpfdeleg kill --signal=TERM run/many
ok "all of them" wait_until gone_all
forget
empty() { grep -qx 'populated 0' "$tree/run/many/cgroup.events"; }
ok "and none is left there" wait_until empty
ok "he removes it" in_session a bpfdeleg remove run/many

# ---- names ----

ok "something to aim at" mkdir "$tree/run/aim"
ok "with a process in it" sleeper "$other" "$tree/run/aim"
anchor=$(anchor_pid "$tree")
for what in kill remove; do
        for path in . .. / // ./run run/. run/.. run/../run/aim ../"${cookie_b%-*}" ../../.. /run/aim /etc run//aim \
                run/aim/. run/aim/..; do
                exits "$what refuses '$path'" 1 "^bpfdeleg: " in_session a bpfdeleg "$what" "$path"
                exits "and so does the helper by itself" 1 '^refused: Invalid argument: .' ask "$alice" "$what" "$path"
        done
        for path in '' run/aim/ //sys run/aim//; do
                exits "the helper does not $what '$path'" 1 '^refused: Invalid argument: .' ask "$alice" "$what" "$path"
        done
        exits "$what of nothing says so" 1 'no cgroup is named' in_session a bpfdeleg "$what" ''
        exits "$what of a path of the host says what to type" 1 'without /sys/fs/cgroup/: run/aim' \
                in_session a bpfdeleg "$what" /sys/fs/cgroup/run/aim
        for path in supervisor supervisor/x; do
                exits "$what leaves the anchor alone ($path)" 1 'holds the anchor' in_session a bpfdeleg "$what" "$path"
                exits "the helper does so by itself" 1 '^refused: Operation not permitted: .*anchor' ask "$alice" \
                        "$what" "$path"
        done
        exits "$what knows no cgroup that is a file" 1 'a file of a cgroup' in_session a bpfdeleg "$what" \
                run/aim/cgroup.procs
        exits "$what knows no cgroup with a name that is too long for one" 1 'no such cgroup' in_session_sh a \
                "bpfdeleg $what \$(printf %0300d 0)"
        exits "$what says that a path is too long" 1 'more than 1023 bytes' in_session_sh a \
                "bpfdeleg $what \$(printf 'a/%.0s' {1..600})a"
        exits "$what takes one path" 125 'Usage' in_session a bpfdeleg "$what" run/aim run
        exits "and not none" 125 'Usage' in_session a bpfdeleg "$what"
done
ok "nothing of all that has hit anybody" living
ok "nor the anchor" alive "$anchor"
# It begins as the anchor's does, and is another.
ok "a cgroup with a name like the anchor's" mkdir "$tree/supervisors"
ok "can be killed" in_session a bpfdeleg kill supervisors
ok "and removed" in_session a bpfdeleg remove supervisors

bytes=$'run/\xff\xfe \xc3'
ok "a name that is no UTF-8" mkdir "$tree/$bytes"
ok "is a name" in_session a bpfdeleg kill "$bytes"
ok "for both" in_session a bpfdeleg remove "$bytes"
ok "and it is gone" not_there "$tree/$bytes"
ok "a name with a tabulator" mkdir -p "$tree/run/tab/a"$'\t'b
ok "and a process" sleeper "$other" "$tree/run/tab/a"$'\t'b
exits "cannot be typed" 1 'control character.*above' in_session a bpfdeleg kill run/tab/a$'\t'b
ok "but goes with the one above" in_session a bpfdeleg kill run/tab
ok "and is removed with it" in_session a bpfdeleg remove run/tab
refused "the kernel makes none with a newline" 'invalid' mkdir "$tree/run/a"$'\n'b
refused "and no links" 'not permitted|denied' ln -s /etc "$tree/run/link"

# ---- deep and many ----

# Beyond what a path can be: /proc/PID/cgroup cannot tell it either.
deep() {
        local i long
        long=$(printf '%0200d' 0)
        mkdir "$tree/run/deep" && cd "$tree/run/deep" || return 1
        for ((i = 0; i < 25; i++)); do mkdir "$long" || break; cd -P "$long" || break; done
        sleeper "$other" . && sleeper "$other" .
        chown "$other" .
        cd "$T" || return 1
        [ "$i" -eq 25 ] || { echo "$i levels"; return 1; }
}
ok "cgroups of 200 bytes each, 25 levels deep" deep
ok "are reached by a signal" in_session a bpfdeleg kill --signal=TERM run/deep
# The first is what the cases above aim at.
deep_gone() { gone "${sleepers[-1]}" && gone "${sleepers[-2]}"; }
ok "their processes are gone" wait_until deep_gone
ok "and removed" in_session a bpfdeleg remove run/deep
ok "and are gone" not_there "$tree/run/deep"

# As many as the kernel lets him have; two are ours.
wide() {
        local i
        mkdir "$tree/run/wide" || return 1
        for ((i = 0; i < 2000; i++)); do
                mkdir "$tree/run/wide/$i" 2>/dev/null || break
                [ $((i % 100)) -ne 0 ] || mkdir "$tree/run/wide/$i/in" || return 1
        done
        echo "$i"
        [ "$i" -gt 900 ] && [ "$i" -lt 1024 ] && chown -R "$other" "$tree/run/wide" \
                && sleeper "$other" "$tree/run/wide/7"
}
ok "as many cgroups as there may be" wide
ok "are killed" in_session a bpfdeleg kill run/wide
ok "and removed" in_session a bpfdeleg remove run/wide
ok "and are gone" not_there "$tree/run/wide"

# ---- kinds ----

threaded() {
        mkdir -p "$tree/run/dom/t/u" && echo threaded >"$tree/run/dom/t/cgroup.type" \
                && echo threaded >"$tree/run/dom/t/u/cgroup.type" || return 1
        sleeper "$other" "$tree/run/dom" || return 1
        echo "$spawned" >"$tree/run/dom/t/u/cgroup.threads"
}
ok "a threaded cgroup with a thread in it" threaded
thread=$spawned
exits "is not killed by itself" 1 'threaded cgroup.*domain' in_session a bpfdeleg kill run/dom/t/u
exits "nor signalled" 1 'threaded cgroup.*domain' in_session a bpfdeleg kill --signal=TERM run/dom/t
exits "nor removed" 1 'processes in it' in_session a bpfdeleg remove run/dom/t
ok "its process lives" alive "$thread"
ok "SIGURG, which nobody minds, reaches it through its domain" in_session a bpfdeleg kill --signal=URG run/dom
ok "and so does SIGKILL" in_session a bpfdeleg kill run/dom
ok "so it is gone" gone "$thread"
ok "all of it is removed" in_session a bpfdeleg remove run/dom

frozen() {
        mkdir "$tree/run/ice" && sleeper "$other" "$tree/run/ice" && echo 1 >"$tree/run/ice/cgroup.freeze" \
                && wait_until is_frozen
}
is_frozen() { grep -qx 'frozen 1' "$tree/run/ice/cgroup.events"; }
ok "a frozen cgroup" frozen
ok "is killed all the same" in_session a bpfdeleg kill run/ice
ok "so its process is gone" gone "${sleepers[-1]}"
ok "and removed" in_session a bpfdeleg remove run/ice

forks() {
        mkdir "$tree/run/forks" || return 1
        # Only when it is there, or what it makes before stays elsewhere.
        sleeper "$other" "$tree/run/forks" bash -c \
                'until grep -q "/run/forks\$" /proc/$$/cgroup; do sleep 0.01; done;
                        while :; do sleep 1000 & (exec setsid sleep 1001) & sleep 0.01; done'
        wait_until forked
}
forked() { [ "$(grep -c . "$tree/run/forks/cgroup.procs")" -gt 20 ]; }
ok "a process that makes others all the time" forks
ok "goes at one stroke" in_session a bpfdeleg kill run/forks
ok "with all of them" in_session a bpfdeleg remove run/forks

# ---- the anchor, moved ----

ok "the user moves his anchor to a cgroup of his own" in_session_sh a \
        "mkdir -p $tree/run/nest/in && echo $anchor >$tree/run/nest/in/cgroup.procs"
for path in run run/nest run/nest/in; do
        exits "what it sits in is not killed ($path)" 1 "anchor.*elsewhere" in_session a bpfdeleg kill "$path"
done
exits "nor removed" 1 'processes in it' in_session a bpfdeleg remove run/nest
ok "another process beside it" sleeper "$other" "$tree/run/nest/in"
ok "gets a signal" in_session a bpfdeleg kill --signal=TERM run/nest
ok "and goes" wait_until gone "$spawned"
ok "which passes the anchor by" alive "$anchor"
# More at once than may be at work, none of which may be done.
refusals() {
        local i code=0 waiting=()
        for ((i = 0; i < 20; i++)); do
                ask "$alice" kill run/nest &
                waiting+=($!)
        done
        for i in "${waiting[@]}"; do wait "$i" && code=1; done
        return "$code"
}
ok "twenty at once are all refused" refusals
ok "it lives" alive "$anchor"
ok "he moves it elsewhere, as he was told" in_session_sh a \
        "mkdir $tree/elsewhere && echo $anchor >$tree/elsewhere/cgroup.procs"
ok "then its place is like any other" in_session a bpfdeleg kill run/nest
ok "and is removed" in_session a bpfdeleg remove run/nest
ok "root moves it back, for what follows" sh -c "echo $anchor >$tree/supervisor/cgroup.procs && rmdir $tree/elsewhere"

# ---- whose ----

ok "what was aimed at is there still" alive "${sleepers[0]}"
exits "another user has no such cgroup" 1 'no such cgroup' in_session b bpfdeleg kill run/aim
exits "nor with the first's cookie" 1 'no delegation' in_session b env "BPFDELEG=$cookie_a" bpfdeleg kill run/aim
exits "nor in the protocol" 1 'refused: No such file.*no delegation' raw "$bob" --cookie "$cookie_a" "$T/run/user" \
        kill run/aim
exits "nor to remove it" 1 'refused: No such file.*no delegation' raw "$bob" --cookie "$cookie_a" "$T/run/user" \
        remove run/aim
exits "one without a delegation has none to name" 1 'no delegation' in_session c bpfdeleg kill run/aim
exits "not with another's cookie either" 1 'no delegation' in_session c env "BPFDELEG=$cookie_a" bpfdeleg remove run/aim
exits "nor root, whose cgroup it is not" 1 'no delegation' "$T/bin/subgroup" --cookie "$cookie_a" "$T/run/user" kill \
        run/aim
exits "a cookie that is none is not taken for one" 1 'no session of bpfdeleg' in_session a env BPFDELEG=x bpfdeleg \
        kill run/aim
ok "the process is there still" alive "${sleepers[0]}"
ok "the first has it" in_session a env "BPFDELEG=$cookie_a" bpfdeleg kill run/aim
ok "and now it is gone" gone "${sleepers[0]}"
ok "the first removes it" raw "$alice" --cookie "$cookie_a" "$T/run/user" remove run/aim
forget

ok "a user with a delegation for each login" session_start d1 "$dave"
ok "has two" session_start d2 "$dave"
id_1=$(in_session d1 printenv BPFDELEG)
id_2=$(in_session d2 printenv BPFDELEG)
each() { mkdir "$cgroup2/$cgroup_parent/${id_1%-*}/run/x" "$cgroup2/$cgroup_parent/${id_2%-*}/run/x"; }
ok "both with a cgroup of one name" each
exits "without a cookie it is not known which" 1 'has 2 delegations' in_session d1 env -u BPFDELEG bpfdeleg remove run/x
ok "with that of his login" in_session d1 bpfdeleg remove run/x
ok "it is that login's" not_there "$cgroup2/$cgroup_parent/${id_1%-*}/run/x"
ok "and not the other's" there "$cgroup2/$cgroup_parent/${id_2%-*}/run/x"
ok "one ends" session_end d1
ok "the other one, too" session_end d2

# ---- at the same time ----

ok "a bystander in the other's subtree, by the same name" mkdir "$tree_b/run/r" "$tree_b/run/r/in"
ok "with a process" sleeper "$other" "$tree_b/run/r/in"
# The path means one cgroup now and another one then. Whatever the answer, nobody else is hit, and all answers come.
ok "the user makes and removes a cgroup all the time" in_session_sh a \
        "(while :; do mkdir -p $tree/run/r/in; rmdir $tree/run/r/in $tree/run/r; done >/dev/null 2>&1) & echo \$!"
racer=$(grep -Eo '^[0-9]+$' "$T/out")
race() {
        local i code
        for ((i = 0; i < 60; i++)); do
                for what in kill remove; do
                        for path in run/r run/r/in; do
                                ask "$alice" "$what" "$path"
                                code=$?
                                [ "$code" -le 1 ] || return 1
                        done
                done
        done
        true
}
ok "while he has them killed and removed" race
ok "the bystander has not noticed" alive "${sleepers[0]}"
ok "the racer ends" in_session_sh a "kill -KILL $racer; wait $racer 2>/dev/null; true"
forget
ok "the bystander's cgroup is as it was" in_session b bpfdeleg remove run/r

# More at once than may be at work: in their order, all are answered.
crowd() {
        local i code=0 waiting=()
        for ((i = 0; i < 20; i++)); do
                mkdir "$tree/run/crowd$i" || return 1
                ask "$alice" remove "run/crowd$i" &
                waiting+=($!)
        done
        for i in "${waiting[@]}"; do wait "$i" || code=1; done
        return "$code"
}
ok "twenty at once" crowd
no_crowd() { ! compgen -G "$tree/run/crowd*"; }
ok "are all done" no_crowd

# ---- what does not go ----

# Held on its way out by root's hand.
held() {
        mkdir "$tree/run/held" || return 1
        sleeper "$(id -u "$alice")" "$tree/run/held"
        stuck=$spawned
        spawn "$T/bin/subgroup" hold "$stuck" </dev/null >"$T/held"
        holder=$spawned
        wait_until grep -q held "$T/held"
}
let_go() {
        local code=0
        kill -KILL "$holder"
        wait "$holder" 2>/dev/null
        unset "pids[$holder]"
        wait_until gone "$stuck" || code=1
        forget
        return "$code"
}
# asking USER kill|remove PATH: without waiting for it.
asking() {
        spawn setpriv --reuid="$(id -u "$1")" --regid="$(id -g "$1")" --clear-groups "$T/bin/subgroup" "$T/run/user" \
                "$2" "$3" \
                </dev/null >"$T/asking.$2"
        asking=$spawned
}
# asked STATUS PATTERN kill|remove: how that ended.
asked() {
        local code=0
        wait "$asking" || code=$?
        unset "pids[$asking]"
        cat "$T/asking.$3"
        # Not even an empty pattern is found in an empty file.
        [ "$code" -eq "$1" ] && { [ -z "$2" ] || grep -Eq "$2" "$T/asking.$3"; }
}

ok "the helper stops" helper_stop
ok "one with a little patience starts" helper_start '[timeouts]' 'subgroup = 1'
ok "a process that cannot be killed" held
exits "the answer comes all the same" 1 'not gone in time' in_session a bpfdeleg kill run/held

ok "the helper stops" helper_stop
ok "one with much patience starts" helper_start '[timeouts]' 'subgroup = 60'
exits "what is not gone cannot be removed" 1 'processes in it' in_session a bpfdeleg remove run/held
ok "it can go" let_go
ok "then it can be removed" in_session a bpfdeleg remove run/held

ok "a process that cannot be killed" held
ok "somebody has it killed and waits" asking "$alice" kill run/held
killer=$asking
# Its processes are killed by then; what is asked later comes later.
is_killed() { grep -Eq '^State:	t' "/proc/$stuck/status"; }
ok "it was killed" wait_until is_killed
ok "somebody else is served meanwhile" in_session b bpfdeleg kill run
ok "and logs in" login_as "$bob" -- bpfdeleg run -- true
ok "the same user's next one waits" asking "$alice" remove run/held
ok "it is neither refused nor done" alive "$asking"
ok "it can go" let_go
ok "the second is done then" asked 0 '' remove
asking=$killer
ok "as the first was" asked 0 '' kill
ok "and it is gone" not_there "$tree/run/held"

ok "a process that cannot be killed" held
ok "somebody has it killed and waits" asking "$alice" kill run/held
ok "it was killed" wait_until is_killed
ok "his anchor is killed" kill -KILL "$(anchor_pid "$tree")"
ok "who waits hears that it has ended" asked 1 'ended meanwhile' kill
ok "it can go" let_go
ok "and the delegation is gone" expect_delegations 1
ok "he logs out" session_end a

# ---- the end of a session ----

ok "the user logs in again" session_start a "$alice"
tree=$cgroup2/$cgroup_parent/$(in_session a sh -c 'echo "${BPFDELEG%-*}"')
ok "a container leaves cgroups of other uids, populated, in \`run\`" foreign "$tree/run/ct"
ok "and beside it" foreign "$tree/ct"
ok "a frozen one" frozen
ok "a threaded one" threaded
ok "one that is 25 levels deep" deep
closed() { chown "$another" "$tree" "$tree/run" && chmod 0000 "$tree/run" "$tree" "$tree/supervisor"; }
ok "and the whole of it closed to everybody, and not his any more" closed
n=${#sleepers[@]}
ok "there are $n processes" wait_until living
ok "the user logs out" session_end a
ok "the helper says end" logged "end: .*user=$alice"
ok "nobody lives" wait_until gone_all
ok "and all of it is gone" not_there "$tree"
forget
ok "the second logs out" session_end b
ok "the third one, too" session_end c
ok "nothing is left of them" expect_delegations 0
finish
