# shellcheck shell=bash
# shellcheck disable=SC2154 # cgroup2, user_path, spawned: tests/system/lib.sh
# shellcheck disable=SC2004 # off and on have names for keys
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the attacks need around them: policies with the guard off and on, a look at what is attached where, and each
# vector tried in both. Sourced after tests/system/lib.sh; a test calls `attacks`, and that is all.
#
# With the guard off a vector must succeed, or the test would prove nothing; with it on it must be refused and leave
# nothing attached. One that a kernel does not offer is listed as such. Off is a helper that has no guard: where there
# is one, `confine = off` leaves the targets alone, but contents and the end are still its own. Where the helper can
# have no guard, the second half is untried, and the table at the end says so.

declare -A off=() on=() # vector → its result
other_dir='' own_dir='' # another user's delegation in a second mount of cgroup2; the attacker's

# ---- a host ----------------------------------------------------------------------------------------------------------

# Devices, mounts and a link of an admin's, as any host may have them.
furnish() {
        # With the options that it has: they are the whole file system's, and nsdelegate would be gone from the first
        # mount, too.
        mkdir -p "$T/cg2" "$T/bpffs" \
                && mount -t cgroup2 -o "$(awk -v at="$cgroup2" '$5 == at { print $NF }' /proc/self/mountinfo)" \
                none "$T/cg2" && mount -t bpf -o mode=0755 none "$T/bpffs" || return 1
        "$T/bin/escape" --admin-link "$cgroup2" "$T/bpffs/link" && chmod 0666 "$T/bpffs/link" || return 1
        ip link add escv0 type veth peer name escv1 address 02:00:00:00:00:77 && ip addr add 10.233.77.1/24 dev escv0 &&
                ip link set escv0 up && ip link set escv1 up || return 1
        # Frames that XDP sends reach the other end only if that has XDP, too.
        "$T/bin/escape" --admin-xdp escv1 "$T/bpffs/xdp" || return 1
        ip link add escnk0 type netkit 2>/dev/null && ip link set escnk0 up
        return 0
}
unfurnish() {
        ip link del escv0 2>/dev/null
        ip link del escnk0 2>/dev/null
        umount "$T/bpffs" 2>/dev/null
        umount "$T/cg2" 2>/dev/null
        return 0
}

# ---- the two halves: the only place that knows how the guard is switched ---------------------------------------------

guard_off_policy() { echo 'confine = off'; }
guard_on_policy() { echo 'confine = required'; }
guard_off_helper() { program tests/escape/bpfdelegd-unguarded; }
guard_on_helper() { program helper/bpfdelegd; }

# Pinned by the helper.
guard_map_entries() { bpftool -j map dump pinned "$guard_dir/$1" | jq length; }
# The last of the counters: GUARD_USERS, as four bytes.
common_tokens() {
        bpftool -j map lookup pinned "$guard_dir/users" key hex 00 40 00 00 \
                | jq -r '.formatted.value // (.value | join(" "))'
}
guard_knows_nothing() {
        local map n left=''
        for map in delegations namespaces supers tokens holders roots counted; do
                n=$(guard_map_entries "$map") || n=unreadable
                [ "$n" = 0 ] || left+=" $map: $n"
        done
        n=$(common_tokens) || n=unreadable
        [ "$n" = 0 ] || left+=" common tokens: $n"
        [ -z "$left" ] || { echo "left in the guard's maps:$left"; return 1; }
}

# Within a second of the last end; on an emulated machine, of its own.
guard_is_empty() { patience=${BED_SLOW:-1} wait_until guard_knows_nothing >/dev/null || guard_knows_nothing; }

# Every program that is pinned is there, and has never been passed over. The kernel may not have freed an earlier test's
# yet.
guard_was_never_skipped() {
        local pinned
        pinned=$(find "$guard_dir" -name 'guard_*' | wc -l)
        bpftool -j prog show | jq -r '.[] | select((.name // "") | startswith("guard_")) | select(.type == "lsm")
                | "\(.name) \(.recursion_misses // 0)"' | tee "$T/misses"
        [ "$pinned" -gt 0 ] && [ "$(sort -u "$T/misses" | wc -l)" -eq "$pinned" ] && ! grep -v ' 0$' "$T/misses"
}

