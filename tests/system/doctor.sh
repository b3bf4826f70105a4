#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `bpfdeleg doctor`: on a host made good, with one thing broken at a time; what it says, what mends it, how it exits.
# The host's files are covered in a mount namespace of each call; helper, sockets, PAM and policy directories are the
# test's own.

. "$(dirname "$0")/lib.sh"

setup
alice=bdt-$$-a
add_user "$alice"
install -m 0644 "$pam_module" "$T/bin/pam_bpfdeleg.so"
json=$(program tests/tools/json-doctor) && answer=$(program tests/tools/answer) || exit 1
ok "the helper starts" helper_start
helper_idle

mkdir "$T/services" "$T/fake"
session="session optional $T/bin/pam_bpfdeleg.so"
pam() { # SERVICE LINE…
        local service=$1
        shift
        printf '%s\n' "$@" >"$T/services/$service"
}

export T cgroup2
# What a host should have that this one may lack. Its own files are covered, for the namespace of this shell.
cat >"$T/good-host" <<'END'
set -e
cover() { # DIR FILE=CONTENT…
        local dir=$1 file
        shift
        mount -t tmpfs -o mode=0755 none "$dir"
        for file in "$@"; do
                mkdir -p "$dir/$(dirname "${file%%=*}")"
                printf '%s\n' "${file#*=}" >"$dir/${file%%=*}"
        done
}
controllers() { echo "$1" >"$T/fake/controllers" && mount --bind "$T/fake/controllers" "$cgroup2/cgroup.controllers"; }
kernel() { cover /proc/sys/kernel "unprivileged_bpf_disabled=$1" "yama/ptrace_scope=$2"; }
security() { cover /sys/kernel/security "lsm=$1" "lockdown=$2"; }
limits() { cover /proc/sys/user max_{user,mnt,cgroup}_namespaces="$1" max_net_namespaces="$2"; }
kernel 2 1
security capability,yama,bpf '[none] integrity confidentiality'
controllers 'cpuset cpu io memory pids'
limits 1000 1000
END

socket=$T/run/user
version=$("$T/bin/bpfdeleg" --version | cut -d' ' -f2)
# doctor_on CHANGE [OPTION…]: on the good host after the change, which is a piece of shell.
doctor_on() {
        local change=$1
        shift
        # shellcheck disable=SC2016 # for the inner shell
        unshare --mount --propagation private bash -c '. "$T/good-host"; eval "$1"; shift; exec "$@"' sh "$change" \
                ${as:+setpriv --reuid="$as" --regid="$as" --clear-groups} \
                "$T/bin/bpfdeleg" "--socket=$socket" doctor "--pam-dir=$T/services" "--policy-dir=$T/policy.d" "$@"
}
as=
doctor() { doctor_on : "$@"; }

# finding DESCRIPTION STATUS LINE FIX CMD…: exits so, with a line that begins so, and the fix below it.
finding() {
        local what=$1 want=$2 line=$3 fix=$4
        shift 4
        capture "$@"
        cp "$T/out" "$T/last"
        if [ "$status" -eq "$want" ] && grep -E -A 1 -- "^$line" "$T/out" | grep -Eq -- "^ +-> .*$fix"; then
                tap ok "$what"
        else
                echo "(status $status of: $*; wanted $want and: $line -> $fix)" >>"$T/out"
                tap failed "$what"
        fi
}
warns() { finding "$1" 1 "warn  $2" "${@:3}"; }
fails() { finding "$1" 2 "fail  $2" "${@:3}"; }

# all_good: nothing to complain about, in text and JSON.
all_good() {
        exits "$1" 0 '^13 ok, 0 warnings, 0 failures$' doctor
}

pam sshd 'session optional pam_systemd.so' "$session"
simple_policy 50-test "$alice"

