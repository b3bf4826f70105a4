# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Harness of the system tests, the demo and the bench: a private helper, users and PAM services of the test's own,
# sessions that stay open, and a picture of the machine before and after. Sourced, by bash; everything made here is
# removed on exit.

set -u
export LC_ALL=C

top_srcdir=$(cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
top_builddir=$(cd "${top_builddir:-$top_srcdir/build}" 2>/dev/null && pwd) || top_builddir=$top_srcdir/build
export top_srcdir top_builddir

# ---- TAP -------------------------------------------------------------------------------------------------------------

case_count=0
case_failures=0

diag() {
        printf '%s\n' "$*" | sed 's/^/# /'
}

# tap RESULT DESCRIPTION [FILE]: one case; FILE, or whatever the last command printed, goes below a failed one.
tap() {
        case_count=$((case_count + 1))
        if [ "$1" = ok ]; then
                printf 'ok %d - %s\n' "$case_count" "$2"
                return 0
        fi
        case_failures=$((case_failures + 1))
        printf 'not ok %d - %s\n' "$case_count" "$2"
        [ -s "${3:-$T/out}" ] && tail -n 40 "${3:-$T/out}" | sed 's/^/#   /'
        [ -s "$T/helper.log" ] && tail -n 5 "$T/helper.log" | sed 's/^/#   bpfdelegd: /'
        return 1
}

skip() { # DESCRIPTION REASON
        case_count=$((case_count + 1))
        printf 'ok %d - %s # SKIP %s\n' "$case_count" "$1" "$2"
}

skip_all() {
        printf '1..0 # SKIP %s\n' "$*"
        exit 0
}

# capture CMD…: runs it in this shell, output to $T/out, status to $status.
capture() {
        status=0
        "$@" >"$T/out" 2>&1 || status=$?
}

# ok DESCRIPTION CMD…: must succeed.
ok() {
        local what=$1
        shift
        capture "$@"
        [ "$status" -eq 0 ] || echo "(status $status of: $*)" >>"$T/out"
        if [ "$status" -eq 0 ]; then tap ok "$what"; else tap failed "$what"; fi
}

# prints DESCRIPTION PATTERN CMD…: must succeed, and its output match.
prints() {
        local what=$1 pattern=$2
        shift 2
        capture "$@"
        if [ "$status" -eq 0 ] && grep -Eq -- "$pattern" "$T/out"; then
                tap ok "$what"
        else
                echo "(status $status of: $*; wanted 0 and: $pattern)" >>"$T/out"
                tap failed "$what"
        fi
}

# lacks DESCRIPTION PATTERN CMD…: must succeed, and its output not match.
lacks() {
        local what=$1 pattern=$2
        shift 2
        capture "$@"
        if [ "$status" -eq 0 ] && ! grep -Eq -- "$pattern" "$T/out"; then
                tap ok "$what"
        else
                echo "(status $status of: $*; wanted 0 and nothing of: $pattern)" >>"$T/out"
                tap failed "$what"
        fi
}

# refused DESCRIPTION PATTERN CMD…: must fail, for the reason that PATTERN tells: a failure for another reason is no
# refusal.
refused() {
        local what=$1 pattern=$2
        shift 2
        capture "$@"
        if [ "$status" -ne 0 ] && grep -Eqi -- "$pattern" "$T/out"; then
                tap ok "$what"
        else
                echo "(status $status of: $*; wanted a failure and: $pattern)" >>"$T/out"
                tap failed "$what"
        fi
}

# exits DESCRIPTION STATUS PATTERN CMD…: must end with exactly this status, and its output match ('' for anything).
exits() {
        local what=$1 want=$2 pattern=$3
        shift 3
        capture "$@"
        if [ "$status" -eq "$want" ] && { [ -z "$pattern" ] || grep -Eqi -- "$pattern" "$T/out"; }; then
                tap ok "$what"
        else
                echo "(status $status of: $*; wanted $want${pattern:+ and: $pattern})" >>"$T/out"
                tap failed "$what"
        fi
}

# ---- time ------------------------------------------------------------------------------------------------------------

# Milliseconds. The wall clock, but only ever used for a difference within one test.
now_ms() {
        local us=${EPOCHREALTIME/[.,]/}
        echo $((us / 1000))
}

# wait_until CMD…: polls until CMD succeeds, 10 s at most ($patience says otherwise), and more on an emulated machine
# ($BED_SLOW).
wait_until() {
        # No subshell in this loop: on an emulated machine each is dear.
        local end=$((${EPOCHREALTIME/[.,]/} + ${patience:-$((10 * ${BED_SLOW:-1}))} * 1000000))
        until "$@"; do
                [ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
                sleep 0.02
        done
}

# Whether the process is still there; one that waits to be reaped is not.
alive() {
        local stat
        { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
        case ${stat##*) } in Z* | X*) return 1 ;; esac
}
gone() { ! alive "$1"; }

# ---- what the machine must have --------------------------------------------------------------------------------------

# Where cgroup2 is: /sys/fs/cgroup, or on hybrid hosts a directory below it.
find_cgroup2() {
        local _id _parent _dev root point rest
        while read -r _id _parent _dev root point rest; do
                case "$root $rest" in '/ '*' - cgroup2 '*) printf '%s\n' "$point" && return 0 ;; esac
        done </proc/self/mountinfo
        return 1
}

# Older kernels ignore the option.
kernel_has_tokens() {
        unshare --mount --propagation private sh -c \
                'mount -t bpf -o delegate_cmds=prog_load bpf /mnt &&
                        grep -q " - bpf .*delegate_cmds=" /proc/self/mountinfo'
}

# Why not, as far as can be told: the kernel has one error for all of it.
why_no_user_namespace() { # WHAT UNSHARE SAID
        if ! grep -q '^[^ ]* [^ ]* [^ ]* [^ ]* / ' /proc/self/mountinfo || ! [ / -ef /proc/1/root ]; then
                echo "this is a chroot, and the kernel makes no user namespace for a process in one:" \
                        "run it on the machine itself, in a container (systemd-nspawn), or after pivot_root(8)"
        elif [ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null)" = 0 ]; then
                echo "user namespaces are off here: user.max_user_namespaces is 0"
        else
                echo "no user namespace can be made here: ${1:-unshare has failed}"
        fi
}

# machine_can: says on standard output why nothing can be delegated here, whatever is installed; fails then. It needs
# nothing but what the smallest Debian has, and bootstrap asks it before it installs anything.
machine_can() {
        local said
        [ "$(id -u)" = 0 ] || { echo "needs root"; return 1; }
        [ -e /proc/self/mountinfo ] || { echo "/proc is not mounted"; return 1; }
        cgroup2=$(find_cgroup2) || { echo "no cgroup2 is mounted (mount -t cgroup2 cgroup2 DIRECTORY)"; return 1; }
        mkdir "$cgroup2/bdt-$$-probe" 2>/dev/null || { echo "cgroup2 is read-only here"; return 1; }
        rmdir "$cgroup2/bdt-$$-probe"
        said=$(unshare --user true 2>&1) || { why_no_user_namespace "$said"; return 1; }
        said=$(kernel_has_tokens 2>&1) && return 0
        case $said in
        *denied* | *'not permitted'* | *'not found'*) echo "a bpf file system cannot be mounted here: $said" ;;
        *) echo "this kernel ($(uname -r)) has no BPF tokens: 6.9 or later is needed" ;;
        esac
        return 1
}

# Says on standard output why system tests cannot run here; fails then.
machine_fits() {
        machine_can || return 1
        command -v bpftool >/dev/null || PATH=$PATH:/usr/sbin:/sbin
        command -v bpftool >/dev/null || { echo "bpftool is missing"; return 1; }
}

# ---- the test's own place --------------------------------------------------------------------------------------------

T=                      # temporary directory: root's, 0755, programs may be run from it
declare -A pids=()      # pid → 1: what was started here and not yet seen to end
declare -A session_in=() session_out=() session_pid=()
users=() groups=() user_uids=()
helper_pid=
BD_MARK=bdt-$$          # in the environment of all we start, so that a stray can be told from a stranger
export BD_MARK
cgroup_parent=bdt-$$

# The real program behind a build path; a libtool script (should there ever be one) keeps it in .libs.
program() {
        local path=$top_builddir/$1
        [ -x "$(dirname "$path")/.libs/$(basename "$path")" ] && path=$(dirname "$path")/.libs/$(basename "$path")
        [ -x "$path" ] || { echo "lib.sh: $path is not built" >&2; return 1; }
        printf '%s\n' "$path"
}

make_place() {
        local dir
        umask 022
        for dir in /tmp /var/tmp; do
                T=$(mktemp -d "$dir/bdt-$$.XXXXXX") || continue
                chmod 0755 "$T"
                # /tmp may be mounted noexec; the users must be able to run things here.
                cp /bin/true "$T/true" && "$T/true" 2>/dev/null && rm "$T/true" && break
                rm -rf "$T"
                T=
        done
        [ -n "$T" ] || { echo "lib.sh: no directory in which programs can be run" >&2; return 1; }
        mkdir "$T/bin" "$T/pam.d" "$T/policy.d" "$T/home" "$T/world" "$T/s"
        : >"$T/out"
        cd "$T" || return 1
}

# Copies what users run: the checkout may sit where they cannot go (/root).
place_programs() {
        local p
        pam_session=$(program tests/tools/pam-session) || return 1
        pam_module=$top_builddir/pam/.libs/pam_bpfdeleg.so
        [ -e "$pam_module" ] || { echo "lib.sh: $pam_module is not built" >&2; return 1; }
        for p in cli/bpfdeleg cli/bpfdeleg-status cli/bpfdeleg-doctor helper/bpfdelegd tests/tools/packets \
                tests/tools/enter-as tests/tools/malformed; do
                install -m 0755 "$(program "$p")" "$T/bin/" || return 1
        done
        bpfdelegd=$T/bin/bpfdelegd
        [ ! -e "$top_builddir/helper/bpfdeleg-anchor" ] \
                || install -m 0711 "$top_builddir/helper/bpfdeleg-anchor" "$T/bin/" || return 1
        install -m 0644 "$top_builddir"/tests/tools/*.bpf.o "$T/bin/" && mark_maps "$T"/bin/*.bpf.o || return 1
        user_path=$T/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
}

# The kernel keeps of a map who made it no more than its name, so that of our programs' map gets one of ours. In an
# object file a name can take the place of another of its length.
map_mark=$(printf 'c%07d' $$)
mark_maps() { sed -i "s/counters/$map_mark/g" "$@"; }

# Some measure time and memory, and want the machine for themselves. So they wait for each other.
lock=
one_at_a_time() {
        exec {lock}</run # a directory can be locked, too, and no file is left
        flock -n "$lock" && return 0
        diag "waiting for another test or demo on this machine"
        flock -w 1200 "$lock" || { echo "lib.sh: another test or demo is still at work" >&2; return 1; }
}

# setup: everything a test needs, short of users and the helper. Skips the whole test where it cannot run.
setup() {
        local why
        trap undo EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        why=$(machine_fits) || skip_all "$why"
        one_at_a_time || exit 1
        machine_fits >/dev/null # once more in this shell, for cgroup2 and PATH
        make_place && place_programs && place_guard || exit 1
        # ASan: our children exec or _exit; whatever LSan or UBSan has to say must end the program, and loudly.
        export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
        world_snapshot start
}

# Ends and removes all that is left, in the order that cannot fail. Not a test: `finish` has compared before. Not in a
# fork that is signalled before it has executed what it is for: that comes here as well, with the traps of the test.
undo() {
        local code=$? pid u dir
        trap - EXIT
        [ "$BASHPID" = "$$" ] || exit "$code"
        trap '' INT TERM HUP
        for pid in "${!pids[@]}"; do
                [ "$pid" = "$helper_pid" ] || kill -KILL "$pid" 2>/dev/null
        done
        if [ -n "$helper_pid" ]; then
                kill -CONT "$helper_pid" 2>/dev/null
                kill -INT "$helper_pid" 2>/dev/null
                patience=5 wait_until gone "$helper_pid" || kill -KILL "$helper_pid" 2>/dev/null
        fi
        if [ -n "${cgroup2:-}" ] && [ -d "$cgroup2/$cgroup_parent" ]; then
                echo 1 >"$cgroup2/$cgroup_parent/cgroup.kill" 2>/dev/null
                find "$cgroup2/$cgroup_parent" -depth -type d 2>/dev/null | while IFS= read -r dir; do
                        patience=2 wait_until rmdir "$dir" 2>/dev/null
                done
        fi
        for u in "${users[@]}"; do
                kill_user "$u"
                patience=5 wait_until user_locked "$u" # a process of his may be on its way out still
        done
        for u in "${groups[@]}"; do groupdel "$u" >/dev/null 2>&1; done
        cd / || exit 1
        rm -rf "$guard_dir"
        [ -z "$run_is_tmpfs" ] || umount "$T/run"
        [ -z "$guard_fs" ] || umount "$guard_fs"
        [ -z "$T" ] || rm -rf "$T"
        exit "$code"
}

# memory_tells PID: whether the memory that it takes says anything. With ASan not: its quarantine keeps what is freed.
memory_tells() { ! grep -q '/libasan\.so' "/proc/$1/maps"; }

# Ends every process of a temporary user: his alone, he exists for this test only.
kill_user() {
        local uid pid owner
        uid=$(id -u "$1" 2>/dev/null) || return 0
        for pid in /proc/[0-9]*; do
                owner=$(stat -c %u "$pid" 2>/dev/null) || continue
                [ "$owner" = "$uid" ] && kill -KILL "${pid#/proc/}" 2>/dev/null
        done
        return 0
}

# finish: the end of every test: all closed, helper stopped, users removed, and the machine as it was before.
finish() {
        local name u
        for name in "${!session_pid[@]}"; do session_end "$name" >/dev/null 2>&1; done
        if [ -n "$helper_pid" ]; then
                ok "the helper ends by SIGTERM with status 0" helper_stop
                lacks "the helper's log has no word of a sanitizer" 'Sanitizer|runtime error' cat "$T/helper.log"
        fi
        rm -rf "$guard_dir"
        for u in "${users[@]}"; do remove_user "$u"; done
        for u in "${groups[@]}"; do groupdel "$u" >/dev/null 2>&1; done
        users=() groups=()
        ok "nothing is left on the machine" world_same start
        printf '1..%d\n' "$case_count"
        [ "$case_failures" -eq 0 ]
        exit
}

# ---- users -----------------------------------------------------------------------------------------------------------

# add_user NAME: a new user, by a name that begins with bdt-$$-. The uid is his alone, in containers beside us, too: it
# tells what is ours from what is not. From a range that is neither for users, nor for their subordinate ones, nor for
# containers (systemd's UIDS-GIDS.md).
next_uid=$((1900000000 + SRANDOM % 200000000))
add_user() {
        # Another test may hold the lock of /etc/passwd for a moment. -l: no file with a record for each smaller uid.
        wait_until useradd -l -M -K UID_MAX=2147000000 -K GID_MAX=2147000000 -u "$next_uid" -d "$T/home/$1" -s \
                /bin/bash "$1" >"$T/out" 2>&1 \
                || { cat "$T/out" >&2; return 1; }
        next_uid=$((next_uid + 1))
        users+=("$1")
        user_uids+=("$(id -u "$1")")
        install -d -m 0700 -o "$1" -g "$1" "$T/home/$1"
}

add_group() { # NAME
        wait_until groupadd "$1" >"$T/out" 2>&1 || { cat "$T/out" >&2; return 1; }
        groups+=("$1")
}

user_locked() { userdel "$1" >"$T/userdel" 2>&1 || ! id "$1" >/dev/null 2>&1; }
remove_user() {
        rm -rf "${T:?}/home/$1"
        wait_until user_locked "$1" || cat "$T/userdel" >&2
}

# as_user USER CMD…: as that user, but through no PAM session.
as_user() {
        local user=$1
        shift
        setpriv --reuid="$(id -u "$user")" --regid="$(id -g "$user")" --clear-groups \
                env "BPFDELEG_SOCKET=$T/run/user" "PATH=$user_path" "HOME=$T/home/$user" "USER=$user" "$@"
}

# ---- policy and PAM services -----------------------------------------------------------------------------------------

# policy NAME: a policy file, from standard input.
policy() {
        cat >"$T/policy.d/$1.ini.new" && chmod 0644 "$T/policy.d/$1.ini.new" \
                && mv "$T/policy.d/$1.ini.new" "$T/policy.d/$1.ini"
}

# simple_policy NAME USERS [LINE…]: the usual grant; each LINE, such as 'session:linger = yes', goes into its section.
simple_policy() {
        local name=$1 who=$2 line bpf='' cgroup='' session=''
        shift 2
        for line in "$@"; do
                case $line in
                bpf:*) bpf+=${line#*:}$'\n' ;;
                cgroup:*) cgroup+=${line#*:}$'\n' ;;
                session:*) session+=${line#*:}$'\n' ;;
                *) echo "simple_policy: $line" >&2 && return 1 ;;
                esac
        done
        # A key given by the caller takes the place of the usual one: a key twice is an error.
        {
                printf '[match]\nusers = %s\n[bpf]\n' "$who"
                while IFS= read -r line; do
                        grep -q "^${line%% *} " <<<"$bpf" || printf '%s\n' "$line"
                done <<-'END'
			delegate_cmds = map_create, prog_load, btf_load
			delegate_maps = array, hash
			delegate_progs = socket_filter, cgroup_skb
			delegate_attachs = cgroup_inet_ingress, cgroup_inet_egress
			caps = CAP_BPF, CAP_NET_ADMIN
			confine = off
		END
                printf '%s' "$bpf"
                [ -z "$cgroup" ] || printf '[cgroup]\n%s' "$cgroup"
                [ -z "$session" ] || printf '[session]\n%s' "$session"
        } | policy "$name"
}

no_policies() { rm -f "$T"/policy.d/*; }

# service NAME [MODULE ARGUMENT…]: a PAM service whose session stack is our module alone.
service() {
        local name=$1
        shift
        [ $# -gt 0 ] || set -- "socket=$T/run/session" "policy_dir=$T/policy.d" timeout=5
        printf '%s\n' 'auth required pam_permit.so' 'account required pam_permit.so' 'password required pam_permit.so' \
                "session required $pam_module $*" >"$T/pam.d/$name"
}

# ---- the helper ------------------------------------------------------------------------------------------------------

# spawn CMD…: in the background, without the lock and the descriptors of open sessions, a crowd and a vector
# (tests/escape/lib.sh), which would not see the end of its input; its pid in $spawned.
spawn() {
        local fd
        (
                for fd in $lock ${vector_fd:-} ${crowd_words:-} "${session_in[@]}" "${session_out[@]}"; do eval \
                        "exec $fd>&-"; done
                exec "$@"
        ) <&0 &
        spawned=$!
        pids[$spawned]=1
}

# Not by its sockets: one that was killed has left its own.
helper_ready() { gone "$helper_pid" || tail -n "+$((helper_log_lines + 1))" "$T/helper.log" | grep -q " serves "; }

# The records' directory on a tmpfs, as /run is: for what measures.
run_is_tmpfs=
mount_run() { mkdir -p "$T/run" && mount -t tmpfs -o mode=0755,size=64m none "$T/run" && run_is_tmpfs=yes; }

# Stays in force without the helper, so it is ours to remove.
guard_dir=/sys/fs/bpf/bdt-$$-guard
# Not every machine has a bpf file system there.
guard_fs=
place_guard() {
        [ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ] || return 0
        mkdir "$T/bpf" && mount -t bpf bpf "$T/bpf" && guard_fs=$T/bpf && guard_dir=$T/bpf/guard
}

# helper_start [LINE…]: lines for [helper] of its configuration. Where systemd is the service manager the built-in
# backend is that, and its cgroups are elsewhere than tests look: tests/system/scope.sh and the booted bed try it.
helper_start() {
        {
                printf '[helper]\ncgroup_parent = %s\n' "$cgroup_parent"
                case ${1:-} in 'backend = '*) ;; *) echo 'backend = cgroupfs' ;; esac
                [ $# -eq 0 ] || printf '%s\n' "$@"
        } >"$T/bpfdeleg.ini"
        mkdir -p "$T/run"
        helper_log_lines=0
        [ ! -e "$T/helper.log" ] || helper_log_lines=$(wc -l <"$T/helper.log")
        spawn "$bpfdelegd" "--runtime-dir=$T/run" "--policy-dir=$T/policy.d" "--config=$T/bpfdeleg.ini" --debug \
                "--guard-dir=$guard_dir" </dev/null >>"$T/helper.log" 2>&1
        helper_pid=$spawned
        # With the guard's programs for the verifier to read.
        patience=$((10 * ${BED_SLOW:-1})) wait_until helper_ready && alive "$helper_pid" && return 0
        echo "the helper does not start; its log:"
        cat "$T/helper.log"
        return 1
}

# helper_stop [SIGNAL]: stops it; its own status. TERM leaves delegations alive, INT ends them.
helper_stop() {
        local pid=$helper_pid code=0
        kill "-${1:-TERM}" "$pid" 2>/dev/null
        wait_until gone "$pid" || { echo "the helper does not end"; kill -KILL "$pid"; }
        wait "$pid" 2>/dev/null || code=$?
        unset "pids[$pid]"
        helper_pid=
        [ "$code" -eq 0 ] || { echo "the helper ended with status $code; its log:"; tail -n 30 "$T/helper.log"; }
        if [ -e "$T/run/session" ] || [ -e "$T/run/user" ]; then echo "its sockets are left" && return 1; fi
        return "$code"
}

# At any instruction.
helper_kill() {
        kill -KILL "$helper_pid"
        wait "$helper_pid" 2>/dev/null
        unset "pids[$helper_pid]"
        helper_pid=
}

# log_mark: what comes after counts for logged; logged PATTERN: a line matches, now or soon. log_count PATTERN: how many
# lines do.
log_from=1
log_mark() { log_from=$(($(wc -l <"$T/helper.log") + 1)); }
log_new() { tail -n "+$log_from" "$T/helper.log"; }
log_has() { log_new | grep -Eq -- "$1"; }
log_count() { log_new | grep -Ec -- "$1"; }
logged() {
        patience=5 wait_until log_has "$1" && return 0
        echo "no such line in the helper's log:"
        log_new
        return 1
}

# Descriptors of the helper by kind. What a kind's number is does not matter, how many there are does.
helper_fds() {
        local fd
        for fd in "/proc/$helper_pid/fd/"*; do
                readlink "$fd"
        done 2>/dev/null | sed -E 's/\[[0-9]+\]$//; s, \(deleted\)$,,; s,^/proc/[0-9]+,/proc/PID,' | sort | uniq -c
}
helper_fds_snapshot() { helper_fds >"$T/helper.fds"; }
helper_fds_equal() { helper_fds >"$T/helper.fds.now" && cmp -s "$T/helper.fds" "$T/helper.fds.now"; }
helper_fds_same() {
        wait_until helper_fds_equal && return 0
        diff -u "$T/helper.fds" "$T/helper.fds.now"
        return 1
}

# helper_idle: remember the machine with an idle helper and the users there; still_idle DESCRIPTION: all as then.
helper_idle() { world_snapshot idle && helper_fds_snapshot; }
idle_again() { world_same idle && helper_fds_same; }
still_idle() { ok "$1" idle_again; }

# ---- sessions --------------------------------------------------------------------------------------------------------

default_service=bdt

# login_as USER [SERVICE] -- CMD…: one whole session; the status is CMD's, 200 if PAM said no.
login_as() {
        local user=$1 service=$default_service
        shift
        [ "$1" = -- ] || { service=$1 && shift; }
        shift
        "$pam_session" --confdir "$T/pam.d" "$service" "$user" -- \
                /usr/bin/env "BPFDELEG_SOCKET=$T/run/user" "PATH=$user_path" "HOME=$T/home/$user" "USER=$user" "$@" \
                        </dev/null
}

# session_start NAME USER [SERVICE]: opens a session and keeps it open; its PAM messages are in $T/s/NAME.err.
session_start() {
        local name=$1 user=$2 in=$T/s/$1.in out=$T/s/$1.out fd_in fd_out
        rm -f "$in" "$out"
        mkfifo "$in" "$out" || return 1
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c 'in=$1 out=$2 err=$3; shift 3; exec "$@" <"$in" >"$out" 2>"$err"' sh "$in" "$out" \
                "$T/s/$name.err" \
                "$pam_session" --confdir "$T/pam.d" "${3:-$default_service}" "$user" -- \
                /usr/bin/env "BPFDELEG_SOCKET=$T/run/user" "PATH=$user_path" "HOME=$T/home/$user" "USER=$user" \
                /bin/bash --norc </dev/null
        session_pid[$name]=$spawned
        exec {fd_in}>"$in" {fd_out}<"$out"
        session_in[$name]=$fd_in
        session_out[$name]=$fd_out
        in_session "$name" true && return 0
        cat "$T/s/$name.err"
        return 1
}

# in_session NAME CMD…: runs it in that session's shell; its output and status.
in_session() {
        local name=$1
        shift
        in_session_sh "$name" "$(printf '%q ' "$@")"
}

# in_session_sh NAME TEXT: the same with a piece of shell.
in_session_sh() {
        local line
        { printf '{ %s\n} </dev/null 2>&1; printf "\\n@end %%d\\n" $?\n' "$2" >&"${session_in[$1]}"; } 2>/dev/null \
                || { echo "session $1 has ended"; return 1; }
        while IFS= read -r -t "${answer_timeout:-30}" line <&"${session_out[$1]}"; do
                case $line in
                '@end '*) return "${line#@end }" ;;
                ?*) printf '%s\n' "$line" ;;
                esac
        done
        echo "session $1 gave no answer"
        return 1
}

session_forget() {
        local fd=${session_in[$1]}
        exec {fd}>&-
        fd=${session_out[$1]}
        exec {fd}<&-
        unset "session_in[$1]" "session_out[$1]" "session_pid[$1]"
}

# session_end NAME: logs out; the status of the session's process.
session_end() {
        local pid=${session_pid[$1]} code=0
        { echo 'exit 0' >&"${session_in[$1]}"; } 2>/dev/null
        session_forget "$1"
        wait_until gone "$pid" || { echo "session $1 does not end"; kill -KILL "$pid"; }
        wait "$pid" 2>/dev/null || code=$?
        unset "pids[$pid]"
        return "$code"
}

# session_kill NAME: kill -9 of the leader, the process that opened the PAM session.
session_kill() {
        local pid=${session_pid[$1]}
        kill -KILL "$pid"
        wait "$pid" 2>/dev/null
        unset "pids[$pid]"
        session_forget "$1"
}

# ---- what a delegation is made of, as root sees it -------------------------------------------------------------------

# Directories of delegations below our parent; nothing if there are none.
delegation_dirs() { find "$cgroup2/$cgroup_parent" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort; }
delegation_count() { delegation_dirs | grep -c .; }
delegations_are() { [ "$(delegation_count)" -eq "$1" ]; }

# expect_delegations N: now or soon.
expect_delegations() {
        wait_until delegations_are "$1" && return 0
        echo "wanted $1 delegations, there are:"
        delegation_dirs
        return 1
}

# The one delegation's processes; anchor_pid: the one in its supervisor.
anchor_pid() {
        local dir=${1:-$(delegation_dirs | head -n 1)}
        head -n 1 "$dir/supervisor/cgroup.procs"
}

# crowd_start N [S]: within S seconds (60), a process that opens a session for each of N users without accounts, by the
# policy 50-all, and keeps them; crowd_end: it ends.
crowd_is_there() { [ -s "$T/said" ] || gone "$crowd_pid"; }
crowd_start() {
        rm -f "$T/words" "$T/said"
        mkfifo "$T/words"
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c 'words=$1 said=$2; shift 2; exec "$@" <"$words" >"$said" 2>&1' sh "$T/words" "$T/said" \
                "$(program tests/tools/crowd)" "$T/run/session" "$T/policy.d" 50-all.ini 50000 "$1" </dev/null
        crowd_pid=$spawned
        exec {crowd_words}>"$T/words"
        patience=$((${2:-60} * ${BED_SLOW:-1})) wait_until crowd_is_there
        grep -q ' open: ' "$T/said" || { cat "$T/said"; return 1; }
}
crowd_end() {
        local code=0
        exec {crowd_words}>&-
        wait "$crowd_pid" || code=$?
        unset "pids[$crowd_pid]"
        return "$code"
}

# ---- the machine before and after ------------------------------------------------------------------------------------

# One file of sorted lines for each of these, of what is ours and nothing else: others mount, make cgroups, users and
# programs while a test runs, and that is no business of ours. What has our mark is told by its name (bdt-PID), its
# owner (a user of ours), or who made it.
world_kinds=(processes mounts cgroups pins objects files users)

# Drops lines without our mark: a name of ours, or uid= of a user of ours.
only_ours() {
        local uids
        uids=$(IFS='|'; echo "${user_uids[*]:-none}")
        grep -E "bdt-$$([-/. ,]|\$)|\buid=($uids)\b"
}

# Start times tell a process from a later one of the same number. No subshell here: it would be in the list.
world_processes() {
        local dir stat rest field
        for dir in /proc/[0-9]*; do
                { read -r stat <"$dir/stat"; } 2>/dev/null || continue
                rest=${stat##*) }
                # shellcheck disable=SC2206 # numbers, and one letter
                field=($rest)
                # PF_KTHREAD
                [ $((field[6] & 0x200000)) -eq 0 ] || continue
                printf '%s %s\n' "${dir#/proc/}" "${field[19]}"
        done
}

# A delegated bpffs has its user's uid among its options.
world_mounts() {
        {
                sed 's/^/pid 1: /' /proc/1/mountinfo
                [ /proc/1/ns/mnt -ef /proc/self/ns/mnt ] || sed 's/^/self: /' /proc/self/mountinfo
        } | only_ours
}

world_cgroups() { find "$cgroup2" -type d 2>/dev/null | only_ours; }

# Every bpffs there is here, and what is in it.
world_pins() {
        local _id _parent _dev _root point rest
        while read -r _id _parent _dev _root point rest; do
                case $rest in *' - bpf '*) find "$point" -printf '%p uid=%U\n' 2>/dev/null ;; esac
        done </proc/self/mountinfo | only_ours
}

# Programs that a user of ours loaded, or the guard's; their links and maps; and maps that have our mark.
world_objects() {
        local kind
        {
                for kind in prog map link; do bpftool "$kind" list 2>/dev/null | sed "s/^[0-9]/$kind &/"; done
        } | awk -v uids="${user_uids[*]}" -v mark="$map_mark" '
                BEGIN { split(uids, list); for (i in list) ours[list[i]] = 1 }
                # A program, and below it who loaded it when, and its maps.
                $1 == "prog" { prog = $2; what[prog] = $3 " " $4 " " $5; if ($5 ~ /^guard_/) mine[prog] = 1; next }
                $1 == "loaded_at" { for (i = 1; i < NF; i++) if ($i == "uid" && $(i + 1) in ours) mine[prog] = 1; next }
                / map_ids / {
                        sub(/.* map_ids /, "")
                        sub(/ .*/, "")
                        n = split($0, list, ",")
                        if (prog in mine) for (i = 1; i <= n; i++) used[list[i] ":"] = 1
                        next
                }
                $1 == "map" { if ($2 in used || $5 == mark) print "map " $2 " " $3 " " $4 " " $5; next }
                $1 == "link" { for (i = 3; i < NF; i++) if ($i == "prog" && ($(i + 1) ":") in mine)
                        print "link " $2 " " $3 " of prog " $(i + 1); next }
                END { for (prog in mine) print "prog " prog " " what[prog] }'
}

