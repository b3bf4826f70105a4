#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the documents claim has a test, and what they name is there: tests everywhere, and in docs/rules.md files and
# functions, too.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
cd "$top_srcdir" || exit 1
documents=(README.md SECURITY.md ARCHITECTURE.md HACKING.md PROTOCOL docs/*.md man/*.[1578])

# Tests that files name, one a line. A name may lack the ending of its source, be a directory, or a pattern; X is any.
tests_named() {
        grep -ohE '(^|[^A-Za-z0-9_./-])tests/[A-Za-z0-9_./*-]*[A-Za-z0-9_*/]' "$@" | sed 's/^[^t]*//' |
                grep -vE '(^|[-/])X(\.|/|$)' | sort -u
}
is_there() { [ -e "$1" ] || [ -e "$1.c" ] || [ -e "$1.sh" ] || [ -e "$1.bpf.c" ] || compgen -G "$1" >/dev/null; }
# build/ has what is linked: these are no sources.
built='^tests/(faults/bpfdelegd-faults|escape/bpfdelegd-unguarded)$'
tests_are_there() { # FILE…
        tests_named "$@" | grep -vE "$built" >"$T/named"
        [ -s "$T/named" ] || { echo "no test is named"; return 1; }
        while IFS= read -r name; do is_there "$name" || echo "$name"; done <"$T/named" >"$T/missing"
        cat "$T/missing"
        ! [ -s "$T/missing" ]
}

# items FILE SECTION: its items of a list, each with what is below it, one a line.
items() {
        awk -v section="## $2" '
                function flush() { if (item != "") print item; item = "" }
                /^## / { flush(); on = $0 == section; next }
                on && /^- / { flush(); item = $0; next }
                on && /^ +[^ ]/ && item != "" { sub(/^ +/, " "); item = item $0; next }
                { flush() }
                END { flush() }' "$1"
}
# Each claim names its test, or says that it has none; those of the guarantees must have one.
each_has_a_test() { # FILE SECTION PATTERN
        items "$1" "$2" >"$T/items"
        [ "$(wc -l <"$T/items")" -ge 10 ] || { echo "$(wc -l <"$T/items") claims in $1 below $2"; return 1; }
        ! grep -vE "$3" "$T/items" | cut -c1-80 | grep .
}
tested='Test: `tests/[^ ]*`'

# rule "code" → FILE FUNCTION, one a line; FILE alone for a file without functions.
code_named() { # FILE
        items "$1" 'The rules' | sed -n 's/.* Code: \(.*\)\. Test: .*/\1/p' | grep -v '^all of it$' | sed 's/, */\n/g' |
                awk '/^`/ { file = $1; gsub(/`/, "", file); print file, $2; next } { print file, $1 }'
}
code_is_there() { # FILE
        code_named "$1" >"$T/code"
        [ "$(wc -l <"$T/code")" -ge 50 ] || { echo "only $(wc -l <"$T/code") places"; return 1; }
        while read -r file function; do
                { [ -e "$file" ] && { [ -z "$function" ] || grep -qE "\b$function(\(|,|\[)" "$file"; }; } ||
                        echo "$file: $function"
        done <"$T/code" >"$T/missing"
        cat "$T/missing"
        ! [ -s "$T/missing" ]
}

ok "each test that a document names is there" tests_are_there "${documents[@]}"
ok "each guarantee names its test" each_has_a_test SECURITY.md Guarantees "$tested"
ok "each limit names its test, or says that it has none" each_has_a_test SECURITY.md Limits "$tested|No test\\."
ok "each rule has its test" each_has_a_test docs/rules.md 'The rules' "$tested"
ok "the code of each rule is there" code_is_there docs/rules.md

# ---- the check must be able to fail ----

wrong() { # FILE SED-EXPRESSION CMD…: with the file changed so, the command fails, and has something to say
        sed "$2" "$1" >"$T/changed.md"
        ! cmp -s "$1" "$T/changed.md" && ! "${@:3}" >"$T/said" && [ -s "$T/said" ]
}
ok "a test that is not there would be seen" \
        wrong SECURITY.md 's,tests/escape/name\.sh,tests/escape/nobody.sh,' tests_are_there "$T/changed.md"
ok "a guarantee without a test" \
        wrong SECURITY.md 's,^- \*\*Capabilities,- **Something new.** It holds.\n&,' \
        each_has_a_test "$T/changed.md" Guarantees "$tested"
ok "a function that has another name" \
        wrong docs/rules.md 's/put_under_guard/put_below_guard/' code_is_there "$T/changed.md"

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
