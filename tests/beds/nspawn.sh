# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A Debian root booted with systemd as PID 1, in a container of systemd-nspawn. Sourced, by bash, after
# tests/system/lib.sh, with $container (a word for the names of what it makes), $container_network (own_network or
# same_network) and $boot_log (a file for its console) set.

: "${container:?}" "${container_network:?}" "${boot_log:?}"

nspawn='' leader='' boots=0

# ---- the container ---------------------------------------------------------------------------------------------------

# cgroup directories for one boot: whatever systemd leaves there, the next boot, as after a real one, begins with none.
# Where cgroup2 is not alone, nspawn wants its place in systemd's old hierarchy, too.
bed_cgroups() { # [PID]
        local _id _parent _dev root point rest
        while read -r _id _parent _dev root point rest; do
                case "$root $rest" in
                '/ '*' - cgroup2 '* \
                        | '/ '*' - cgroup '*name=systemd*) printf '%s/bdt-%s-%s\n' "$point" "$container" "${1:-$$}" ;;
                esac
        done </proc/self/mountinfo
}

remove_cgroups() { # [PID]
        local top dir
        while IFS= read -r top; do
                [ -d "$top" ] || continue
                [ ! -e "$top/cgroup.kill" ] || echo 1 >"$top/cgroup.kill"
                find "$top" -depth -type d | while IFS= read -r dir; do
                        patience=5 wait_until rmdir "$dir" 2>/dev/null || echo "the cgroup $dir is left" >&2
                done
        done < <(bed_cgroups "$@")
}

# A network of its own: other beds' sshd has port 22, too. Not by --private-network, with which /sys is a collection of
# pieces, and /sys/fs/bpf is not among them.
own_network() { exec setpriv --pdeathsig TERM unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"; }
same_network() { exec setpriv --pdeathsig TERM "$@"; }

# start_container ROOT: SYSTEMD_SECCOMP=0, because nspawn's filter refuses bpf().
start_container() {
        local dir
        remove_cgroups
        while IFS= read -r dir; do mkdir "$dir" || return 1; done < <(bed_cgroups)
        (
                # Not the lock: whoever holds it, holds it for as long as the container lives.
                [ -z "$lock" ] || exec {lock}>&-
                while IFS= read -r dir; do echo "$BASHPID" >"$dir/cgroup.procs" || exit 1; done < <(bed_cgroups)
                export SYSTEMD_SECCOMP=0 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
                # Killed without a chance to clean up, we take the container along.
                "$container_network" systemd-nspawn --directory="$1" --machine="bdt-$container-$$" --register=no \
                        --keep-unit --capability=all \
                        --resolv-conf=off --timezone=off --boot --console=read-only
        ) </dev/null >>"$boot_log" 2>&1 &
        nspawn=$!
}

inside() { nsenter -t "$leader" -a -- "$@"; }
# Its first child is not PID 1 yet, but makes it and goes.
is_running() {
        alive "$nspawn" || return 0
        leader=$(pgrep -P "$nspawn" | head -n 1)
        [ -n "$leader" ] && [ "$(inside systemctl is-system-running 2>/dev/null)" = running ]
}

# nspawn mounts over the boot id, and newer logind then takes every process for one of another boot.
take_boot_id() {
        inside umount /proc/sys/kernel/random/boot_id && inside systemctl daemon-reexec &&
                inside systemctl restart systemd-journald systemd-logind
}

boot() { # ROOT
        boots=$((boots + 1))
        : >"$boot_log"
        start_container "$1" || return 1
        patience=60 wait_until is_running && alive "$nspawn" && take_boot_id && return 0
        tail -n 20 "$boot_log"
        inside systemctl --no-pager --failed 2>/dev/null
        return 1
}

# SIGTERM asks for an orderly shutdown; whatever does not follow goes with its PID 1.
halt() {
        [ -n "$nspawn" ] || return 0
        kill -TERM "$nspawn" 2>/dev/null
        patience=${1:-20} wait_until gone "$nspawn" || kill -KILL ${leader:+"$leader"} "$nspawn" 2>/dev/null
        wait "$nspawn" 2>/dev/null
        nspawn=
}