# stand_in NAME MODE HOW [CMD…]: in place of bpfdelegd, at one of its sockets. With $no_guard it has none, for that
# reason.
declare -A standin=()
no_guard=
stand_in() {
        local name=$1 path=$T/run/$1 mode=$2 how=$3
        shift 3
        spawn "$@" "$answer" "$path" "$how" ${no_guard:+"$no_guard"}
        standin[$name]=$spawned
        wait_until test -S "$path" && chmod "$mode" "$path"
}
stand_down() { # NAME
        local pid=${standin[$1]}
        kill "$pid" && wait "$pid" 2>/dev/null
        unset "pids[$pid]"
        rm -f "$T/run/$1"
}

# ---- the real helper ----

no_failure() { doctor; [ $? -le 1 ]; }
prints "the helper's version" "^ok    helper +bpfdelegd $version answers" no_failure
# Not every machine that runs this can have a guard. What the helper has said in its log, doctor says, too.
why=$(sed -n 's/^.*no guard, so policies with confine = required grant nothing: //p' "$T/helper.log")
if [ -n "$why" ]; then
        why_told() {
                doctor | grep -F "warn  guard       none, so policies with confine = required grant nothing: $why"
        }
        ok "that it has no guard, and why" why_told
else
        prints "that its guard is in force" '^ok    guard +in force' doctor
fi

# ---- it only looks ----

exits "--help: exit 0" 0 'Usage: bpfdeleg doctor' "$T/bin/bpfdeleg" doctor --help
exits "an option it does not know: exit 2" 2 'no-such-option' doctor --no-such-option
exits "with the words that were typed before it" 2 'bpfdeleg doctor: unrecognized option' doctor --no-such-option
exits "an argument: exit 2" 2 'doctor takes no argument: x' doctor x
trace() {
        env ASAN_OPTIONS=detect_leaks=0 strace -f -o "$T/trace" "$T/bin/bpfdeleg" "--socket=$socket" doctor \
                "--pam-dir=$T/services" \
                "--policy-dir=$T/policy.d"
}
trace >"$T/out" 2>&1
prints "it opens what it looks at" "openat\(.*$T/services.*O_RDONLY" cat "$T/trace"
writing='unlink|rename|mkdir|chmod|chown|mount|move_mount|fsmount|setxattr|kill'
lacks "nothing to write to, and changes nothing" \
        "^[0-9]+ +(openat?\\(.*O_(WRONLY|RDWR|CREAT|TRUNC)|($writing)[a-z0-9]*\\()" \
        cat "$T/trace"
still_idle "nothing is left of it"

ok "the helper stops" helper_stop

# ---- a program of its own ----

