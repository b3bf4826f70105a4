#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The attach proxy of `bpfdeleg run`: the same answers as without it, whatever is done to it, and nothing kept of
# callers that were killed. With the guard where there is one, which then refuses what does not come through the proxy.
# BD_RANDOM_CALLS: how many random calls (20000; the whole thing is 1000000), BD_RANDOM_SEED: which ones.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
bob=bdt-$$-b
add_user "$alice"
add_user "$bob"
service bdt
for tool in attach-cases attach-random proxy-user threads; do
        install -m 0755 "$(program "tests/tools/$tool")" "$T/bin/" || exit 1
done
policies() { # CONFINE
        simple_policy 50-alice "$alice" 'bpf:delegate_maps = any, ~@host' \
                'bpf:delegate_progs = any, ~@host, cgroup_sockopt' \
                'bpf:delegate_attachs = any, ~@host, cgroup_getsockopt, cgroup_setsockopt, cgroup_udp6_sendmsg' \
                'bpf:allow_host_wide = yes' 'bpf:network = private' "bpf:confine = $1"
        simple_policy 50-bob "$bob" "bpf:confine = $1"
}
policies required
ok "the helper starts" helper_start
guard=yes
login_as "$alice" -- bpfdeleg run -- true >"$T/out" 2>&1 || { guard='' && policies off; }
diag "guard: ${guard:-no}"
helper_idle
home=$T/home/$alice
here=/sys/fs/cgroup/run

# ---- the same answers ----

# cases NAME [OPTION of run] -- [OPTION of attach-cases…]: the table's lines, in $T/NAME.lines
cases() {
        local name=$1 run=()
        shift
        while [ "$1" != -- ]; do run+=("$1") && shift; done
        shift
        answer_timeout=120 in_session s bpfdeleg run "${run[@]}" -- attach-cases "$@" "$here" >"$T/$name.lines"
}
same_lines() { # NAME NAME
        diff "$T/$1.lines" "$T/$2.lines"
}
# What the proxy leaves to the kernel, and so to the guard: it cannot know what descriptors there are.
left='(link iterator|link kprobe_multi|(link|attach) of an? (attach )?type that is none'
left+='|(link|update|attach) with a flag that is none|size (257|4096))'
same_from_thread() { # DIRECT THREAD
        [ -n "$guard" ] || { same_lines "$1" "$2"; return; }
        diff <(grep -Ev "^$left: " "$T/$1.lines") <(grep -Ev "^$left: " "$T/$2.lines") || return 1
        grep -E "^$left: " "$T/$2.lines" >"$T/left.lines"
        [ "$(grep -c ': Permission denied$' "$T/left.lines")" -eq 9 ] || { cat "$T/left.lines"; return 1; }
}
# compare NAME WHAT [OPTION…]: direct, behind the proxy with one thread and with two.
compare() {
        local name=$1 what=$2
        shift 2
        ok "$what: direct" cases "$name-direct" --no-proxy -- "$@"
        ok "$what: behind the proxy" cases "$name-one" -- "$@" \
                && ok "the same answers with one thread" same_lines "$name-direct" "$name-one"
        ok "$what: from a thread" cases "$name-two" -- --thread "$@" \
                && ok "the same answers from a thread" same_from_thread "$name-direct" "$name-two"
        ok "$what: from a thread, without the proxy" cases "$name-bare" --no-proxy -- --thread "$@"
        if [ -n "$guard" ]; then
                lacks "without the proxy no thread attaches" ': (attached|done)' cat "$T/$name-bare.lines"
        else
                ok "which no guard refuses here: the same answers" same_lines "$name-direct" "$name-bare"
        fi
}
ok "a session opens" session_start s "$alice"
compare plain "each call of the table"
cases_are() { [ "$(grep -c "$2" "$T/$1.lines")" -ge "$3" ] || { cat "$T/$1.lines"; return 1; }; }
ok "the table has calls that do and calls that do not" cases_are plain-direct . 110
ok "29 that attach, at least" cases_are plain-direct ': attached' 29
ok "29 that are refused, at least" cases_are plain-direct ': [A-Z]' 29
prints "a program that was attached for a thread works, and is gone when the link is closed" \
        '^link cgroup_skb that denies: .* a packet: Operation not permitted; closed: sent$' cat "$T/plain-two.lines"
compare drop "without capabilities" --drop
prints "which must be the thread's, not the proxy's" '^link cgroup_skb egress: Operation not permitted$' cat \
        "$T/drop-two.lines"
if in_session s bpfdeleg run -- unshare --user true >/dev/null 2>&1; then
        compare nested "from namespaces below" --nested
        prints "the interface is the thread's, not the proxy's" '^link xdp, generic: attached' cat "$T/nested-two.lines"
else
        skip "from namespaces below" "no user namespaces in a delegation here"
fi
cases i386-direct --no-proxy -- --i386
case $? in
0) compare i386 "by 32-bit calls" --i386 && ok "which are the same calls" same_lines plain-direct i386-direct ;;
3) skip "by 32-bit calls" "this kernel has no 32-bit system calls" ;;
*) tap failed "by 32-bit calls" "$T/i386-direct.lines" ;;
esac

