# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's stock cloud kernels for the beds that boot one in QEMU, fetched and unpacked, never installed on this
# machine. Sourced, by bash, with $beds set, for kernel_get and kernel_busybox. What is fetched stays in $beds/kernel,
# and is fetched again when the suite has a newer one. Status 77: this machine lacks what it takes, or the mirror cannot
# be reached.

: "${beds:?}"
. "$(dirname "${BASH_SOURCE[0]}")/mirror.sh"

# ---- Debian packages of any suite ------------------------------------------------------------------------------------

# kernel_apt SUITE PROGRAM ARGUMENT…: apt-get or apt-cache with nothing but that suite, in lists of our own.
kernel_apt() {
        local dir=$beds/kernel/apt.$1 program=$2
        shift 2
        "$program" -q -o "Dir::Etc::sourcelist=$dir/suite.sources" -o Dir::Etc::sourceparts=/dev/null \
                -o "Dir::State::Lists=$dir/lists" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir/cache" -o \
                        APT::Architecture=amd64 \
                -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@" </dev/null
}

# Reads the suite's lists, once a run of the shell.
declare -A kernel_updated=()
kernel_update() { # SUITE
        local dir=$beds/kernel/apt.$1 uri
        [ -z "${kernel_updated[$1]:-}" ] || return 0
        uri=$(own_mirror) || return 1
        mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
        printf '%s\n' "Types: deb" "URIs: $uri" "Suites: $1" "Components: main" "Signed-By: $keyring" \
                >"$dir/suite.sources"
        kernel_apt "$1" apt-get update >"$dir/update.log" 2>&1 || { cat "$dir/update.log" >&2; return 1; }
        # apt-get is content with a list that it could not fetch.
        kernel_apt "$1" apt-cache dumpavail | grep -q '^Package:' || { cat "$dir/update.log" >&2; return 1; }
        kernel_updated[$1]=yes
}

# kernel_fetch SUITE PACKAGE DIR: the package's files, in DIR.
kernel_fetch() {
        local work=$beds/kernel/fetch.$$
        rm -rf "$work" && mkdir -p "$work" "$3" || return 1
        if ! (cd "$work" && kernel_apt "$1" apt-get download "$2" \
                && dpkg-deb --extract ./*.deb "$3") >"$work/log" 2>&1; then
                cat "$work/log" >&2
                return 1
        fi
        rm -rf "$work"
}

# ---- kernels ---------------------------------------------------------------------------------------------------------

# Which package has the image of a suite's newest cloud kernel: "RELEASE PACKAGE". In newer releases the image is not in
# linux-image-*, which only depends on it, but in linux-binary-* or, before Debian has signed it,
# linux-binary-unsigned-*.
kernel_newest() { # SUITE
        kernel_apt "$1" apt-cache dumpavail | awk '
                $1 == "Package:" { name = $2 }
                $1 == "Package:" && name ~ /^linux-(image|binary|binary-unsigned)-[0-9][^ ]*-cloud-amd64$/ {
                        release = name
                        sub(/^linux-(image|binary-unsigned|binary)-/, "", release)
                        rank = name ~ /^linux-binary-unsigned/ ? 1 : name ~ /^linux-binary/ ? 2 : 0
                        print release, rank, name
                }' | sort -k 1,1V -k 2,2n | tail -n 1 | awk '{ print $1, $3 }'
}

# kernel_get SUITE: the suite's newest cloud kernel, unpacked; prints its directory, in which are `vmlinuz`, `release`
# (a line of text) and `modules` (what belongs into /lib/modules/RELEASE). Without network, what was fetched before.
kernel_get() {
        local name image dir have=$beds/kernel/newest.$1
        if kernel_update "$1" && read -r name image < <(kernel_newest "$1") && [ -n "$image" ]; then
                dir=$beds/kernel/$name
                [ -e "$dir/vmlinuz" ] || kernel_unpack "$1" "$name" "$image" "$dir" || return 1
                [ ! -e "$have" ] || [ "$have" -ef "$dir" ] || rm -rf "$(readlink -f "$have")"
                ln -sfn "$name" "$have"
        elif [ -e "$have/vmlinuz" ]; then
                echo "kernel.sh: $1 cannot be reached, the kernel fetched before is taken" >&2
        else
                echo "kernel.sh: no cloud kernel is to be had from $1" >&2
                return 77
        fi
        readlink -f "$have"
}

kernel_unpack() { # SUITE RELEASE PACKAGE DIR
        local files=$4.files image
        rm -rf "$files" "$4"
        kernel_fetch "$1" "$3" "$files" || return 1
        # With an image package of its own, the modules have one, too.
        [[ $3 != linux-binary-* ]] || kernel_fetch "$1" "linux-modules-$2" "$files" || return 1
        image=$(find "$files" \( -path '*/boot/vmlinuz-*' -o -path '*/modules/*/vmlinuz*' \) -type f | head -n 1)
        [ -n "$image" ] || { echo "kernel.sh: $3 has no vmlinuz" >&2; return 1; }
        mkdir "$4.new" && mv "$image" "$4.new/vmlinuz" && printf '%s\n' "$2" >"$4.new/release" || return 1
        mv "$(find "$files" -path "*/modules/$2" -type d | head -n 1)" "$4.new/modules" || return 1
        rm -rf "$files" && mv "$4.new" "$4"
}

# A program for an initramfs without a C library.
kernel_busybox() {
        local dir=$beds/kernel/busybox
        if [ ! -x "$dir/usr/bin/busybox" ]; then
                kernel_update trixie || return 77
                kernel_fetch trixie busybox-static "$dir.new" || return 1
                rm -rf "$dir" && mv "$dir.new" "$dir" || return 1
        fi
        printf '%s\n' "$dir/usr/bin/busybox"
}
