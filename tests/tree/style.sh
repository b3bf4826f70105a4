#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rules that a reader may rely on anywhere in the tree.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
cd "$top_srcdir" || exit 1

# What a build in the source tree has made there is no source.
sources() {
        find lib pam helper cli tests ! -name '*.skel.h' \( -name '*.[ch]' -o -name '*.go' -o -name '*.sh' -path \
                'tests/*' \)
}
programs() { find lib pam helper cli ! -name '*.skel.h' -name '*.[ch]'; }
none() { ! grep -nE "$@"; }

every_file_has_a_licence() {
        ! sources | xargs grep -L 'SPDX-License-Identifier: \(LGPL-2.1\|GPL-2.0\)-or-later' | grep .
}
# PATTERN FILE: the call stands there, and nowhere else
only_in() { [ "$(programs | xargs grep -lE "$1")" = "$2" ] || { programs | xargs grep -nE "$1"; return 1; }; }

ok "each source file names its licence" every_file_has_a_licence
ok "recvmsg is called in lib/sock.c alone" only_in '\brecvmsg\(' lib/sock.c
ok "sendmsg is called in lib/sock.c alone" only_in '\bsendmsg\(' lib/sock.c
# In sshd's process nothing may be said, ended or changed (HACKING.md, Rules).
not_there='printf|puts|fputs|perror|exit|_exit|abort|assert|openlog|syslog|setenv|putenv|unsetenv|umask|chdir|setlocale'
not_there+='|signal|sigaction|sigprocmask'
ok "the module and the library neither print, exit nor log by themselves" \
        none "\b($not_there)\(" \
        lib/{ini,policy,proto,sock,client,sha256}.c lib/{util,ini,policy,proto,sock,client,sha256}.h pam/pam_bpfdeleg.c
ok "no NSS in the helper" none '\b(getpw|getgr|initgroups|getgrouplist)[a-z_]*\(' helper/{,guard/}*.c
# A clock that is set must not end a session, nor let one wait: the one use is what status shows.
ok "the wall clock is read for one thing alone" only_in '\bclock_gettime\(CLOCK_REALTIME' helper/delegation.c
ok "and by no other call" none '\b(time|gettimeofday|timespec_get|ftime)\(' lib/*.[ch] pam/*.[ch] \
        helper/{,guard/}*.[ch] cli/*.[ch]
ok "no timer is of the wall clock" none \
        '(sd_event_add_time|sd_event_add_time_relative|timer_create|timerfd_create)\(.*CLOCK_REALTIME' lib/*.[ch] \
        pam/*.[ch] helper/{,guard/}*.[ch] cli/*.[ch]
ok "no VLA's cousin alloca" none '\balloca\(' lib/*.c pam/*.c helper/{,guard/}*.c cli/*.c
# narrow COLUMNS FILE…: characters, not bytes; a tab is eight.
narrow() {
        local columns=$1 file
        shift
        ! for file; do sed 's/\t/        /g' "$file" | LC_ALL=C.UTF-8 grep -nE "^.{$((columns + 1))}" \
                | sed "s|^|$file:|"; done |
                cut -c 1-150 | grep .
}
scripts() { find bootstrap scripts tests ! -path 'tests/fuzz/corpus/*' \( -name '*.sh' -o -name bootstrap \); }
c_sources() { find lib pam helper cli tests ! -name '*.skel.h' -name '*.[ch]'; }
mapfile -t c_files < <(c_sources)
c_is_narrow() { narrow 120 "${c_files[@]}"; }
mapfile -t script_files < <(scripts)
scripts_are_narrow() { narrow 120 "${script_files[@]}" configure.ac Makefile.am tests/tests.mk; }
# A macro's line in a manual page is one line.
documents() { find ./*.md PROTOCOL NEWS docs -name '*.md' -o -name PROTOCOL -o -name NEWS; }
pages() { for page in man/*.[0-9]; do grep -v '^[.]' "$page" >"$T/${page##*/}"; done; }
mapfile -t document_files < <(documents)
documents_are_narrow() { pages && narrow 100 "${document_files[@]}" "$T"/*.[0-9]; }
ok "no line of C is wider than 120 columns" c_is_narrow
ok "and none of scripts and the build's files" scripts_are_narrow
ok "and none of documents and manual pages than 100" documents_are_narrow
# Another version breaks some lines elsewhere.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
        formatted() {
                ! clang-format --dry-run --Werror "${c_files[@]}" 2>&1 | grep -A2 'error:' | head -n 30 | grep .
        }
        ok "C is as \`make format' makes it" formatted
fi
# Of a tree unpacked from a tarball there is nothing to say here.
if [ -d .git ]; then
        generated() {
                ! git -c safe.directory='*' ls-files \
                        | grep -E '(^|/)(configure|Makefile\.in|aclocal\.m4|config\.h\.in)$|\.(o|lo|la|so)$'
        }
        ok "no generated file is tracked" generated
fi
printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
