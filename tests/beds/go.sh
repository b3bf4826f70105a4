#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# go.sh: builds tests/vm/go-loader.go with Debian sid's Go and its cilium/ebpf, the first Debian has that finds a token by
# itself (0.22), in a root of its own, and prints the program's path in build-beds/. One that is there already is taken. Exit
# status 77: this machine lacks what it takes (a line on stderr says what).

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
. "$top_srcdir/tests/beds/in-root.sh"

# Debian's Go libraries are a GOPATH. Without cgo the program needs no library of sid's.
build() {
        mkdir -p "$work/root" && tar -C "$work/root" -xf "$tar" && cp "$top_srcdir/tests/vm/go-loader.go" "$work/root/root/" || return 1
        in_root "$work/root" dpkg-query -W golang-go golang-github-cilium-ebpf-dev
        in_root "$work/root" env GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-buildvcs=false GOTOOLCHAIN=local CGO_ENABLED=0 \
                sh -c 'cd /root && go vet go-loader.go && test -z "$(gofmt -l go-loader.go)" && go build -o go-loader go-loader.go' || return 1
        mv "$work/root/root/go-loader" "$work/"
}

[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
mkdir -p "$beds" || exit 1
out=$beds/go-$(cat "$0" "$top_srcdir/tests/vm/go-loader.go" | sha256sum | cut -c 1-16)
exec 8>"$beds/go.lock"
flock 8 || exit 1
if [ ! -d "$out" ]; then
        tar=$("$top_srcdir/tests/beds/root.sh" sid golang-go golang-github-cilium-ebpf-dev) || exit
        rm -rf "$beds"/go-*/
        work=$(mktemp -d "$beds/work.XXXXXX") || exit 1
        if ! build >"$beds/go.log" 2>&1; then
                tail -n 30 "$beds/go.log" >&2
                echo "the Go program cannot be built (see $beds/go.log)" >&2
                exit 1
        fi
        mkdir "$out" && mv "$work/go-loader" "$out/" || exit 1
fi
printf '%s\n' "$out/go-loader"
