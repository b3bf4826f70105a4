#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is not granted is refused: by the kernel what a mask leaves out, by the helper what a policy cannot have here.
# Beside each the same thing granted, so that the refusal is for that reason alone. And on kernels that take no guard:
# vm: lockdown=confidentiality
# vm: lsm=lockdown,yama

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
service bdt
policy 00-empty </dev/null
simple_policy 50-test "$alice"
ok "the helper starts" helper_start
helper_idle

packets=(bpfdeleg run -- packets "$T/bin/packets.bpf.o" /sys/fs/cgroup 3)
load_skb=(bpfdeleg run -- bpftool prog load "$T/bin/packets.bpf.o" /sys/fs/bpf/p)
load_xdp=(bpfdeleg run -- bpftool prog load "$T/bin/other.bpf.o" /sys/fs/bpf/x type xdp)
denied='not permitted|permission denied|EPERM'

# with POLICY-LINE…: the policy is the usual one with these lines.
with() { no_policies && simple_policy 50-test "$alice" "$@"; }

# ---- by the kernel ----

ok "the delegated program type loads" login_as "$alice" -- "${load_skb[@]}"
refused "another type does not" "$denied" login_as "$alice" -- "${load_xdp[@]}"
with 'bpf:delegate_progs = socket_filter, cgroup_skb, xdp' 'bpf:delegate_attachs = any'
ok "it does where it is delegated" login_as "$alice" -- "${load_xdp[@]}"

with 'bpf:delegate_maps = hash'
refused "an array map is refused where only hash is delegated" "$denied" login_as "$alice" -- "${packets[@]}"
with 'bpf:delegate_maps = array'
prints "it is made where it is delegated" 'counted 3' login_as "$alice" -- "${packets[@]}"

# Not ingress alone: the kernel does not hold a cgroup_skb program to the one of the two that it was loaded for
# (SECURITY.md).
with 'bpf:delegate_attachs = cgroup_inet4_connect'
refused "an egress program is refused where another attach type is delegated" "$denied" login_as "$alice" -- \
        "${packets[@]}"
with 'bpf:delegate_attachs = cgroup_inet_ingress, cgroup_inet_egress'
prints "it loads where both are" 'counted 3' login_as "$alice" -- "${packets[@]}"

with 'bpf:delegate_cmds = map_create, btf_load'
refused "no program loads without prog_load" "$denied" login_as "$alice" -- "${packets[@]}"
with 'bpf:caps = CAP_BPF'
refused "a network program does not load without CAP_NET_ADMIN" "$denied" login_as "$alice" -- "${packets[@]}"
prints "nor does the user get it otherwise" '^CapAmb:\s0000008000000000$' login_as "$alice" -- \
        bpfdeleg run -- grep CapAmb /proc/self/status
with
refused "no token works outside of run" "$denied" login_as "$alice" -- packets "$T/bin/packets.bpf.o" "$cgroup2" 3
still_idle "nothing is left"

# ---- by the helper: the login goes on, there is no delegation, one line says why, and what would be right ----

# no_grant DESCRIPTION PATTERN POLICY-LINE…
no_grant() {
        local what=$1 pattern=$2
        shift 2
        with "$@"
        log_mark
        exits "$what: the login goes on without" 125 'admin|bpfdeleg' login_as "$alice" -- bpfdeleg run -- true
        ok "$what: the log says why" logged "refuse: .*user=$alice.*policy=50-test.ini.*($pattern)"
        ok "$what: once" test "$(log_count "refuse: .*policy=50-test.ini")" -eq 1
        with "$@" 'session:on_failure = deny'
        exits "$what: with on_failure = deny there is no login" 200 'pam: .' login_as "$alice" -- true
}

# ---- confine ----

# Any text, as a pattern for grep -E.
pattern_of() { printf '%s\n' "$1" | sed 's/[][\\.*^$()+?{}|]/\\&/g'; }

# without_guard WHY: the helper that runs has none, for that reason, which everybody is told who has to do with it.
without_guard() {
        local why how='write .confine = off. under .bpf. there \(see SECURITY.md\)'
        why=$(pattern_of "$1")
        no_grant "confine = required, no guard" \
                "50-test.ini wants .* confined \(confine = required, .* no guard to do it: $why\. .*$how$" \
                'bpf:confine = required'
        exits "the user who is refused with it is told the same" 200 "pam: .*no guard to do it: $why" login_as \
                "$alice" -- true
        with 'bpf:confine = required'
        exits "status has the reason" 1 "^bpfdelegd has no guard, so a policy that requires one grants nothing: $why" \
                login_as "$alice" -- bpfdeleg status
        with 'bpf:confine = preferred'
        log_mark
        ok "confine = preferred is granted" login_as "$alice" -- bpfdeleg run -- true
        ok "with a warning in the log, and why" logged "grant: .*UNCONFINED.*confine = preferred.*: $why$"
        prints "status warns" '50-test.ini, NOT CONFINED: bpfdelegd has no guard' login_as "$alice" -- bpfdeleg status
        prints "and says why" "^bpfdelegd has no guard: $why\$" login_as "$alice" -- bpfdeleg status
        with 'bpf:confine = off'
        log_mark
        ok "confine = off is granted" login_as "$alice" -- bpfdeleg run -- true
        ok "and logged as wanted" logged 'grant: .*: unconfined, as the policy says'
        lacks "status says so, and nothing of a guard" 'guard' login_as "$alice" -- bpfdeleg status
}
with_guard() {
        local confine
        ok "the helper has a guard" test "$(log_count 'no guard')" -eq 0
        for confine in required preferred; do
                with "bpf:confine = $confine"
                log_mark
                prints "confine = $confine is granted, and confined" \
                        '50-test.ini, confined to your own subtree by the guard' \
                        login_as "$alice" -- bpfdeleg status
                ok "the log says so" logged 'grant: .*: confined to its own subtree by the guard'
        done
        with 'bpf:confine = off'
        log_mark
        prints "confine = off is granted, and not confined" '50-test.ini, not confined \(confine = off\)' login_as \
                "$alice" -- bpfdeleg status
        ok "the log says so, too" logged 'grant: .*: unconfined, as the policy says'
}