# ---- a process that nobody notices ----

prints "the command has no child of it" '^no child$' in_session s bpfdeleg run -- proxy-user children
prints "as a subreaper it has none either" '^no child$' in_session s proxy-user subreaper bpfdeleg run -- proxy-user \
        children
prints "and stays a subreaper" '^a subreaper$' in_session s proxy-user subreaper bpfdeleg run -- proxy-user is-subreaper
prints "and others do not become one" '^no subreaper$' in_session s bpfdeleg run -- proxy-user is-subreaper
prints "no signal of a child waits for it" '^no SIGCHLD waits$' \
        in_session s proxy-user blocking bpfdeleg run -- proxy-user pending
exits "where children are ignored it works as well" 7 '' in_session_sh s \
        '(trap "" CHLD; exec bpfdeleg run -- sh -c "exit 7")'
prints "nobody waits for it at the end of a pipe" '^through$' \
        in_session_sh s \
                'bpfdeleg run -- sh -c "sleep 60 </dev/null >/dev/null 2>&1 & echo \$! >~/sleeper; echo through" | cat'

proxies() { pgrep -u "$(id -u "${1:-$alice}")" -x bpfdeleg-proxy; }
proxies_are() { [ "$(proxies | grep -c .)" -eq "$1" ]; }
ok "it stays for the last process of the command" wait_until proxies_are 1
pid_of_sleeper=$(cat "$home/sleeper")
ok "which ends" kill "$pid_of_sleeper"
ok "and it ends with that" wait_until proxies_are 0

