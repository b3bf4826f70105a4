#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Logins and logouts of 64 users at random, as many at once, through the real module; and many delegations alive at the
# same time. None fails, nothing is left, and the helper is as it was. BD_STORM_SECONDS: how long (10; the whole thing
# is 60), BD_STORM_SEED: which storm. BD_CROWD: how many (300).

. "$(dirname "$0")/lib.sh"

seconds=${BD_STORM_SECONDS:-10} seed=${BD_STORM_SEED:-$RANDOM} many=${BD_CROWD:-300}
# An emulated machine takes seconds for 64 at once, and a login's patience is the same there.
at_once=$((64 / ${BED_SLOW:-1}))
setup
alice=bdt-$$-a
add_user "$alice"
service bdt
printf '%s required pam_deny.so\n' auth account password session >"$T/pam.d/other" # or libpam logs that there is none
# With the guard where there is one.
simple_policy 50-all '~nobody-is-left-out' 'bpf:confine = preferred'
storm=$(program tests/tools/storm) || exit 1
ok "the helper starts" helper_start
ok "a login" login_as "$alice" -- bpfdeleg run -- true
helper_idle

# ---- coming and going ----

# Accounts of these processes alone.
cp /etc/passwd "$T/"
for i in {1..64}; do echo "bdt-storm-$i:x:$((40000 + i)):40000::/:/bin/sh"; done >>"$T/passwd"
blow() { # SECONDS
        # shellcheck disable=SC2016 # for the inner shell
        unshare --mount --propagation private bash -c 'mount --bind "$1/passwd" /etc/passwd && shift && exec "$@"' sh \
                "$T" \
                "$storm" "$T/pam.d" bdt "$1" "$at_once" "$seed" bdt-storm- 64
}
memory() { awk '$1 == "RssAnon:" { print $2 }' "/proc/$helper_pid/status"; }
memory_as_before() {
        [ "$(memory)" -le $((memory_before + memory_before / 4 + 64)) ] \
                || { echo "kB before: $memory_before, now: $(memory)"; return 1; }
}
diag "seed $seed, $seconds s"
# The first shows how much memory it takes to serve so many at once, the second whether each takes more.
ok "a storm" blow 2
ok "all of it ends" expect_delegations 0
memory_before=$(memory)
ok "another: none fails" blow "$seconds"
diag "$(cat "$T/out")"
cp "$T/out" "$T/storm"
prints "there were many" "^[1-9][0-9]+ sessions of 64 users, $at_once at once, [0-9]+ never closed: 0 failed$" cat \
        "$T/storm"
lacks "and nothing to complain of" 'syslog:' cat "$T/storm"
ok "all of them end" expect_delegations 0
! memory_tells "$helper_pid" || ok "the helper takes no more memory than after the first" memory_as_before
still_idle "descriptors, processes, cgroups, mounts: as before"

# ---- many at once ----

ok "$many users have delegations at the same time" crowd_start "$many"
ok "each its own" expect_delegations "$many"
ok "another user logs in, and works" login_as "$alice" -- bpfdeleg run -- true
ok "the one whose sessions they all are ends" crowd_end
ok "and all of them" expect_delegations 0
still_idle "nothing is left of them"
ok "the helper ends" helper_stop
ok "a helper with a smaller limit" helper_start '[limits]' 'delegations = 200'
refused "lets no more in" 'crowd: uid 50200: .*200 delegations.*delegations' crowd_start 201
crowd_end >"$T/out" 2>&1
ok "they end" expect_delegations 0
ok "then others can log in" login_as "$alice" -- bpfdeleg run -- true
finish
