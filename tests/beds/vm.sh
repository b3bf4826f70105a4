#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# vm.sh [TEST…]: boots Debian's own kernels in QEMU, the release's and the newest there is, each with the host bed's
# Debian 13 as its root but no systemd: a program of ours is init, and runs tests/{system,escape,vm}/*.sh (or the tests
# named, like escape/memory). The attacks are run once more on a kernel that is booted with $hard. A test with a line `#
# vm: OPTION` is run in one more machine, whose kernel is booted so; one with a line `# vm-parallel` in a machine with
# two processors at work at the same time, the others take turns. Prints one line a case, as automake's TAP driver does,
# the test's name behind the kernel's release, and at the end what became of each attack on each kernel. What each test
# printed is in build-beds/vm/RELEASE/….log. BD_VM_SUITES="trixie" takes but that kernel, BD_VM_BOOT=hard but the second
# run of the attacks, BD_VM_BOOT=usual all but that. Nothing stays but the caches in build-beds/, also when this is
# killed. `./bootstrap check vm` calls it.

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
me=tests/beds/vm.sh
suite=trixie
read -ra kernel_suites <<<"${BD_VM_SUITES:-$suite trixie-backports}"

. "$top_srcdir/tests/beds/kernel.sh"
. "$top_srcdir/tests/beds/qemu.sh"
. "$top_srcdir/tests/beds/lib.sh"

# Everything is some ten times slower than on the machine below. Seconds for one test, for the boot, and for one machine
# in all.
slow=10
# most of the longest take half of it when the machine has nothing else to do; `# vm-seconds: N` says what one needs
test_seconds=600
boot_seconds=60
machine_seconds=9000
memory_mib=3072
# Memory is not cleared when the kernel hands it out, and whoever is in a system call is interrupted there: as other
# distributions have it.
hard='init_on_alloc=0 preempt=full'

work=
bed_failed=0

# ---- disks -----------------------------------------------------------------------------------------------------------