# escape_policy GUARD KIND USER: what the vectors of a kind want delegated. KIND: usual, wide (types of the whole
# machine), private (an own network namespace), private-wide. What is of the whole machine cannot be confined where it
# is granted (allow_host_wide), guard or not; so with the guard on it is "any" that must not grant it.
escape_policy() {
        local maps='array, hash, prog_array, array_of_maps, sockmap, sockhash, sk_storage' \
                progs='@socket, @cgroup, @netns' more=()
        case $1-$2 in
        off-*wide)
                maps+=', devmap, struct_ops'
                progs+=', syscall, cgroup_sockopt'
                more+=('bpf:allow_host_wide = yes')
                ;;
        on-*wide) maps=any progs=any ;;
        esac
        case $2 in private*) more+=('bpf:network = private') ;; esac
        simple_policy 50-escape "$3" "bpf:$("guard_$1_policy")" "bpf:delegate_maps = $maps" \
                "bpf:delegate_progs = $progs" \
                'bpf:delegate_attachs = any' "${more[@]}"
}

# ---- what is attached, as root sees it -------------------------------------------------------------------------------

# Everything on this host but what sits on the delegation's own cgroups ($own_dir): links, programs on cgroups, on
# interfaces. Not by bpftool: it takes seconds for that on an emulated machine, and each vector wants it several times.
attached() {
        "$attached" "$cgroup2" "${own_dir:-}"
        [ ! -e /sys/kernel/sched_ext/root/ops ] || sed 's/^/sched_ext /' /sys/kernel/sched_ext/root/ops
        ip -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*\(prog\/xdp.*\)/xdp \1 \2/p'
}
attached_snapshot() { attached | sort >"$T/attached.before"; }
attached_new() { attached | sort | comm -13 "$T/attached.before" - >"$T/attached.new"; [ -s "$T/attached.new" ]; }
attached_none() { ! attached_new; }

unregister_schedulers() {
        local id
        for id in $(bpftool -j map list | jq '.[] | select(.type == "struct_ops") | .id'); do
                bpftool struct_ops unregister id "$id" >/dev/null
        done
}
# What a legacy attachment or a scheduler leaves behind when the guard is off: removed by hand, it outlives everybody.
detach_left() {
        local kind where id type
        attached_new || return 0
        while read -r kind where id _ type; do
                # All legacy attachments of the vectors to cgroups are to egress.
                case "$kind $type" in
                cgroup*) bpftool cgroup detach "$where" egress id "$id" 2>/dev/null ;;
                network*) bpftool prog detach id "$where" flow_dissector 2>/dev/null ;;
                sched_ext*) unregister_schedulers ;;
                esac
        done <"$T/attached.new"
        # Another program in the link of an admin stays there, and is the state that the next vector starts from.
        patience=3 wait_until attached_none || attached_snapshot
}

# ---- one vector ------------------------------------------------------------------------------------------------------

# What must be seen from outside while a vector has escaped, by its name.
leaves_attached() {
        case $1 in
        cgroup-* | xdp | tcx | netkit | netfilter | sk-lookup* | flow-dissector* | prog-* | sched-ext) return 0 ;;
        *) return 1 ;;
        esac
}

