#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# fresh.sh [ROOT…]: what a newcomer does, on machines that have nothing yet: the smallest Debian of each release that
# bootstrap knows, as a chroot with /dev, /proc and /sys, and one booted with systemd as PID 1. In each: demo, build,
# make check, make distcheck, package, installing that, and in the booted one `check bare`. What these need they fetch
# themselves, from this machine's mirror. Prints one line a case, as automake's TAP driver does. What each printed is in
# build-beds/fresh/ROOT/CASE.log. Nothing stays but the caches in build-beds/, also when this is killed. ROOT: bookworm,
# trixie, sid, booted. `./bootstrap check fresh` calls it.

. "$(dirname "$0")/../system/lib.sh"

beds=${BD_BEDS:-$top_srcdir/build-beds}
me=tests/beds/fresh.sh
container=fresh container_network=same_network boot_log=$beds/fresh/boot.log
. "$top_srcdir/tests/beds/lib.sh"
. "$top_srcdir/tests/beds/nspawn.sh"
. "$top_srcdir/tests/beds/mirror.sh"

work=''
bed_failed=0

# Root, suite, umask, packages. Who works in a group has 002; in a Debian to be booted there is a systemd.
roots='
bookworm bookworm 022 apt
trixie trixie 002 apt
sid sid 022 apt
booted trixie 022 systemd systemd-sysv dbus libpam-systemd sudo
'

# ---- roots -----------------------------------------------------------------------------------------------------------

# furnish ROOT SUITE TAR: unpacked, with the sources in /root/bpfdeleg and a way to the mirror. Packages that were
# fetched once are not fetched again.
sources() {
        git -C "$top_srcdir" -c safe.directory='*' ls-files -co --exclude-standard 2>/dev/null | grep . && return 0
        (cd "$top_srcdir" && find . \( -path './build*' -o -path ./autom4te.cache -o -path ./.git \) -prune -o -type \
                f -print | sed 's,^\./,,')
}
existing() { while IFS= read -r file; do [ -e "$top_srcdir/$file" ] && printf '%s\n' "$file"; done; }
furnish() {
        local root=$work/$1
        mkdir -p "$root" "$beds/fresh/$1.debs/partial" && tar -C "$root" -xf "$3" || return 1
        cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf" && echo bed >"$root/etc/hostname" || return 1
        printf '127.0.0.1 localhost bed\n::1 localhost\n' >"$root/etc/hosts"
        fetch_options >"$root/etc/apt/apt.conf.d/bed"
        mkdir "$root/root/bpfdeleg" && sources | existing | tar -C "$top_srcdir" -cf - -T - \
                | tar -C "$root/root/bpfdeleg" --no-same-owner -xf - || return 1
        # There are no modules for a container to load.
        [ "$1" != booted ] || ln -sf /dev/null "$root/etc/systemd/system/systemd-modules-load.service"
}

# in_chroot CMD…: as people make one, with the machine's /dev, /proc and /sys. in_switched CMD…: the same root, but as
# the root of a mount namespace, as containers have it: there the kernel makes user namespaces.
mounts='
        mount --bind "$1" "$1" && mount --bind "$2" "$1/var/cache/apt/archives" || exit 1
        for dir in dev proc sys; do mount --rbind "/$dir" "$1/$dir" || exit 1; done
        cd "$1" || exit 1
        shift 2'
clean_env=(/usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C)
own_mounts() { # SCRIPT CMD…
        local script=$mounts$1
        shift
        (
                echo "$BASHPID" >"$cgroup2/bdt-$container-$$/cgroup.procs" || exit 1
                exec unshare --mount --propagation private bash -c "$script" sh "$work/$name" \
                        "$beds/fresh/$name.debs" "${clean_env[@]}" "$@"
        )
}
in_chroot() { own_mounts '; exec chroot . "$@"' "$@"; }
in_switched() {
        own_mounts '; mkdir -p old && pivot_root . old && umount -l /old && exec "$@"' "$@"
}
in_booted() {
        inside systemd-run --quiet --pipe --wait --collect "${clean_env[@]}" "$@"
}

# ---- cases -----------------------------------------------------------------------------------------------------------

# try CASE HOW WORDS TEXT: one case; TEXT is run by a shell in the checkout.
try() {
        local log=$beds/fresh/$name/$1.log begin=$SECONDS status=0
        "$2" timeout -k 10 5400 bash -c "umask $mask; cd /root/bpfdeleg && { $4; }" </dev/null >"$log" 2>&1 || status=$?
        if [ "$status" -eq 0 ]; then
                printf 'PASS: fresh/%s/%s - %s (%d s)\n' "$name" "$1" "$3" $((SECONDS - begin))
        else
                echo "(status $status)" >>"$log"
                printf 'FAIL: fresh/%s/%s - %s\n' "$name" "$1" "$3"
                bed_failed=1
        fi
        return "$status"
}

# What is said before anything is installed; and that nothing is.
said_early='
before=$(dpkg-query -W)
./bootstrap COMMAND >/tmp/said 2>&1 && { cat /tmp/said; echo "it did not fail"; exit 1; }
cat /tmp/said
grep -q "chroot" /tmp/said && ! grep -q "deps:" /tmp/said && [ "$(dpkg-query -W)" = "$before" ]'

