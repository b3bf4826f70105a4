# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is installed before anything is built: scripts/packages has the list. Sourced by bootstrap.

# wanted FOR: rows of scripts/packages, without their first word, each with its newline.
wanted() { sed -n "s/^$1 //p" "$src/scripts/packages"; }
packages=$(wanted build)$'\n'
packaging=$(wanted package)$'\n'
beds=$(wanted check)$'\n'
emulated=$(wanted emulated)$'\n'
fuzzing=$(wanted fuzz)$'\n'
analyzing=$(wanted analyze)$'\n'
# Only these are taken from backports on Debian 12; everything else stays with the release.
backported='libbpf-dev bpftool linux-libc-dev'

os_release() { # KEY
        local key value
        while IFS='=' read -r key value; do
                [ "$key" = "$1" ] && value=${value#[\"\']} && printf '%s\n' "${value%[\"\']}" && return 0
        done </etc/os-release 2>/dev/null
        return 1
}

# Which packages are not there, or are too old.
missing_packages() {
        local name least _fedora state version
        while read -r name least _fedora; do
                [ -n "$name" ] || continue
                state='' version=''
                read -r state version < <(dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$name" 2>/dev/null)
                if [ "$state" != installed ]; then
                        say "$name"
                elif [ "$least" != - ] && dpkg --compare-versions "$version" lt "$least"; then
                        say "$name"
                fi
        done <<<"$packages"
}

list_packages() {
        say "bootstrap knows how to install packages on Debian 12 and later and on Ubuntu 26.04 and later."
        say "This is ${1:-another system}. What is needed, by its names in Debian:"
        awk 'NF == 3 { printf "  %s%s\n", $1, $2 == "-" ? "" : " (" $2 " or later)" }' <<<"$packages"
        say "and in Fedora:"
        awk 'NF == 3 { printf "  %s\n", $3 }' <<<"$packages"
        say "Install them, then: ./configure && make, or once more: $me build"
}

# The machine's own sources of the release, as sources of its backports: same mirror, same keys, same options.
backports_of_list() { # SUITE <one-line format
        awk -v suite="$1" '
                $1 == "deb" {
                        i = 2
                        if ($i ~ /^\[/) { while ($i !~ /\]$/ && i < NF) i++; i++ }
                        if ($(i + 1) != suite) next
                        line = ""
                        for (j = 1; j <= i; j++) line = line $j " "
                        print line suite "-backports main"
                }'
}

backports_of_sources() { # SUITE <deb822 format
        awk -v suite="$1" '
                function flush(  i, ok) {
                        ok = types ~ /(^|[ \t])deb([ \t]|$)/ && enabled !~ /^no$/ &&
                                (" " suites " ") ~ ("[ \t]" suite "[ \t]")
                        if (ok) {
                                print "Types: deb\nSuites: " suite "-backports\nComponents: main"
                                for (i = 1; i <= n; i++) print kept[i]
                                print ""
                        }
                        n = 0; types = suites = enabled = ""
                }
                /^[ \t]*$/ { flush(); field = ""; next }
                /^#/ { next }
                /^[ \t]/ {
                        if (field == "suites") suites = suites " " $0
                        else if (field == "types") types = types " " $0
                        else if (field != "components") kept[++n] = $0
                        next
                }
                {
                        field = tolower($0); sub(/[ \t]*:.*/, "", field)
                        value = $0; sub(/^[^:]*:[ \t]*/, "", value)
                        if (field == "types") types = value
                        else if (field == "suites") suites = value
                        else if (field == "enabled") { enabled = tolower(value); kept[++n] = $0 }
                        else if (field != "components") kept[++n] = $0
                }
                END { flush() }'
}

# A private apt: the machine's own sources and its release's backports, in lists of our own. Nothing of the machine's is
# changed.
private_sources() { # SUITE
        local file parts=$tmp/sources.list.d etc=/etc/apt
        mkdir -p "$parts" "$tmp/lists/partial"
        : >"$tmp/sources.list"
        [ -f "$etc/sources.list" ] && cp "$etc/sources.list" "$tmp/sources.list"
        for file in "$etc"/sources.list.d/*.list "$etc"/sources.list.d/*.sources; do
                [ -f "$file" ] && cp "$file" "$parts/"
        done
        backports_of_list "$1" < <(cat "$tmp/sources.list" "$parts"/*.list 2>/dev/null) >"$parts/zz-bpfdeleg.list"
        for file in "$parts"/*.sources; do
                [ -f "$file" ] && { cat "$file"; echo; }
        done | backports_of_sources "$1" >"$tmp/zz-bpfdeleg.sources"
        mv "$tmp/zz-bpfdeleg.sources" "$parts/"
        [ -s "$parts/zz-bpfdeleg.list" ] || rm -f "$parts/zz-bpfdeleg.list"
        [ -s "$parts/zz-bpfdeleg.sources" ] || rm -f "$parts/zz-bpfdeleg.sources"
        [ -e "$parts/zz-bpfdeleg.list" ] || [ -e "$parts/zz-bpfdeleg.sources" ]
}

apt_get() { # ARGUMENT…
        local private=()
        [ -d "$tmp/sources.list.d" ] && private=(-o "Dir::Etc::sourcelist=$tmp/sources.list"
                -o "Dir::Etc::sourceparts=$tmp/sources.list.d" -o "Dir::State::Lists=$tmp/lists")
        DEBIAN_FRONTEND=noninteractive apt-get -q -y "${private[@]}" -o APT::Install-Recommends=false \
                -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# The newest version of a package that is offered, or nothing.
offered() { # PACKAGE
        local private=()
        [ -d "$tmp/sources.list.d" ] && private=(-o "Dir::Etc::sourcelist=$tmp/sources.list"
                -o "Dir::Etc::sourceparts=$tmp/sources.list.d" -o "Dir::State::Lists=$tmp/lists")
        apt-cache "${private[@]}" madison "$1" 2>/dev/null | awk -F ' *[|] *' '{ print $2 }'
}

deps_debian() { # SUITE WITH-BACKPORTS
        local missing=() want=() name least _fedora log
        mapfile -t missing < <(missing_packages)
        if [ ${#missing[@]} -eq 0 ]; then
                say "deps: all there"
                return 0
        fi
        as_root deps
        need_tmp
        log=$(mktemp /tmp/bpfdeleg-deps.XXXXXX.log) || die "no temporary file"
        if [ "$2" = yes ]; then
                private_sources "$1" \
                        || die "no source of $1 is in /etc/apt, so none of $1-backports can be derived from it;" \
                        "add one, or install by hand: ${missing[*]}"
        fi
        step "deps: reading the package lists" "$log" apt_get update || true # what counts is what is offered then
        for name in "${missing[@]}"; do
                if [ "$2" = yes ] && [[ " $backported " == *" $name "* ]]; then
                        offered "$name" | grep -q bpo \
                                || die "$name of $1-backports is not to be had from this machine's mirror:" \
                                "it may not carry $1-backports (see $log). Add a source of it and run this again"
                        want+=("$name/$1-backports")
                else
                        want+=("$name")
                fi
        done
        step "deps: installing ${#want[@]} packages" "$log" apt_get install "${want[@]}" \
                || die "the packages could not be installed: ${want[*]} (see $log)"
        mapfile -t missing < <(missing_packages)
        [ ${#missing[@]} -eq 0 ] && rm -f "$log" && return 0
        while read -r name least _fedora; do
                [[ " ${missing[*]} " == *" $name "* ]] && say "bootstrap: $name: ${least/#-/any version} is needed," \
                        "this system offers $(offered "$name" | head -n 1)"
        done <<<"$packages" >&2
        die "still missing or too old: ${missing[*]}"
}

deps() {
        local id version codename
        id=$(os_release ID) || id=
        version=$(os_release VERSION_ID) || version=
        codename=$(os_release VERSION_CODENAME) || codename=
        command -v dpkg-query >/dev/null || id=
        # Testing and unstable have no number.
        case $id:${version%%.*} in
        debian:12) deps_debian "$codename" yes ;;
        debian:1[3-9] | debian:[2-9]* | debian:) deps_debian "$codename" no ;;
        ubuntu:2[6-9] | ubuntu:[3-9]*) deps_debian "$codename" no ;;
        *)
                # Whoever has installed them by hand goes on: configure says what is missing.
                if [ "${1:-}" = go-on ]; then
                        say "deps: not known how to on this system; \`$me deps' lists what is needed"
                        return 0
                fi
                list_packages "$(os_release PRETTY_NAME)"
                return 1
                ;;
        esac
}