# Images of kernels and roots that are no longer here.
remove_stale_images() {
        local image name
        for image in "$beds"/*.ext4; do
                name=$(basename "$image" .ext4)
                if [[ ! $name =~ ^([a-z]+-[0-9a-f]{12})-(.*)$ ]] || [ ! -e "$beds/${BASH_REMATCH[1]}.tar" ] \
                        || [ ! -e "$beds/kernel/${BASH_REMATCH[2]}" ]; then
                        rm -f "$image"
                fi
        done
}

# The guest's root: the tar and that kernel's modules, which change seldom. Prints its path.
root_image() { # TAR KERNEL
        local release out dir=$work/root
        release=$(cat "$2/release")
        out=${1%.tar}-$release.ext4
        if [ ! -s "$out" ] || [ "$1" -nt "$out" ] || [ "$2/release" -nt "$out" ]; then
                mkdir "$dir" && tar -C "$dir" -xf "$1" && mkdir -p "$dir/bed" "$dir/lib/modules" \
                        && cp -r "$2/modules" "$dir/lib/modules/$release" && chroot "$dir" depmod "$release" || return 1
                echo bed >"$dir/etc/hostname"
                printf '127.0.0.1 localhost bed\n::1 localhost\n' >"$dir/etc/hosts"
                rm -f "$out.new"
                # No journal: what a guest writes goes to a file of its own, which ends with it.
                mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$dir" "$out.new" 2g >&2 && rm -rf "$dir" \
                        && mv "$out.new" "$out" || return 1
        fi
        printf '%s\n' "$out"
}

# What is this run's, as an initramfs, which moves on to the root and takes /bed with it: our init, the tests, and a
# build tree of what the harness looks for: helper, module and tool of the package, the programs of the tests.
furnish() { # DEB-DIRECTORY
        local bed=$work/first/bed unpacked=$work/deb busybox pam
        busybox=$(kernel_busybox) || return 1
        mkdir -p "$work/first"/{bin,dev,proc,new} && cp "$busybox" "$work/first/bin/busybox" || return 1
        install -m 0755 "$top_srcdir/tests/beds/vm/first.sh" "$work/first/init" || return 1
        mkdir -p "$bed/tests" "$bed/build"/{helper,cli,pam/.libs,tests} "$unpacked" || return 1
        install -m 0755 "$top_srcdir/tests/beds/vm/init.sh" "$bed/init" || return 1
        install -m 0644 "$top_srcdir/tests/beds/vm/run.sh" "$bed/" || return 1
        cp -r "$top_srcdir/tests/system" "$bed/tests/" || return 1
        cp -r "$top_srcdir/tests/escape" "$top_srcdir/tests/vm" "$bed/tests/" || return 1
        install -D -m 0644 -t "$bed/tests/programs" "$top_srcdir/tests/programs/table" || return 1
        install -D -m 0644 -t "$bed/tests/bench" "$top_srcdir/tests/bench/guard.sh" || return 1
        dpkg-deb --extract "$1"/libpam-bpfdeleg_*.deb "$unpacked" || return 1
        pam=$(find "$unpacked" -name pam_bpfdeleg.so) && [ -n "$pam" ] && cp "$pam" "$bed/build/pam/.libs/" || return 1
        cp -p "$unpacked"/usr/libexec/bpfdeleg{d,-anchor} "$bed/build/helper/" || return 1
        cp "$unpacked"/usr/bin/bpfdeleg "$unpacked"/usr/libexec/bpfdeleg-* "$bed/build/cli/" || return 1
        for pam in tools escape programs bench; do [ ! -d "$1/$pam" ] || cp -r "$1/$pam" "$bed/build/tests/" \
                || return 1; done
        [ -z "$go" ] || install -D -m 0755 -t "$bed/build/tests/vm" "$go" || return 1
}

# ---- tests -----------------------------------------------------------------------------------------------------------

all_tests() {
        local file
        for file in "$top_srcdir"/tests/{system,escape,vm}/*.sh; do
                case $file in
                */lib.sh | */demo.sh | */'*.sh') ;;
                *) grep -q '^# not in the vm bed: ' "$file" || { file=${file#"$top_srcdir/tests/"} \
                        && printf '%s\n' "${file%.sh}"; } ;;
                esac
        done
}

# What tests want a kernel to be booted with besides, one a line; and who wants OPTION.
boot_options() { (cd "$top_srcdir/tests" && sed -n 's/^# vm: //p' "${@/%/.sh}" | sort -u); } # TEST…
tests_with() { # OPTION TEST…
        local option=$1 name
        shift
        for name in "$@"; do
                ! grep -Fqx "# vm: $option" "$top_srcdir/tests/$name.sh" || printf '%s\n' "$name"
        done
}

# Who wants two processors at the same time, and who does not.
parallel_tests() { tests_marked true "$@"; } # TEST…
other_tests() { tests_marked false "$@"; }
tests_marked() { # true|false TEST…
        local marked=$1 name
        shift
        for name in "$@"; do
                if grep -qx '# vm-parallel' "$top_srcdir/tests/$name.sh"; then "$marked"; else ! "$marked"; fi \
                        && printf '%s\n' "$name"
        done
}

