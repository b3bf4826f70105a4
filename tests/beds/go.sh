#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# go.sh loader|tests: builds, with Debian sid's Go and its cilium/ebpf, the first Debian has that finds a token by
# itself (0.22), in a root of its own: `loader` is tests/vm/go-loader.go, and its path in build-beds/ is printed;
# `tests` are the library's own tests as the package has them, one program a package, and the directory is printed. What
# is there already is taken. Exit status 77: this machine lacks what it takes (a line on stderr says what).

set -u
export LC_ALL=C

top_srcdir=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
beds=${BD_BEDS:-$top_srcdir/build-beds}
. "$top_srcdir/tests/beds/in-root.sh"

# What the library's tests import besides.
libraries=(golang-github-cilium-ebpf-dev golang-github-go-quicktest-qt-dev golang-github-google-go-cmp-dev)
tested=(. features link)

# Debian's Go libraries are a GOPATH. Without cgo the programs need no library of sid's.
go() {
        in_root "$work/root" env GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-buildvcs=false GOTOOLCHAIN=local \
                CGO_ENABLED=0 "$@"
}
build_loader() {
        cp "$top_srcdir/tests/vm/go-loader.go" "$work/root/root/" || return 1
        go sh -c 'cd /root && go vet go-loader.go && test -z "$(gofmt -l go-loader.go)" &&
                go build -o out/go-loader go-loader.go'
}
# A test looks for its data in the directory it is started in.
build_tests() {
        local library=github.com/cilium/ebpf name
        for name in "${tested[@]}"; do
                go go test -c -o "/root/out/$name/${name/./ebpf}.test" "$library/$name" || return 1
        done
        cp -r "$work/root/usr/share/gocode/src/$library/testdata" "$work/root/root/out/"
}
build() {
        mkdir -p "$work/root" && tar -C "$work/root" -xf "$tar" && mkdir "$work/root/root/out" || return 1
        in_root "$work/root" dpkg-query -W golang-go "${libraries[@]}"
        "build_$what"
}

what=${1:-}
case $what in
loader) ;;
tests) ;;
*) echo "usage: go.sh loader|tests" >&2; exit 1 ;;
esac
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
mkdir -p "$beds" || exit 1
out=$beds/go-$what-$(cat "$0" "$top_srcdir/tests/vm/go-loader.go" | sha256sum | cut -c 1-16)
exec 8>"$beds/go.lock"
flock 8 || exit 1
if [ ! -d "$out" ]; then
        tar=$("$top_srcdir/tests/beds/root.sh" sid golang-go "${libraries[@]}") || exit
        rm -rf "$beds/go-$what"-*/
        work=$(mktemp -d "$beds/work.XXXXXX") || exit 1
        if ! build >"$beds/go.log" 2>&1; then
                tail -n 30 "$beds/go.log" >&2
                echo "the Go programs cannot be built (see $beds/go.log)" >&2
                exit 1
        fi
        mv "$work/root/root/out" "$out" || exit 1
fi
[ "$what" = tests ] || out=$out/go-loader
printf '%s\n' "$out"
