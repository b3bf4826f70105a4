#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# False refusals of the guard: what root and others do on a host while somebody has a delegation, done once with the
# guard and once under a helper without one. Each of these prints what came of it; the two must be the same, line by
# line. What the guard is there for is compared as well, and must differ.
# host-packages: polkitd podman crun bpftrace busybox-static
# host-go: loader tests
# host-seconds: 3000

. "$(dirname "$0")/../booted/lib.sh"

setup
trap 'code=$?; as_shipped >/dev/null 2>&1; rm -f /etc/polkit-1/rules.d/50-bed.rules;
        podman rmi -f bed >/dev/null 2>&1; (exit "$code"); undo' EXIT
install -m 0755 "$bed/go/loader" "$T/bin/go-loader" || exit 1
add_group zones
add_user alice
add_user carol
add_user dora zones
uid=$(id -u carol)

# ---- what is done ----------------------------------------------------------------------------------------------------

# Each prints lines in which nothing differs from one time to the next but what was refused: no pids, ids, times.

# told CMD…: what it prints, and its status.
told() {
        local status=0
        "$@" 2>&1 </dev/null || status=$?
        echo "status $status"
}
as() { # USER CMD…
        local user=$1
        shift
        setpriv --reuid="$user" --regid="$user" --init-groups env -i PATH="$PATH" HOME="/home/$user" LC_ALL=C "$@"
}

do_dbus() {
        local who
        told busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixUser s \
                org.freedesktop.login1
        told busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping
        for who in carol dora; do
                told as "$who" busctl --system call org.freedesktop.login1 /org/freedesktop/login1 \
                        org.freedesktop.login1.Manager CanPowerOff
                told as "$who" busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
                        org.freedesktop.systemd1.Manager \
                        StopUnit ss ssh.service replace
        done
        # A name of one's own, so that the bus asks who it is that comes: by SO_PEERCRED, SO_PEERSEC, SO_PEERPIDFD.
        told busctl --system --json=short call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionCredentials s \
                org.freedesktop.systemd1 \
                | sed 's/"[^"]*FD":{[^}]*}//g'
}

# polkit decides by who asks, and by the groups that they are in.
do_polkit() {
        local who
        cat >/etc/polkit-1/rules.d/50-bed.rules <<'END'
polkit.addRule(function(action, subject) {
        if (action.id == "org.freedesktop.systemd1.manage-units" && subject.isInGroup("zones"))
                return polkit.Result.YES;
});
END
        wait_until systemctl restart polkit
        for who in carol dora; do
                told as "$who" pkcheck --action-id org.freedesktop.systemd1.manage-units --process $$
                told as "$who" systemctl --no-ask-password restart cron.service
                told as "$who" systemd-run --quiet --wait --pipe --no-ask-password id -un
        done
}

do_user_managers() {
        told loginctl enable-linger carol
        wait_until systemctl is-active --quiet "user@$uid.service"
        told systemd-run --user --machine=carol@ --quiet --wait --pipe id -un
        told systemd-run --user --machine=carol@ --quiet --wait --pipe -p TasksMax=20 -p PrivateUsers=yes -p \
                ProtectSystem=strict id -un
        told systemctl --user --machine=carol@ is-system-running --wait
        told ssh_as carol systemd-run --user --scope --quiet id -un
        told loginctl disable-linger carol
}

do_journal() {
        told logger -t unchanged "by root"
        told as carol logger -t unchanged "by carol"
        told systemd-cat -t unchanged echo "by a stream"
        told as carol systemd-cat -t unchanged echo "by a stream of carol's"
        journalctl --sync
        journalctl -q -b -t unchanged -o json | jq -r '"\(._UID) \(._COMM) \(.MESSAGE)"' | sed "s/^$uid /carol /" \
                | sort -u
}

# What systemd does by BPF of its own: cgroup_skb, cgroup_sock, bind4, LSM, cgroup_device.
do_units() {
        local unit=(systemd-run --quiet --wait --pipe) connect='exec 3<>/dev/tcp/127.0.0.1/22 && head -c 4 <&3'
        told "${unit[@]}" -p IPAddressDeny=any bash -c "$connect" | sed 's/line [0-9]*/line/'
        told "${unit[@]}" -p IPAddressDeny=any -p IPAddressAllow=localhost bash -c "$connect"
        told "${unit[@]}" -p IPAccounting=yes bash -c "$connect"
        told "${unit[@]}" -p SocketBindDeny=any python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 7000))' \
                | grep -v '^  *'
        told "${unit[@]}" -p SocketBindDeny=any -p SocketBindAllow=7000 python3 -c \
                'import socket; socket.socket().bind(("127.0.0.1", 7000))'
        told "${unit[@]}" -p RestrictNetworkInterfaces=~lo bash -c "$connect" | sed 's/line [0-9]*/line/'
        told "${unit[@]}" -p RestrictFileSystems=~tmpfs bash -c 'cat /run/machine-id /etc/machine-id >/dev/null'
        told "${unit[@]}" -p PrivateDevices=yes -p DevicePolicy=closed -p DeviceAllow='/dev/loop-control r' head -c 1 \
                /dev/kmsg
        told "${unit[@]}" -p PrivateUsers=yes -p PrivateNetwork=yes -p ProtectKernelTunables=yes -p DynamicUser=yes \
                ls -d /proc/self
}

