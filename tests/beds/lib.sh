# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the runners of the beds share. Sourced, by bash, with $me (the runner's name in results) and $beds set.

: "${me:?}" "${beds:?}"

# In the root of every bed that boots systemd. bpftool and jq are for the tests; what the package depends on must be here, for inside there
# is no network.
# shellcheck disable=SC2034 # for the runners
bed_packages=(systemd systemd-sysv dbus dbus-user-session libpam-systemd openssh-server openssh-client login util-linux-extra procps passwd
        cron sudo iproute2 bpftool jq libbpf1 libiniparser4 libjson-c5)

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
                        if (!planned || plan != n) out("ERROR", "- " n + 0 " cases instead of " (planned ? plan : "a plan") ", status " status)
                        else if (status != 0 && !failed) out("ERROR", "- exited with status " status)
                }'
}