# Kernels that refuse by themselves, with the guard off: vector, their first and last release ("-": open), what they
# say, why. Everything else must escape: a refusal where it is known to work is a failure.
kernels_refusing() {
        cat <<-'END'
		kfunc-rdonly-cast 6.9 6.16 refused:*load:*CAP_PERFMON* bare memory is for everybody from 6.17 on only
		kfunc-rdonly-cast 7.3 - refused:*load:*CAP_PERFMON* asks for it from 7.3 on
		kfunc-probe-read-dynptr 6.9 6.15 absent:* came with 6.16
		kfunc-probe-read-dynptr 7.3 - refused:*load:*CAP_PERFMON* asks for it from 7.3 on
		kfunc-iter-bits 6.9 6.10 absent:* came with 6.11
		kfunc-iter-bits 6.9 6.10 absent:* came with 6.11
		kfunc-iter-bits 7.3 - refused:*load:*CAP_PERFMON* asks for it from 7.3 on
		kfunc-strlen 6.9 6.16 absent:* came with 6.17
		kfunc-strlen 7.3 - refused:*load:*CAP_PERFMON* asks for it from 7.3 on
		syscall-program 6.13 - refused:*load:?Invalid?argument* has no such helper from 6.13 on
		token-nested-use 6.9 - refused:*load:?Operation?not?permitted* a token works in its bpffs's namespace
		token-nested-create 6.9 - refused:*load:?Operation?not?permitted* it is made in its bpffs's namespace
		token-second-bpffs 6.9 - refused:*mount?of?a?second?bpffs:?Operation?not?permitted* only root mounts one
		prog-second-bpffs 6.9 - refused:*mount?of?a?second?bpffs:?Operation?not?permitted* only root mounts one
		xdp-by-netlink-joined 6.9 - refused:*netlink:*Operation?not?permitted* as above
		xdp-by-netlink 6.9 - refused:*netlink:*Operation?not?permitted* the host's network namespace is root's
		late-timer 6.18 - absent:*no?timers?here* asks for cx16, which the emulated processor has not (qemu.sh)
		push-stale 6.9 - absent:*were?cleared* this kernel was booted with init_on_alloc
		headroom-stale 6.9 - absent:*were?cleared* this kernel was booted with init_on_alloc
		sched-ext 6.9 6.17 absent:* Debian has it from 6.13 on, and only from 6.18 on it needs no program
	END
}
release_number() { awk -F '[.-]' '{ print $1 * 1000 + $2 }' <<<"$1"; }
# kernel_refuses VECTOR SAYS: what it says is what this kernel does say.
kernel_refuses() {
        local vector first last says release
        release=$(release_number "$(uname -r)")
        while read -r vector first last says _; do
                [ "$vector" = "$1" ] || continue
                [ "$release" -ge "$(release_number "$first")" ] || continue
                [ "$last" = - ] || [ "$release" -le "$(release_number "$last")" ] || continue
                # shellcheck disable=SC2254 # a pattern
                case $2 in $says) return 0 ;; esac
        done < <(kernels_refusing)
        return 1
}

answered() {
        local line n=0
        while IFS= read -r line; do
                [[ $line =~ ^(ready|escaped|refused|absent|broken):\  ]] && n=$((n + 1))
        done <"$T/vector.out"
        [ "$n" -ge "$vector_answers" ] || gone "$vector_pid"
}

# vector_start USER NAME: in the background; what it says is in $T/vector.out, and $vector_says has its line.
vector_start() {
        local fd
        rm -f "$T/vector.in"
        mkfifo "$T/vector.in"
        : >"$T/vector.out"
        # shellcheck disable=SC2016 # for the inner shell
        spawn bash -c \
                'in=$1 out=$2 dir=$3; shift 3;
                                 [ -z "$dir" ] || echo $$ >"$dir/cgroup.procs"; exec "$@" <"$in" >"$out" 2>&1' \
                sh "$T/vector.in" "$T/vector.out" "${freezer_dir:-}" \
                setpriv --reuid="$(id -u "$1")" --regid="$(id -g "$1")" --clear-groups \
                env "BPFDELEG_SOCKET=$T/run/user" "PATH=$user_path" "HOME=$T/home/$1" "USER=$1" "ESCAPE_MOUNT=$T/cg2" \
                "ESCAPE_OTHER=${other_dir:-}" "ESCAPE_LINK=$T/bpffs/link" "ESCAPE_RECEIVER=$cgroup_parent" \
                        "ESCAPE_WRITER=$cgroup_parent-writer" "ESCAPE_FREEZER=${freezer_dir:-}" "$T/bin/escape" \
                        --hold "$2" </dev/null
        vector_pid=$spawned vector_answers=1
        exec {fd}>"$T/vector.in"
        vector_fd=$fd
        vector_hear
}

