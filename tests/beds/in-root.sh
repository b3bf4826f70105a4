# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How what is built for the beds is built in a Debian root of its own. Sourced, by bash, for in_root, and for $work: who
# makes that directory finds it removed at his end.

# in_root ROOT CMD…: with mounts, processes and (no) network of its own; all of it is gone with CMD.
in_root() {
        # shellcheck disable=SC2016 # for the inner shell
        unshare --mount --pid --net --ipc --fork --kill-child --propagation private bash -c '
                mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && cd / || exit 1
                root=$1
                shift
                exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"' sh \
                        "$@" </dev/null
}

work=
cleanup() {
        local code=$?
        [ -z "$work" ] || rm -rf --one-file-system "$work"
        exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
