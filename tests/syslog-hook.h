/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * For test programs that load the PAM module: what libpam logs comes to on_syslog(), which the including file defines.
 * libpam finds these before libc's, whose header, syslog.h, would be in the way.
 */

#include "util.h"

static void on_syslog(int priority, const char *format, va_list ap) _printf_(2, 0);

_printf_(2, 3) void syslog(int priority, const char *format, ...);
void syslog(int priority, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        on_syslog(priority, format, ap);
        va_end(ap);
}

/* What a libpam built with _FORTIFY_SOURCE calls. */
_printf_(3, 4) void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...) {
        va_list ap;

        (void) flag;
        va_start(ap, format);
        on_syslog(priority, format, ap);
        va_end(ap);
}