world_files() {
        find /run -xdev \( -path /run/systemd -o -path /run/udev -o -path /run/user -o -path /run/log -o -path \
                /run/lock \) -prune \
                -o -printf '%p uid=%U\n' 2>/dev/null | only_ours
}

world_users() {
        { cut -d: -f1 /etc/passwd | sed 's/^/user /'; cut -d: -f1 /etc/group | sed 's/^/group /'; } | only_ours
}

# Of processes on standard input those are dropped that are somebody else's: whose is asked only of those that have
# come.
world_ours() { # KIND
        local sign line
        [ "$1" = processes ] || { cat; return; }
        while read -r sign line; do
                # One that has gone is no leak, and no concern: nobody but us stops ours.
                [ "$sign" = - ] && continue
                # shellcheck disable=SC2086
                process_is_foreign $line && continue
                printf '%s %s: %s\n' "$sign" "$line" "$(process_words "${line% *}")"
        done
}

process_words() {
        printf 'uid %s, parent %s, %s' "$(stat -c %u "/proc/$1" 2>/dev/null)" \
                "$(sed -n 's/^PPid:\t//p' "/proc/$1/status" 2>/dev/null)" \
                        "$({ tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null)"
        sed -n 's/^0::/ in /p' "/proc/$1/cgroup" 2>/dev/null
}