# What it has said last; "ready" is said before the end of a session.
vector_hear() {
        patience=${vector_patience:-$((30 * ${BED_SLOW:-2}))} wait_until answered
        vector_says=$(grep -E '^(ready|escaped|refused|absent|broken): ' "$T/vector.out" | tail -n 1)
        [ -n "$vector_says" ] || vector_says="broken: $(tr '\n' ' ' <"$T/vector.out")"
}

vector_end() {
        exec {vector_fd}>&-
        vector_fd=
        wait_until gone "$vector_pid" || kill -KILL "$vector_pid"
        wait "$vector_pid" 2>/dev/null
        unset "pids[$vector_pid]"
}

# vector_off NAME: must escape, and be seen from outside to have done so. Its result is kept for the table.
vector_off() {
        local name=$1 seen=
        vector_start "$alice" "$name"
        attached_new && seen=$(tr '\n' ';' <"$T/attached.new")
        vector_end
        detach_left
        [ -z "$seen" ] || echo "seen: $seen" >>"$T/vector.out"
        off["$name"]=$vector_says
        case $vector_says in
        escaped:*)
                if leaves_attached "$name" && [ -z "$seen" ]; then
                        tap failed "$name escapes with the guard off, and is seen attached" "$T/vector.out"
                else
                        tap ok "$name escapes with the guard off"
                fi
                ;;
        *)
                if kernel_refuses "$name" "$vector_says"; then
                        tap ok "$name: not offered by this kernel ($vector_says)"
                        off["$name"]="not-offered: ${vector_says#*: }"
                else
                        tap failed "$name escapes with the guard off" "$T/vector.out"
                fi
                ;;
        esac
}

# What the guard never answers: an attack that fails so has not been refused by it.
failed_otherwise() { # SAYS
        local of_the_kernel='Invalid argument|No such|Cannot allocate|Bad |not implemented|not supported'
        of_the_kernel+='|too long|busy|timed out'

        [[ $1 =~ ($of_the_kernel) ]]
}

# vector_on NAME: must be refused, and leave nothing attached, neither while its processes are there nor afterwards.
vector_on() {
        local name=$1 seen=
        vector_start "$alice" "$name"
        attached_new && seen=$(tr '\n' ';' <"$T/attached.new")
        vector_end
        wait_until attached_none || seen+=" and stays"
        detach_left
        [ -z "$seen" ] || echo "seen: $seen" >>"$T/vector.out"
        on["$name"]=$vector_says
        if documented "$name" && [[ $vector_says = escaped:* ]]; then
                tap ok "$name: with the guard on, too, as SECURITY.md says"
                on["$name"]="documented: ${vector_says#*: }"
                return
        fi
        case "${off["$name"]} $vector_says" in
        not-offered:*' escaped:'*) tap failed "$name is refused with the guard on" "$T/vector.out" ;;
        not-offered:* | *' refused:'*)
                if [ -n "$seen" ]; then
                        tap failed "$name leaves nothing with the guard on" "$T/vector.out"
                elif [[ ${off["$name"]} != not-offered:* ]] && failed_otherwise "$vector_says"; then
                        tap failed "$name is refused by the guard, and not for another reason" "$T/vector.out"
                else
                        tap ok "$name is refused with the guard on, and leaves nothing"
                fi
                ;;
        *) tap failed "$name is refused with the guard on" "$T/vector.out" ;;
        esac
}

# vector_goes_on: it was ready, and gets its word.
vector_goes_on() {
        case $vector_says in
        ready:*)
                echo >&"$vector_fd"
                vector_answers=2
                vector_hear
                ;;
        esac
}

# No record is left of what has ended.
swept() {
        [ "$(find "$T/run/state" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' | wc -l)" -eq "$(delegation_count)" ]
}

