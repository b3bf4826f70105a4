#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a login over ssh costs on a machine with nothing else to do: with the module; with the same stack and, instead of
# the module, a bare StartTransientUnit scope job; with neither. Three sshd with a PAM stack each, one login of each in
# turn, medians. `./bootstrap bench booted`.

. "$(dirname "$0")/lib.sh"

rounds=${1:-40}
bound=1.15
kinds=(module scope nothing)
declare -A port=([module]=2201 [scope]=2202 [nothing]=2203)

# stack KIND: the sshd stack of this machine, with what KIND says in the module's place.
stack() {
        local line=''
        case $1 in
        module) line='session optional pam_bpfdeleg.so' ;;
        scope) line="session required $tools/pam_scope.so" ;;
        esac
        { grep -v pam_bpfdeleg /etc/pam.d/common-session; [ -z "$line" ] \
                || echo "$line"; } >"/etc/pam.d/bench-session-$1"
        sed "s/^@include common-session\$/@include bench-session-$1/" /etc/pam.d/sshd >"/etc/pam.d/bench-$1"
}

daemon() { # KIND
        stack "$1"
        spawn /usr/sbin/sshd -D -p "${port[$1]}" -o "PAMServiceName=bench-$1" -o PidFile=none </dev/null
}
listens() { (exec 3<>"/dev/tcp/localhost/${port[$1]}") 2>/dev/null; }

# What is measured: from the client's start to its end, true being all that is run.
login() { ssh "${ssh_options[@]}" -p "${port[$1]}" -l alice localhost true </dev/null; }

median() { sort -n | awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
quartiles() {
        sort -n | awk \
                '{ a[NR] = $1 }
                        END { printf "%.1f to %.1f", a[int((NR + 3) / 4)] / 1000, a[int((3 * NR + 3) / 4)] / 1000 }'
}
now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

bench() {
        local i kind begin
        for kind in "${kinds[@]}"; do : >"$T/$kind.us"; done
        for ((i = 0; i < rounds; i++)); do
                for kind in "${kinds[@]}"; do
                        sleep 0.3
                        begin=$(now_us)
                        login "$kind" || { echo "bench: a login failed ($kind)" >&2; return 1; }
                        echo $(($(now_us) - begin)) >>"$T/$kind.us"
                done
        done
}

setup
add_user alice
simple_policy 50-bench alice
mark
for kind in "${kinds[@]}"; do daemon "$kind"; done
for kind in "${kinds[@]}"; do
        if ! wait_until listens "$kind" || ! login "$kind"; then
                echo "bench: no login ($kind)" >&2
                exit 1
        fi
done
wait_until records_are 'grant alice 50-bench.ini' 'end alice 50-bench.ini' \
        || { echo "bench: the module has not done what is to be measured" >&2; exit 1; }
journal -o cat | grep -q 'Started bench-.*scope of the bench' \
        || { echo "bench: pam_scope has made no scope" >&2; exit 1; }
bench || exit 1

declare -A ms
for kind in "${kinds[@]}"; do ms[$kind]=$(median <"$T/$kind.us"); done
row() {
        awk -v words="$1" -v us="${ms[$2]}" -v spread="$(quartiles <"$T/$2.us")" \
                'BEGIN { printf "  %-52s %7.1f ms  (half of them: %s)\n", words, us / 1000, spread }'
}
echo "Login over ssh, full Debian stack, median of $rounds idle logins each:"
row "a  with pam_bpfdeleg" module
row "b  without it, with a bare StartTransientUnit scope" scope
row "c  without either" nothing
awk -v a="${ms[module]}" -v b="${ms[scope]}" -v c="${ms[nothing]}" -v bound=$bound 'BEGIN {
        printf "  a - c: %.1f ms, b - c: %.1f ms; a / b: %.2f (to be at most %.2f)\n",
                (a - c) / 1000, (b - c) / 1000, a / b, bound
        exit a / b > bound
}'
