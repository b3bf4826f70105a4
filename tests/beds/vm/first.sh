#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the initramfs of the vm bed's guest begins with: the root is a disk, and never rootfs, in which nothing can
# pivot_root.

/bin/busybox mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
# The disk is looked for while we run.
until [ -b /dev/nvme0n1 ]; do /bin/busybox sleep 0.05; done
/bin/busybox mount -t ext4 /dev/nvme0n1 /new && /bin/busybox cp -a /bed/. /new/bed/
exec /bin/busybox switch_root /new /bed/init