# vector_ends GUARD NAME: in a session of its own, which ends when the vector is ready.
vector_ends() {
        local guard=$1 name=$2
        session_start a "$alice" >"$T/out" 2>&1 || { tap failed "a session for $name"; return; }
        vector_start "$alice" "$name"
        session_end a
        # Without a guard strays are looked for a little after the end: who goes on in the namespace before that is
        # killed as one.
        [ "$guard" = on ] || wait_until swept >/dev/null
        vector_goes_on
        vector_end
        case "$guard $vector_says" in
        'off escaped:'*) tap ok "$name is alive after the end with the guard off" ;;
        'off absent:'* | 'off refused:'*)
                if kernel_refuses "$name" "$vector_says" || ends_anyway "$name"; then
                        tap ok "$name: dead without a guard ($vector_says)"
                        vector_says="not-offered: ${vector_says#*: }"
                else
                        tap failed "$name is alive after the end with the guard off" "$T/vector.out"
                fi
                ;;
        'on absent:'*) tap ok "$name is not offered by this kernel" ;;
        'on escaped:'* | 'on refused:'*)
                case "$(documented "$name" && echo documented) $vector_says" in
                'documented escaped:'*)
                        tap ok "$name goes on with the guard on, as SECURITY.md says"
                        vector_says="documented: ${vector_says#*: }"
                        ;;
                ' refused:'*) tap ok "$name is dead after the end with the guard on" ;;
                *) tap failed "$name is dead after the end with the guard on, or goes on as SECURITY.md says" \
                        "$T/vector.out" ;;
                esac
                ;;
        *) tap failed "$name: alive after the end with the guard off, dead with it on; this was $guard" \
                "$T/vector.out" ;;
        esac
        if [ "$guard" = off ]; then off["$name"]=$vector_says; else on["$name"]=$vector_says; fi
}

# judged GUARD NAME: what the vector has said last.
judged() {
        case "$1 $vector_says" in
        'off escaped:'*) tap ok "$2 escapes with the guard off" ;;
        'on refused:'*) tap ok "$2 is refused with the guard on" ;;
        *) tap failed "$2 escapes with the guard off, and not with it on; this was $1" "$T/vector.out" ;;
        esac
        if [ "$1" = off ]; then off["$2"]=$vector_says; else on["$2"]=$vector_says; fi
}

# own_works NAME GUARD: what the user is given works.
own_works() {
        vector_start "$alice" "$1"
        vector_end
        case $vector_says in
        escaped:*) tap ok "$1 works with the guard $2" ;;
        *) tap failed "$1 works with the guard $2" "$T/vector.out" ;;
        esac
}

# ---- all of them -----------------------------------------------------------------------------------------------------

# vectors GROUP: names of one group, in the table's order.
vectors() { "$T/bin/escape" --list | awk -v group="$1" '$2 == group { print $1 }'; }

# round GUARD KIND GROUP…: a session with the policy of that kind, and each vector of the groups in it.
round() {
        local guard=$1 kind=$2 group name
        shift 2
        escape_policy "$guard" "$kind" "$alice"
        if ! session_start a "$alice" >"$T/out" 2>&1 || ! in_session a bpfdeleg run -- true >"$T/out" 2>&1; then
                tap failed "a session with the guard $guard ($kind)"
                [ -z "${session_pid[a]:-}" ] || session_end a >/dev/null 2>&1
                return 1
        fi
        # Once: each vector must leave things as they were.
        own_dir=$(delegation_dirs | grep -v "/$(basename "$other_dir")\$")
        attached_snapshot
        for group; do
                for name in $(vectors "$group"); do
                        case $group in
                        own*) own_works "$name" "$guard" ;;
                        *) "vector_$guard" "$name" ;;
                        esac
                done
        done
        ok "the session ends ($kind, guard $guard)" session_end a
}

# What the end of a session ends without any guard. A test may know some.
ends_anyway() { return 1; }
# What goes on with the guard, too, and SECURITY.md says so.
documented() { return 1; }

# ends GUARD GROUP [KIND]: those that look at what is left after the session.
ends() {
        local name
        escape_policy "$1" "${3:-usual}" "$alice"
        for name in $(vectors "$2"); do vector_ends "$1" "$name"; done
}

