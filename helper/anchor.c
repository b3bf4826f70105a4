/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an anchor is for as long as a delegation lives: a process that sleeps, and holds namespaces by that. It is
 * begun as a fork of the helper (maker.c), which does all that is to be done, and executes this last, only because a
 * fork keeps some 100 kB of pages and page tables of the helper's that it never uses: there is an anchor for each
 * user, and this one has 30. So it has no libc that starts, no data and no arguments; of libc there is syscall(3),
 * which needs none of it as long as no call fails.
 *
 * Installed with mode 0711: if users cannot read a program, the kernel keeps its memory from them (execve(2),
 * ptrace(2)).
 */

#include <linux/prctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

_Noreturn void _start(void);

/* All signals but SIGKILL and SIGSTOP are blocked, as they were before. */
_Noreturn void _start(void) {
        (void) syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0); /* fs.suid_dumpable may say otherwise */
        for (;;)
                (void) syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}
