#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The host's bad days: whatever it runs out of or has not, a login goes on, one line names the cause, and nothing is left. Under
# on_failure = deny the same day refuses the login, in words.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=$((10 * ${BED_SLOW:-1}))
simple_policy 50-allow "$alice"
simple_policy 50-deny "$bob" 'session:on_failure = deny'
real=$bpfdelegd

# logs_in USER: what is said on the way, and the cookie, if there is one.
logs_in() { "$pam_session" --syslog --confdir "$T/pam.d" bdt "$1" -- sh -c 'printf "cookie=%s\n" "${BPFDELEG:-none}"' </dev/null; }
cookie='cookie=[0-9a-f]{16}-1$'
many_log_in() { local i; for ((i = 0; i < $1; i++)); do logs_in "$alice" | grep -E "$cookie" || return 1; done; }

# ---- whoever reads the log does not ----

# How many entries may wait for the journal is a setting of the network namespace.
cat >"$T/bin/bpfdelegd-journal" <<END
#!/bin/sh
exec unshare --mount --propagation private --net sh -c 'mount -t tmpfs none /run && echo 2 >/proc/sys/net/unix/max_dgram_qlen && exec "\$@"' sh \\
        "$(program tests/tools/fake-journal)" "$T/journal.pid" "$real" "\$@"
END
chmod 0755 "$T/bin/bpfdelegd-journal"
bpfdelegd=$T/bin/bpfdelegd-journal
ok "the helper starts as a service whose stderr is the journal's" helper_start
journal=$(cat "$T/journal.pid")
prints "a login is granted" "$cookie" logs_in "$alice"
ok "the journal has it with its fields" logged "^grant: .*MESSAGE_ID=c366dab3115245ce9430cf4b3f3cfab5 PRIORITY=6 .*BPFDELEG_USER=$alice "
ok "plain lines with their priority" logged '^<[0-7]>.* serves '
kill -STOP "$journal"
ok "the journal hangs: so many log in that nothing of it takes more, and each is granted" many_log_in 5
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

finish