common() { # HOW
        try build "$1" "./bootstrap build" \
                './bootstrap deps && ./bootstrap build && ./bootstrap build | tee /tmp/again &&
                        grep -qx "build: up to date" /tmp/again' || return
        try check "$1" "make check" 'make -C build -k check'
        try distcheck "$1" "make distcheck" 'make -C build distcheck'
        try source "$1" "make install, make uninstall" \
                'make -C build install && bpfdeleg --version && [ "$(stat -c %a /etc/bpfdeleg)" = 755 ] &&
                        make -C build uninstall'
        try package "$1" "./bootstrap package, with its tests" \
                './bootstrap package && grep -q "^make.*: Leaving" build/deb.log &&
                        grep -q "# PASS: *[1-9]" build/deb.log' \
                && try install "$1" "installing that" \
                        'export DEBIAN_FRONTEND=noninteractive &&
                                yes | apt install ./build-package/libpam-bpfdeleg_*.deb &&
                                        bpfdeleg --version && [ "$(stat -c %a /etc/bpfdeleg)" = 755 ]'
}

as_chroot() {
        try demo-chroot in_chroot "./bootstrap demo says at once that it cannot be in a chroot" \
                "${said_early//COMMAND/demo}"
        try bench-chroot in_chroot "./bootstrap bench, too" "${said_early//COMMAND/bench}"
        common in_chroot
        try demo in_switched "./bootstrap demo, where this is the root of a container" \
                './bootstrap demo | tee /tmp/said && grep -qx "demo: ok" /tmp/said'
}

as_booted() {
        boot "$work/$name" >"$beds/fresh/$name/boot.log" 2>&1 \
                || { printf 'ERROR: fresh/%s/boot - it does not boot\n' "$name"; bed_failed=1; return; }
        mount_debs || return
        try demo in_booted "sudo ./bootstrap demo" \
                'sudo ./bootstrap demo | tee /tmp/said && grep -qx "demo: ok" /tmp/said'
        common in_booted
        try reload in_booted "the units are known" 'systemctl daemon-reload && systemctl cat bpfdelegd.service'
        try doctor in_booted "the helper of the package answers" \
                'systemctl is-active bpfdelegd.socket && bpfdeleg doctor | tee /tmp/said;
                        grep -q "^ok *helper " /tmp/said'
        try check-bare in_booted "./bootstrap check bare" './bootstrap check bare'
        halt
}
# PID 1 of the container has mounts of its own.
mount_debs() {
        cp -al "$beds/fresh/$name.debs/." "$work/$name/var/cache/apt/archives/" 2>/dev/null \
                || cp -a "$beds/fresh/$name.debs/." "$work/$name/var/cache/apt/archives/"
}
keep_debs() {
        [ "$name" = booted ] || return 0
        cp -aln "$work/$name/var/cache/apt/archives/." "$beds/fresh/$name.debs/" 2>/dev/null
}

# ----------------------------------------------------------------------------------------------------------------------

end_bed() {
        local code=$?
        trap - EXIT
        trap '' INT TERM HUP
        halt 5
        remove_cgroups
        [ -z "$work" ] || rm -rf --one-file-system "$work"
        exit "$code"
}

# What one before us could not remove, because it was shot.
remove_before() {
        local dir
        for dir in "$beds"/fresh.*; do
                [[ ${dir##*/fresh.} =~ ^[0-9]+$ ]] || continue
                [ ! -d "/proc/${dir##*.}" ] || continue
                remove_cgroups "${dir##*.}"
                rm -rf --one-file-system "$dir"
        done
}

[ "$(id -u)" = 0 ] || skip_bed "needs root"
command -v systemd-nspawn >/dev/null || skip_bed "systemd-nspawn is missing (package systemd-container)"
why=$(machine_can) || skip_bed "$why"
cgroup2=$(find_cgroup2)
mkdir -p "$beds/fresh" || exit 1
trap end_bed EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
remove_before
work=$beds/fresh.$$
mkdir "$work" || { work=''; exit 1; }
[ $# -gt 0 ] || mapfile -t wanted < <(awk 'NF { print $1 }' <<<"$roots")
for name in "${wanted[@]-$@}"; do
        read -r _ suite mask packages < <(awk -v name="$name" '$1 == name' <<<"$roots") \
                || not_possible "there is no root $name"
        # shellcheck disable=SC2086 # names
        tar=$(made "$top_srcdir/tests/beds/root.sh" "$suite" $packages) || cannot_make "the root of $suite"
        rm -rf "$beds/fresh/$name"
        mkdir "$beds/fresh/$name" || exit 1
        furnish "$name" "$suite" "$tar" || not_possible "the root $name cannot be furnished"
        if [ "$name" = booted ]; then
                as_booted
                keep_debs
        else
                while IFS= read -r dir; do mkdir -p "$dir"; done < <(bed_cgroups)
                as_chroot
        fi
        remove_cgroups
        rm -rf --one-file-system "${work:?}/$name"
done
exit "$bed_failed"