# Whether the process has gone, or is none of ours: of no user of ours, not in our cgroups, and an environment without
# our mark.
process_is_foreign() { # PID START
        local dir=/proc/$1 stat u uid mark=$BD_MARK
        { read -r stat <"$dir/stat"; } 2>/dev/null || return 0
        # shellcheck disable=SC2086
        set -- "$1" "$2" ${stat##*) }
        [ "${22}" = "$2" ] || return 0
        # Children of this shell that the comparison itself runs have ended by the next look.
        uid=$(stat -c %u "$dir" 2>/dev/null) || return 0
        for u in "${user_uids[@]}"; do [ "$uid" = "$u" ] && return 1; done
        grep -q "/$cgroup_parent\(/\|$\)" "$dir/cgroup" 2>/dev/null && return 1
        ! { tr '\0' '\n' <"$dir/environ"; } 2>/dev/null | grep -qx "BD_MARK=$mark"
}

world_snapshot() { # NAME
        local kind dir=$T/world/$1
        mkdir -p "$dir"
        for kind in "${world_kinds[@]}"; do
                "world_$kind" >"$dir/$kind.list"
                sort "$dir/$kind.list" -o "$dir/$kind"
        done
}

# world_differs NAME KIND: what came (+) and went (-) since then; fails if there is nothing.
world_differs() {
        local then=$T/world/$1/$2 now=$T/world/now.$2
        "world_$2" >"$now"
        sort "$now" -o "$now"
        cmp -s "$then" "$now" && return 1
        comm -3 "$then" "$now" | sed 's/^\([^\t]\)/- \1/; s/^\t/+ /' | world_ours "$2" >"$now.diff"
        [ -s "$now.diff" ] && cat "$now.diff"
}

# world_same_kind NAME KIND: as it was, now or as soon as wait_until would have it: the kernel frees some things behind
# the answer.
world_same_kind() {
        local end
        end=$(($(now_ms) + ${patience:-$((10 * ${BED_SLOW:-1}))} * 1000))
        while world_differs "$1" "$2" >"$T/world/diff"; do
                if [ "$(now_ms)" -ge "$end" ]; then
                        echo "$2:"
                        cat "$T/world/diff"
                        return 1
                fi
                sleep 0.1
        done
        return 0
}

world_same() { # NAME
        local kind code=0
        for kind in "${world_kinds[@]}"; do
                world_same_kind "$1" "$kind" || code=1
        done
        return "$code"
}