do_podman() {
        local root=$T/image
        mkdir -p "$root/bin" && cp /bin/busybox "$root/bin/" && ln -sf busybox "$root/bin/sh"
        tar -C "$root" -cf "$T/image.tar" . && told podman import --quiet "$T/image.tar" bed | grep -c '^sha256:'
        told podman run --rm --network=none bed /bin/busybox id -u
        told podman run --rm --network=none --user 1000 bed /bin/busybox id -u
        told podman run --rm --network=none --memory=64m --pids-limit=20 bed /bin/busybox cat /sys/fs/cgroup/memory.max
        # Devices, by a cgroup_device program of crun's.
        told podman run --rm --network=none bed /bin/busybox head -c 1 /dev/kmsg
        told podman run --rm --network=none --device /dev/loop-control:/dev/loop-control:r bed /bin/busybox ls \
                /dev/loop-control
        told podman run --rm --network=none --privileged bed /bin/busybox sh -c \
                'busybox mount -t tmpfs none /mnt && busybox echo mounted'
        told podman run --rm --network=none --cap-add=BPF,PERFMON bed /bin/busybox grep CapEff /proc/self/status
        podman rmi -f bed >/dev/null 2>&1
}

do_bpftrace() {
        told bpftrace -e 'BEGIN { printf("begun\n"); exit(); }'
        told bpftrace -q -e 'tracepoint:syscalls:sys_enter_unlinkat { printf("tracepoint\n"); exit(); }' -c \
                'rmdir /nowhere' | sort -u
        told bpftrace -q -e 'kprobe:do_rmdir { printf("kprobe\n"); exit(); }' -c 'rmdir /nowhere' | sort -u
        told bpftrace -q -e \
                'fentry:vfs_read { @n = count(); } interval:s:2 { clear(@n); printf("fentry\n"); exit(); }' | sort -u
        told bpftrace -q -e 'uprobe:/bin/busybox:main { printf("uprobe\n"); }' -c '/bin/busybox true' | sort -u
        told as carol bpftrace -e 'BEGIN { exit(); }'
}

# Loads hundreds of programs and maps of every type there is.
do_bpftool() {
        local cgroup=$cgroup2/unchanged object=$T/bin/packets.bpf.o pin=/sys/fs/bpf/unchanged
        told bpftool feature probe full
        told as carol bpftool feature probe unprivileged
        mkdir "$cgroup" "$pin"
        told bpftool prog load "$object" "$pin/prog" pinmaps "$pin"
        told bpftool cgroup attach "$cgroup" egress pinned "$pin/prog" multi
        told bpftool cgroup show "$cgroup" | awk '{ print $2, $3, $4 }'
        told bpftool cgroup detach "$cgroup" egress pinned "$pin/prog"
        told bpftool map dump pinned "$pin/counters" | head -c 2
        told bpftool map create "$pin/lru" type lru_hash key 4 value 8 entries 10 name unchanged
        told bpftool map update pinned "$pin/lru" key 1 0 0 0 value 1 2 3 4 5 6 7 8
        told bpftool map lookup pinned "$pin/lru" key 1 0 0 0
        told bpftool btf dump file /sys/kernel/btf/vmlinux format raw | sed -n 1,5p
        told bpftool net show | sed 's/ id [0-9]*//g'
        rm -rf "$pin" && rmdir "$cgroup"
}

# A program of the sort that agents are: not root, but with CAP_BPF, and with threads; and the same by root.
do_agent() {
        local cgroup=$cgroup2/unchanged caps=+bpf,+net_admin,+perfmon
        mkdir "$cgroup"
        told "$T/bin/go-loader" once "$T/bin/packets.bpf.o" "$cgroup"
        told "$T/bin/go-loader" many "$T/bin/packets.bpf.o" "$cgroup" 16 3 | sed 's/, [0-9]* collections//'
        told setpriv --reuid=carol --regid=carol --init-groups --inh-caps="$caps" --ambient-caps="$caps" \
                "$T/bin/go-loader" many "$T/bin/packets.bpf.o" "$cgroup" 16 3 | sed 's/, [0-9]* collections//'
        told as carol "$T/bin/go-loader" many "$T/bin/packets.bpf.o" "$cgroup" 1 1 | sed 's/, [0-9]* collections//'
        rmdir "$cgroup"
}

