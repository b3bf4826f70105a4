# shellcheck shell=bash disable=SC2154,SC2034 # what bootstrap and the other parts set, or use
# SPDX-License-Identifier: LGPL-2.1-or-later
# Packages: a .deb, and an RPM where rpmbuild is there. Sourced by bootstrap.

# A tarball as for a release, so that what is built is what a release would build, and never in the source tree.
make_tarball() { # DIR
        owner make -C "$build" conf/bpfdeleg.spec dist && mv "$build"/bpfdeleg-*.tar.xz "$1"
}

# Own packages on another system's tools: without a list of files and a signature, both of which a repository would add.
build_deb() { # TARBALL DIR
        tar -xf "$1" -C "$tmp" && cd "$tmp"/bpfdeleg-*/ && cp -r conf/debian debian && dpkg-buildpackage -us -uc -b &&
                cp "$tmp"/libpam-bpfdeleg*.deb "$2"
}

# On a system of .debs rpmbuild knows no package to be installed, and whose names are not Fedora's.
build_rpm() { # TARBALL DIR
        local options=(--define "_topdir $tmp/rpm")
        ! command -v dpkg-query >/dev/null || options+=(--nodeps)
        mkdir -p "$tmp/rpm/SOURCES" && cp "$1" "$tmp/rpm/SOURCES" &&
                rpmbuild -bb "${options[@]}" "$build/conf/bpfdeleg.spec" \
                        && cp "$tmp"/rpm/RPMS/*/bpfdeleg-[0-9]*.rpm "$2"
}

run_lintian() { lintian --allow-root --fail-on error,warning --info "$@"; }

do_package() { # [DIR]
        local out=${1:-$src/build-package} tarball file
        local made=()
        need_tmp
        owner mkdir -p "$build" "$src/build-package" || exit 1
        mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
        if needs_autoreconf; then
                step "package: autoreconf" "$build/autoreconf.log" regenerate || return 1
        fi
        if needs_configure "$build"; then
                step "package: configure" "$build/configure.log" configure_in "$build" '' || return 1
        fi
        step "package: make dist" "$build/dist.log" make_tarball "$tmp" || return 1
        tarball=$(printf '%s\n' "$tmp"/bpfdeleg-*.tar.xz)
        rm -f "$out"/libpam-bpfdeleg*.deb "$out"/bpfdeleg-*.rpm
        if command -v dpkg-buildpackage >/dev/null; then
                step "package: dpkg-buildpackage" "$build/deb.log" build_deb "$tarball" "$out" || return 1
                for file in "$out"/libpam-bpfdeleg_*.deb; do made+=("$file"); done
                step "package: lintian" "$build/lintian.log" run_lintian "${made[@]}" || return 1
        fi
        if command -v rpmbuild >/dev/null; then
                step "package: rpmbuild" "$build/rpm.log" build_rpm "$tarball" "$out" || return 1
                for file in "$out"/bpfdeleg-*.rpm; do made+=("$file"); done
        fi
        give_back "$build" "$src/build-package"
        [ ${#made[@]} -gt 0 ] || die "neither dpkg-buildpackage nor rpmbuild is here"
        printf '%s\n' "${made[@]}"
}
