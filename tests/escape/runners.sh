#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Processes that go on in the user namespace over the last logout: none may be left, however fast they fork. Each with
# the guard off, and on: lib.sh.

. "$(dirname "$0")/../system/lib.sh"
. "$(dirname "$0")/lib.sh"

# Without a guard the sweep catches what stands still, and a chain if it is lucky.
ends_anyway() { case $1 in runner*) [ "$1" != runner-late-join ] ;; *) return 1 ;; esac; }

# A cgroup of the user's own, outside of the delegation's, where he may freeze what he has there.
freezer_make() {
        freezer_dir=$cgroup2/bdt-$$-freezer
        mkdir "$freezer_dir" && chown -R "$alice" "$freezer_dir"
}
freezer_remove() {
        local dir
        for dir in "$freezer_dir"/*/ "$freezer_dir"; do
                [ ! -d "$dir" ] || wait_until rmdir "$dir" 2>/dev/null || return 1
        done
        freezer_dir=''
}
frozen() {
        ok "the user has a cgroup of his own ($1)" freezer_make
        vector_ends "$1" runner-frozen
        ok "nobody is left in it ($1)" freezer_remove
}
runners() {
        local name
        escape_policy "$1" usual "$alice"
        for name in $(vectors runners); do
                case $name in
                runner-frozen) frozen "$1" ;;
                *) vector_ends "$1" "$name" ;;
                esac
        done
}

attacks runners
