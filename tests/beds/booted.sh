#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# booted.sh [TEST…]: makes a Debian 13 with systemd as PID 1 in a container, runs tests/booted/*.sh inside (or those
# named; `bench` for the bench; `make` makes what it needs and runs none), and prints one line a case, as automake's TAP
# driver does. What each test printed is in build-beds/tests/booted/NAME.log. Nothing stays but the caches in
# build-beds/, also when this is killed.
# `./bootstrap check booted` calls it.

. "$(dirname "$0")/../system/lib.sh"

beds=${BD_BEDS:-$top_srcdir/build-beds}
suite=trixie
me=tests/beds/booted.sh
container=booted container_network=own_network boot_log=$beds/boot.log
. "$top_srcdir/tests/beds/lib.sh"
. "$top_srcdir/tests/beds/nspawn.sh"

work=''
bed_failed=0

# ---- the container ---------------------------------------------------------------------------------------------------

# What one before us could not remove, because it was shot.
remove_leftovers() {
        local dir pid
        for dir in "$beds"/booted.*; do
                pid=${dir##*/booted.}
                [[ $pid =~ ^[0-9]+$ ]] || continue
                [ ! -d "/proc/$pid" ] || continue
                remove_cgroups "$pid"
                rm -rf --one-file-system "$dir"
        done
}

end_bed() {
        local code=$?
        trap - EXIT
        trap '' INT TERM HUP
        halt 5
        remove_cgroups
        [ -z "$work" ] || rm -rf --one-file-system "$work"
        exit "$code"
}

# What is put into the root before the first boot: the tests and all they need, in /bed. The rest is the tests' own
# business, so that other beds can run them.
furnish() { # DEB-DIRECTORY
        local root=$work/root
        mkdir "$root" && tar -C "$root" -xf "$tar" && mkdir -p "$root/bed/tests" || return 1
        cp -r "$top_srcdir/tests/booted" "$top_srcdir/tests/system" "$root/bed/tests/" \
                && cp "$top_srcdir/tests/commands" "$root/bed/tests/" && cp -r "$1/tools" "$root/bed/" &&
                mkdir "$root/bed/deb" && cp "$1"/*.deb "$root/bed/deb/" || return 1
        # There are no modules for a container to load.
        ln -sf /dev/null "$root/etc/systemd/system/systemd-modules-load.service"
        echo bed >"$root/etc/hostname"
        printf '127.0.0.1 localhost bed\n::1 localhost\n' >"$root/etc/hosts"
}

# ---- tests -----------------------------------------------------------------------------------------------------------

# run_inside NAME [ARGUMENT…]: one test as a unit of its own; what it leaves running goes with the unit, what it leaves
# elsewhere is for the test to find.
run_inside() {
        local name=$1 log=$beds/tests/booted/$1.log
        shift
        {
                inside systemd-run --quiet --pipe --wait --collect --unit="bed-$name" --property=RuntimeMaxSec=600 \
                        --setenv=BED_BOOTS="$boots" bash "/bed/tests/booted/$name.sh" "$@" 2>&1 </dev/null
                echo $? >"$work/status"
        } | tee "$log" | tap_results "tests/booted/$name.sh" "$work/status" | tee "$work/results"
        grep -Eq '^(FAIL|ERROR):' "$work/results" && bed_failed=1
        alive "$nspawn" || not_possible "the container has gone (log: $beds/boot.log)"
}

all_tests() {
        local file
        for file in "$top_srcdir"/tests/booted/*.sh; do
                file=$(basename "$file" .sh)
                case $file in lib | bench | *-after-boot) ;; *) printf '%s\n' "$file" ;; esac
        done
}

# A reboot, asked for inside: with --keep-unit nspawn ends then and says so by this status, and whoever started it
# starts it again.
reboot_and_boot() {
        local status=0
        inside systemctl --no-block reboot
        patience=60 wait_until gone "$nspawn" || { echo "the container does not end"; return 1; }
        wait "$nspawn" || status=$?
        nspawn=
        [ "$status" -eq 133 ] || { echo "the container ended with status $status instead of 133"; return 1; }
        boot "$work/root"
}

# X.sh is followed by X-after-boot.sh, where there is one, and between them the machine boots anew.
run_test() {
        local name=$1
        run_inside "$name"
        [ -e "$top_srcdir/tests/booted/$name-after-boot.sh" ] || return 0
        reboot_and_boot >"$beds/tests/booted/$name-reboot.log" 2>&1 \
                || { cat "$beds/tests/booted/$name-reboot.log"; not_possible \
                        "the container does not come back from a reboot"; }
        run_inside "$name-after-boot"
}

# ----------------------------------------------------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || skip_bed "needs root"
command -v systemd-nspawn >/dev/null || skip_bed "systemd-nspawn is missing (package systemd-container)"
why=$(machine_fits) || skip_bed "$why"
mkdir -p "$beds/tests/booted" || exit 1
trap end_bed EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ "${1:-}" = make ] || one_at_a_time >&2 || exit 1

tar=$(made "$top_srcdir/tests/beds/root.sh" "$suite" "${bed_packages[@]}") || cannot_make "its root"
deb=$(made "$top_srcdir/tests/beds/deb.sh" "$suite") || cannot_make "the package"
[ "${1:-}" != make ] || exit 0
remove_leftovers
work=$beds/booted.$$
mkdir "$work" || { work=''; exit 1; }
furnish "$deb" || not_possible "the root cannot be furnished"
boot "$work/root" || not_possible "the container does not come up (log: $beds/boot.log)"

if [ "${1:-}" = bench ]; then
        inside systemd-run --quiet --pipe --wait --collect --unit=bed-bench bash /bed/tests/booted/bench.sh
        exit
fi
[ $# -gt 0 ] || mapfile -t tests < <(all_tests)
for test in "${tests[@]-$@}"; do
        run_test "$(basename "$test" .sh)"
done
exit "$bed_failed"
