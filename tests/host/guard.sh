#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guard as an admin gets it: the package as it is, a policy for a group that says nothing of `confine`, real logins.
# What the user is given works in his own subtree; the host's is refused, and the journal says who tried what. Restarts
# change nothing of that, a logout ends what was kept, and nothing of the guard outlives the package.

. "$(dirname "$0")/../booted/lib.sh"

guard_dir=/sys/fs/bpf/bpfdeleg

setup
install -m 0755 "$bed/escape/escape" "$T/bin/" || exit 1
add_group bpfers
add_user alice bpfers
add_user carol
uid=$(id -u alice)
policy 50-bpfers <<'END'
[match]
groups = bpfers
[bpf]
delegate_cmds = map_create, prog_load, btf_load
delegate_maps = array, hash
delegate_progs = socket_filter, cgroup_skb
delegate_attachs = cgroup_inet_ingress, cgroup_inet_egress
caps = CAP_BPF, CAP_NET_ADMIN
END
ok "a first login" ssh_as alice true
ok "its delegation goes" expect_delegations 0

# The guard's programs, and its links by the names of their programs, as root sees them: systemd has LSM programs of its
# own.
guard_programs() {
        bpftool -j prog list \
                | jq -r '.[] | select((.name // "") | startswith("guard_")) | "\(.id) \(.name) \(.type)"' | sort
}
guard_links() {
        bpftool -j link list | jq -r '.[] | select(.prog_type == "lsm") | "\(.prog_id) \(.id)"' | sort \
                | join - <(guard_programs) | awk '{ print $2, $3 }' | sort
}
each_is_pinned() {
        local link name
        guard_links >"$T/links.now"
        while read -r link name; do
                [ -e "$guard_dir/$name" ] || { echo "$name (link $link) is not pinned"; return 1; }
        done <"$T/links.now"
        # The token hooks at least; each name once.
        [ "$(wc -l <"$T/links.now")" -ge 10 ] && [ -z "$(cut -d' ' -f2 "$T/links.now" | sort | uniq -d)" ] && return 0
        cat "$T/links.now"
        return 1
}

# ---- it is there -----------------------------------------------------------------------------------------------------

mark
ok "the helper starts anew" systemctl restart bpfdelegd
lacks "and has nothing to say against its guard" 'guard' log_new
ok "each of its programs is attached once, and pinned" each_is_pinned
prints "in a directory of root's alone" '^700 root root$' stat -c '%a %U %G' "$guard_dir"
refused "where no user can look" 'permission denied' su alice -c "ls $guard_dir"
doctor() { bpfdeleg doctor; [ $? -le 1 ]; }
prints "doctor knows" '^ok    guard +in force' doctor

# ---- what the user is given works ------------------------------------------------------------------------------------

idle
ok "alice logs in" session_start one alice
prints "status says that the guard keeps her" '50-bpfers.ini, confined to your own subtree by the guard' in_session \
        one bpfdeleg status
recorded 'grant alice 50-bpfers.ini'
id=$(in_session one printenv BPFDELEG)
id=${id%-*}
ok "she loads and pins" in_session_sh one "bpfdeleg run -- $(load_packets)"
prints "her pin is there" '^packets$' in_session one bpfdeleg run -- ls /sys/fs/bpf
attach() { printf '%s ' bpfdeleg run -- /usr/sbin/bpftool cgroup attach "$1" egress pinned /sys/fs/bpf/packets multi; }
ok "she attaches to her own subtree" in_session_sh one "$(attach /sys/fs/cgroup)"
sent() { printf '%s ' bpfdeleg run -- "$T/bin/packets" "$T/bin/packets.bpf.o" "$1" 5; }
prints "a program of hers counts her packets" 'sent 5 packets, the program counted 5' in_session_sh one \
        "$(sent /sys/fs/cgroup)"
her_programs() { bpftool -j prog list | jq -c --argjson uid "$uid" '.[] | select(.uid == $uid) | .type'; }
prints "root sees her program" '^"cgroup_skb"$' her_programs
recorded

# ---- what is not hers is refused, and told ---------------------------------------------------------------------------

