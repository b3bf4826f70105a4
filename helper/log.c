/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One record, one write(2), so that lines never mix. The "<N>" prefix of sd-daemon(3) is put before it when stderr is
 * the journal's stream.
 */

#include "config.h"

#include "log.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *const event_names[] = {
        [LOG_GRANT] = "grant",   [LOG_JOIN] = "join", [LOG_LEAVE] = "leave",
        [LOG_END] = "end", [LOG_REFUSE] = "refuse",
};

static bool debug_on;

void log_set_debug(bool on) {
        debug_on = on;
}

/* $JOURNAL_STREAM names the device and inode of the stream that journald gave us; only if stderr still is that one. */
static bool stderr_is_journal(void) {
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == (dev_t) dev && st.st_ino == (ino_t) ino;
}

static void write_line(int priority, char *line, size_t size, size_t n) {
        if (n >= size - 1)
                n = size - 2;
        /* Strings from the wire are free of control characters (proto_check); this is for all others, such as names
         * in /proc. */
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        line[n] = '\n';
        if (stderr_is_journal())
                (void) dprintf(STDERR_FILENO, "<%d>%.*s", priority, (int) n + 1, line);
        else if (write(STDERR_FILENO, line, n + 1) < 0)
                return; /* nowhere left to say so */
}

void log_line(int priority, const char *format, ...) {
        char line[1200];
        va_list ap;
        int n;

        if (priority == LOG_DEBUG && !debug_on)
                return;
        va_start(ap, format);
        n = vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (n > 0)
                write_line(priority, line, sizeof(line), (size_t) n);
}

/* Appends to a line; what does not fit is cut. */
static _printf_(4, 5) void append(char *line, size_t size, size_t *n, const char *format, ...) {
        va_list ap;
        int r;

        if (*n >= size)
                return;
        va_start(ap, format);
        r = vsnprintf(line + *n, size - *n, format, ap);
        va_end(ap);
        if (r > 0)
                *n += (size_t) r;
}

void log_event(enum log_event event, const struct log_subject *subject, const char *format, ...) {
        char line[1200], text[600];
        size_t n = 0;
        va_list ap;

        append(line, sizeof(line), &n, "%s:", event_names[event]);
        if (subject->uid != (uid_t) -1)
                append(line, sizeof(line), &n, " uid=%u", (unsigned) subject->uid);
        if (subject->user)
                append(line, sizeof(line), &n, " user=%s", subject->user);
        if (subject->service)
                append(line, sizeof(line), &n, " service=%s", subject->service);
        if (subject->policy)
                append(line, sizeof(line), &n, " policy=%s", subject->policy);
        if (subject->id)
                append(line, sizeof(line), &n, " id=%016" PRIx64, subject->id);
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        append(line, sizeof(line), &n, ": %s", text);
        write_line(event == LOG_REFUSE ? LOG_WARNING : LOG_INFO, line, sizeof(line), n);
}

bool log_ratelimit(struct log_ratelimit *limit, unsigned *ret_suppressed) {
        uint64_t now = now_usec();

        if (limit->begin == 0 || now - limit->begin > LOG_RATELIMIT_USEC) {
                *ret_suppressed = limit->suppressed;
                *limit = (struct log_ratelimit){.begin = now, .lines = 1};
                return true;
        }
        if (limit->lines >= LOG_RATELIMIT_BURST) {
                limit->suppressed++;
                return false;
        }
        limit->lines++;
        *ret_suppressed = 0;
        return true;
}
