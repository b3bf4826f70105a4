#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The units as they are installed: what they must say (docs/unit.md says why), what must not be in them, and
# what systemd thinks of them. And that the packages' versions are configure's.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
unit_dir=$T/root/units

# Elsewhere than the default, so that that option is tried as well.
make -s -C "$top_builddir" install DESTDIR="$T/root" systemdsystemunitdir=/units </dev/null >"$T/out" 2>&1
ok "the units are installed where make is told" test -s "$unit_dir/bpfdelegd.socket" -a -s "$unit_dir/bpfdelegd.service"
libexecdir=$(find "$T/root" -name bpfdelegd -type f -printf '%h\n') libexecdir=${libexecdir#"$T/root"}

says() { # UNIT LINE: as it stands
        grep -Fqx -- "$2" "$unit_dir/$1" || { grep -- "^${2%%=*}=" "$unit_dir/$1"; return 1; }
}
sets() { grep -q -- "^$2=" "$unit_dir/$1"; } # UNIT KEY
sets_not() { ! sets "$1" "$2"; }

while IFS= read -r line; do
        ok "bpfdelegd.service: $line" says bpfdelegd.service "$line"
done <<END_OF_LINES
Type=notify
ExecStart=$libexecdir/bpfdelegd
ExecReload=kill -HUP \$MAINPID
Restart=on-failure
WatchdogSec=3min
Requires=bpfdelegd.socket
KillMode=mixed
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateNetwork=yes
PrivateIPC=yes
PrivateMounts=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
END_OF_LINES
for key in CapabilityBoundingSet SystemCallFilter ReadWritePaths TasksMax LimitNOFILE OOMScoreAdjust Documentation; do
        ok "bpfdelegd.service: $key is set" sets bpfdelegd.service "$key"
done
# Each of these broke it, or would: records removed with a stop, EROFS on cgroups, EPERM on namespaces, no mkdir of
# others' modes.
for key in RuntimeDirectory ProtectControlGroups RestrictNamespaces PrivateUsers User DynamicUser ProcSubset Install; do
        ok "bpfdelegd.service: no $key" sets_not bpfdelegd.service "$key"
done
ok "a key would be seen" sets bpfdelegd.service UMask

capabilities() {
        local have
        have=$(sed -n 's/^CapabilityBoundingSet=//p' "$unit_dir/bpfdelegd.service" | tr ' ' '\n' | sort | paste -sd ' ')
        [ "$have" = "CAP_BPF CAP_CHOWN CAP_DAC_OVERRIDE CAP_KILL CAP_PERFMON CAP_SETGID CAP_SETUID \
CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE" ] ||
                { echo "$have"; return 1; }
}
ok "bpfdelegd.service: these capabilities and no other" capabilities

runtime=$(sed -n 's,^ReadWritePaths=\([^-].*\),\1,p' "$unit_dir/bpfdelegd.service")
while IFS= read -r line; do
        ok "bpfdelegd.socket: ${line/"$runtime"/…}" says bpfdelegd.socket "$line"
done <<END_OF_LINES
ListenSequentialPacket=$runtime/session
ListenSequentialPacket=$runtime/user
SocketMode=0600
DirectoryMode=0755
ExecStartPost=chmod 0666 $runtime/user
PassCredentials=yes
Backlog=1024
WantedBy=sockets.target
END_OF_LINES
# systemd lets a unit write below what ProtectKernelTunables= has read-only only where there is something already.
guard_dir=$(sed -n 's,^ReadWritePaths=-\(.*\),\1,p' "$unit_dir/bpfdelegd.service")
ok "bpfdelegd.service: makes what it may write to" says bpfdelegd.service "ExecStartPre=+-mkdir -m 0700 -p $guard_dir"
same_guard_dir() { [ -n "$guard_dir" ] && grep -aq "^$guard_dir\$" < <(tr '\0' '\n' <"$(program helper/bpfdelegd)"); }
ok "unit and helper mean the same directory for the guard" same_guard_dir
same_runtime() { grep -aq "^$runtime\$" < <(tr '\0' '\n' <"$(program helper/bpfdelegd)"); }
ok "units and helper mean the same directory" same_runtime

# ---- systemd's own opinion -------------------------------------------------------------------------------------------

# Where the programs of the units are not installed, verify says that, too: it is the one thing that may be said.
verify() {
        local said
        said=$(systemd-analyze --man=no verify "$unit_dir/bpfdelegd.socket" "$unit_dir/bpfdelegd.service" 2>&1 |
                grep -E 'bpfdelegd\.(socket|service)' | grep -v "$libexecdir/bpfdelegd is not executable")
        [ -z "$said" ] || { echo "$said"; return 1; }
}
# Prints the exposure in tenths.
exposure() {
        systemd-analyze --no-pager security --offline=yes "$1" \
                | sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p'
}
exposure_is_low() {
        local tenths
        tenths=$(exposure "$unit_dir/bpfdelegd.service")
        echo "exposure in tenths: $tenths"
        [ -n "$tenths" ] && [ "$((10#$tenths))" -le 33 ]
}
# The check must be able to fail.
open_unit_is_seen() {
        grep -v '^\(Private\|Protect\|Restrict\|SystemCall\|Capability\)' "$unit_dir/bpfdelegd.service" \
                >"$T/open.service"
        [ "$((10#$(exposure "$T/open.service")))" -gt 33 ]
}
# The names of what it counts against the unit, one a line.
exposed() {
        systemd-analyze --no-pager --json=short security --offline=yes "$1" | tr '}' '\n' |
                sed -n 's/.*"set":false,"name":"\([^"]*\)".*/\1/p'
}
# Each has its row in docs/unit.md.
exposures_are_explained() {
        exposed "$unit_dir/bpfdelegd.service" | sort >"$T/exposed"
        sed -n 's/^- `\([^`]*\)`:.*/\1/p' "$top_srcdir/docs/unit.md" | sort >"$T/explained"
        [ -s "$T/exposed" ] && ! comm -23 "$T/exposed" "$T/explained" | grep .
}
if systemd-analyze security --help >/dev/null 2>&1; then
        ok "systemd-analyze verify has nothing to say" verify
        ok "systemd-analyze security: at most 3.3" exposure_is_low
        ok "an open unit would be seen" open_unit_is_seen
        ok "docs/unit.md explains each exposure that stays" exposures_are_explained
else
        skip "what systemd thinks of the units" "no systemd-analyze here"
fi

# ---- the journal's catalog -------------------------------------------------------------------------------------------

# What the helper sends is what people find explained, in the catalog and in the manual page, and nothing else is.
message_ids() { sed -n 's/^#define LOG_ID_[A-Z]* "\([0-9a-f]\{32\}\)"$/\1/p' "$top_srcdir/helper/log.h" | sort; }
in_catalog() { sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$top_srcdir/conf/bpfdeleg.catalog" | sort; }
in_page() { sed -n 's/^\.It Ql .* Ta Li \([0-9a-f]\{32\}\) Ta .*/\1/p' "$top_srcdir/man/bpfdelegd.8" | sort; }
same_ids() { message_ids >"$T/ids" && [ -s "$T/ids" ] && "$1" | diff "$T/ids" -; }
ok "the catalog explains each MESSAGE_ID" same_ids in_catalog
ok "bpfdelegd(8) names each MESSAGE_ID" same_ids in_page
if journalctl --update-catalog --help >/dev/null 2>&1; then
        # Its database goes below the root given.
        catalog_is_taken() {
                mkdir -p "$T/catalog/usr/lib/systemd/catalog" "$T/catalog/var/lib/systemd/catalog" &&
                        cp "$top_srcdir/conf/bpfdeleg.catalog" "$T/catalog/usr/lib/systemd/catalog/" &&
                        journalctl --root="$T/catalog" --update-catalog &&
                        [ "$(journalctl --root="$T/catalog" --list-catalog | wc -l)" -eq "$(in_catalog | wc -l)" ]
        }
        ok "journalctl takes the catalog" catalog_is_taken
else
        skip "journalctl takes the catalog" "no journalctl here"
fi

# ---- packages --------------------------------------------------------------------------------------------------------

version=$(sed -n 's/^AC_INIT(\[bpfdeleg\], \[\(.*\)\])$/\1/p' "$top_srcdir/configure.ac")
debian_version() { head -n 1 "$top_srcdir/conf/debian/changelog" | grep -Fq "bpfdeleg ($version-"; }
ok "the Debian package has configure's version" debian_version
ok "the RPM has configure's version" grep -Eqx "Version: +$version" "$top_builddir/conf/bpfdeleg.spec"

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