attached_to() { bpftool cgroup show "$1" | grep -q egress; }
not_attached_to() { ! attached_to "$1"; }
# The whole record: who (user, program, pid), what, with which program (libbpf before 1.6 gives it no name where there
# is a token), where, why.
tried() { # PROGRAM COMMAND CGROUP
        local program='(the cgroup_skb program "count_packets"|a program of type cgroup_skb)'

        printf '%s %s \\(pid [0-9]+\\): %s of %s to the cgroup %s: %s$' \
                "guard: uid=$uid user=alice policy=50-bpfers.ini id=$id:" \
                "$1" "$2" "$program" "$3" "that is not in the user's own subtree"
}
told() { # WHEN PROGRAM COMMAND CGROUP
        ok "$1: the journal says who, what and where" logged "$(tried "${@:2}")"
        ok "$1: and nothing is attached" not_attached_to /sys/fs/cgroup
        mark
}
# An open directory is all it takes: the host's cgroups are out of sight inside, not out of reach.
out_of_bounds() { # WHEN
        refused "$1: the root cgroup is refused her, by a link" 'not permitted' in_session_sh one \
                "exec 9</sys/fs/cgroup; $(sent /proc/self/fd/9)"
        told "$1" packets link_create /
}
out_of_bounds "at first"
refused "by an attachment without a link, too" 'failed to attach' in_session_sh one \
        "exec 9</sys/fs/cgroup; $(attach /proc/self/fd/9)"
told "so" bpftool prog_attach /
refused "so is the slice she is in" 'not permitted' in_session_sh one \
        "exec 9</sys/fs/cgroup/user.slice/user-$uid.slice; $(sent /proc/self/fd/9)"
told "her slice" packets link_create "/user.slice/user-$uid.slice"
ok "an admin attaches to it what he likes" bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/bed
ok "and there" bpftool cgroup attach /sys/fs/cgroup egress pinned /sys/fs/bpf/bed multi
ok "it is there" attached_to /sys/fs/cgroup
ok "and goes" bpftool cgroup detach /sys/fs/cgroup egress pinned /sys/fs/bpf/bed
rm -f /sys/fs/bpf/bed
recorded
prints "status counts what was refused" '^  refused +3 acts' in_session one bpfdeleg status

of_kind() {
        journal -o json "MESSAGE_ID=14ee0303ed3f4f40aa8ec3070f917699" \
                | jq -c '{BPFDELEG_USER, BPFDELEG_UID, BPFDELEG_POLICY, PRIORITY}'
}
refused "once more" 'not permitted' in_session_sh one "exec 9</sys/fs/cgroup; $(sent /proc/self/fd/9)"
found() {
        of_kind | grep -qx \
                '{"BPFDELEG_USER":"alice","BPFDELEG_UID":"'"$uid"'","BPFDELEG_POLICY":"50-bpfers.ini","PRIORITY":"4"}'
}
ok "the record is found by its id, and has its fields" wait_until found
prints "journalctl -x explains it" '^.. Subject: The guard has refused an act of alice' journal -x \
        "MESSAGE_ID=14ee0303ed3f4f40aa8ec3070f917699"
mark

# ---- the helper goes and comes back ----------------------------------------------------------------------------------

hers() { # WHEN
        ok "$1: her pin is there" in_session one bpfdeleg run -- test -e /sys/fs/bpf/packets
        prints "$1: her programs count" 'counted 5' in_session_sh one "$(sent /sys/fs/cgroup)"
        ok "$1: each program of the guard is attached once" each_is_pinned
        out_of_bounds "$1"
}
guard_links >"$T/links"
ok "systemctl restart bpfdelegd" systemctl restart bpfdelegd
all_new() { guard_links >"$T/links.now"; [ -s "$T/links.now" ] && ! comm -12 "$T/links" "$T/links.now" | grep .; }
ok "each program of the guard was replaced by one of the new helper" all_new
hers "after a restart"
before=$(main_pid)
is_another() { [ "$(main_pid)" != 0 ] && [ "$(main_pid)" != "$before" ]; }
ok "kill -9 of the helper" systemctl kill -s KILL bpfdelegd.service
ok "systemd starts another one" wait_until is_another
hers "after kill -9"
inside=$(sleep_inside one)
ok "she has a shell inside" in_session_sh one "mkfifo /tmp/bed-fifo; exec 9</sys/fs/cgroup
        bpfdeleg run -- bash -c 'echo >/tmp/bed-inside; exec </tmp/bed-fifo; read;
                $T/bin/packets $T/bin/packets.bpf.o /proc/self/fd/9 5' >/tmp/bed-shell 2>&1 & shell=\$!"
