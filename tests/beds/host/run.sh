#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the unit in the host bed's guest runs: each test of /bed/list as a unit of its own, one after the other, with all
# that it prints on the port, between lines that say which it is and how it ended. Then the machine goes off; our own
# unit sees to that whatever happens here.

exec >/dev/vport0p1 2>&1 </dev/null
while read -r slow seconds name; do
        echo "@begin $name"
        systemd-run --quiet --pipe --wait --collect --unit="bed-$(basename "$name" .sh)" \
                --property=RuntimeMaxSec="$seconds" \
                --setenv=BED_SLOW="$slow" bash "/bed/$name"
        printf "\n@end %s\n" $?
done </bed/list
echo "@done"
