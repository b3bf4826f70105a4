#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# host.sh [TEST…]: boots a whole Debian 13 in QEMU, on Debian's own kernel, with all cgroup2 controllers and BPF LSM;
# runs tests/host/*.sh in it and those of tests/booted that $booted_too names (or the tests named, like host/limits),
# and prints one line a case, as automake's TAP driver does. What each printed is in build-beds/tests/host/NAME.log.
# BD_HOST_SUITE=trixie-backports takes the newest kernel there is. A test with a line `# host-packages: NAME…` has these
# in a machine of its own, there with `# host-go: loader|tests` what tests/beds/go.sh makes in /bed/go, and with `#
# host-seconds: N` so much time. Nothing stays but the caches in build-beds/, also when this is killed. `./bootstrap
# check host` calls it.

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
me=tests/beds/host.sh
suite=trixie
kernel_suite=${BD_HOST_SUITE:-$suite}

. "$top_srcdir/tests/beds/kernel.sh"
. "$top_srcdir/tests/beds/qemu.sh"
. "$top_srcdir/tests/beds/lib.sh"

# Of the booted bed's tests: what a host adds to a container is seen here, and all of them would take an hour.
booted_too=(10-login 15-scope 30-ends 82-lockout)
# Everything is some ten times slower than on the machine below. Seconds for one test, and for the boot.
slow=10
test_seconds=400
boot_seconds=180

work=
bed_failed=0

# ---- the initramfs ---------------------------------------------------------------------------------------------------

# archive DIR: what is in DIR, as the kernel unpacks it.
archive() { (cd "$1" && find . -xdev -mindepth 1 -print0 | cpio --null --create --format=newc --quiet); }

# The root itself, which changes as seldom as the tar it is made of.
root_archive() { # TAR
        local out=${1%.tar}.cpio.zst
        if [ ! -s "$out" ] || [ "$1" -nt "$out" ]; then
                mkdir "$work/root" && tar -C "$work/root" -xf "$1" \
                        && archive "$work/root" | zstd -q -1 -T0 >"$out.new" || return 1
                rm -rf "$work/root"
                mv "$out.new" "$out" || return 1
        fi
        printf '%s\n' "$out"
}

# marked MARK TEST: what the test has behind `# MARK: `.
marked() { sed -n "s/^# $1: //p" "$top_srcdir/tests/$2.sh"; }
seconds_of() { marked host-seconds "$1" | grep . || echo "$test_seconds"; }

