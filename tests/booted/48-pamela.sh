#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# JupyterHub's way, with the pamela it uses, from Debian: a server that lives on opens a session in one PAM handle, ends
# that, starts work for the user, and closes in another handle, perhaps in another thread. The session ends with the
# close or with the server.

. "$(dirname "$0")/lib.sh"

# Not the service `login`: its pam_loginuid writes to /proc/self, which the kernel takes from a process's first thread
# only.
service=/etc/pam.d/bed-hub
trap 'code=$?; rm -f "$service"; (exit "$code"); undo' EXIT
setup
trap 'code=$?; rm -f "$service"; (exit "$code"); undo' EXIT
printf '%s\n' '@include common-auth' '@include common-account' '@include common-session' >"$service"
add_user alice
add_user bob
simple_policy 50-test 'alice, bob'
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0
ok "pamela is Debian's" dpkg -S "$(python3 -c 'import pamela; print(pamela.__file__)')"
idle

# The hub, by words on its standard input: open USER, close USER, run USER COMMAND. Each call of pamela in a thread of
# its own, as an executor's may be. It answers with one line, or with the command's lines and its status; then with a
# dot.
cat >"$T/bin/hub" <<'END'
import os, subprocess, sys, threading
import pamela

def in_thread(function, user):
    answer = []
    def call():
        try:
            function(user, service='bed-hub')
            answer.append('done')
        except pamela.PAMError as e:
            answer.append('pam: %s' % e)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return answer[0]

def run(user, command):
    done = subprocess.run(['/bin/sh', '-c', command], user=user, group=user, extra_groups=[],
                              cwd='/', stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return '%s(status %d)' % (done.stdout, done.returncode)

print('ready', flush=True)
for line in sys.stdin:
    verb, user, *rest = line.rstrip('\n').split(' ', 2)
    print({'open': lambda: in_thread(pamela.open_session, user), 'close': lambda: in_thread(pamela.close_session, user),
           'run': lambda: run(user, rest[0])}[verb](), flush=True)
    print('.', flush=True)
END
hub_start() {
        rm -f "$T/hub.in" "$T/hub.out"
        mkfifo "$T/hub.in" "$T/hub.out" || return 1
        # The fifo's other end must be there for it to be opened.
        spawn bash -c 'exec python3 "$0" <"$1" >"$2" 2>"$3"' "$T/bin/hub" "$T/hub.in" "$T/hub.out" "$T/hub.err"
        hub=$spawned
        exec {hub_in}>"$T/hub.in" {hub_out}<"$T/hub.out"
        hub_hears ready
}
hub_hears() { # LAST-LINE: prints what comes before it
        local line
        while IFS= read -r -t "$answer_timeout" line <&"$hub_out"; do
                [ "$line" != "$1" ] || return 0
                printf '%s\n' "$line"
        done
        cat "$T/hub.err"
        return 1
}
hub_does() { # VERB USER [COMMAND]
        printf '%s\n' "$*" >&"$hub_in"
        hub_hears .
}
hub_ends() { # SIGNAL
        kill "-$1" "$hub"
        exec {hub_in}>&- {hub_out}<&-
        wait_until gone "$hub" || return 1
        wait "$hub" 2>/dev/null
        unset "pids[$hub]"
}

ok "the hub starts" hub_start
prints "it opens a session for alice" '^done$' hub_does open alice
recorded 'grant alice 50-test.ini'
prints "the handle is gone, the delegation is not: her work runs" '^in$' \
        hub_does run alice 'bpfdeleg run -- sh -c "test -d /sys/fs/bpf && echo in"'
prints "she loads a program" '^\(status 0\)$' hub_does run alice "bpfdeleg run -- $(load_packets)"
# logind forgets a user 10 s after the last session, and the handle's end was the end of the one that pam_systemd had
# opened.
ok "(logind has its time)" sleep 15
prints "and finds it in her next command" '^\(status 0\)$' hub_does run alice \
        'bpfdeleg run -- test -e /sys/fs/bpf/packets'
prints "bob, for whom nothing is open, gets none" 'no delegation|nothing is delegated' hub_does run bob \
        'bpfdeleg run -- true'
prints "it opens one for bob" '^done$' hub_does open bob
ok "there are two" expect_delegations 2
prints "alice's is closed, in another handle and thread" '^done$' hub_does close alice
ok "it has ended" expect_delegations 1
prints "she gets no other by asking" 'no delegation|nothing is delegated' hub_does run alice 'bpfdeleg run -- true'
prints "bob's is there" '^\(status 0\)$' hub_does run bob 'bpfdeleg run -- true'
none='refuse uid=[0-9]+: enter by pid .* no delegation: .*'
recorded "$none" 'grant bob 50-test.ini' 'end alice 50-test.ini' "$none"

prints "alice comes twice" '^done$' hub_does open alice
prints "(twice)" '^done$' hub_does open alice
prints "the first one goes" '^done$' hub_does close alice
ok "her delegation stays" expect_delegations 2
prints "her work runs" '^\(status 0\)$' hub_does run alice 'bpfdeleg run -- true'
prints "the second one goes" '^done$' hub_does close alice
ok "then it ends" expect_delegations 1
prints "one close too many does no harm" '^done$' hub_does close alice
recorded 'grant alice 50-test.ini' 'join alice 50-test.ini' 'leave alice 50-test.ini' 'end alice 50-test.ini'

ok "the helper is started anew" systemctl restart bpfdelegd.service
prints "bob's work runs" '^\(status 0\)$' hub_does run bob 'bpfdeleg run -- true'
prints "his session can be closed still" '^done$' hub_does close bob
ok "and ends" expect_delegations 0
recorded 'end bob 50-test.ini'

prints "it opens one for alice" '^done$' hub_does open alice
ok "the hub is killed" hub_ends KILL
ok "her delegation ends with it" expect_delegations 0
recorded 'grant alice 50-test.ini' 'end alice 50-test.ini'
rm -f "$service"
nothing_left "after the hub"
finish
