# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# Building, the demo and the bench. Sourced by bootstrap.

# Under sudo in a user's checkout the files stay the user's: everything that writes there runs as the owner.
owner() {
        local uid gid
        read -r uid gid < <(stat -c '%u %g' "$src")
        if [ "$(id -u)" = 0 ] && [ "$uid" != 0 ]; then
                setpriv --reuid="$uid" --regid="$gid" --clear-groups env HOME=/tmp "$@"
        else
                "$@"
        fi
}

# What tests leave as root goes to the owner, too.
give_back() {
        [ "$(id -u)" = 0 ] && [ "$(stat -c %u "$src")" != 0 ] && chown -Rh --reference="$src" "$@"
        return 0
}

# Whoever calls this from a make of his own: its jobserver and variables are not ours.
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR top_srcdir top_builddir

jobs=$(nproc 2>/dev/null || echo 2)

# What demo, bench and system tests run, besides `all`.
tools=(tests/tools/pam-session tests/tools/packets tests/tools/malformed tests/tools/enter-as tests/bench/bench \
        tests/bench/calls tests/bench/proxy
        tests/tools/answer tests/tools/crowd tests/tools/abuse tests/tools/stuck tests/tools/json-doctor \
                tests/tools/fake-systemd tests/tools/attached tests/tools/packets.bpf.o
        tests/tools/other.bpf.o tests/escape/escape
        tests/escape/userns-maker tests/escape/forge tests/escape/bpfdelegd-unguarded)

needs_autoreconf() {
        local file
        for file in configure Makefile.in config.h.in build-aux/tap-driver.sh; do
                [ -e "$src/$file" ] || return 0
        done
        for file in configure.ac Makefile.am tests/tests.mk; do
                [ "$src/$file" -nt "$src/configure" ] && return 0
        done
        return 1
}

# configure alone is sure to be newer than its sources afterwards: autoreconf leaves alone what has not changed.
regenerate() { cd "$src" && owner autoreconf -fi && owner touch configure; }

needs_configure() {
        [ ! -e "$1/config.status" ] || [ ! -e "$1/Makefile" ] || [ "$src/configure" -nt "$1/config.status" ]
}

configure_in() { # DIR CFLAGS [OPTION…]
        local options=(--prefix=/usr --sysconfdir=/etc --localstatedir=/var)
        # autoconf 2.69 has no such option, its configure takes /var/run from localstatedir.
        "$src/configure" --help | grep -q -- --runstatedir && options+=(--runstatedir=/run)
        [ -z "$2" ] || options+=("CFLAGS=$2")
        cd "$1" && owner "$src/configure" -q "${options[@]}" "${@:3}"
}

# Whether nothing has changed since the last build that was right. make cannot tell: with -q it always finds config.h to
# look at.
up_to_date() {
        local tool
        [ -e "$1/.built" ] || return 1
        for tool in helper/bpfdelegd cli/bpfdeleg cli/bpfdeleg-status cli/bpfdeleg-doctor pam/pam_bpfdeleg.la \
                "${tools[@]}"; do
                [ -e "$1/$tool" ] || return 1
        done
        [ -z "$(find "$src" -path "$src/build*" -prune -o -path "$src/.git" -prune \
                -o -path "$src/autom4te.cache" -prune -o -type f -newer "$1/.built" -print -quit)" ]
}

# One after the other: `all` is a make of its own, and two at a time would write the same files.
make_in() { owner make -C "$1" -j"$jobs" all && owner make -C "$1" -j"$jobs" "${tools[@]}"; }

# build_in DIR CFLAGS: builds there what is not up to date.
build_in() {
        local dir=$1 name=${1##*/}
        owner mkdir -p "$dir" || die "$dir cannot be made"
        if needs_autoreconf; then
                step "$name: autoreconf" "$dir/autoreconf.log" regenerate || return 1
        fi
        if needs_configure "$dir"; then
                step "$name: configure" "$dir/configure.log" configure_in "$dir" "$2" || return 1
        fi
        if up_to_date "$dir"; then
                say "$name: up to date"
                return 0
        fi
        step "$name: make" "$dir/make.log" make_in "$dir" && owner touch "$dir/.built"
}

do_build() { build_in "$build" '' || die "the build has failed"; }

# ---- demo, bench -----------------------------------------------------------------------------------------------------

do_demo() {
        top_srcdir=$src top_builddir=$build bash "$src/tests/system/demo.sh"
}

do_bench() {
        case ${1:-} in
        booted) bash "$src/tests/beds/booted.sh" bench ;;
        guard) bench_guard ;;
        *)
                do_build && bench_bare "$@" || return 1
                echo
                top_srcdir=$src top_builddir=$build bash "$src/tests/bench/proxy.sh"
                echo
                top_srcdir=$src top_builddir=$build bash "$src/tests/bench/crowd.sh"
                echo
                top_srcdir=$src top_builddir=$build bash "$src/tests/bench/abuse.sh"
                echo
                top_srcdir=$src top_builddir=$build bash "$src/tests/bench/uids.sh"
                ;;
        esac
}

# Here, if this kernel takes it; else on the kernels of the vm bed, of which the bed keeps what was printed.
bench_guard() {
        local log
        if takes_guard; then
                do_build && top_srcdir=$src top_builddir=$build bash "$src/tests/bench/guard.sh"
                return
        fi
        say "this kernel takes no guard, so what it costs is counted on those of the vm bed, in instructions"
        BD_QEMU_ACCEL=count bash "$src/tests/beds/vm.sh" bench/guard || return 1
        for log in "$src"/build-beds/vm/*/tests/bench/guard.log; do sed -n 's/^# //p' "$log"; done
}
takes_guard() { grep -qw bpf /sys/kernel/security/lsm \
        && ! grep -Eq '\[(integrity|confidentiality)\]' /sys/kernel/security/lockdown; } 2>/dev/null

bench_bare() (
        # shellcheck source=tests/system/lib.sh
        top_srcdir=$src top_builddir=$build . "$src/tests/system/lib.sh"
        user=bdt-$$-a other=bdt-$$-b
        setup
        add_user "$user" && add_user "$other" || exit 1
        service with
        printf '%s\n' 'session required pam_permit.so' >"$T/pam.d/permit"
        simple_policy 50-bench "$user"
        mount_run && helper_start || exit 1
        "$(program tests/bench/bench)" "$@" --confdir "$T/pam.d" --with with --without with --permit permit \
                --other-user "$other" "$user"
)
