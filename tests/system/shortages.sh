#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The host's bad days: whatever it runs out of or has not, a login goes on, one line names the cause, and nothing is
# left. Under on_failure = deny the same day refuses the login, in words.
# not in the vm bed: it has no pids controller of cgroup v1, and no old_kernel.so; tests/vm/userns.sh switches user
# namespaces off there

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=$((${BED_SLOW:-1} > 1 ? 60 : 10))
simple_policy 50-allow "$alice"
simple_policy 50-deny "$bob" 'session:on_failure = deny'
real=$bpfdelegd

# logs_in USER: what is said on the way, and the cookie, if there is one.
logs_in() {
        "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' \
                </dev/null
}
cookie='cookie=[0-9a-f]{16}-1$'
many_log_in() { local i; for ((i = 0; i < $1; i++)); do logs_in "$alice" | grep -E "$cookie" || return 1; done; }

# ---- whoever reads the log does not ----

# How many entries may wait for the journal is a setting of the network namespace.
cat >"$T/bin/bpfdelegd-journal" <<END
#!/bin/sh
exec unshare --mount --propagation private --net sh -c 'mount -t tmpfs none /run &&
        echo 2 >/proc/sys/net/unix/max_dgram_qlen && exec "\$@"' sh \\
        "$(program tests/tools/fake-journal)" "$T/journal.pid" "$real" "\$@"
END
chmod 0755 "$T/bin/bpfdelegd-journal"
bpfdelegd=$T/bin/bpfdelegd-journal
# a busy machine is no bad day of this kind
ok "the helper starts as a service whose stderr is the journal's" helper_start '[timeouts]' 'open = 9'
journal=$(cat "$T/journal.pid")
prints "a login is granted" "$cookie" logs_in "$alice"
ok "the journal has it with its fields" logged \
        "^grant: .*MESSAGE_ID=c366dab3115245ce9430cf4b3f3cfab5 PRIORITY=4 .*BPFDELEG_USER=$alice "
ok "plain lines with their priority" logged '^<[0-7]>.* serves '
kill -STOP "$journal"
ok "the journal hangs: so many log in that nothing of it takes more, and each is granted" many_log_in 40
kill -CONT "$journal"
prints "it goes on: a login is granted" "$cookie" logs_in "$alice"
ok "and it hears how much it missed" logged '<4>[0-9]+ lines of this log were lost'
log_mark
prints "a login is granted" "$cookie" logs_in "$alice"
ok "from here on it has all of it" logged "^end: .*BPFDELEG_USER=$alice "
lacks "once is enough" 'were lost' log_new
kill -KILL "$journal"
prints "the journal is gone: a login is granted" "$cookie" logs_in "$alice"
ok "the helper ends" helper_stop

# A pipe that is full, as where another program keeps the log.
cat >"$T/bin/bpfdelegd-pipe" <<END
#!/bin/sh
exec "$real" "\$@" 2>"$T/pipe"
END
chmod 0755 "$T/bin/bpfdelegd-pipe"
bpfdelegd=$T/bin/bpfdelegd-pipe
mkfifo "$T/pipe"
# shellcheck disable=SC2016 # for the inner shell
spawn sh -c 'exec cat "$1" >>"$2"' sh "$T/pipe" "$T/helper.log" </dev/null
reader=$spawned
ok "the helper starts, its stderr a pipe" helper_start
kill -STOP "$reader"
yes filler | dd "of=$T/pipe" bs=4096 oflag=nonblock conv=notrunc status=none 2>"$T/out"
ok "nobody reads it: logins are granted" many_log_in 3
kill -CONT "$reader"
prints "somebody does: a login is granted" "$cookie" logs_in "$alice"
ok "and the line that tells of the others is there" logged '[0-9]+ lines of this log were lost'
ok "the helper ends" helper_stop
wait "$reader"
unset "pids[$reader]"
bpfdelegd=$real

# ---- what it runs out of ----

