#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# First program of the vm bed's guest, whose root is already there: the file systems and the one interface that a host
# has before anybody logs in, then the tests, then off. What it prints goes to the console.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C

attach() { # TYPE DIR [OPTIONS]
        mountpoint -q "$2" && return
        mkdir -p "$2" && mount -t "$1" ${3:+-o "$3"} "$1" "$2" || echo "init: no $1"
}
attach proc /proc
attach sysfs /sys
attach devtmpfs /dev
# Which udev makes elsewhere.
ln -s /proc/self/fd /dev/fd
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "/dev/${fd#*:}"; done
attach devpts /dev/pts gid=5,mode=620,ptmxmode=666
attach tmpfs /dev/shm mode=1777
attach tmpfs /run mode=0755
attach tmpfs /tmp mode=1777
attach securityfs /sys/kernel/security
attach tracefs /sys/kernel/tracing
attach cgroup2 /sys/fs/cgroup nsdelegate
attach bpf /sys/fs/bpf mode=0700
# As systemd leaves the root: nothing sits in it but kernel threads and what its children may have. A cgroup of no
# controllers says no.
mkdir /sys/fs/cgroup/init.scope && echo $$ >/sys/fs/cgroup/init.scope/cgroup.procs
read -ra controllers </sys/fs/cgroup/cgroup.controllers
for controller in "${controllers[@]}"; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || echo "init: no controller $controller"
done
ip link set lo up || echo "init: no lo"
hostname bed
ulimit -c 0

bash /bed/run.sh
sync
echo o >/proc/sysrq-trigger
sleep 1000
