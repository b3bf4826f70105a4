#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command lines of README.md and of the manual's EXAMPLES, each as it stands: tests/commands has them, in order,
# with what becomes of each. With the package's files, and a policy copied from its example as README says.

. "$(dirname "$0")/lib.sh"

setup
beds=${BED_COMMANDS:-booted}
packages_files=/usr/share/doc/bpfdeleg/examples

# What the reader is said to have: a user of the group netdev, two objects and programs in their directory, bpftool
# where they find it.
getent group netdev >/dev/null || groupadd -r netdev
add_user alice netdev
home=/home/alice
install -m 0644 "$T/bin/packets.bpf.o" "$home/" && install -m 0644 "$T/bin/packets.bpf.o" "$home/count.bpf.o" \
        && install -m 0644 "$T/bin/other.bpf.o" "$home/"
printf '#!/bin/sh\nexec %s prog load count.bpf.o /sys/fs/bpf/loaded\n' /usr/sbin/bpftool >"$home/loader" \
        && chmod 0755 "$home/loader"
mkdir -p /run/lab/policy.d
printf '[helper]\nbackend = cgroupfs\ncgroup_parent = lab\n' >/run/lab/bpfdeleg.ini

# What has to be so before a line, and is not by the lines before it.
before() { # LINE
        case $1 in
        # Without a guard, as on most kernels under a container, a policy has to say that it does without.
        'echo $BPFDELEG')
                [ "$beds" != booted ] || sed -i 's/^; confine = off/confine = off/' "$policy_dir/50-netdev.ini"
                session_start one alice && in_session_sh one "cd && export PATH=\$PATH:/usr/sbin:$T/bin"
                ;;
        'bpfdeleg run -- bpftool prog load count.bpf.o '*) in_session_sh one 'bpfdeleg run -- rm /sys/fs/bpf/count' ;;
        'bpfdeleg kill run/box '*) in_session_sh one 'bpfdeleg run -- mkdir /sys/fs/cgroup/run/box' ;;
        /usr/libexec/bpfdelegd) systemctl stop bpfdelegd.socket bpfdelegd.service ;;
        esac
}
as_root() { (cd /root && eval "$1") </dev/null; }
# In a background of its own: nobody waits at the terminal.
stays() { # LINE
        local code=0
        timeout 5 bash -c "exec $1" </dev/null >"$T/said" 2>&1 || code=$?
        cat "$T/said"
        [ "$code" -eq 124 ] && grep -q ' serves ' "$T/said"
}
as_alice() { [ "$1" = exit ] && { session_end one; return; }; in_session_sh one "$1"; }
fails_as() { ! "$@" && ! grep -q 'command not found\|No such file' "$T/out"; }

n=0
while read -r where who how line; do
        [[ " $beds " == *" $where "* ]] || continue
        n=$((n + 1))
        before "$line" >"$T/before" 2>&1 || diag "before it: $(cat "$T/before")"
        case $how in
        0) ok "$who: $line" "as_$who" "$line" ;;
        any) capture "as_$who" "$line"; tap "$([ "$status" -le 1 ] && ! grep -q 'not found' "$T/out" && echo ok)" \
                "$who: $line" ;;
        fails) ok "$who, refused: $line" fails_as "as_$who" "$line" ;;
        stays) ok "$who, and it stays: $line" stays "$line" ;;
        *) tap failed "tests/commands: $line: how does it end?" ;;
        esac
done < <(grep -E '^(booted|host) ' "$bed/tests/commands")
ok "there were commands" test "$n" -ge 20
rm -rf /run/lab
ok "the profile is the one that it was" pam-auth-update --package --disable bpfdeleg-enforce --enable bpfdeleg
ok "the helper of the package is back" systemctl start bpfdelegd.socket bpfdelegd.service
ok "the files are where README and the pages say" test -e "$packages_files/50-netdev.ini" -a -e \
        "$packages_files/bpfdeleg.ini"
page_paths() {
        man_path=$(zcat -f /usr/share/man/man5/bpfdeleg-policy.5* | sed -n 's/^\.It Pa \(.*50-netdev.ini\)$/\1/p' \
                | grep share) && echo "$man_path" && [ -e "$man_path" ]
}
[ ! -e /usr/share/man/man5 ] || ok "the page's path, too" page_paths
groupdel netdev 2>/dev/null
finish
