#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plan of the sources, measured: which project headers a file sees, which files call in a circle, and which
# functions are long. The calls are the linker's own: what an object needs and another one of the same program defines
# (nm). BD_LAYERS=1 prints each file.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
parts=(lib pam helper cli)
limit=40 # lines of a function, from its name to its brace

# sources PATTERN: of the project alone; what a build in the source tree has made there is no source.
sources() { (cd "$top_srcdir" && find "${parts[@]}" ! -name '*.skel.h' -name "$1" | sort); }

# ---- what a file sees ----

# "FILE HEADER" for each project header that a file includes itself, found as the compiler finds it: beside the file, or
# from lib or the top.
included() {
        sources '*.[ch]' | (cd "$top_srcdir" && xargs awk '
                function exists(file,   line, r) { r = (getline line <file); close(file); return r >= 0 }
                match($0, /^#include "[^"]*"/) {
                        name = substr($0, 11, RLENGTH - 11)
                        dir = FILENAME; sub(/[^\/]*$/, "", dir)
                        n = split(dir "|helper/|cli/|lib/|", from, "|")
                        for (i = 1; i <= n; i++)
                                if (exists(from[i] name)) { print FILENAME, from[i] name; break }
                }')
}

# "N FILE": how many project headers each .c file sees, by whatever way.
seen() {
        included | awk '
                { n[$1]++; to[$1, n[$1]] = $2 }
                function walk(file,   i) {
                        for (i = 1; i <= n[file]; i++)
                                if (!(to[file, i] in met)) { met[to[file, i]]; count++; walk(to[file, i]) }
                }
                END { for (file in n) if (file ~ /\.c$/) { count = 0; delete met; walk(file); print count, file } }' \
                        | sort -rn
}

# ---- who calls whom ----

# object_source OBJECT: automake puts the name of the program before that of the source.
object_source() {
        local dir=${1%/*} name=${1##*/}
        dir=${dir%/.libs} name=${name%.o}
        while [ ! -e "$top_srcdir/$dir/$name.c" ]; do
                case $name in *-*) name=${name#*-} ;; *) return 1 ;; esac
        done
        printf '%s\n' "$dir/$name.c"
}

# "PROGRAM/FILE d SYMBOL" for what a file defines, "u" for what it needs.
symbols() {
        local object source
        (cd "$top_builddir" && find "${parts[@]}" -name '*.o' ! -name '*.bpf.o') | while read -r object; do
                source=$(object_source "$object") || continue
                (cd "$top_builddir" && "${NM:-nm}" -gP "$object") | awk -v source="$source" '
                        $1 != "main" && $2 ~ /^[UTDBRCGSVW]$/ { print source, $2 == "U" ? "u" : "d", $1 }'
        done | sort -u
}

# "FILE FILE": the first needs what the second defines, in its own part or in lib.
edges() {
        awk '
                function part(file) { return substr(file, 1, index(file, "/") - 1) }
                $2 == "d" { where[part($1), $3] = where[part($1), $3] " " $1 }
                $2 == "u" { n++; from[n] = $1; symbol[n] = $3 }
                END {
                        for (i = 1; i <= n; i++) {
                                key = part(from[i]) SUBSEP symbol[i]
                                if (!(key in where)) key = "lib" SUBSEP symbol[i]
                                if (!(key in where)) continue
                                m = split(where[key], files, " ")
                                for (k = 1; k <= m; k++) if (files[k] != from[i]) print from[i], files[k]
                        }
                }' "$1" | sort -u
}

# circles EDGES: "FILE FILE …" for each set of files that reach each other.
circles() {
        awk '
                { n[$1]++; to[$1, n[$1]] = $2; files[$1]; files[$2] }
                function walk(from, file,   i) {
                        for (i = 1; i <= n[file]; i++)
                                if (!((from, to[file, i]) in reach)) {
                                        reach[from, to[file, i]]; walk(from, to[file, i]) }
                }
                END {
                        for (a in files) walk(a, a)
                        for (a in files) if (!(a in done) && ((a, a) in reach)) {
                                line = ""
                                for (b in files)
                                        if (((a, b) in reach) && ((b, a) in reach)) { line = line " " b; done[b] }
                                print substr(line, 2)
                        }
                }' "$1"
}

# levels EDGES: "N FILE …": a file stands one above the highest that it calls.
levels() {
        awk '
                { n[$1]++; to[$1, n[$1]] = $2; files[$1]; files[$2] }
                function level(file,   i, high, l) { # there must be no circle
                        if (file in at) return at[file]
                        at[file] = 0
                        for (i = 1; i <= n[file]; i++) { l = level(to[file, i]) + 1; if (l > high) high = l }
                        return at[file] = high + 0
                }
                END { for (file in files) print level(file), file }' "$1" | sort -k1,1n -k2 |
                awk '{ if (NR == 1 || $1 != last) printf "%s%s", (NR > 1 ? "\n" : ""), $1; last = $1; printf " %s", $2 }
                        END { print "" }'
}

# ---- how long a function is ----

# "LINES FILE FUNCTION" of each that has more than `limit` lines.
long_functions() {
        sources '*.c' | (cd "$top_srcdir" && xargs awk -v limit="$limit" '
                FNR == 1 { begin = 0 }
                /^[a-z].*\(/ && !/;$/ { begin = FNR; name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
                /^}$/ { if (begin && FNR - begin + 1 > limit) print FNR - begin + 1, FILENAME, name; begin = 0 }') \
                        | sort -k1,1rn -k2
}

seen >"$T/seen"
symbols >"$T/symbols"
edges "$T/symbols" >"$T/edges"
circles "$T/edges" >"$T/circles"
long_functions >"$T/long"

mean() { awk -v in_dir="^$1" '$2 ~ in_dir { sum += $1; n++ } END { printf "%.1f", sum / n }' "$T/seen"; }
most() { awk 'NR == 1 { print $1 " (" $2 ")" }' "$T/seen"; }
diag "a file sees $(mean '') headers, one of helper/ $(mean helper), at most $(most);" \
        "files in circles: $(wc -w <"$T/circles"), in $(wc -l <"$T/circles");" \
        "functions of more than $limit lines: $(wc -l <"$T/long")"
if [ -n "${BD_LAYERS:-}" ]; then
        for what in seen circles long; do sed "s/^/# $what: /" "$T/$what"; done
        [ -s "$T/circles" ] || grep '^helper/' "$T/edges" | grep ' helper/' | levels - \
                | sed 's,helper/,,g; s/^/# level /'
fi

many_edges() { [ "$(grep -c '^helper/' "$T/edges")" -gt 50 ]; }
no_circle() { ! grep . "$T/circles"; }
# The check must be able to fail.
a_circle_is_seen() {
        { cat "$T/edges"; echo "lib/util.c helper/main.c"; echo "helper/main.c lib/util.c"; } >"$T/more" \
                && circles "$T/more" | grep -q 'lib/util.c'
}

ok "the build's objects say which file calls which" many_edges
ok "no file calls another that calls it, by whatever way" no_circle
ok "a circle would be seen" a_circle_is_seen

printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