# One `run` for all that follows: its bash takes the session's place.
inside() { in_session in "$@"; }
inside_sh() { in_session_sh in "$@"; }
# Those of the commands before may be on their way out.
enter() {
        session_start in "$alice" && echo 'exec bpfdeleg run -- bash --norc' >&"${session_in[in]}" && inside true \
                && wait_until proxies_are 1 \
                && proxy=$(proxies)
}
proxy=
ok "a shell inside" enter
prints "its proxy has nothing of the command's: /dev/null thrice, /proc, and the listener" \
        '^3 /dev/null/proc anon_inode:seccomp notify $' \
        sh -c 'cd /proc/$1/fd && for fd in *; do readlink "$fd"; done | sort | awk "\$1 == \"/dev/null\" { n++; next }
                { rest = rest \$0 \" \" } END { print n \" /dev/null\" rest }"' sh "$proxy"
prints "its own session" "^ *$proxy\$" ps -o sid= -p "$proxy"
prints "no directory of the user's" '^/$' readlink "/proc/$proxy/cwd"
prints "it does not have the filter" '^Seccomp:\s0$' grep '^Seccomp:' "/proc/$proxy/status"
ok "its capabilities are the delegation's: none outside" test "/proc/$proxy/ns/user" -ef "/proc/$(anchor_pid)/ns/user"
attaches() { "$@" proxy-user attach "$here" 1 | grep '^50 attaches, 0 failed$'; }
ok "a thread attaches" attaches inside
ok "run inside run needs no other" attaches inside bpfdeleg run --
ok "and makes none" proxies_are 1

# ---- --no-proxy, and where there can be none ----

prints "a listener of one's own is refused behind the proxy" '^Device or resource busy$' inside proxy-user listener
prints "with --no-proxy it is had" '^a listener$' in_session s bpfdeleg run --no-proxy -- proxy-user listener
prints "no proxy is there then" '^1$' in_session_sh s \
        'bpfdeleg run --no-proxy -- pgrep -u "$(id -u)" -x bpfdeleg-proxy -c'
no_more() {
        local code=0
        in_session s prlimit --nproc=1 bpfdeleg run -- sh -c 'echo works; exit 6' >"$T/no-more" || code=$?
        cat "$T/no-more"
        return "$code"
}
exits "where no process can be made, the command runs without, and that is said" 6 \
        'the attach proxy cannot be started' no_more
ok "and runs" grep -q '^works$' "$T/no-more"

# ---- whatever the user does to it ----

refused "the user cannot trace it" 'permitted|denied' inside strace -p "$proxy"
traced() {
        local tracer
        spawn strace -f -e trace=bpf -o "$T/trace" -p "$proxy" 2>"$T/strace.err" </dev/null
        tracer=$spawned
        wait_until grep -q '^TracerPid:.[1-9]' "/proc/$proxy/status" || { cat "$T/strace.err"; return 1; }
        answer_timeout=120 inside attach-cases "$@" "$here" >"$T/traced.lines"
        kill -INT "$tracer"
        wait_until gone "$tracer"
        unset "pids[$tracer]"
}
calls_seen() {
        grep -cE 'bpf\((BPF_LINK_CREATE|BPF_LINK_UPDATE|BPF_PROG_ATTACH|BPF_PROG_DETACH|0x1c|0x1d|0x8|0x9),' "$T/trace"
}
ok "traced by root it works" traced --thread
ok "with the same answers" same_from_thread plain-direct traced
ok "and makes a thread's calls itself" test "$(calls_seen)" -ge 100
diag "$(calls_seen) calls"
ok "traced, one thread" traced
ok "whose calls it does not make" test "$(calls_seen)" -eq 0

ok "the user stops it" inside kill -STOP "$proxy"
inside_sh "proxy-user hold $here >~/stopped & echo \$! >~/holder; disown"
holder=$(cat "$home/holder")
# In bpf(2), whose number is 321 on x86-64 and 280 on arm64.
waits() { grep -Eq '^(321|280) ' "/proc/$holder/syscall"; }
ok "his attaches wait" wait_until waits
# Each gets thousands of signals meanwhile.
inside_sh 'for it in signalled interrupted; do proxy-user $it '"$here"' >~/$it 2>&1 & done; disown -a'
ok "his programs load" inside bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/meanwhile
ok "his other runs attach" attaches in_session s bpfdeleg run --
ok "others attach" attaches login_as "$bob" -- bpfdeleg run --
ok "who waits can be killed" kill -KILL "$holder"
ok "and is gone" wait_until gone "$holder"
ok "it was never answered" test ! -s "$home/stopped"
ok "the user lets it go on" inside kill -CONT "$proxy"
ok "and it attaches again" attaches inside
said() { [ -s "$home/$1" ]; }
ok "what waited with signals goes on, too" wait_until said signalled
prints "a handler with SA_RESTART does not let it be noticed" \
        '^50 attaches, 0 interrupted, 0 failed, [1-9][0-9]* signals$' cat "$home/signalled"
ok "so does the other" wait_until said interrupted
prints "a handler without is told EINTR, and nothing else" \
        '^50 attaches, [1-9][0-9]* interrupted, 0 failed, [1-9][0-9]* signals$' cat "$home/interrupted"

ok "the user kills it" inside kill -KILL "$proxy"
ok "it is gone" wait_until gone "$proxy"
prints "his attaches say so: Function not implemented" '^attach: Function not implemented$' inside_sh \
        "proxy-user hold $here; true"
prints "with one thread too" '^link cgroup_skb egress: Function not implemented$' inside attach-cases "$here"
ok "all else works" inside rm /sys/fs/bpf/meanwhile
ok "his other runs attach" attaches in_session s bpfdeleg run --
ok "others attach" attaches login_as "$bob" -- bpfdeleg run --
ok "the shell ends" session_end in
prints "he puts another one in its place: it fools himself" \
        '^attach: a descriptor; a link: (Invalid argument|Bad file)' \
        in_session s bpfdeleg run --no-proxy -- proxy-user impostor "$here"

# ---- callers that are killed, and random calls ----

ok "a shell inside, once more" enter
proxy_fds() { find "/proc/$proxy/fd" -mindepth 1 | wc -l; }
proxy_memory() { awk '$1 == "RssAnon:" { print $2 }' "/proc/$proxy/status"; }
links() { world_objects | grep -Ec '^link [0-9]+: (cgroup|xdp|tcx|netns|sockmap|netfilter) '; }
ok "a thread attaches" attaches inside
fds_before=$(proxy_fds) links_before=$(links) memory_before=$(proxy_memory)
links_as_before() { [ "$(links)" -eq "$links_before" ] || { world_objects; return 1; }; }
fds_as_before() { [ "$(proxy_fds)" -eq "$fds_before" ] || { ls -l "/proc/$proxy/fd"; return 1; }; }
inside_sh "proxy-user hold $here >~/held & echo \$! >~/holder; disown"
ok "one holds a link" wait_until grep -q '^attach: done$' "$home/held"
ok "and is killed" kill -KILL "$(cat "$home/holder")"
ok "its link is gone" wait_until links_as_before
ok "the proxy has no descriptor more" fds_as_before

calls=${BD_RANDOM_CALLS:-20000} seed=${BD_RANDOM_SEED:-$RANDOM}
diag "random calls: $calls, seed $seed"
ok "a cgroup for them" inside mkdir /sys/fs/cgroup/random
answer_timeout=3600 prints "random calls, and callers killed at random" \
        '^[0-9]+ calls, [1-9][0-9]* links, [1-9][0-9]* killed$' \
        inside attach-random "$seed" "$calls" /sys/fs/cgroup/random
diag "$(cat "$T/out")"
ok "the proxy lives" alive "$proxy"
ok "it has no descriptor more" wait_until fds_as_before
ok "no link is left" wait_until links_as_before
memory_as_before() {
        [ "$(proxy_memory)" -le $((memory_before + 64)) ] \
                || { echo "kB before: $memory_before, now: $(proxy_memory)"; return 1; }
}
! memory_tells "$proxy" || ok "and no memory more" memory_as_before
ok "a thread attaches" attaches inside
ok "what was attached without a link goes with the cgroup" inside rmdir /sys/fs/cgroup/random
prints "16 threads of libbpf, each with objects of its own" '^128 attached, 0 failed$' inside threads \
        "$T/bin/packets.bpf.o" "$here" 16 8
answer_timeout=600 prints "64 threads, all at once" '^3200 attaches, 0 failed$' inside proxy-user attach "$here" 64

ok "the shell ends" session_end in
ok "so does the other session" session_end s
still_idle "nothing is left of it"
finish
