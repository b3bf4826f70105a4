# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where the beds take Debian from: the mirror that this machine's own apt uses. Sourced, by bash, for own_mirror,
# fetch_options and $keyring.

# shellcheck disable=SC2034 # for who sources this
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# What apt would read for this machine's own release, whether that is written in a .list or a .sources file, by its code
# name or by what it is at the time, and whether or not it has been read before.
own_mirror() {
        local codename
        [ -z "${BD_DEBIAN_MIRROR:-}" ] || { printf '%s\n' "$BD_DEBIAN_MIRROR"; return 0; }
        command -v apt-get >/dev/null || return 1
        # shellcheck disable=SC1091 # the machine's
        [ "$(. /etc/os-release && echo "$ID")" = debian ] || return 1
        # shellcheck disable=SC1091
        codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
        # shellcheck disable=SC2016 # apt's variables
        apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
                2>/dev/null \
                | awk -v suite="$codename" \
                        '$3 == "main" && ($2 == suite || $2 ~ /^((old)*stable|testing|unstable|sid)$/) {
                                print $1; exit }' \
                | grep .
}

# The way to the mirror is the machine's, too: proxies, how old a frozen one may be, and what else is set for fetching.
fetch_options() {
        apt-config dump 2>/dev/null | grep -E '^Acquire::(https?|ftp|Retries|Check-Valid-Until)\b' | grep -v ' "";$'
}
