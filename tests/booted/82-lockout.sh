#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nobody is ever locked out: each way in which the module is enabled, through the package's whole life, and after each
# step root, a user with a policy (that says deny) and one without log in.
# host-seconds: 2400

. "$(dirname "$0")/lib.sh"

setup
add_user alice
add_user bob
install -d -m 0700 /root/.ssh
[ -e /root/.ssh/authorized_keys ] && mv /root/.ssh/authorized_keys "$T/authorized_keys"
install -m 0600 "$bed/key.pub" /root/.ssh/authorized_keys
cp -a /etc/pam.d "$T/pam.d"
deny_policy() { mkdir -p "$policy_dir" && simple_policy 50-test alice 'session:on_failure = deny'; }
deny_policy

quiet_dpkg() { DEBIAN_FRONTEND=noninteractive dpkg "$@" </dev/null; }
package=$(ls "$bed"/deb/libpam-bpfdeleg_*.deb)
newer() {
        dpkg-deb -R "$package" "$T/newer" && sed -i 's/^Version: .*/&+later/' "$T/newer/DEBIAN/control" &&
                dpkg-deb --root-owner-group -b "$T/newer" "$T/newer.deb"
}
ok "there is a newer package" newer

lockouts=0
# At once: on an emulated machine each login takes seconds.
everybody() { # STEP
        local who pids_of=() i=0
        for who in root alice bob; do
                ssh_as "$who" true >"$T/login.$who" 2>&1 &
                pids_of+=($!)
        done
        for who in root alice bob; do
                ok "$way, $1: $who logs in" logged_in "${pids_of[i]}" "$who" || lockouts=$((lockouts + 1))
                i=$((i + 1))
        done
}
logged_in() { # PID USER
        wait "$1" && return
        cat "$T/login.$2"
        return 1
}
granted() { ok "$way, $1: alice has her delegation" ssh_as alice sh -c 'test -n "$BPFDELEG"'; }
# Where the module could not stay: the removal says so, with file and line, and everything is as before.
stopped() { # FILE CONTROL
        refused "$way: it is not removed, and told which line stops it" "^ *$1:[0-9]+: session.*$2" quiet_dpkg -r \
                libpam-bpfdeleg
        ok "$way: it is there still" test -e "$(dpkg -L libpam-bpfdeleg | grep '/pam_bpfdeleg\.so$')"
        ok "$way: dpkg takes it for installed" package_installed
        everybody "removal refused"
        granted "removal refused"
}

enforce='[success=ok ignore=ignore module_unknown=ignore default=bad]'
by_hand() { # FILE CONTROL
        printf 'session %s pam_bpfdeleg.so\n' "$2" >>"/etc/pam.d/$1"
}
not_by_hand() { sed -i '/^session .* pam_bpfdeleg\.so$/d' "/etc/pam.d/$1"; }

life() { # WAY FILE CONTROL [stops]: FILE "profile": CONTROL are the profiles
        local way=$1 file=$2 control=$3
        profiles_are >/dev/null 2>&1
        case $file in
        profile)
                # shellcheck disable=SC2086 # names
                [ -z "$control" ] || ok "$way: enabled" env DEBIAN_FRONTEND=noninteractive pam-auth-update --package \
                        --enable $control
                ;;
        *) by_hand "$file" "$control" ;;
        esac
        everybody installed
        [ -z "$control" ] || granted installed
        ok "$way: an upgrade" quiet_dpkg -i "$T/newer.deb"
        everybody upgraded
        ok "$way: a downgrade" quiet_dpkg -i "$package"
        everybody downgraded
        [ -z "$control" ] || granted downgraded
        if [ "${4:-}" = stops ]; then
                stopped "/etc/pam.d/$file" "$control"
                not_by_hand "$file"
        fi
        ok "$way: the package is removed" quiet_dpkg -r libpam-bpfdeleg
        everybody removed
        ok "$way: purged" quiet_dpkg -P libpam-bpfdeleg
        everybody purged
        ok "$way: installed again" quiet_dpkg -i "$package"
        deny_policy
        everybody "installed again"
        [ "$file" = profile ] || not_by_hand "$file"
}

life "not enabled" profile ""
life "the profile" profile bpfdeleg
life "the enforcing profile" profile bpfdeleg-enforce
life "both profiles" profile "bpfdeleg bpfdeleg-enforce"
life "optional in sshd" sshd optional
life "the enforcing control in sshd" sshd "$enforce"
life "required in sshd" sshd required stops
life "requisite in common-session" common-session requisite stops
ok "0 lockouts" test "$lockouts" = 0

# That the enforcing one does enforce, and only for whom it is.
way="the enforcing profile"
ok "it is enabled" profiles_are bpfdeleg-enforce
ok "nobody listens" systemctl stop bpfdelegd.socket bpfdelegd.service
refused "alice is turned away" 'Login refused' ssh_as alice true
ok "bob is not" ssh_as bob true
ok "nor is root" ssh_as root true
ok "the module's file is gone" mv "$(dpkg -L libpam-bpfdeleg | grep '/pam_bpfdeleg\.so$')" "$T/module.so"
ok "then alice logs in" ssh_as alice true
ok "it is there again" mv "$T/module.so" "$(dpkg -L libpam-bpfdeleg | grep '/pam_bpfdeleg\.so$')"

# With a small limit a signal once ended the login.
ok "the helper listens" systemctl start bpfdelegd.socket
for limit in fsize nofile stack nproc memlock; do
        echo "alice hard $limit 0" >/etc/security/limits.d/bed.conf
        session() { su -s /bin/true - alice; }
        profiles_are
        capture session
        without=$status
        profiles_are bpfdeleg-enforce
        exits "hard $limit 0: su ends with the module as without" "$without" '' session
done
rm -f /etc/security/limits.d/bed.conf

profiles_are
rm -f /root/.ssh/authorized_keys
[ -e "$T/authorized_keys" ] && mv "$T/authorized_keys" /root/.ssh/authorized_keys
same_pam() { diff -r "$T/pam.d" /etc/pam.d; }
ok "it is made ready again" prepare
ok "/etc/pam.d is as it was" same_pam
mark

finish
