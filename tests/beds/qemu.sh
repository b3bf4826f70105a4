# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One QEMU machine for one run of a bed, with a deadline: the console goes to a file, and what the guest writes to its port
# `bpfdeleg` (/dev/vport0p1, which kernel messages cannot reach) to another. Sourced, by bash.

qemu_pid=

# The accelerator, and the processor for it. Emulation, so that a run is the same everywhere: virtual machines cannot start others
# reliably. BD_QEMU_ACCEL=kvm is for whoever develops on bare metal. Emulated without cx16: with it the guest's kernel was seen to oops.
# `max` has rdrand, so that nothing waits for entropy.
qemu_cpu() {
        case ${BD_QEMU_ACCEL:-tcg} in
        kvm) printf '%s\n' -accel kvm -cpu host ;;
        tcg) printf '%s\n' -accel tcg,thread=multi -cpu max,-cx16 ;;
        *) echo "qemu.sh: BD_QEMU_ACCEL is tcg or kvm, not \`$BD_QEMU_ACCEL'" >&2; return 1 ;;
        esac
}

# qemu_run DIR SECONDS VMLINUZ INITRD APPEND [ARGUMENT…]: boots and waits for the guest to power off; INITRD may be empty. DIR/console and
# DIR/results are written. 124 when the deadline passed: the machine is ended then, what it wrote stays.
qemu_run() {
        local dir=$1 seconds=$2 kernel=$3 initrd=$4 append=$5 end cpu
        shift 5
        mapfile -t cpu < <(qemu_cpu)
        [ ${#cpu[@]} -gt 0 ] || return 1
        : >"$dir/console"
        : >"$dir/results"
        # It goes with this shell, whatever ends that.
        setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot "${cpu[@]}" -m "${qemu_memory:-4096}" -smp 2 \
                -kernel "$kernel" ${initrd:+-initrd "$initrd"} -append "console=ttyS0 panic=-1 oops=panic $append" \
                -serial "file:$dir/console" -device virtio-serial-pci -chardev "file,id=results,path=$dir/results" \
                -device virtserialport,chardev=results,name=bpfdeleg "$@" </dev/null >"$dir/qemu.log" 2>&1 &
        qemu_pid=$!
        end=$((SECONDS + seconds))
        while kill -0 "$qemu_pid" 2>/dev/null; do
                if [ "$SECONDS" -ge "$end" ]; then
                        qemu_end
                        return 124
                fi
                sleep 0.2
        done
        wait "$qemu_pid"
        seconds=$?
        qemu_pid=
        return "$seconds"
}

# Ends the machine, if there is one: for traps, too.
qemu_end() {
        [ -n "$qemu_pid" ] || return 0
        kill -KILL "$qemu_pid" 2>/dev/null
        wait "$qemu_pid" 2>/dev/null
        qemu_pid=
}
