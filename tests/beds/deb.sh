#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# deb.sh SUITE: builds the package of these sources, and the programs that tests run in a bed, inside a Debian root of
# that suite: what is built elsewhere asks for the libraries of elsewhere. Prints a directory in build-beds/ with the
# .deb, tools/, escape/, programs/, bench/: whatever the Makefile builds below tests/. Sources that were built before
# are not built again. Exit status 77: this machine lacks what it takes (a line on stderr says what).

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
suite=${1:?usage: deb.sh SUITE}
. "$top_srcdir/tests/beds/in-root.sh"

# The sources, one path a line: what git has or would take; of a tree from a tarball, all that was not made in it.
sources() {
        cd "$top_srcdir" || return 1
        git -c safe.directory='*' ls-files -co --exclude-standard 2>/dev/null | grep . && return 0
        find . \( -path './build*' -o -path ./autom4te.cache -o -path ./.git \) -prune -o -type f -print \
                | sed 's,^\./,,'
}
existing() { while IFS= read -r file; do [ -e "$top_srcdir/$file" ] && printf '%s\n' "$file"; done; }

# Neither the tests that run in the beds nor how beds are made is in the package: a change there costs no build.
digest() {
        local not='^(tests/commands$|\.ci/|tests/escape/[^/]*\.sh$'
        not+='|tests/(booted|host|vm|beds|system|unit|pam|bench|tree)/)'
        { sources | existing | grep -Ev "$not"; echo tests/beds/deb.sh; } | sort \
                | (cd "$top_srcdir" && xargs sha256sum) | sha256sum | cut -c 1-16
}

# What make makes for the beds, besides the package: one target a line. The Makefile knows.
programs() { # ROOT
        # shellcheck disable=SC2016 # for make
        printf '%s\n' 'include Makefile' 'bed-programs:' \
                $'\t@printf "%s\\n" $(check_PROGRAMS) $(check_LTLIBRARIES) $(check_DATA)' >"$1/src/build/programs.mk"
        in_root "$1" make -s -C /src/build -f programs.mk bed-programs | grep -E '^tests/(tools|escape|programs|bench)/'
}

build() { # OUT
        local root=$work/root tools tool file
        mkdir -p "$root" && tar -C "$root" -xf "$tar" && mkdir -p "$root/src" || return 1
        sources | existing | tar -C "$top_srcdir" -cf - -T - | tar -C "$root/src" --no-same-owner -xf - || return 1
        in_root "$root" DEB_BUILD_OPTIONS=nocheck bash -c 'cd /src && ./bootstrap package /out' || return 1
        mapfile -t tools < <(programs "$root")
        [ ${#tools[@]} -gt 0 ] && in_root "$root" bash -c 'make -s -C /src/build -j"$(nproc)" "$@"' sh "${tools[@]}" \
                || return 1
        cp "$root"/out/*.deb "$1/" || return 1
        for tool in "${tools[@]}"; do
                file=$tool
                case $tool in *.la) file=${tool%/*}/.libs/$(basename "$tool" .la).so ;; esac
                tool=${tool#tests/}
                mkdir -p "$1/${tool%/*}" && cp "$root/src/build/$file" "$1/${tool%/*}/" || return 1
        done
}

[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
mkdir -p "$beds" || exit 1
out=$beds/deb-$suite-$(digest)
exec 8>"$beds/deb-$suite.lock"
flock 8 || exit 1
if [ ! -d "$out" ]; then
        mapfile -t packages < <("$top_srcdir/bootstrap" packages)
        tar=$("$top_srcdir/tests/beds/root.sh" "$suite" build-essential "${packages[@]}") || exit
        # Only the last one is kept: each has its few megabytes, and each change of a source makes another.
        rm -rf "$beds/deb-$suite"-*/
        work=$(mktemp -d "$beds/work.XXXXXX") || exit 1
        mkdir "$work/out" || exit 1
        if ! build "$work/out" >"$beds/deb.log" 2>&1; then
                tail -n 30 "$beds/deb.log" >&2
                echo "the package cannot be built (see $beds/deb.log)" >&2
                exit 1
        fi
        mv "$work/out" "$out" || exit 1
fi
printf '%s\n' "$out"
