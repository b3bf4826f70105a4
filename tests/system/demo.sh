#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo: through a real PAM session a user without rights loads, pins, attaches and counts, is refused what was not
# delegated, and has nothing left after logout. Each step shows what was run and what came back; the first that is not
# as it should be ends it.

. "$(dirname "$0")/lib.sh"

# setup's way of saying "not here" is for tests; a person wants a sentence.
why=$(machine_fits) || { echo "demo: cannot be shown on this machine: $why" >&2; exit 1; }
[ -t 1 ] && bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m' || bold='' dim='' plain=''

say() { printf '%s\n' "$*"; }
part() { printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"; }

failed() {
        printf '\n  ✗ %s\n' "$1"
        shift
        [ $# -eq 0 ] || printf '    %s\n' "$@"
        printf '\ndemo: failed: the step above is not as it should be\n'
        exit 1
}

# show STATUS PATTERN WORDS SHOWN CMD…: prints SHOWN as the command, runs CMD, prints what came back; its status must be
# STATUS (or `fails`), and its output match PATTERN (unless that is empty).
show() {
        local want=$1 pattern=$2 words=$3 shown=$4
        shift 4
        printf '  %s$ %s%s\n' "$bold" "$shown" "$plain"
        capture "$@"
        # libbpf finds no memory cgroup accounting without root, tries to raise a limit that counts no more, and says
        # so: bpfdeleg-programs(7).
        grep -v 'Failed to bump RLIMIT_MEMLOCK' "$T/out" | sed "s,$T,…,g; s/^/    /"
        case $want in
        fails) [ "$status" -ne 0 ] || failed "$words" "it did not fail" ;;
        *) [ "$status" -eq "$want" ] || failed "$words" "exit status $status instead of $want" ;;
        esac
        [ -z "$pattern" ] || grep -Eqi -- "$pattern" "$T/out" || failed "$words" "its output does not match: $pattern"
        printf '  %s✓ %s%s\n\n' "$dim" "$words" "$plain"
}

# check WORDS CMD…: a look at the machine, silent when all is well.
check() {
        local words=$1
        shift
        capture "$@"
        [ "$status" -eq 0 ] || { sed 's/^/    /' "$T/out"; failed "$words"; }
        printf '  %s✓ %s%s\n' "$dim" "$words" "$plain"
}

setup
user=bdt-$$-demo

part "1. A machine with a helper, and a user who is nobody special"

add_user "$user" || failed "a temporary user could not be made"
service bdt
say "  The admin wrote one policy file, 50-demo.ini:"
simple_policy 50-demo "$user"
sed "s/^/    $dim/; s/\$/$plain/" "$T/policy.d/50-demo.ini"
say "  and put one line into a PAM service (a private one here; nothing of /etc/pam.d is touched):"
sed -n "s,$T,…,g; s,$top_builddir,build,g; s/^session/    ${dim}session/p" "$T/pam.d/bdt" | sed "s/\$/$plain/"
say
capture helper_start
[ "$status" -eq 0 ] || { cat "$T/out"; failed "bpfdelegd does not start"; }
helper_idle
show 0 . "the user is an ordinary one" "id" as_user "$user" id
show fails 'not permitted|denied' "before: the kernel lets him load nothing" \
        "bpftool prog load packets.bpf.o /sys/fs/bpf/count" \
        as_user "$user" bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/count

part "2. He logs in: pam_start, pam_open_session, a shell of his"

session_start login "$user" >"$T/out" 2>&1 || { cat "$T/out"; failed "the session does not open"; }
show 0 '^[0-9a-f]{16}-1$' "the PAM module has got him a delegation" "echo \$BPFDELEG" in_session login printenv BPFDELEG
show 0 'cgroup_skb' "and it is what the policy says, no more" "bpfdeleg status" in_session login bpfdeleg status
show fails 'not permitted|denied' "outside of \`bpfdeleg run' nothing has changed" \
        "bpftool prog load packets.bpf.o /sys/fs/bpf/count" \
        in_session login bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/count

part "3. The same unmodified bpftool, inside"

run() { in_session login bpfdeleg run -- "$@"; }
show 0 '' "it loads and pins a cgroup_skb program" "bpfdeleg run -- bpftool prog load packets.bpf.o /sys/fs/bpf/count" \
        run bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/count
show 0 'count' "the pin is on his own bpffs" "bpfdeleg run -- ls /sys/fs/bpf" run ls /sys/fs/bpf
show 0 'cgroup_skb' "the kernel shows it to him by its pin" \
        "bpfdeleg run -- bpftool prog show pinned /sys/fs/bpf/count" \
        run bpftool prog show pinned /sys/fs/bpf/count
show 0 '' "and it attaches to /sys/fs/cgroup, which inside is his own subtree" \
        "bpfdeleg run -- bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/count multi" \
        run bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/count multi
show 0 'sent 5 packets.*counted [5-9]' "a libbpf program in C counts its own packets" \
        "bpfdeleg run -- packets packets.bpf.o /sys/fs/cgroup 5" \
        run packets "$T/bin/packets.bpf.o" /sys/fs/cgroup 5
show fails 'not permitted|denied' "another type than the delegated is refused by the kernel" \
        "bpfdeleg run -- bpftool prog load other.bpf.o /sys/fs/bpf/xdp" \
        run bpftool prog load "$T/bin/other.bpf.o" /sys/fs/bpf/xdp
in_session_sh login 'bpfdeleg run -- sleep 1000 & echo $! >~/left; bpfdeleg run -- true' >/dev/null 2>&1
left=$(cat "$T/home/$user/left")
check "he leaves a process running in there (pid $left)" alive "$left"
check "all the while the host's mount table has not changed" world_same_kind idle mounts

part "4. He logs out"

session_end login >"$T/out" 2>&1 || { cat "$T/out"; failed "the session does not close"; }
check "the helper says so in one line: $(log_new | grep '^end:' | tail -n 1 | cut -c 1-60)…" logged '^end: '
check "the process he left is gone" wait_until gone "$left"
declare -A words=(
        [processes]="no process is left" [cgroups]="no cgroup" [mounts]="no mount" [pins]="no pin"
        [objects]="no program, map or link in the kernel" [files]="no file in /run"
)
for kind in processes cgroups mounts pins objects files; do
        check "${words[$kind]}" world_same_kind idle "$kind"
done
check "no descriptor in the helper" helper_fds_same
show fails 'admin' "and the delegation is over" "bpfdeleg run -- true" as_user "$user" bpfdeleg run -- true
check "the helper stops, and takes its sockets with it" helper_stop
remove_user "$user"
users=()
check "the user is gone, and the machine is as it was" world_same start
printf '\ndemo: ok\n'