# rounds GUARD ROUND…: "KIND GROUP…", a group of those that look at the end, or a function of the test's.
rounds() {
        local guard=$1 one
        shift
        for one; do
                # shellcheck disable=SC2086 # words
                case $one in
                end | late) ends "$guard" "$one" ;;
                kept-net) ends "$guard" "$one" private ;;
                *' '*) round "$guard" $one || return 1 ;;
                *) "$one" "$guard" ;;
                esac
        done
}

# Inside the other user's delegation, until his session ends.
receiver_listens() { grep -q "@$cgroup_parent\$" /proc/net/unix; }
receiver_start() {
        in_session_sh b "bpfdeleg run -- '$T/bin/escape' --receive '$cgroup_parent' >/dev/null 2>&1 &" \
                && wait_until receiver_listens
}

# The vm bed's machine for races (qemu.sh) has its second processor only while no guard is attached or detached.
processors() { # 1|2
        ! grep -qw maxcpus=1 /proc/cmdline || echo $(($1 - 1)) >/sys/devices/system/cpu/cpu1/online
}

# half GUARD ROUND…: with a helper of its own, and another user's delegation beside.
half() {
        local guard=$1
        shift
        # shellcheck disable=SC2034 # for helper_start
        bpfdelegd=$("guard_${guard}_helper") || exit 1
        ok "the helper starts (guard $guard)" helper_start || return 1
        if [ "$guard" = on ] && ! guarded; then
                skip "each of them with the guard on" "no guard here: $(tr '\n' ' ' <"$T/out" | cut -c 1-200)"
                return
        fi
        ok "another user has a delegation (guard $guard)" session_start b "$bob"
        other_dir=$T/cg2/$cgroup_parent/$(basename "$(delegation_dirs | head -n 1)")
        case " $* " in *' receivers '*) ok "the other user receives what he is given (guard $guard)" receiver_start \
                ;; esac
        processors 2
        rounds "$guard" "$@"
        processors 1
        ok "the other user's session ends (guard $guard)" session_end b
        if [ "$guard" = on ]; then
                ok "nothing is left in the guard's maps" guard_is_empty
                ok "no program of the guard was ever skipped" guard_was_never_skipped
        fi
        ok "the helper ends (guard $guard)" helper_stop
}

# For people and for the bed, which makes one table of all machines: one word each, then what was said.
table() {
        local name
        for name in $({ "$T/bin/escape" --list | cut -d' ' -f1; printf '%s\n' "${!off[@]}" | sort; } \
                | awk '!seen[$0]++'); do
                [ -n "${off["$name"]:-}" ] || continue
                diag "vector: $name off=${off["$name"]%%:*} on=$(word_on "$name") \
(${off["$name"]}; ${on["$name"]:-untried})"
        done
}
word_on() {
        case "${off["$1"]} ${on["$1"]:-untried}" in
        *' untried') echo untried ;;
        not-offered:*' refused:'* | not-offered:*' absent:'*) echo not-offered ;;
        *) echo "${on["$1"]%%:*}" ;;
        esac
}

undo_attacks() {
        local code=$?
        unfurnish
        (exit "$code")
        undo
}

# attacks ROUND…: the whole test.
attacks() {
        setup
        trap undo_attacks EXIT
        install -m 0755 "$(program tests/escape/escape)" "$T/bin/" && attached=$(program tests/tools/attached) || exit 1
        # Setuid, as bubblewrap is on some hosts.
        install -m 4755 "$(program tests/escape/userns-maker)" "$T/bin/" || exit 1
        alice=bdt-$$-a bob=bdt-$$-b
        add_user "$alice" && add_user "$bob" || exit 1
        service bdt
        simple_policy 60-bob "$bob"
        ok "devices, mounts and a link are there" furnish
        half off "$@"
        half on "$@"
        table
        ok "what the test has made is removed" unfurnish
        finish
}

# Whether the helper grants what must be guarded.
guarded() {
        escape_policy on usual "$alice"
        login_as "$alice" -- bpfdeleg run -- true >"$T/out" 2>&1
}
