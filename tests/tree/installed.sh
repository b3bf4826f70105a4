#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What `make install` puts on a machine: all that is promised, and nothing with a privilege of its own.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"

# By one whose files are for a group to write: nobody but root may write what the daemon and the module trust.
install_it() { (umask 002 && make -s -C "$top_builddir" install DESTDIR="$T/root" </dev/null); }
has() { # PATTERN: a file of the installed tree
        find "$T/root" -type f | sed "s,^$T/root,," | grep -Eqx -- "$1" && return 0
        find "$T/root" -type f
        return 1
}
lacks_file() { ! find "$T/root" -type f | sed "s,^$T/root,," | grep -Ex -- "$1"; }
no_placeholder() { # NAME: everywhere it is installed
        [ -n "$(find "$T/root" -name "$1" -type f)" ] \
                && ! find "$T/root" -name "$1" -type f -exec grep -Hn '@[a-zA-Z]*@' {} + | grep .
}
nothing_with_a_bit() { ! find "$T/root" -perm /7000 -type f | grep .; }
no_capability() {
        command -v getcap >/dev/null || PATH=$PATH:/usr/sbin:/sbin
        ! getcap -r "$T/root" | grep .
}
# The check must be able to fail.
a_bit_is_seen() {
        install -m 4755 /bin/true "$T/root/probe"
        ! nothing_with_a_bit >/dev/null
        local r=$?
        rm "$T/root/probe"
        return $r
}

ok "make install DESTDIR=" install_it
for file in '.*/bin/bpfdeleg' '.*/libexec/bpfdelegd' '.*/libexec/bpfdeleg-anchor' '.*/libexec/bpfdeleg-status' \
        '.*/libexec/bpfdeleg-doctor' '.*/security/pam_bpfdeleg\.so' '.*/man8/pam_bpfdeleg\.8' \
        '.*/man8/bpfdelegd\.8' '.*/man1/bpfdeleg\.1' '.*/man5/bpfdeleg-policy\.5' '.*/man7/bpfdeleg\.7' \
        '.*/man7/bpfdeleg-programs\.7' '.*/man8/bpfdeleg-doctor\.8' '.*/examples/50-netdev\.ini' \
        '.*/examples/bpfdeleg\.ini' '.*/systemd/system/bpfdelegd\.socket' \
        '.*/systemd/system/bpfdelegd\.service' '.*/tmpfiles\.d/bpfdeleg\.conf' '.*/sysusers\.d/bpfdeleg\.conf' \
        '.*/systemd/catalog/bpfdeleg\.catalog'; do
        ok "there is ${file#.\*/}" has "$file"
done
no_la() { ! find "$T/root" -name "*.la" | grep .; }
ok "no libtool archive" no_la
ok "no setuid or setgid bit" nothing_with_a_bit
ok "no file capability" no_capability
ok "a setuid bit would be seen" a_bit_is_seen
# Each attach proxy has the tool's memory, for as long as its command runs: what a library adds, it adds once for each.
# A sanitizer's runtime is none of ours, nor what it brings along; the loader is there by name only for it.
libraries() { # PROGRAM: one a line
        LC_ALL=C readelf -d "$(find "$T/root" -path "*/$1" -type f)" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*\]/\1/p' \
                | sort >"$T/needed"
        grep -q '^libc$' "$T/needed" || { echo "$1 does not need libc?"; return 1; }
        if grep -Eq "$sanitizers" "$T/needed"; then
                grep -Ev "$sanitizers|^(libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-.*|ld64)\$" "$T/needed"
        else
                cat "$T/needed"
        fi
}
sanitizers='^lib(asan|ubsan|lsan|tsan|clang_rt)'
libc_alone() { libraries "$1" >"$T/found" && echo libc | diff - "$T/found"; }
# The check must be able to fail.
a_library_is_seen() {
        ! libc_alone libexec/bpfdeleg-doctor && grep -qx libbpf "$T/found" && grep -qx libjson-c "$T/found"
}
ok "the tool needs libc alone" libc_alone bin/bpfdeleg
ok "a library more would be seen, as with bpfdeleg-doctor" a_library_is_seen
no_policy() { ! find "$T/root" -path '*policy.d/*' | grep .; }
ok "no policy is active that nobody wrote" no_policy
policy_dir() {
        [ "$(find "$T/root" -path '*/bpfdeleg/policy.d' -type d -perm 0755 | wc -l)" -eq 1 ] \
                || { find "$T/root" -type d; return 1; }
}
ok "there is a directory for policies, 0755" policy_dir
etc_dir() { [ "$(stat -c %a "$(find "$T/root" -path '*/bpfdeleg/policy.d' -type d -printf '%h\n')")" = 755 ]; }
ok "and the one above it is 0755, whatever the umask" etc_dir
# Debian's alone.
if [ -x "$(PATH=$PATH:/usr/sbin:/sbin command -v pam-auth-update)" ]; then
        ok "there is pam-configs/bpfdeleg" has '.*/pam-configs/bpfdeleg'
        ok "and bpfdeleg-enforce" has '.*/pam-configs/bpfdeleg-enforce'
else
        ok "no pam-configs where there is no pam-auth-update" lacks_file '.*/pam-configs/.*'
fi
# Every path of an example that a document names is one that is installed.
paths_named() {
        find "$T/root" \( -name README.md -o -name '*.[1578]' \) -exec grep -ohE '/[^ `)]*/examples/[a-z0-9-]+\.ini' \
                {} + | sort -u
}
paths_hold() {
        paths_named >"$T/paths"; [ "$(wc -l <"$T/paths")" -ge 1 ] \
                && while IFS= read -r path; do [ -e "$T/root$path" ] || { echo "$path"; return 1; }; done <"$T/paths"
}
ok "documents name the examples where they are installed" paths_hold
for file in bpfdelegd.socket bpfdelegd.service bpfdeleg.conf; do
        ok "$file has no @NAME@ left" no_placeholder "$file"
done
ok "make uninstall" make -s -C "$top_builddir" uninstall DESTDIR="$T/root"
nothing() { ! find "$T/root" ! -type d | grep .; }
ok "it leaves no file" nothing
printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