# The library's own tests: which of them pass, fail, are skipped.
do_cilium() {
        local test
        for test in ebpf features/features link/link; do
                (cd "$bed/go/tests/$(dirname "$test")" \
                        && timeout 600 "./$(basename "$test").test" -test.v -test.short 2>&1 </dev/null) >"$T/go.out"
                echo "$test: status $?"
                sed -En "s,^ *--- (PASS|FAIL|SKIP): ([^ ]+) .*,$test \1 \2,p" "$T/go.out" | sort
        done
}

# Of another process's namespaces and mounts, by somebody who may; and of alice's by carol, who may not.
do_looking() {
        local inside=$1
        told nsenter --target "$inside" --user --mount --preserve-credentials cat /proc/self/uid_map \
                | awk '{ print $1 == $2, $3 }'
        told nsenter --target "$inside" --mount findmnt -t bpf -n -o TARGET
        told as carol cat "/proc/$inside/mountinfo" | tail -n 1
        told as carol nsenter --target "$inside" --user true | tail -n 1
}

# What the guard is there for.
do_escape() {
        told in_session_sh one \
                "exec 9</sys/fs/cgroup; bpfdeleg run -- $T/bin/packets $T/bin/packets.bpf.o /proc/self/fd/9 5"
}

kinds=(dbus polkit user_managers journal units podman bpftrace bpftool agent cilium looking escape)

# ---- once without, once with -----------------------------------------------------------------------------------------

# all_of NAME: each kind once, its lines in $T/NAME.KIND.
all_of() {
        local kind begin
        for kind in "${kinds[@]}"; do
                begin=$SECONDS
                "do_$kind" "$inside" >"$T/$1.$kind" 2>&1
                diag "$1: $kind: $(wc -l <"$T/$1.$kind") lines, $((SECONDS - begin)) s"
        done
}
alice_is_there() { # CONFINE
        policy 50-alice <<END
[match]
users = alice
[bpf]
delegate_cmds = map_create, prog_load, btf_load
delegate_maps = array, hash
delegate_progs = socket_filter, cgroup_skb
delegate_attachs = cgroup_inet_ingress, cgroup_inet_egress
caps = CAP_BPF, CAP_NET_ADMIN
confine = $1
END
        ok "confine = $1: alice logs in" session_start one alice
        inside=$(sleep_inside one)
        ok "confine = $1: she has a process in her delegation" is_inside "${inside:-0}"
        ok "confine = $1: and loads" in_session_sh one "bpfdeleg run -- $(load_packets)"
}

helper_without_guard
alice_is_there off
all_of without
ok "she logs out" session_end one

ok "the package's helper is back" as_shipped
alice_is_there required
mark
all_of with
same() { diff -u "$T/without.$1" "$T/with.$1"; }
for kind in "${kinds[@]}"; do
        [ "$kind" = escape ] || ok "$kind: the same with the guard and without" same "$kind"
done

# ---- that it could be seen -------------------------------------------------------------------------------------------

count_of() { grep -Ec "$2" "$T/with.$1"; }
# worked KIND LEAST PATTERN: so many lines say that it worked, or nothing was compared.
worked() {
        local n
        n=$(count_of "$1" "$3")
        diag "$1: $n"
        ok "$1: at least $2 of it work" [ "$n" -ge "$2" ]
}
worked dbus 3 '^status 0$'
worked polkit 3 '^(status 0|root)$'
worked user_managers 5 '^(status 0|carol)$'
worked journal 4 'by (root|carol|a stream)'
worked units 5 '^(status 0|SSH-)'
worked podman 6 '^(status 0|mounted)$'
worked bpftrace 5 '^(begun|tracepoint|kprobe|fentry|uprobe)$'
worked bpftool 100 'is available|= y'
worked agent 2 '^48 attached, 0 failed$'
worked cilium 150 ' PASS '
worked looking 2 '^status 0$'
differs() { ! same escape; }
ok "an attempt to get out differs" differs
prints "it works without" '^status 0$' cat "$T/without.escape"
prints "and is refused with" 'not permitted' cat "$T/with.escape"
others() {
        journal -o json "MESSAGE_ID=14ee0303ed3f4f40aa8ec3070f917699" \
                | jq -r 'select(.BPFDELEG_USER != "alice") | .MESSAGE'
}
lacks "the guard has told of nobody but alice" . others
ok "she logs out" session_end one

finish