# The tool in a directory alone, with nothing where it would be installed; then what is done there.
mkdir "$T/alone" "$T/by"
install -m 0755 "$T/bin/bpfdeleg" "$T/alone/"
libexec=$(grep -aoE '/[[:alnum:]/._+-]*/bpfdeleg-%s' "$T/bin/bpfdeleg" | head -n 1)
libexec=${libexec%/*}
export libexec
alone() { # CHANGE ARGUMENT…
        local change=$1
        shift
        # shellcheck disable=SC2016 # for the inner shell
        unshare --mount --propagation private bash -c '
                mount -t tmpfs -o mode=0755 none "$libexec" && eval "$1" && shift && exec "$T/alone/bpfdeleg" "$@"' \
                        sh "$change" "$@"
}
if [ -d "$libexec" ]; then
        exits "not installed: 125, with the path and what to do" 125 \
                "bpfdeleg: doctor: cannot execute $libexec/bpfdeleg-doctor, .*: No such file .*install bpfdeleg anew" \
                alone : doctor --help
        exits "nor is status" 125 "status: cannot execute $libexec/bpfdeleg-status, .*: No such file" alone : status
        exits "run needs neither" 125 '^Usage: bpfdeleg run' alone : run
        # shellcheck disable=SC2016 # for the inner shell
        exits "installed: it is found there" 0 'Usage: bpfdeleg doctor' alone \
                'cp "$T/bin/bpfdeleg-doctor" "$libexec/"' doctor --help
else
        skip "doctor where it is installed, and where not" "there is no directory $libexec"
fi
printf '#!/bin/sh\necho "$0 $* $BPFDELEG_SOCKET"\n' >"$T/alone/bpfdeleg-doctor"
exits "one beside the tool that cannot be executed is not passed over" 125 \
        "cannot execute $T/alone/bpfdeleg-doctor, .*: Permission denied" \
        "$T/alone/bpfdeleg" doctor --help
chmod 0755 "$T/alone/bpfdeleg-doctor"
prints "one beside the tool comes first, and gets arguments and socket" \
        "^$T/alone/bpfdeleg-doctor --json x $T/no socket\$" \
        "$T/alone/bpfdeleg" "--socket=$T/no socket" doctor --json x
ln -s ../alone/bpfdeleg "$T/by/"
printf '#!/bin/sh\necho "the wrong one"\n' >"$T/by/bpfdeleg-doctor"
chmod 0755 "$T/by/bpfdeleg-doctor"
not_by_name() { (cd "$T/by" && exec -a "$T/by/bpfdeleg" ./bpfdeleg doctor); }
prints "beside the tool's file, whatever name it was called by" "^$T/alone/bpfdeleg-doctor " not_by_name

# ---- all ok ----

ok "a helper with a guard answers" stand_in user 0666 "$version"
ok "at both sockets" stand_in session 0600 "$version"

all_good "a good host: exit 0"
lacks "not a word of warn, fail or what to do" '^warn|^fail|->' doctor
for check in tokens cgroup2 btf bpf-lsm lockdown namespaces unpriv-bpf ptrace helper sockets guard policy pam; do
        prints "one line for $check" "^ok    $check +[^ ]" doctor
done
columns() {
        ! doctor_on 'kernel 0 1' | grep -v '^$\|^[0-9]* ok' | grep -Ev '^(ok  |warn|fail|    )  [a-z0-9 -]{10}  [^ ]'
}
ok "aligned" columns
as=$(id -u "$alice")
exits "the same as a plain user" 0 '^13 ok' doctor
as=

# ---- the host, one thing at a time ----

fails "in a container there is nothing to delegate" 'namespaces  .*container' 'on the host' \
        unshare --user --map-root-user --mount "$T/bin/bpfdeleg" "--socket=$socket" doctor
fails "nor may root of a container set the masks" 'tokens .*root may not delegate' 'on the host itself' \
        unshare --user --map-root-user --mount "$T/bin/bpfdeleg" "--socket=$socket" doctor
# shellcheck disable=SC2016 # for the inner shell
fails "no cgroup2" 'cgroup2 +no cgroup2' 'mount -t cgroup2' doctor_on \
        'umount -l "$cgroup2/cgroup.controllers" "$cgroup2"'
fails "no list of files to delegate" 'cgroup2 +/sys/kernel/cgroup/delegate' 'mount -t sysfs' doctor_on \
        'cover /sys/kernel/cgroup'
warns "no controllers" 'cgroup2 +.*without controllers' 'cgroup_no_v1=pids,memory,cpu,io' doctor_on 'controllers ""'
warns "no memory controller" 'cgroup2 +.*without the controllers memory: no policy can set memory_max' \
        'cgroup_no_v1=memory ' \
        doctor_on 'controllers "cpu io pids"'
warns "no BTF" 'btf +/sys/kernel/btf/vmlinux: No such file' 'CONFIG_DEBUG_INFO_BTF' doctor_on 'cover /sys/kernel/btf'
warns "no BPF LSM: the boot parameter with what is there" 'bpf-lsm +.*capability,yama' 'lsm=capability,yama,bpf ' \
        doctor_on 'security capability,yama "[none]"'
warns "no securityfs" 'bpf-lsm +cannot be told: securityfs is not mounted' 'mount -t securityfs' doctor_on \
        'cover /sys/kernel/security'
warns "lockdown" 'lockdown +confidentiality: no guard' 'lockdown=integrity' doctor_on \
        'security bpf "none integrity [confidentiality]"'
prints "lockdown as Secure Boot has it is well" '^ok    lockdown +integrity: .*check .guard.' doctor_on \
        'security bpf "none [integrity] confidentiality"'
fails "no user namespaces" 'namespaces  user.max_user_namespaces is 0' \
        "echo 'user.max_user_namespaces = .*sysctl --system" \
        doctor_on 'limits 0 5'
fails "no network namespaces" 'namespaces  user.max_net_namespaces is 0' 'user.max_net_namespaces = ' doctor_on \
        'limits 5 0'
fails "bpf for everybody" 'unpriv-bpf  kernel.unprivileged_bpf_disabled is 0' \
        "echo 'kernel.unprivileged_bpf_disabled = 2' >>/etc/sysctl.d/50-bpfdeleg.conf && sysctl --system" doctor_on \
                'kernel 0 1'
fails "no tracing" 'ptrace +kernel.yama.ptrace_scope is 3' 'reboot' doctor_on 'kernel 2 3'
prints "the other checks go on" '^ok    pam ' cat "$T/last"

# ---- sockets ----

chmod 0666 "$T/run/session"
fails "the session socket open to all" "sockets +$T/run/session has the mode 0666, it must be 0600" \
        "chmod 0600 $T/run/session" doctor
chmod 0600 "$T/run/session" && chmod 0600 "$T/run/user"
fails "the user socket for root only" "sockets +$T/run/user has the mode 0600" "chmod 0666 $T/run/user" doctor
as=$(id -u "$alice")
fails "as a user then: not for him" "helper +$T/run/user is not for this user" 'sockets' doctor
as=
chmod 0666 "$T/run/user" && chown "$alice" "$T/run/user"
fails "the user socket somebody else's" "sockets +$T/run/user belongs to uid" "chown root:root $T/run/user" doctor
chown root "$T/run/user" && chmod 0777 "$T/run"
fails "their directory open to all" "sockets +$T/run, .*writable by others" "chmod 0755 $T/run" doctor
chmod 0755 "$T/run" && chown "$alice" "$T/run"
fails "their directory somebody else's" "sockets +$T/run, .*belongs to uid" "chown root:root $T/run" doctor
chown root "$T/run"
all_good "and all is well again"

# ---- PAM ----

fails_nowhere() { fails "$1" 'pam +no service in .* has pam_bpfdeleg.so' "$2" doctor; }
pam sshd 'session required pam_unix.so'
profiles() { [ -x /usr/sbin/pam-auth-update ] && [ -e /usr/share/pam-configs/bpfdeleg-enforce ]; }
if profiles; then
        fails_nowhere "no service has the module" 'pam-auth-update --enable bpfdeleg'
else
        fails_nowhere "no service has the module" 'session optional pam_bpfdeleg.so'
fi
pam sshd "$session" 'session optional pam_systemd.so'
warns "above pam_systemd" "pam +line 1 of $T/services/sshd comes before pam_systemd.so" \
        'below the line with pam_systemd' doctor
pam common-session "$session"
pam sshd '@include common-session'
all_good "by @include"
pam sshd 'session include common-session'
all_good "by include"
pam sshd 'session substack common-session'
all_good "by substack"
pam cron '@include common-session'
warns "for cron, too" "pam +line 1 of $T/services/common-session is also for sessions that are no logins \(cron\)" \
        'sshd and login' doctor
rm "$T/services/cron"
pam common-session-noninteractive "$session"
pam sshd '@include common-session' '@include common-session-noninteractive'
warns "in common-session-noninteractive" 'pam +line 1 of .*common-session-noninteractive is also for' 'move line 1' \
        doctor
rm "$T/services"/*
pam sshd "$session"
pam login "auth ${session#session }"
fails "in a line of another type" 'pam +line 1 of .*/login has pam_bpfdeleg.so for auth' 'remove line 1' doctor
rm "$T/services/login"
simple_policy 50-test "$alice" 'session:on_failure = deny'
enforce='[success=ok ignore=ignore module_unknown=ignore default=bad]'
if profiles; then enforce_fix='pam-auth-update --enable bpfdeleg-enforce'; else \
        enforce_fix='write .success=ok .*module_unknown=ignore'; fi
warns "optional, and a policy wants to refuse logins" 'pam +line 1 of .*/sshd is optional, .*50-test.ini' \
        "$enforce_fix" doctor
pam sshd "${session/optional/$enforce}"
all_good "as the enforcing profile has it: well"
for control in required requisite '[success=ok default=bad]' '[success=ok module_unknown=bad default=ignore]'; do
        pam sshd "${session/optional/$control}"
        warns "$control: a warning, for without the module nobody could log in" \
                'pam +line 1 of .*/sshd .*would refuse every login' "$enforce_fix" doctor
done
simple_policy 50-test "$alice"
chmod 0664 "$T/bin/pam_bpfdeleg.so"
fails "a module that others may write" "pam +$T/bin/pam_bpfdeleg.so is not root's alone" \
        "chmod 0644 $T/bin/pam_bpfdeleg.so" doctor
chmod 0644 "$T/bin/pam_bpfdeleg.so" && mv "$T/bin/pam_bpfdeleg.so" "$T/bin/away"
fails "no such module" "pam +$T/bin/pam_bpfdeleg.so: No such file" 'install bpfdeleg again' doctor
mv "$T/bin/away" "$T/bin/pam_bpfdeleg.so"
pam sshd "$session" 'session optional no_such_file' '@include sshd'
mkfifo "$T/services/fifo"
ln -s /dev/zero "$T/services/zero"
ln -s loop "$T/services/loop"
head -c 300000 /dev/urandom >"$T/services/random"
warns "a file that includes itself, a FIFO, a device, a loop, noise" 'pam +there is more in' 'include themselves' doctor
rm "$T/services"/*
pam sshd "$session"
all_good "and all is well again"

# ---- policy files ----

no_policies
warns "no policy file" 'policy +there is no policy file' 'install -D -m 0644 .*/50-netdev.ini' doctor
for confine in required preferred off; do
        simple_policy 50-test "$alice" "bpf:confine = $confine"
        all_good "confine = $confine, and there is a guard"
done
stand_down user
no_guard='the moon is wrong' stand_in user 0666 "$version"
warns "no guard: the helper's reason" \
        'guard +none, so policies with confine = required grant nothing: the moon is wrong' 'restart bpfdelegd' doctor
lacks "confine = off: not a word of it" '^warn +policy' cat "$T/last"
simple_policy 50-test "$alice" 'bpf:confine = required'
warns "confine = required" "policy +$T/policy.d/50-test.ini: nothing is granted by it" 'confine = off' doctor
simple_policy 50-test "$alice" 'bpf:confine = preferred'
warns "confine = preferred" "policy +$T/policy.d/50-test.ini: what it grants is not confined" 'confine = off' doctor
stand_down user
stand_in user 0666 "$version"
simple_policy 50-test "$alice"
simple_policy 60-typo "$alice" 'bpf:delegate_progs = cgroup_skbb'
fails "a name that this kernel lacks" "policy +$T/policy.d/60-typo.ini: .*cgroup_skbb.*cgroup_skb" \
        "edit $T/policy.d/60-typo.ini" doctor
prints "the other file is counted" '^ok    policy +1 of 2 files in order' cat "$T/last"
policy 60-typo <<<'users = root'
fails "no INI file" "policy +$T/policy.d/60-typo.ini:1: .*no later file" "edit $T/policy.d/60-typo.ini" doctor
policy 60-typo </dev/null
all_good "masked: well"
simple_policy 60-typo "$alice" 'cgroup:io_weight = 5'
all_good "a limit whose controller is there"
fails "a limit whose controller is not" "policy +$T/policy.d/60-typo.ini: io_weight cannot be kept" 'remove io_weight' \
        doctor_on 'controllers "cpu memory pids"'
chown "$alice" "$T/policy.d/60-typo.ini"
fails "not root's" "policy +$T/policy.d/60-typo.ini: owned by uid" "chown root:root $T/policy.d/60-typo.ini" doctor
chown root "$T/policy.d/60-typo.ini" && chmod 0600 "$T/policy.d/60-typo.ini"
exits "only root may read it: root" 0 '^ok    policy +2 of 2' doctor
as=$(id -u "$alice")
warns "a plain user is told to be root" "policy +$T/policy.d/60-typo.ini: .*not readable as this user" 'as root' doctor
as=
chmod 0777 "$T/policy.d"
fails "a directory that others may write" "policy +$T/policy.d: writable by others" "chmod go-w $T/policy.d" doctor
chmod 0755 "$T/policy.d" && rm "$T/policy.d/60-typo.ini"
all_good "and all is well again"

# ---- JSON ----

json() { doctor "$@" --json >"$T/json"; local code=$?; "$json" <"$T/json" && [ "$code" -eq "${want:-0}" ]; }
prints "JSON: result ok" '^result ok$' json
prints "the kernel" "^kernel $(uname -r | sed 's/[+.]/\\&/g')$" json
thirteen() { json | grep -c '^check ok ' | grep -qx 13; }
ok "thirteen checks" thirteen
lacks "no fix" '^fix' json
stand_down user
no_guard='the moon is wrong' stand_in user 0666 "$version"
want=1 prints "a warning: result warn, exit 1" '^result warn$' json
want=1 prints "with its fix" '^fix guard$' json
stand_down user
stand_in user 0666 "$version"
policy 60-$'q"\\\xff' <<<'"\"'
# shellcheck disable=SC2016 # a service's name
pam $'bad\n"\\\xff\e[1m' "$session"
want=2 prints "a failure: result fail, exit 2; names that are no words break nothing" '^result fail$' json
want=2 prints "the check" '^check fail policy$' json
lacks "nor are they on the screen as they are" $'\e' cat "$T/json"
rm "$T/services/bad"* "$T/policy.d/60-"*
simple_policy 50-test "$alice"
want=0 prints "and all is well again" '^result ok$' json
no_json() { "$json" <<<'{"version": "1", "kernel": "2", "result": "ok", "checks": [{"name": "x"}]}'; }
refused "the test's reader can tell (another shape)" 'a check has not' no_json
no_json() { "$json" <<<'{"version": "1"} x'; }
refused "the test's reader can tell (no JSON)" 'json-doctor: ' no_json

# ---- helpers that are not as they should be ----

stand_down session
stand_down user
fails "no helper" "helper +bpfdelegd is not running: nobody answers at $socket" 'start /.*/bpfdelegd as root' \
        doctor_on 'cover /run'
fails "no helper, where systemd runs" "helper +bpfdelegd is not running: nobody answers at $socket" \
        'systemctl start bpfdelegd.socket' \
        doctor_on 'cover /run systemd/system/x='
fails "no sockets" "sockets +there is none: $socket" 'start .*bpfdelegd' doctor
ok "a helper of this version" stand_in session 0600 "$version"
ok "with a guard" stand_in user 0666 "$version"
all_good "is well"
stand_down user

ok "a helper of another version" stand_in user 0666 "$version-old"
warns "is warned about" "helper +bpfdelegd is of version $version-old, this tool of $version" \
        'systemctl restart bpfdelegd' \
        doctor_on 'cover /run systemd/system/x='
warns "without systemd, too" "helper +bpfdelegd is of version $version-old" 'stop bpfdelegd and start /' doctor_on \
        'cover /run'
stand_down user
ok "a helper of another protocol" stand_in user 0666 --nonsense
fails "fails" 'helper +.* is of another version than this tool' 'start' doctor
stand_down user
ok "a helper that hangs up" stand_in user 0666 --hang-up
fails "fails" 'helper +.* gives no answer: .*closed the connection' 'start' doctor
stand_down user
chmod 0777 "$T/run"
ok "somebody else at the socket" stand_in user 0666 "$version" setpriv "--reuid=$(id -u "$alice")" --clear-groups
chown root:root "$socket" && chmod 0755 "$T/run"
fails "fails, though he says what a helper says" "helper +$socket is served by uid $(id -u "$alice"), not by root" \
        "rm $socket" doctor
stand_down user
stand_down session
finish
