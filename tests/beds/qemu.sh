# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# QEMU machines for one run of a bed, each with a deadline: the console goes to a file, and what the guest writes to its
# port `bpfdeleg` (/dev/vport0p1, which kernel messages cannot reach) to another. Sourced, by bash.

qemu_pid=            # of the machine started last
declare -A qemu_runs=() # pid → 1

# The accelerator, and the processor for it. Emulation, so that a run is the same everywhere: virtual machines cannot
# start others reliably. BD_QEMU_ACCEL=kvm is for whoever develops on bare metal; count has one processor, on which a
# nanosecond is one instruction, whatever else the machine below does, and is what a bench can use. Emulated without
# cx16: with it the guest's kernel was seen to oops. Both processors take turns in one thread: with two, a guest whose
# kernel patches its own code (a guard that is attached, a static key) was seen to oops on the other processor's stale
# int3, once in a while (QEMU before 8.1, Red Hat's bug 2216496). qemu_thread=multi is for races, which need them side
# by side: such a guest boots with one, and its tests bring up the other when nothing is patched any more. `max` has
# rdrand, so that nothing waits for entropy.
qemu_cpu() {
        case ${BD_QEMU_ACCEL:-tcg} in
        kvm) printf '%s\n' -accel kvm -cpu host ;;
        tcg) printf '%s\n' -accel "tcg,thread=${qemu_thread:-single}" -cpu max,-cx16 ;;
        count) printf '%s\n' -accel tcg,thread=single -icount shift=0,sleep=on -cpu max,-cx16 -smp 1 ;;
        *) echo "qemu.sh: BD_QEMU_ACCEL is tcg, kvm or count, not \`$BD_QEMU_ACCEL'" >&2; return 1 ;;
        esac
}

# no_timer_check: the kernel would count ticks while it boots, and panics where the machine below is too busy to give
# them. qemu_start DIR VMLINUZ INITRD APPEND [ARGUMENT…]: boots; INITRD may be empty. DIR/console, DIR/results and
# DIR/qemu.log are written.
qemu_start() {
        local dir=$1 kernel=$2 initrd=$3 append=$4 cpu
        shift 4
        mapfile -t cpu < <(qemu_cpu)
        [ ${#cpu[@]} -gt 0 ] || return 1
        : >"$dir/console"
        : >"$dir/results"
        # It goes with this shell, whatever ends that.
        setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -smp 2 \
                "${cpu[@]}" -m "${qemu_memory:-4096}" \
                -kernel "$kernel" ${initrd:+-initrd "$initrd"} -append \
                        "console=ttyS0 panic=-1 oops=panic no_timer_check $append" \
                -serial "file:$dir/console" -device virtio-serial-pci -chardev "file,id=results,path=$dir/results" \
                -device virtserialport,chardev=results,name=bpfdeleg "$@" </dev/null >"$dir/qemu.log" 2>&1 &
        qemu_pid=$!
        qemu_runs[$qemu_pid]=1
}

# qemu_wait PID END: until the guest has powered off, or $SECONDS is END. 124 then: the machine is ended, what it wrote
# stays.
qemu_wait() {
        local status
        while kill -0 "$1" 2>/dev/null; do
                if [ "$SECONDS" -ge "$2" ]; then
                        qemu_end "$1"
                        return 124
                fi
                sleep 0.2
        done
        wait "$1"
        status=$?
        unset "qemu_runs[$1]"
        return "$status"
}

# qemu_run DIR SECONDS VMLINUZ INITRD APPEND [ARGUMENT…]: the two, one after the other.
qemu_run() {
        local dir=$1 seconds=$2
        shift 2
        qemu_start "$dir" "$@" && qemu_wait "$qemu_pid" $((SECONDS + seconds))
}

# begin_qemu_bed PROGRAM…: what a runner needs, or the bed is skipped; from here on what it leaves is $work, which goes
# with it.
begin_qemu_bed() {
        local program
        [ "$(id -u)" = 0 ] || skip_bed "needs root"
        for program in qemu-system-x86_64 "$@"; do
                command -v "$program" >/dev/null || skip_bed "$program is missing"
        done
        [ "$(uname -m)" = x86_64 ] || skip_bed "this bed is made for x86-64"
        trap end_qemu_bed EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
}
end_qemu_bed() {
        local code=$?
        trap - EXIT
        trap '' INT TERM HUP
        qemu_end
        [ -z "$work" ] || rm -rf --one-file-system "$work"
        exit "$code"
}

# qemu_end [PID…]: ends these machines, or all: for traps, too.
qemu_end() {
        local pid
        [ $# -gt 0 ] || set -- "${!qemu_runs[@]}"
        for pid in "$@"; do
                kill -KILL "$pid" 2>/dev/null
                wait "$pid" 2>/dev/null
                unset "qemu_runs[$pid]"
        done
}
