#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# root.sh SUITE PACKAGE…: makes a Debian root of that suite with these packages, as a tar file in build-beds/, and
# prints its path. One that is there already is taken. The mirror is the one this machine's own apt takes its Debian
# from ($BD_DEBIAN_MIRROR says otherwise). Exit status 77: this machine lacks what it takes (a line on stderr says
# what).

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
. "$top_srcdir/tests/beds/mirror.sh"

lacks() {
        echo "$*" >&2
        exit 77
}

make_root() { # SUITE MIRROR TAR PACKAGE…
        local suite=$1 mirror=$2 tar=$3 options log=$3.log status=0
        shift 3
        options=$(mktemp) || return 1
        { fetch_options; echo 'Acquire::Retries "3";'; } >"$options"
        # Not compressed: it is unpacked with every run.
        # Without our locks: it writes ">&N" of a descriptor of its own to a dash, which takes one digit.
        TMPDIR=$(dirname "$tar") mmdebstrap --mode=root --format=tar --variant=minbase --aptopt="$options" \
                --include="$(IFS=,; echo "$*")" \
                "$suite" "$tar.new" "deb [signed-by=$keyring] $mirror $suite main" </dev/null >"$log" 2>&1 3>&- 8>&- \
                        9>&- || status=$?
        rm -f "$options"
        if [ "$status" -ne 0 ]; then
                rm -f "$tar.new"
                tail -n 15 "$log" >&2
                # No mirror is a lack of this machine; a package that it does not have is an error of ours.
                grep -q '^E: .*apt-get update' "$log" \
                        && lacks "the mirror $mirror has no $suite, or cannot be reached (see $log)"
                return 1
        fi
        mv "$tar.new" "$tar" && rm -f "$log"
}

[ $# -ge 2 ] || { echo "usage: root.sh SUITE PACKAGE…" >&2; exit 1; }
suite=$1
shift
[ "$(id -u)" = 0 ] || lacks "needs root"
command -v mmdebstrap >/dev/null || lacks "mmdebstrap is missing"
[ -e "$keyring" ] || lacks "$keyring is missing (package debian-archive-keyring)"
mirror=$(own_mirror) || lacks "no mirror of Debian is in this machine's apt sources; BD_DEBIAN_MIRROR=URL names one"

mkdir -p "$beds" || exit 1
tar=$beds/$suite-$(printf '%s\n' "$@" | sort -u | sha256sum | cut -c 1-12).tar
# Whoever comes second waits for the first one's.
exec 9>"$tar.lock"
flock 9 || exit 1
[ -s "$tar" ] || make_root "$suite" "$mirror" "$tar" "$@" || exit 1
printf '%s\n' "$tar"