# What this run adds to it: our init, the unit, and in /bed what the tests need, as the booted bed puts it there.
furnish() { # DEB-DIRECTORY TEST…
        local root=$work/more units=$work/more/etc/systemd/system deb=$1 name made
        shift
        mkdir -p "$root/bed/tests" "$root/bed/deb" "$units/multi-user.target.wants" || return 1
        install -m 0755 "$top_srcdir/tests/beds/host/init.sh" "$root/init" || return 1
        install -m 0644 "$top_srcdir/tests/beds/host/run.sh" "$root/bed/" || return 1
        install -m 0644 "$top_srcdir/tests/beds/host/bpfdeleg-tests.service" "$units/" || return 1
        ln -s ../bpfdeleg-tests.service "$units/multi-user.target.wants/"
        cp -r "$top_srcdir"/tests/{booted,host,system} "$root/bed/tests/" \
                && cp "$top_srcdir/tests/commands" "$root/bed/tests/" && cp -r "$deb/tools" "$root/bed/" \
                && cp "$deb"/*.deb "$root/bed/deb/" || return 1
        [ ! -d "$deb/escape" ] || cp -r "$deb/escape" "$root/bed/" || return 1
        for name in "$@"; do printf '%s\n' "$slow $(seconds_of "$name") tests/$name.sh"; done >"$root/bed/list"
        for name in $(marked host-go "$1"); do
                made=$(made "$top_srcdir/tests/beds/go.sh" "$name") && mkdir -p "$root/bed/go" \
                        && cp -rT "$made" "$root/bed/go/$name" || return 1
        done
        echo bed >"$root/etc/hostname"
        printf '127.0.0.1 localhost bed\n::1 localhost\n' >"$root/etc/hosts"
}

# The kernel takes several archives in a row, each compressed or not; nothing is in both.
initramfs() { # DEB-DIRECTORY TEST…
        local base
        furnish "$@" && base=$(root_archive "$tar") && archive "$work/more" >"$work/more.cpio" \
                && cat "$work/more.cpio" "$base" >"$work/initrd"
}

# ---- tests -----------------------------------------------------------------------------------------------------------

all_tests() {
        local file
        for file in "${booted_too[@]}"; do printf 'booted/%s\n' "$file"; done
        for file in "$top_srcdir"/tests/host/*.sh; do printf 'host/%s\n' "$(basename "$file" .sh)"; done
}

# report NAME: its lines, from what it printed.
report() {
        local name=$1 from=$work/tests/tests_${1//\//_}.sh log=$beds/tests/$1.log
        mkdir -p "$(dirname "$log")"
        if [ ! -e "$from" ]; then
                tail -n 40 "$work/console" >"$log"
                printf 'ERROR: tests/%s.sh - it was not begun\n' "$name"
                bed_failed=1
                return
        fi
        cp "$from" "$log"
        if [ ! -e "$from.status" ]; then
                { echo "The machine ended during this test. The end of its console:"; tail -n 40 "$work/console"; } \
                        >>"$log"
                echo none >"$from.status"
        fi
        tap_results "tests/$name.sh" "$from.status" <"$log" | tee "$work/report"
        ! grep -Eq '^(FAIL|ERROR):' "$work/report" || bed_failed=1
}

# ----------------------------------------------------------------------------------------------------------------------

begin_qemu_bed cpio zstd
mkdir -p "$beds/tests/host" || exit 1

[ $# -gt 0 ] || mapfile -t tests < <(all_tests)
tests=("${tests[@]-$@}")
# Whoever comes second takes what the first has made.
exec {lock}>"$beds/host.lock" && flock "$lock" || exit 1
deb=$(made "$top_srcdir/tests/beds/deb.sh" "$suite") || cannot_make "the package"
kernel=$(made kernel_get "$kernel_suite") || cannot_make "its kernel"
remove_leftovers host
exec {lock}>&-

# run_machine [PACKAGE…] -- TEST…: one machine for these.
run_machine() {
        local packages=() seconds=$boot_seconds name status=0
        while [ "$1" != -- ]; do packages+=("$1") && shift; done
        shift
        exec {lock}>"$beds/host.lock" && flock "$lock" || exit 1
        tar=$(made "$top_srcdir/tests/beds/root.sh" "$suite" "${bed_packages[@]}" ${packages[@]+"${packages[@]}"}) \
                || cannot_make "its root"
        work=$beds/host.$$
        mkdir -p "$work/tests" || exit 1
        initramfs "$deb" "$@" || not_possible "its initramfs cannot be made"
        exec {lock}>&-
        for name in "$@"; do seconds=$((seconds + $(seconds_of "$name"))); done
        echo "Linux $(cat "$kernel/release"), $seconds s at most"
        # All of the root is in memory, and while the machine boots twice.
        qemu_memory=$((${#packages[@]} > 0 ? 10240 : 4096)) qemu_run "$work" "$seconds" "$kernel/vmlinuz" \
                "$work/initrd" \
                "quiet systemd.show_status=0 systemd.getty_auto=no systemd.mask=systemd-modules-load.service" \
                        || status=$?
        mkdir -p "$beds/tests/beds" && cp "$work/console" "$beds/tests/beds/host.log"
        cat "$work/qemu.log"
        [ "$status" -ne 124 ] || echo "the machine took too long and was ended"
        split_results "$work"
        for name in "$@"; do report "$name"; done
        if [ "$status" -ne 0 ] || [ ! -e "$work/tests/done" ]; then
                printf 'ERROR: %s - the machine ended before its tests, with status %s\n' "$me" "$status"
                bed_failed=1
        fi
        rm -rf --one-file-system "$work"
        work=
}

common=()
for name in "${tests[@]}"; do [ -n "$(marked host-packages "$name")" ] || common+=("$name"); done
[ ${#common[@]} -eq 0 ] || run_machine -- "${common[@]}"
for name in "${tests[@]}"; do
        read -ra packages < <(marked host-packages "$name") || continue
        run_machine "${packages[@]}" -- "$name"
done
exit "$bed_failed"
