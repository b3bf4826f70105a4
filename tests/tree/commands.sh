#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each command line that README.md prints, HACKING.md under "Install from source", and each manual page under EXAMPLES
# and A FIRST HOUR, is in tests/commands, which says where it is run as it stands; and no other is.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
table=$top_srcdir/tests/commands

# Of README, and of HACKING's "Install from source": what alice types, what is typed in a block of commands, and what
# stands in the text. A backslash continues a line. Comments behind them are not typed.
install_section() { sed -n '/^## Install from source$/,/^## [^I]/p' "$top_srcdir/HACKING.md"; }
joined() { sed -E ':again; /\\$/ { N; s/ *\\\n +/ /; b again }'; }
first_words='sudo |\.\/bootstrap|apt |make |systemctl |install |pam-auth-update |bpfdeleg '
in_readme() { # FILE
        { cat "$1"; install_section; } | joined >"$T/readme"
        {
                sed -n 's/^    alice\$ //p' "$T/readme"
                sed -nE "s/^ {4,7}(($first_words).*)/\\1/p" "$T/readme"
                grep -oE '`(\./bootstrap|bpfdeleg|journalctl|systemctl|make|apt) [^`]*`' "$T/readme" | tr -d '`' \
                        | grep -vE '^bpfdeleg run$|[[:space:]](CMD|DIR)\b'
        } | sed -E 's/ +# .*//'
}
# Of a page, below EXAMPLES and A FIRST HOUR: lines with a prompt, and what continues them.
in_examples() { # FILE
        awk '/^\.Sh / { on = /^\.Sh (EXAMPLES|A FIRST HOUR)$/ } on' "$1" |
                sed -E ':again; /\\e$/ { N; s/ *\\e\n +/ /; b again }' | sed -nE 's/^(\.Dl )?[$#] //p'
}
printed() {
        { in_readme "${1:-$top_srcdir/README.md}"; for page in "$top_srcdir"/man/*.[1578]; do in_examples \
                "$page"; done; } | sort -u
}
listed() {
        sed -E '/^(#|$)/d; s/^(fresh|ci) +//; s/^(booted|host) +[a-z]+ +[a-z0-9]+ +//; s/^none .*   +//' "$table" | sort
}
same() {
        printed "$@" >"$T/printed" && listed >"$T/listed" && [ "$(wc -l <"$T/printed")" -gt 25 ] \
                && diff "$T/printed" "$T/listed"
}
ok "each command that is printed is in the table, and no other" same
# The check must be able to fail.
another_is_seen() {
        { cat "$top_srcdir/README.md"; echo '    alice$ bpfdeleg run -- true'; } >"$T/README.md"
        ! same "$T/README.md" >"$T/diff" && grep -qx '< bpfdeleg run -- true' "$T/diff"
}
ok "one that nobody runs would be seen" another_is_seen
fresh_has() {
        sed -nE 's/^fresh +//p' "$table" \
                | while IFS= read -r line; do grep -F -q -- "$line" "$top_srcdir/tests/beds/fresh.sh" \
                || echo "$line"; done >"$T/missing"; cat "$T/missing"; ! [ -s "$T/missing" ]
}
ok "those of the fresh bed are in it as they stand" fresh_has
printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
