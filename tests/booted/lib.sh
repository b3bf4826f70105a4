# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Harness of the tests that run inside a bed: a Debian with systemd as PID 1 that is the test's alone, so they install
# the package, change /etc and restart what they like. The bed has put there: /bed/tests, /bed/tools (programs of
# tests/tools), /bed/deb (the package); packages openssh-server, login, cron, sudo, bpftool, jq. BED_SLOW is by how much
# it is slower than a real machine. Each test begins with `setup` and ends with `finish`, and may follow any other.
# Sourced, by bash.

. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

bed=$top_srcdir
tools=$bed/tools
policy_dir=/etc/bpfdeleg/policy.d
cgroup2=/sys/fs/cgroup
slow=${BED_SLOW:-1}
declare -A session_of=() # name → leader
# Seconds that things may take which take no time.
patience=$((10 * slow))
answer_timeout=$((30 * slow))

# ---- the machine -----------------------------------------------------------------------------------------------------

package_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' libpam-bpfdeleg 2>/dev/null)" = installed ]; }
package_install() {
        DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i "${1:-$(ls "$bed"/deb/libpam-bpfdeleg_*.deb)}" </dev/null
}
pam_enabled() { grep -q pam_bpfdeleg.so /etc/pam.d/common-session; }
# profiles_are [NAME]: this one of the two is enabled, or none.
profiles_are() {
        DEBIAN_FRONTEND=noninteractive pam-auth-update --package --remove bpfdeleg bpfdeleg-enforce </dev/null \
                || return 1
        [ $# -eq 0 ] || DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable "$1" </dev/null
}
pam_enable() { DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable bpfdeleg </dev/null; }

# 50 logins at once are no attack here, and neither are sessions that are shot.
sshd_ready() {
        local conf=/etc/ssh/sshd_config.d/bed.conf
        [ -e "$bed/key" ] || ssh-keygen -q -t ed25519 -N '' -C bed -f "$bed/key" || return 1
        [ -e "$conf" ] || printf '%s\n' 'MaxStartups 200:30:400' 'PerSourcePenalties no' 'UseDNS no' >"$conf" \
                || return 1
        systemctl restart ssh
}

helper_active() { systemctl is-active --quiet bpfdelegd.socket; }

# The journal keeps more from one unit in half a minute than it does by default: 50 logins are a lot to say.
prepare() {
        package_installed || package_install || return 1
        pam_enabled || pam_enable || return 1
        mkdir -p "$policy_dir"
        no_policies
        sshd_ready || return 1
        systemctl daemon-reload
        # Nor are as many starts as tests have a reason to give up on the helper.
        systemctl reset-failed bpfdelegd.service bpfdelegd.socket 2>/dev/null
        systemctl start bpfdelegd.socket && systemctl restart bpfdelegd.service && wait_until helper_active
}

setup() {
        trap undo EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        umask 022
        T=$(mktemp -d /tmp/bed.XXXXXX) && chmod 0755 "$T" && mkdir "$T/s" "$T/world" "$T/bin" && cd "$T" || exit 1
        : >"$T/out"
        install -m 0644 "$tools"/*.bpf.o "$T/bin/" && mark_maps "$T"/bin/*.bpf.o \
                && install -m 0755 "$tools/packets" "$T/bin/" || exit 1
        prepare >"$T/out" 2>&1 || { tap failed "the machine is made ready"; exit 1; }
        world_snapshot start
        mark
}

# Not in a fork that is signalled before it has executed what it is for: that comes here as well.
undo() {
        local code=$? pid
        trap - EXIT
        [ "$BASHPID" = "$$" ] || exit "$code"
        trap '' INT TERM HUP
        for pid in "${!pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
        # bash says of each that it was killed; nobody wants to know.
        [ ${#pids[@]} -eq 0 ] || wait "${!pids[@]}" 2>/dev/null
        remove_users
        no_policies
        cd / && [ -n "$T" ] && rm -rf "$T"
        exit "$code"
}

finish() {
        local name
        row_ends
        for name in "${!session_pid[@]}"; do session_end "$name" >/dev/null 2>&1; done
        remove_users
        no_policies
        ok "nothing is left on the machine" world_same start
        printf '1..%d\n' "$case_count"
        [ "$case_failures" -eq 0 ]
        exit
}

# ---- the helper in another form --------------------------------------------------------------------------------------

# A test that writes here gives the bed its helper back, whatever happens.
drop_in=/run/systemd/system/bpfdelegd.service.d/bed.conf
as_shipped() {
        rm -rf "${drop_in%/*}"
        systemctl daemon-reload
        systemctl restart bpfdelegd.socket bpfdelegd.service
}

# The same sources built without a guard, for what is to be seen beside it.
helper_without_guard() {
        ok "the helper is stopped" systemctl stop bpfdelegd.socket bpfdelegd.service
        ok "the guard is taken away" /usr/libexec/bpfdelegd --end-all
        mkdir -p "${drop_in%/*}" && printf '[Service]\nExecStart=\nExecStart=%s\n' "$bed/escape/bpfdelegd-unguarded" \
                >"$drop_in"
        ok "a helper without one takes its place" systemctl daemon-reload
        ok "and starts" systemctl start bpfdelegd.socket bpfdelegd.service
}

# ---- rows ------------------------------------------------------------------------------------------------------------

# covers KIND NAME: the cases that follow try this; there must be some. tests/tree/shipped.sh looks for these lines.
row='' row_begin=0
row_ends() { [ -z "$row" ] || [ "$case_count" -gt "$row_begin" ] || tap failed "there is a case of $row"; }
covers() {
        [ "$case_count" -eq "$row_begin" ] || row=''
        row="${row:+$row, }$*" row_begin=$case_count
        diag "covers $*"
}

# ---- users -----------------------------------------------------------------------------------------------------------

next_uid=$((20000 + SRANDOM % 19000))
# add_user NAME [GROUP…]: who can come by ssh with the key of the bed, and to a console with the password bed-NAME.
add_user() {
        local name=$1 home=/home/$1
        shift
        # Uids that nobody has outside of a container: what others do there to a user of theirs must not reach ours, nor
        # look like his. For logind, up to 60000 is a person.
        next_uid=$((next_uid + 1))
        useradd -m -s /bin/bash -K UID_MIN=20000 -K UID_MAX=59999 -u "$next_uid" -G "$(IFS=,; echo "$*")" "$name" \
                || return 1
        users+=("$name")
        user_uids+=("$(id -u "$name")")
        echo "$name:bed-$name" | chpasswd || return 1
        install -d -m 0700 -o "$name" -g "$name" "$home/.ssh"
        install -m 0600 -o "$name" -g "$name" "$bed/key.pub" "$home/.ssh/authorized_keys"
}
add_group() { groupadd "$1" && groups+=("$1"); }

# A user's slice has all that logind and we have started for him.
remove_users() {
        local u uid
        for u in "${users[@]}"; do
                uid=$(id -u "$u") || continue
                loginctl disable-linger "$u" 2>/dev/null
                systemctl stop "user-$uid.slice" "user@$uid.service" 2>/dev/null
                kill_user "$u"
                userdel -rf "$u" >/dev/null 2>&1
        done
        for u in "${groups[@]}"; do groupdel "$u" >/dev/null 2>&1; done
        users=() groups=()
}

user_slice_gone() { ! [ -d "$cgroup2/user.slice/user-$1.slice" ]; }
# logged_out USER: logind lists no session of his; his manager may go on for a while.
no_session() { ! loginctl list-sessions --no-legend | awk -v user="$1" '$3 == user' | grep -q .; }
logged_out() { wait_until no_session "$1"; }

# ---- policies --------------------------------------------------------------------------------------------------------

# As in the bare bed, where the machine reads them. A user "group:NAME" means the group: simple_policy 50-net
# group:netdev.
policy() {
        sed 's/^users = group:/groups = /' >"$policy_dir/.new" && chmod 0644 "$policy_dir/.new" \
                && mv "$policy_dir/.new" "$policy_dir/$1.ini"
}
no_policies() { rm -f "$policy_dir"/*.ini; }

# What a user runs, and has been copied for him. bpftool is where a user's PATH does not lead.
load=(/usr/sbin/bpftool prog load)
load_packets() { printf '%s ' "${load[@]}" "$T/bin/packets.bpf.o" "/sys/fs/bpf/${1:-packets}"; }
load_other() { printf '%s ' "${load[@]}" "$T/bin/other.bpf.o" "/sys/fs/bpf/${1:-other}"; }

# ---- logins ----------------------------------------------------------------------------------------------------------

ssh_options=(-T -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
        -o ConnectTimeout=$((30 * slow)) -o IdentitiesOnly=yes -i "$bed/key")

# The client ends before sshd has closed the session. Whoever does not wait for that meets his own last login.
sshd_of() { pgrep -cf "^sshd-session: $1 \\[priv\\]"; }
sshd_at_most() { [ "$(sshd_of "$1")" -le "$2" ]; }

# ssh_as USER CMD…: one whole login; its output and status.
ssh_as() {
        local user=$1
        shift
        ssh_sh "$user" "$(printf '%q ' "$@")"
}
# ssh_sh USER TEXT: the same with a piece of shell.
ssh_sh() {
        local before code=0
        before=$(sshd_of "$1")
        ssh_only "$@" || code=$?
        wait_until sshd_at_most "$1" "$before" || echo "sshd of $1 does not end" >&2
        return "$code"
}
# The same for many at once, without that waiting.
ssh_only() { ssh "${ssh_options[@]}" -l "$1" localhost "$2" </dev/null; }

# session_with NAME CMD…: a session whose shell is what CMD has at the other end.
session_with() {
        local name=$1 in=$T/s/$1.in out=$T/s/$1.out fd_in fd_out
        shift
        rm -f "$in" "$out"
        mkfifo "$in" "$out" || return 1
        spawn bash -c 'in=$1 out=$2 err=$3; shift 3; exec "$@" <"$in" >"$out" 2>"$err"' sh "$in" "$out" \
                "$T/s/$name.err" \
                "$@" </dev/null
        session_pid[$name]=$spawned
        exec {fd_in}>"$in" {fd_out}<"$out"
        session_in[$name]=$fd_in
        session_out[$name]=$fd_out
        in_session "$name" true && session_of[$name]=$(session_leader "$name") && return 0
        cat "$T/s/$name.err"
        return 1
}

# session_end NAME: as in the bare bed, and then until its leader, who closes the PAM session, has gone.
eval "client_end() $(declare -f session_end | sed 1d)"
session_end() {
        local leader=${session_of[$1]:-} code=0
        client_end "$1" || code=$?
        [ -z "$leader" ] || wait_until gone "$leader" || { echo "the leader of session $1 does not end"; return 1; }
        return "$code"
}

# session_start NAME USER: over ssh; the shell stays, for in_session and session_end.
session_start() { session_with "$1" ssh "${ssh_options[@]}" -l "$2" localhost 'exec bash --norc'; }

# console_start NAME USER [COMMAND…]: by login(1) with a password, on a terminal of its own; or by what else asks for
# one.
console_start() {
        local name=$1 user=$2
        shift 2
        [ $# -gt 0 ] || set -- login "$user"
        # An interactive bash without prompt and echo, so that what comes is output only.
        session_with "$name" "$tools/on-pty" assword: "bed-$user" '$ ' \
                'stty -echo -onlcr; PS1= PS2= exec bash --norc --noprofile --noediting' \
                -- env TERM=dumb "$@"
}

# session_lost NAME: one that somebody else has ended; the client notices.
session_lost() {
        local pid=${session_pid[$1]}
        session_forget "$1"
        wait_until gone "$pid" || { echo "the client of session $1 does not end"; kill -KILL "$pid"; return 1; }
        wait "$pid" 2>/dev/null
        unset "pids[$pid]"
}

is_inside() { [ -e "/proc/$1/ns/user" ] && ! [ "/proc/$1/ns/user" -ef /proc/1/ns/user ]; }
# sleep_inside NAME [CMD…]: starts a process in the session's delegation that stays there; prints its pid, once it is
# inside.
sleep_inside() {
        local name=$1 pid
        shift
        [ $# -gt 0 ] || set -- sleep 1000
        pid=$(in_session_sh "$name" "bpfdeleg run -- $* </dev/null >/dev/null 2>&1 & echo \$!")
        wait_until is_inside "$pid" && echo "$pid"
}

session_id() { in_session_sh "$1" 'echo $XDG_SESSION_ID'; }
# The process that opened the PAM session, and has to close it: sshd for root, above the sshd of the user; or login.
session_leader() {
        local pid
        pid=$(in_session_sh "$1" 'echo $PPID')
        case $(cat "/proc/$pid/comm") in sshd*) ps -o ppid= --pid "$pid" | tr -d ' ' ;; *) echo "$pid" ;; esac
}

# ---- the helper and its delegations ----------------------------------------------------------------------------------

main_pid() { systemctl show -P MainPID bpfdelegd.service; }
helper_fds_snapshot() {
        helper_pid=$(main_pid)
        helper_fds >"$T/helper.fds"
        helper_idle_pid=$helper_pid
        helper_pid=
}
helper_fds_equal() {
        local helper_pid=$helper_idle_pid
        helper_fds >"$T/helper.fds.now"
        cmp -s "$T/helper.fds" "$T/helper.fds.now"
}
# One that was started anew has no descriptors that could be compared.
helper_fds_same() {
        [ "$(main_pid)" = "$helper_idle_pid" ] || return 0
        wait_until helper_fds_equal && return 0
        diff -u "$T/helper.fds" "$T/helper.fds.now"
        return 1
}

# Whichever backend: a scope, or a directory of the helper's own.
delegation_dirs() {
        find "$cgroup2" \( -path '*/bpfdeleg/*' -o -path '*/bpfdeleg-*.scope/*' \) -prune -o \
                -type d \( -path '*/bpfdeleg/[0-9a-f]*' -o -name 'bpfdeleg-*.scope' \) -print 2>/dev/null | sort
        find "$cgroup2/bpfdeleg" -mindepth 1 -maxdepth 1 -type d 2>/dev/null
}

# ends_in_time LEADER N: once the process that closes the last session is gone, no more than N delegations are left
# within a second.
ends_in_time() {
        local begin
        wait_until gone "$1" || { echo "the session's process $1 does not end"; return 1; }
        begin=$(now_ms)
        expect_delegations "$2" || return 1
        [ $(($(now_ms) - begin)) -le $((1000 * slow)) ] || { echo "it took $(($(now_ms) - begin)) ms"; return 1; }
}

scope_of() { systemctl list-units --no-legend --plain "bpfdeleg-${1%%-*}.scope" | awk '{ print $1 }'; }

# ---- the journal -----------------------------------------------------------------------------------------------------

# mark: what comes after it counts for records, logged and journal.
mark() {
        journalctl --sync
        cursor=$(journalctl -q -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
}
journal() { journalctl --sync; journalctl -q --after-cursor="$cursor" "$@"; }
log_mark() { mark; }
log_new() { journal -o cat -u bpfdelegd.service; }

# Each record of what happened to a delegation as "EVENT USER POLICY", as far as they are known; what the module had to
# say as "module: TEXT"; what else the helper, or systemd about it, took for worth a warning as "warning: TEXT".
records() {
        journal -o json \
                | jq -r 'select((.MESSAGE | type) == "string") |
                        [.PRIORITY, .UNIT // ._SYSTEMD_UNIT // "-", .MESSAGE] | join("\u0001")' \
                | awk -F '\001' '
                        function field(name,  words) {
                                words = " " $3
                                if (!sub(".* " name "=", "", words)) return ""
                                sub(/[ :].*/, "", words)
                                return words
                        }
                        $3 ~ /^(grant|join|leave|end|refuse|guard): / && $2 == "bpfdelegd.service" {
                                event = $3; sub(/:.*/, "", event)
                                if (field("user") != "" && field("policy") != "")
                                        print event, field("user"), field("policy")
                                else { sub(/: /, " ", $3); print $3 }
                                next
                        }
                        $3 ~ /^pam_bpfdeleg\(/ { sub(/^[^)]*\): /, "", $3); print "module: " $3; next }
                        $2 ~ /^bpfdeleg/ && $1 <= 4 { print "warning: " $3 }'
}

records_are() { # ERE…
        local record i=1
        while IFS= read -r record; do
                [ $i -le $# ] && [[ $record =~ ^${!i}$ ]] || return 1
                i=$((i + 1))
        done < <(records)
        [ $i -gt $# ]
}

# expect_records ERE…: since the mark there have been exactly these, in this order; then a new mark.
expect_records() {
        local code=0
        if ! wait_until records_are "$@"; then
                echo "wanted exactly these records:"
                [ $# -eq 0 ] || printf '  %s\n' "$@"
                echo "there are:"
                records | sed 's/^/  /'
                echo "from:"
                journal -o short-precise | grep -E 'bpfdeleg' | tail -n 20
                code=1
        fi
        mark
        return "$code"
}
recorded() {
        local words
        words=$(printf '; %s' "$@")
        ok "the journal has exactly: ${words#; }" expect_records "$@"
}

# ---- the machine before and after ------------------------------------------------------------------------------------

world_kinds=(units failed cgroups processes files mounts pins objects)

world_units() { systemctl list-units --all --no-legend --plain 'bpfdeleg-*' | awk '{ print $1 }'; }
world_failed() { systemctl list-units --failed --no-legend --plain | awk '{ print $1 }'; }
world_cgroups() { delegation_dirs; }

# What could be a delegation's: in another user namespace, or of an ordinary user and neither in a session nor his
# manager's, or a child of the helper's.
world_processes() {
        local dir uid cgroup helper
        helper=$(main_pid)
        for dir in /proc/[0-9]*; do
                cgroup=$(sed -n 's/^0:://p' "$dir/cgroup" 2>/dev/null)
                # Threads of the kernel have none, or the root.
                [ "${cgroup:-/}" != / ] || continue
                uid=$(stat -c %u "$dir" 2>/dev/null) || continue
                case $cgroup in
                */bpfdeleg-*.scope* | */bpfdeleg/*) ;;
                /system.slice/bpfdelegd.service) [ "${dir#/proc/}" != "$helper" ] || continue ;;
                */user@*.service/*) continue ;;
                *) [ "$uid" -ge 1000 ] && [ "$uid" -lt 60000 ] || ! [ "$dir/ns/user" -ef /proc/1/ns/user ] \
                        || continue ;;
                esac
                printf '%s %s %s %s\n' "${dir#/proc/}" "$uid" "$cgroup" "$(tr '\0' ' ' <"$dir/cmdline" 2>/dev/null)"
        done
}
world_files() {
        find /run/bpfdeleg -mindepth 1 2>/dev/null
        find /run/systemd/transient -name '*bpfdeleg*' 2>/dev/null
}
world_mounts() { grep -Ev ' /run/(user|credentials)/' /proc/1/mountinfo | cut -d' ' -f4-; }
# By their names: a helper that starts anew has new programs of the guard.
eval "numbered_objects() $(declare -f world_objects | sed 1d)"
world_objects() { numbered_objects | sed -E 's/^([a-z]+) [0-9]+:/\1/; s/ of prog [0-9]+$//'; }
world_ours() { cat; }

# idle: remember the machine with no session of the test's; nothing_left WORDS: all as then.
idle() { mark && helper_idle; }
nothing_left() { still_idle "$1: nothing is left"; }
