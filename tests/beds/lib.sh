# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the runners of the beds share. Sourced, by bash, with $me (the runner's name in results) and $beds set.

: "${me:?}" "${beds:?}"

# In the root of every bed but bare. From bpftool on it is what tests run, and what the package depends on: inside there
# is no network.
# shellcheck disable=SC2034 # for the runners
bed_packages=(systemd systemd-sysv dbus dbus-user-session libpam-systemd openssh-server openssh-client login \
        util-linux-extra procps passwd
        cron sudo iproute2 kmod ethtool bpftool jq strace python3-minimal python3-pamela libcap2-bin libbpf1 \
                libiniparser4 libjson-c5)

skip_bed() {
        printf 'SKIP: %s # SKIP %s\n' "$me" "$*"
        exit 0
}

# The log is where bootstrap says that a runner's is.
not_possible() { # WORDS
        mkdir -p "$beds/tests/beds" && { echo "$*"; cat "$beds/${me##*/}.err" 2>/dev/null; } >"$beds/${me%.sh}.log"
        printf 'ERROR: %s - %s\n' "$me" "$*"
        exit 1
}

# made CMD…: prints what CMD prints; its words of error are kept for cannot_make.
made() { "$@" 2>"$beds/${me##*/}.err"; }

# cannot_make WHAT: after `made` has failed. A machine that lacks something for it (status 77) skips the whole bed.
cannot_make() {
        local status=$? why
        why=$(tail -n 1 "$beds/${me##*/}.err")
        [ "$status" -ne 77 ] || skip_bed "$why"
        not_possible "$1 cannot be made: $why"
}

# What runners before us could not remove, because they were shot. Their machines have gone with them.
remove_leftovers() { # BED
        local dir
        for dir in "$beds/$1".*; do
                [[ ${dir##*/"$1".} =~ ^[0-9]+$ ]] && [ ! -d "/proc/${dir##*.}" ] && rm -rf --one-file-system "$dir"
        done
        return 0
}

# split_results DIR: takes what came out of the port (DIR/results) apart into DIR/tests: a log for each test that began,
# and its status.
split_results() {
        awk -v dir="$1/tests" '
                /^@begin / { name = $2; gsub("/", "_", name); file = dir "/" name; next }
                /^@end / { print $2 >(file ".status"); close(file); close(file ".status"); file = ""; next }
                /^@done$/ { print >(dir "/done"); next }
                file { print >file }' "$1/results"
}

# TAP on standard input, as the lines that bootstrap counts. A plan that does not hold and an early end are errors.
tap_results() { # NAME STATUS-FILE
        awk -v name="$1" -v status_file="$2" '
                function out(result, text) { print result ": " name " " text; fflush() }
                /^1\.\.0 # SKIP/ { sub(/^1\.\.0 # SKIP */, ""); out("SKIP", "- # SKIP " $0); skipped = 1; next }
                /^1\.\.[0-9]+/ { plan = substr($0, 4) + 0; planned = 1; next }
                /^(not )?ok / {
                        n++
                        bad = /^not /
                        sub(/^(not )?ok /, "")
                        if (/# SKIP/) out("SKIP", $0)
                        else if (bad) { out("FAIL", $0); failed++ }
                        else out("PASS", $0)
                }
                END {
                        getline status < status_file
                        if (skipped) exit
                        if (!planned || plan != n)
                                out("ERROR", "- " n + 0 " cases instead of " (planned ? plan : "a plan") \
                                        ", status " status)
                        else if (status != 0 && !failed) out("ERROR", "- exited with status " status)
                }'
}