# bad PATTERN WORDS: one who may log in without does, one who may not is refused; both are told why, and so is the
# helper's log.
bad() {
        exits "$2: the login goes on" 0 'cookie=none' logs_in "$alice"
        cp "$T/out" "$T/bad"
        prints "$2: one line says why" "syslog: .*50-allow.ini: no delegation: .*($1)" cat "$T/bad"
        exits "$2: under on_failure = deny it does not" 200 'pam: .*refused' logs_in "$bob"
        cp "$T/out" "$T/bad"
        prints "$2: and the log says why" "syslog: .*50-deny.ini: .*refused.*($1)" cat "$T/bad"
}
good() {
        prints "$1: granted again" "$cookie" logs_in "$alice"
        prints "$1: the other, too" "$cookie" logs_in "$bob"
}

# Blocks are one limit of a file system, inodes another.
mkdir -p "$T/run" && mount -t tmpfs -o mode=0755,size=128k,nr_inodes=64 none "$T/run" && run_is_tmpfs=yes
ok "the helper starts, its runtime directory a file system of its own" helper_start
helper_idle
ok "a session opens" session_start s "$alice"
head -c 1M /dev/zero >"$T/run/filler" 2>/dev/null
ok "no block is left there: who has a session goes on" in_session s bpfdeleg run -- true
ok "and ends it" session_end s
ok "nothing is left of it" expect_delegations 0
bad 'record cannot be written to .*/run/state: No space left on device' "no block is left in the runtime directory"
rm "$T/run/filler"
good "with room"
no_records() { [ -z "$(ls -A "$T/run/state")" ]; }
ok "and no record of them" wait_until no_records
for ((i = 0; i < 100; i++)); do { : >"$T/run/filler-$i"; } 2>/dev/null; done
bad 'record cannot be written to .*/run/state: No space left on device' "no inode is left there"
rm "$T"/run/filler-*
good "with room"
still_idle "nothing is left of those"

# Somebody may have taken them all: who comes then is hung up on, and does not wait.
ok "the helper ends" helper_stop
cat >"$T/bin/bpfdelegd-few" <<END
#!/bin/sh
ulimit -n 48
exec "$real" "\$@"
END
chmod 0755 "$T/bin/bpfdelegd-few"
bpfdelegd=$T/bin/bpfdelegd-few
ok "the helper starts, and may have few descriptors" helper_start '[limits]' 'connections_per_uid = 1000' \
        '[timeouts]' 'request = 60'
helper_idle
install -m 0755 "$(program tests/tools/abuse)" "$T/bin/" || exit 1
log_mark
spawn setsid setpriv --reuid="$(id -u "$alice")" --regid="$(id -g "$alice")" --clear-groups \
        "$T/bin/abuse" "$T/run/user" half-open 64 </dev/null >"$T/flood" 2>&1
flooder=$spawned
ok "a user takes them all" logged 'user socket: a connection is turned away: Too many open files'
bad 'closed the connection without an answer' "no descriptor is left"
kill -KILL -- "-$flooder"
wait "$flooder" 2>/dev/null
unset "pids[$flooder]"
ok "they are free again" helper_fds_same
good "with descriptors"
still_idle "nothing is left of those"
ok "the helper ends" helper_stop
bpfdelegd=$real
ok "the helper starts" helper_start
helper_idle

# Whatever descriptor is the one too many: the limit is one of their numbers.
files() { prlimit --pid "$helper_pid" "--nofile=$1:"; }
files_before=$(prlimit --pid "$helper_pid" --nofile --output SOFT --noheadings)
in_use() { find "/proc/$helper_pid/fd" -mindepth 1 -printf '%f\n' | sort -n; }
highest=$(in_use | tail -n 1)
first_free=$(comm -23 <(seq 0 "$highest" | sort) <(in_use | sort) | sort -n | head -n 1)
every_one_too_many() {
        local i granted=0 told=0
        for ((i = ${first_free:-$highest} + 1; granted < 5 && i < highest + 100; i++)); do
                files "$i"
                logs_in "$alice" >"$T/said" 2>&1 || { cat "$T/said"; return 1; }
                if grep -Eq "$cookie" "$T/said"; then
                        granted=$((granted + 1))
                elif grep -Eq 'Too many open files|closed the connection without an answer' "$T/said"; then
                        told=$((told + 1))
                else
                        echo "with $i:" && cat "$T/said"
                        return 1
                fi
        done
        echo "$granted granted, $told told"
        [ "$granted" -eq 5 ] && [ "$told" -gt 3 ]
}
ok "whichever is the one too many: the login goes on, and is told" every_one_too_many
diag "$(cat "$T/out")"
files "$files_before"
good "with descriptors"
still_idle "nothing is left of those"

