#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the module shows to the process it is loaded into, and what it pulls in with it: the two session functions;
# libpam, libiniparser and libc. Anything more would run in every sshd, login and su of the host.

set -u

module=${top_builddir:-.}/pam/.libs/pam_bpfdeleg.so
sanitizers='^lib(asan|ubsan|lsan|tsan|clang_rt)'
number=0
failed=0

# check NAME EXPECTED FOUND
check() {
        number=$((number + 1))
        if [ "$2" = "$3" ]; then
                echo "ok $number - $1"
                return
        fi
        failed=1
        echo "not ok $number - $1"
        echo "# expected: $2"
        echo "#    found: $3"
}

if ! [ -e "$module" ]; then
        echo "Bail out! $module is not there: is the module built, and top_builddir right?"
        exit 99
fi

needed=$(LC_ALL=C readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')

# Sanitizers add symbols of their own to what they instrument, which the version script hides; runtimes that are linked
# statically (clang) would not be, hence "local: *". The absolute symbol of a version node is no symbol of ours.
exports=$(nm -D --defined-only "$module" | awk '$2 != "A" {sub("@.*", "", $3); print $3}' | LC_ALL=C sort | xargs)

# The loader is there by name only where an object uses it directly (thread-local storage of a sanitizer).
libraries=$(echo "$needed" | grep -Ev "$sanitizers|^ld-linux|^ld64|^ld-musl" |
        sed 's/\.so.*//' | LC_ALL=C sort | xargs)

# A sanitizer's runtime brings these along.
if echo "$needed" | grep -Eq "$sanitizers"; then
        libraries=$(echo "$libraries" | xargs -n 1 |
                grep -Evx 'libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+' | xargs)
fi

echo 1..3
check 'exports only the two session functions' 'pam_sm_close_session pam_sm_open_session' "$exports"
check 'needs only libpam, iniparser and libc' 'libc libiniparser libpam' "$libraries"
check 'has no executable stack and no text relocation' '' \
        "$(LC_ALL=C readelf -W -d -l "$module" | grep -E 'GNU_STACK.*RWE|TEXTREL' | xargs)"
exit "$failed"