ok "it is inside" wait_until test -e /tmp/bed-inside
ok "helper and sockets are stopped" systemctl stop bpfdelegd.socket bpfdelegd.service
ok "the guard stays" each_is_pinned
prints "the shell goes on" ended in_session_sh one "echo go >/tmp/bed-fifo; wait \$shell; echo ended"
prints "without a helper the root cgroup is refused her, too" 'not permitted' cat /tmp/bed-shell
ok "and nothing is attached" not_attached_to /sys/fs/cgroup
rm -f /tmp/bed-fifo /tmp/bed-shell /tmp/bed-inside
ok "they are started again" systemctl start bpfdelegd.socket bpfdelegd.service
ok "and the helper tells what was tried meanwhile" logged "$(tried packets link_create /)"
ok "an upgrade of the package" package_install
hers "after an upgrade"

# ---- the end ---------------------------------------------------------------------------------------------------------

# keep NAME: a process of alice's, of no session, gets hold of something while her session lives.
keep() {
        local fd
        mkfifo "$T/keep.in"
        : >"$T/keep.out"
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c 'in=$1 out=$2; shift 2; exec "$@" <"$in" >"$out" 2>&1' sh "$T/keep.in" "$T/keep.out" \
                setpriv --reuid="$uid" --regid="$(id -g alice)" --clear-groups env HOME=/home/alice "$T/bin/escape" \
                        --hold "$1" </dev/null
        keeper=$spawned
        exec {fd}>"$T/keep.in"
        keep_fd=$fd
}
says() { grep -Eq "$1" "$T/keep.out"; }
kept() { wait_until says "$1" || { cat "$T/keep.out"; return 1; }; }
let_go() {
        exec {keep_fd}>&-
        wait_until gone "$keeper" || return 1
        unset "pids[$keeper]"
        rm -f "$T/keep.in"
}

keep end-token
ok "a token does not get out at all" kept '^refused: '
ok "the process that wanted it ends" let_go
keep end-mount-and-namespace
ok "but somebody outside can keep namespace and bpffs, of which tokens are made" kept '^ready: '
mark
leader=$(session_leader one)
ok "she logs out" session_end one
ok "and within 1 s all is gone" ends_in_time "$leader" 0
ok "the process inside, too" wait_until gone "${inside:-0}"
echo >&"$keep_fd"
ok "of what was kept no token is made any more" kept '^refused: .*not permitted'
ok "the journal says who tried" logged \
        "guard: .*id=$id: escape \\(pid $keeper\\): token_create: the delegation has ended$"

# ---- the package goes ------------------------------------------------------------------------------------------------

# The kernel frees programs a little later.
no_guard() { ! [ -e "$guard_dir" ] && ! guard_programs | grep .; }
ok "helper and sockets are stopped once more" systemctl stop bpfdelegd.socket bpfdelegd.service
exits "--end-all does not take the guard from what is kept" 1 'the guard stays in force.*outside still hold.*rm -r' \
        /usr/libexec/bpfdelegd --end-all
ok "it is in force" each_is_pinned
ok "the process lets go" let_go
exits "--end-all takes the guard away, too" 0 '' /usr/libexec/bpfdelegd --end-all
ok "nothing of it is left" wait_until no_guard
ok "helper and sockets start" systemctl start bpfdelegd.socket bpfdelegd.service
ok "and the guard is there" each_is_pinned
ok "alice logs in" session_start two alice
quiet_dpkg() { DEBIAN_FRONTEND=noninteractive dpkg "$@" </dev/null; }
ok "the package is removed" quiet_dpkg -r libpam-bpfdeleg
ok "her delegation ends" expect_delegations 0
ok "and nothing of the guard is left" wait_until no_guard
ok "her session ends" session_end two
ok "it is installed again" package_install
ok "and works" prepare
ok "with the guard" each_is_pinned
mark

finish
