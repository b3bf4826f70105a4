# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What init in the vm bed's guest runs: each test of /bed/list, one after the other, with all that it prints on the
# port, between lines that say which it is and how it ended.

exec >/dev/vport0p1 2>&1 </dev/null
export top_srcdir=/bed top_builddir=/bed/build BED_SLOW
echo "@booted $(cut -d. -f1 /proc/uptime) $(uname -r)"
while read -r BED_SLOW seconds name; do
        echo "@begin $name"
        begin=$SECONDS
        # Its own session, so that what it leaves cannot signal us.
        setsid --wait timeout --kill-after=20 "$seconds" bash "/bed/$name"
        printf "\n@end %s\n" $?
        echo "$name: $((SECONDS - begin)) s" >/dev/console
done </bed/list
echo "@done"