# Counted with or without controllers.
parent=$cgroup2/$cgroup_parent
for n in 0 1 2; do
        echo "$n" >"$parent/cgroup.max.descendants"
        bad 'cannot be (made|filled): Resource temporarily unavailable \(cgroup.max.descendants' \
                "$n cgroups more are allowed"
done
echo max >"$parent/cgroup.max.descendants"
good "with cgroups"
still_idle "nothing is left of those"

# Only the controller of cgroup v1: with cgroup2 the maker is born in the delegation's own cgroup, and counts there.
pids_v1=$(sed -n 's/^[^ ]* [^ ]* [^ ]* \/ \([^ ]*\) .* - cgroup [^ ]* .*\bpids\b.*/\1/p' /proc/self/mountinfo \
        | head -n 1)
if [ -n "$pids_v1" ] && mkdir "$pids_v1/bdt-$$.pids" 2>/dev/null; then
        home=$pids_v1$(sed -n 's/^[0-9]*:[^:]*pids[^:]*://p' "/proc/$helper_pid/cgroup")
        echo "$helper_pid" >"$pids_v1/bdt-$$.pids/cgroup.procs"
        echo 1 >"$pids_v1/bdt-$$.pids/pids.max"
        bad 'starting the maker: Resource temporarily unavailable' "no process is left for the helper"
        echo 2 >"$pids_v1/bdt-$$.pids/pids.max"
        bad 'starting the anchor: Resource temporarily unavailable' "one process is left"
        echo max >"$pids_v1/bdt-$$.pids/pids.max"
        good "with processes"
        echo "$helper_pid" >"$home/cgroup.procs"
        ok "(the helper is where it was)" wait_until rmdir "$pids_v1/bdt-$$.pids"
        still_idle "nothing is left of those"
else
        skip "no process is left" "no pids controller of cgroup v1 can be had here"
fi

# ---- what it has not ----

# As before 6.9. ASan wants to be the first library; here it is not.
old_kernel=$top_builddir/tests/tools/.libs/old_kernel.so
if [ -e "$old_kernel" ]; then
        ok "the helper ends" helper_stop
        cat >"$T/bin/bpfdelegd-old" <<END
#!/bin/sh
ASAN_OPTIONS="\${ASAN_OPTIONS:+\$ASAN_OPTIONS:}verify_asan_link_order=0" LD_PRELOAD=$old_kernel exec "$real" "\$@"
END
        chmod 0755 "$T/bin/bpfdelegd-old"
        bpfdelegd=$T/bin/bpfdelegd-old
        ok "the helper starts on a kernel that delegates nothing" helper_start
        helper_idle
        bad 'making the delegated bpf file system \(Linux 6.9 or later is needed\): Invalid argument' "an old kernel"
        still_idle "nothing is left of those"
        ok "the helper ends" helper_stop
        bpfdelegd=$real
        ok "the helper starts" helper_start
        helper_idle
        good "on a kernel of today"
else
        skip "an old kernel" "old_kernel.so is not here"
fi

ok "the helper ends" helper_stop
umount "$T/run" && run_is_tmpfs=

# shellcheck disable=SC2016 # for the inner shell
refused "without cgroup2 the helper does not start, and says what to do" \
        'no cgroup2 file system is mounted here .*mount -t cgroup2' \
        unshare --mount --propagation private sh -c 'umount -R -l "$1" && shift && exec "$@"' sh "$cgroup2" \
        "$real" "--runtime-dir=$T/run" "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini" "--guard-dir=$guard_dir"
bad 'bpfdelegd is not running' "no helper"

finish