# report DIR WHERE NAME: its lines, from what it printed; what became of its attacks goes to the table.
report() {
        local dir=$1 name=$3 from=$1/tests/tests_${3//\//_}.sh log=$beds/vm/$2/tests/$3.log
        mkdir -p "$(dirname "$log")"
        if [ ! -e "$from" ]; then
                tail -n 40 "$dir/console" >"$log"
                printf 'ERROR: vm/%s/tests/%s.sh - it was not begun\n' "$2" "$name"
                bed_failed=1
                return
        fi
        cp "$from" "$log"
        if [ ! -e "$from.status" ]; then
                { echo "The machine ended during this test. The end of its console:"; tail -n 40 "$dir/console"; } \
                        >>"$log"
                echo none >"$from.status"
        fi
        tap_results "vm/$2/tests/$name.sh" "$from.status" <"$log" | tee "$work/report"
        ! grep -Eq '^(FAIL|ERROR):' "$work/report" || bed_failed=1
        sed -nE "s/^(# )?vector: ([^ ]+) off=([^ ]+) on=([^ ]+)( .*)?$/${2%-parallel} \2 \3 \4/p" "$log" \
                >>"$work/vectors"
}

# seconds_of TEST…: how long they may take, all together.
seconds_of() {
        local name sum=0
        for name in "$@"; do sum=$((sum + $(sed -n 's/^# vm-seconds: //p' "$top_srcdir/tests/$name.sh" | grep . \
                || echo "$test_seconds"))); done
        echo "$sum"
}

# ---- machines --------------------------------------------------------------------------------------------------------

# boot KERNEL ROOT-IMAGE APPENDIX OPTIONS TEST…: starts a machine of its own for them; what tells it from others of that
# kernel is APPENDIX. Its directory and process are kept for `collect`.
wheres=() pids=() ends=()
boot() {
        local kernel=$1 image=$2 options=$4 where dir seconds name thread=single
        where=$(sed 's/+.*//' "$1/release")$3
        shift 4
        dir=$work/$where
        mkdir -p "$dir/tests" || return 1
        for name in "$@"; do printf '%s\n' "$slow $(seconds_of "$name") tests/$name.sh"; done \
                | tee "$dir/list" >"$work/first/bed/list"
        (cd "$work/first" && find . -mindepth 1 -print0 | cpio --null --create --format=newc --quiet) >"$dir/initrd" \
                || not_possible "the initramfs cannot be made"
        seconds=$((boot_seconds + $(seconds_of "$@")))
        [ "$seconds" -le "$machine_seconds" ] || seconds=$machine_seconds
        echo "Linux $(cat "$kernel/release")${options:+ $options}, $# tests, $seconds s at most"
        [ -z "$(parallel_tests "$@")" ] || { thread=multi && options+=" maxcpus=1"; }
        TMPDIR=$dir qemu_memory=$memory_mib qemu_thread=$thread qemu_start "$dir" "$kernel/vmlinuz" "$dir/initrd" \
                "$options quiet loglevel=5" \
                -drive "file=$image,format=raw,if=none,id=root,snapshot=on,cache=unsafe" -device \
                        nvme,drive=root,serial=root || return 1
        wheres+=("$where") pids+=("$qemu_pid") ends+=($((SECONDS + seconds)))
}

# collect WHERE PID END: waits for the machine, and tells what its tests have said.
collect() {
        local where=$1 dir=$work/$1 status=0 name
        qemu_wait "$2" "$3" || status=$?
        mkdir -p "$beds/vm/$where" && cp "$dir/console" "$beds/vm/$where/console"
        cat "$dir/qemu.log"
        sed -n "s/^@booted \([0-9]*\) .*/$where: its tests began \1 s after its start/p" "$dir/results"
        # What the kernel thinks of itself: read it, but it is no case. After an oops the machine ends.
        grep -aE 'WARNING: |BUG: |UBSAN: ' "$dir/console" | sed "s/^/$where: /"
        [ "$status" -ne 124 ] || echo "the machine took too long and was ended"
        split_results "$dir"
        while read -r _ _ name; do
                name=${name#tests/}
                report "$dir" "$where" "${name%.sh}"
        done <"$dir/list"
        if [ "$status" -ne 0 ] || [ ! -e "$dir/tests/done" ]; then
                printf 'ERROR: %s - the machine of %s ended before its tests, with status %s\n' "$me" "$where" "$status"
                bed_failed=1
        fi
        rm -rf "$dir"
}

# Three at a time where the memory is there: they wait almost as much as they work.
machines=3
# The first that has ended, or has had its time.
collect_one() {
        local i
        while :; do
                for i in "${!pids[@]}"; do
                        if ! kill -0 "${pids[i]}" 2>/dev/null || [ "$SECONDS" -ge "${ends[i]}" ]; then break 2; fi
                done
                sleep 0.5
        done
        collect "${wheres[i]}" "${pids[i]}" "${ends[i]}"
        unset "wheres[i]" "pids[i]" "ends[i]"
}
collect_all() { while [ ${#pids[@]} -gt 0 ]; do collect_one; done; }
boot_more() { # as boot
        local free
        free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
        [ "$free" -gt $((memory_mib * 3 / 2)) ] || collect_all
        [ ${#pids[@]} -lt "$machines" ] || collect_one
        boot "$@" || not_possible "no machine can be started"
}

# The table of attacks, one column a machine. `off` is without the guard, where it must get through, `on` with it.
table() {
        [ -s "$work/vectors" ] || return 0
        awk '
                !($1 in column) { column[$1] = ++columns; head[columns] = $1 }
                !($2 in row) { row[$2] = ++rows; vector[rows] = $2; if (length($2) > wide) wide = length($2) }
                { cell[row[$2], column[$1]] = $3 " / " $4 }
                END {
                        printf "%-*s", wide, "vector: off / on"
                        for (c = 1; c <= columns; c++) printf "  %-19s", head[c]
                        print ""
                        for (r = 1; r <= rows; r++) {
                                printf "%-*s", wide, vector[r]
                                for (c = 1; c <= columns; c++)
                                        printf "  %-19s", (r, c) in cell ? cell[r, c] : "not tried"
                                print ""
                        }
                }' "$work/vectors" | sed 's/ *$//; s/^/vectors: /' | tee "$beds/vm/vectors"
}

# ----------------------------------------------------------------------------------------------------------------------

begin_qemu_bed mke2fs cpio
mkdir -p "$beds" || exit 1

[ $# -gt 0 ] || mapfile -t tests < <(all_tests)
tests=("${tests[@]-$@}")
for name in "${tests[@]}"; do
        [ -e "$top_srcdir/tests/$name.sh" ] || { echo "$me: there is no test tests/$name.sh" >&2; exit 1; }
done
mapfile -t options < <(boot_options "${tests[@]}")
# Whoever comes second takes what the first has made.
exec {lock}>"$beds/vm.lock" && flock "$lock" || exit 1
tar=$(made "$top_srcdir/tests/beds/root.sh" "$suite" "${bed_packages[@]}") || cannot_make "its root"
deb=$(made "$top_srcdir/tests/beds/deb.sh" "$suite") || cannot_make "the package"
go=
case " ${tests[*]} " in
*' vm/go '*) go=$(made "$top_srcdir/tests/beds/go.sh" loader) || cannot_make "the Go program" ;;
esac
remove_leftovers vm
remove_stale_images
work=$beds/vm.$$
mkdir -p "$work" "$beds/vm" || exit 1
furnish "$deb" || not_possible "its initramfs cannot be made"
kernels=() images=()
for name in "${kernel_suites[@]}"; do
        kernels+=("$(made kernel_get "$name")") || cannot_make "the kernel of $name"
        images+=("$(made root_image "$tar" "${kernels[-1]}")") || cannot_make "the root of $name"
done
exec {lock}>&-

# boot_each APPENDIX OPTIONS TEST…: a machine of each kernel, if there are tests.
boot_each() {
        local i kind=usual
        [ "$2" != "$hard" ] || kind=hard
        [ $# -gt 2 ] && [ "${BD_VM_BOOT:-$kind}" = "$kind" ] || return 0
        for i in "${!kernels[@]}"; do boot_more "${kernels[i]}" "${images[i]}" "$@"; done
}
mapfile -t system < <(other_tests "${tests[@]}" | grep -v '^escape/')
mapfile -t escape < <(other_tests "${tests[@]}" | grep '^escape/')
mapfile -t parallel < <(parallel_tests "${tests[@]}")
mapfile -t races < <(parallel_tests "${tests[@]}" | grep '^escape/')
boot_each '' '' "${escape[@]}"
boot_each -hard "$hard" "${escape[@]}"
boot_each -system '' "${system[@]}"
boot_each -parallel '' "${parallel[@]}"
boot_each -hard-parallel "$hard" "${races[@]}"
for option in "${options[@]}"; do
        mapfile -t with < <(tests_with "$option" "${tests[@]}")
        boot_each "-${option%%=*}" "$option" "${with[@]}"
done
collect_all
table
exit "$bed_failed"