# What this machine lacks for a guard, in the words that an admin is told; nothing: it can have one. (In the vm bed
# there is no config.h.)
unguarded='this bpfdelegd was built without it (configure --enable-guard)'
why_no_guard() {
        local lockdown='' lsm=''
        # Like the helper, by a mount of our own: not every host has one.
        # shellcheck disable=SC2016 # for the inner shell
        read -r lsm lockdown < <(unshare --mount --propagation private sh -c \
                'mount -t securityfs none /mnt && echo $(cat /mnt/lsm) $(cat /mnt/lockdown)' 2>/dev/null)
        if [ -e "$top_builddir/config.h" ] && ! grep -q '^#define HAVE_GUARD 1$' "$top_builddir/config.h"; then
                echo "$unguarded"
        elif ! [ -e /sys/kernel/btf/vmlinux ]; then
                echo 'this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)'
        elif [[ $lockdown == *'[confidentiality]'* ]]; then
                echo 'this kernel is locked down (confidentiality, kernel_lockdown(7)), so it takes no BPF LSM programs'
        elif [ -n "$lsm" ] && [[ ,$lsm, != *,bpf,* ]]; then
                echo "this kernel was booted without BPF LSM: add bpf to lsm= on its command line (lsm=$lsm,bpf)"
        elif [[ $lockdown == *'[integrity]'* ]] && ! takes_lsm_programs; then
                echo 'this kernel takes no BPF LSM programs; that it is locked down (integrity,' \
                        'kernel_lockdown(7)) may be why'
        fi
}
# By a program that is none of ours: some kernels are stricter than lockdown asks for.
takes_lsm_programs() {
        bpftool feature probe kernel 2>/dev/null | grep -q '^eBPF program_type lsm is available'
}
why=$(why_no_guard)
if [ -n "$why" ]; then without_guard "$why"; else with_guard; fi

# A limit is never dropped silently. Which controllers there are is the host's.
declare -A limits=([pids]='pids_max = 64' [memory]='memory_max = 64M' [cpu]='cpu_weight = 50' [io]='io_weight = 50')
for controller in pids memory cpu io; do
        if grep -qw "$controller" "$cgroup2/cgroup.controllers"; then
                with "cgroup:${limits[$controller]}"
                ok "${limits[$controller]}: granted, the controller is there" login_as "$alice" -- bpfdeleg run -- true
        else
                no_grant "${limits[$controller]}, and no such controller here" \
                        "${limits[$controller]%% *}.*$controller|$controller.*${limits[$controller]%% *}" \
                                "cgroup:${limits[$controller]}"
        fi
done

# ---- names ----

# broken DESCRIPTION PATTERN POLICY-LINE…: the file is at fault, so nobody is locked out, whatever it says of
# on_failure.
broken() {
        local what=$1 pattern=$2
        shift 2
        with "$@" 'session:on_failure = deny'
        log_mark
        exits "$what: the login goes on without" 125 'admin|bpfdeleg' login_as "$alice" -- bpfdeleg run -- true
        ok "$what: the log names the file, the key, and what would be right" logged "50-test.ini.*($pattern)"
}
broken "a name no kernel has" 'delegate_progs.*cgroup_skbb.*cgroup_skb' 'bpf:delegate_progs = cgroup_skbb'
broken "a map type no kernel has" 'delegate_maps.*arrray.*array' 'bpf:delegate_maps = arrray'
broken "a command no kernel has" 'delegate_cmds.*prog_laod.*prog_load' 'bpf:delegate_cmds = prog_laod'
broken "an attach type no kernel has" 'delegate_attachs.*cgroup_inet_egres.*cgroup_inet_egress' \
        'bpf:delegate_attachs = cgroup_inet_egres'
broken "a @host type without allow_host_wide" 'delegate_progs.*kprobe.*allow_host_wide' 'bpf:delegate_progs = kprobe'
broken "a whole @host class" 'delegate_progs.*@host.*allow_host_wide' 'bpf:delegate_progs = @host'
broken "a @host map type" 'delegate_maps.*struct_ops.*allow_host_wide' 'bpf:delegate_maps = struct_ops'
with 'bpf:delegate_progs = cgroup_skb, kprobe' 'bpf:allow_host_wide = yes'
ok "with allow_host_wide it is granted" login_as "$alice" -- bpfdeleg run -- true
with 'bpf:delegate_progs = any' 'bpf:delegate_attachs = any' 'bpf:delegate_maps = any'
prints "any means all but @host" 'counted 3' login_as "$alice" -- "${packets[@]}"
lacks "status shows none of @host for any" 'kprobe|struct_ops|perf_event(,|$)|raw_tracepoint|, devmap,' login_as \
        "$alice" -- bpfdeleg status

still_idle "nothing is left"

# ---- a helper that was built without a guard ----

ok "the helper stops" helper_stop
bpfdelegd=$(program tests/escape/bpfdelegd-unguarded) || exit 1
ok "one that was built without a guard starts" helper_start
without_guard "$unguarded"
finish
