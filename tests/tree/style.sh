#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Rules that a reader may rely on anywhere in the tree.

. "$(dirname "$0")/../system/lib.sh"

T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
: >"$T/out"
cd "$top_srcdir" || exit 1

# What a build in the source tree has made there is no source.
sources() { find lib pam helper cli tests ! -name '*.skel.h' \( -name '*.[ch]' -o -name '*.go' -o -name '*.sh' -path 'tests/*' \); }
programs() { find lib pam helper cli ! -name '*.skel.h' -name '*.[ch]'; }
none() { ! grep -nE "$@"; }

every_file_has_a_licence() { ! sources | xargs grep -L 'SPDX-License-Identifier: \(LGPL-2.1\|GPL-2.0\)-or-later' | grep .; }
# PATTERN FILE: the call stands there, and nowhere else
only_in() { [ "$(programs | xargs grep -lE "$1")" = "$2" ] || { programs | xargs grep -nE "$1"; return 1; }; }

ok "each source file names its licence" every_file_has_a_licence
ok "recvmsg is called in lib/sock.c alone" only_in '\brecvmsg\(' lib/sock.c
ok "sendmsg is called in lib/sock.c alone" only_in '\bsendmsg\(' lib/sock.c
# In sshd's process nothing may be said, ended or changed (HACKING.md, Rules).
ok "the module and the library neither print, exit nor log by themselves" \
        none '\b(printf|puts|fputs|perror|exit|_exit|abort|assert|openlog|syslog|setenv|putenv|unsetenv|umask|chdir|setlocale|signal|sigaction|sigprocmask)\(' \
        lib/{ini,policy,proto,sock,client,sha256}.c lib/{util,ini,policy,proto,sock,client,sha256}.h pam/pam_bpfdeleg.c
ok "no NSS in the helper" none '\b(getpw|getgr|initgroups|getgrouplist)[a-z_]*\(' helper/*.c
# A clock that is set must not end a session, nor let one wait: the one use is what status shows.
ok "the wall clock is read for one thing alone" only_in '\bclock_gettime\(CLOCK_REALTIME' helper/delegation.c
ok "and by no other call" none '\b(time|gettimeofday|timespec_get|ftime)\(' lib/*.[ch] pam/*.[ch] helper/*.[ch] cli/*.[ch]
ok "no timer is of the wall clock" none '(sd_event_add_time|sd_event_add_time_relative|timer_create|timerfd_create)\(.*CLOCK_REALTIME' lib/*.[ch] pam/*.[ch] helper/*.[ch] cli/*.[ch]
ok "no VLA's cousin alloca" none '\balloca\(' lib/*.c pam/*.c helper/*.c cli/*.c
# Of a tree unpacked from a tarball there is nothing to say here.
if [ -d .git ]; then
        generated() { ! git -c safe.directory='*' ls-files | grep -E '(^|/)(configure|Makefile\.in|aclocal\.m4|config\.h\.in)$|\.(o|lo|la|so)$'; }
        ok "no generated file is tracked" generated
fi
printf '1..%d\n' "$case_count"
[ "$case_failures" -eq 0 ]
