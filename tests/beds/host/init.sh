#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# First program of the host bed's guest. What the kernel unpacked is rootfs, in which nothing can pivot_root or be
# unmounted: all moves on into a tmpfs, and systemd starts there as on any host.

mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
mkdir /new
mount -t tmpfs -o mode=0755,size=75% tmpfs /new
for entry in /*; do
        case $entry in
        /new | /init | /dev | /proc | /sys | /run) ;;
        *) cp -a "$entry" /new/ || echo "init: $entry could not be copied" ;;
        esac
done
mkdir /new/dev /new/proc /new/sys /new/run
mount -t proc proc /proc
exec switch_root /new /lib/systemd/systemd
