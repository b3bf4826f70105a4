/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One record, one write(2), so that lines never mix. When stderr is the journal's stream, events go to the journal
 * with their fields, and plain lines get the "<N>" prefix of sd-daemon(3).
 *
 * The guarantee: nobody's login waits for whoever reads the log. A journal that hangs, or a pipe that is full, costs
 * lines; how many they were is the first thing it hears again.
 */

#include "config.h"

#include "log.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const struct {
        const char *name, *id;
        int priority;
} events[] = {
        [LOG_GRANT] = {"grant", LOG_ID_GRANT, LOG_INFO},       [LOG_JOIN] = {"join", LOG_ID_JOIN, LOG_INFO},
        [LOG_LEAVE] = {"leave", LOG_ID_LEAVE, LOG_INFO},       [LOG_END] = {"end", LOG_ID_END, LOG_INFO},
        [LOG_REFUSE] = {"refuse", LOG_ID_REFUSE, LOG_WARNING}, [LOG_GUARD] = {"guard", LOG_ID_GUARD, LOG_WARNING},
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

/* Strings from the wire are free of control characters (proto_check); this is for all others, such as names in
 * /proc. */
static void make_printable(char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
                        s[i] = '?';
}

static void write_line(int priority, char *line, size_t size, size_t n) {
        if (n >= size - 1)
                n = size - 2;
        make_printable(line, n);
        line[n] = '\n';
        if (stderr_is_journal())
                (void) dprintf(STDERR_FILENO, "<%d>%.*s", priority, (int) n + 1, line);
        else if (write(STDERR_FILENO, line, n + 1) < 0)
                return; /* nowhere left to say so */
}

/* Whether a write would wait. With room at all, a pipe takes a line of ours, and so does the journal's stream;
 * stderr's flags are not ours to change: it may be shared with a shell. */
static bool is_full(void) {
        return poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, 0) == 0;
}

static unsigned lost;

/* Before anything else is said. */
static void tell_lost(void) {
        char line[120];
        int n;

        if (lost == 0 || is_full())
                return;
        n = snprintf(line, sizeof(line), "%u lines of this log were lost: whoever reads it did not keep up", lost);
        lost = 0;
        write_line(LOG_WARNING, line, sizeof(line), (size_t) n);
}

static void write_or_lose(int priority, char *line, size_t size, size_t n) {
        if (is_full())
                lost++;
        else
                write_line(priority, line, size, n);
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
        tell_lost();
        if (n > 0)
                write_or_lose(priority, line, sizeof(line), (size_t) n);
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

/* A name in quotation marks, where it could be taken for two words or for another field: PAM and NSS allow nearly
 * anything. */
static void append_name(char *line, size_t size, size_t *n, const char *key, const char *name) {
        if (!name)
                return;
        if (name[0] != '\0' && !strpbrk(name, " =:\"\\")) {
                append(line, size, n, " %s=%s", key, name);
                return;
        }
        append(line, size, n, " %s=\"", key);
        for (const char *p = name; *p; p++)
                append(line, size, n, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
        append(line, size, n, "\"");
}

/* An entry's fields: one KEY=value a line. */
struct fields {
        char text[2400];
        size_t used;
};

/* One that does not fit is left out: the message has all of it. */
static _printf_(2, 3) void add_field(struct fields *fields, const char *format, ...) {
        char *p = fields->text + fields->used;
        size_t left = sizeof(fields->text) - fields->used;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vsnprintf(p, left, format, ap);
        va_end(ap);
        if (r < 0 || (size_t) r >= left)
                return;
        make_printable(p, (size_t) r);
        p[r] = '\n';
        fields->used += (size_t) r + 1;
}

/* The journal's native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL. Not sd_journal_sendv(3): it waits for as
 * long as the journal does not read. */
static int send_fields(const struct fields *fields) {
        static const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
        static int fd = -1;

        if (fd < 0)
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || sendto(fd, fields->text, fields->used, MSG_DONTWAIT | MSG_NOSIGNAL,
                             (const struct sockaddr *) &journal, sizeof(journal)) < 0)
                return -errno;
        return 0;
}

static int priority_of(enum log_event event, const struct log_subject *subject) {
        return subject->priority ?: events[event].priority;
}

static int send_entry(enum log_event event, const struct log_subject *subject, const char *line) {
        struct fields fields = {.used = 0};

        add_field(&fields, "MESSAGE=%s", line);
        add_field(&fields, "MESSAGE_ID=%s", events[event].id);
        add_field(&fields, "PRIORITY=%d", priority_of(event, subject));
        add_field(&fields, "SYSLOG_IDENTIFIER=bpfdelegd");
        if (subject->uid != (uid_t) -1)
                add_field(&fields, "BPFDELEG_UID=%u", (unsigned) subject->uid);
        if (subject->user)
                add_field(&fields, "BPFDELEG_USER=%s", subject->user);
        if (subject->service)
                add_field(&fields, "BPFDELEG_SERVICE=%s", subject->service);
        if (subject->policy)
                add_field(&fields, "BPFDELEG_POLICY=%s", subject->policy);
        if (subject->id)
                add_field(&fields, "BPFDELEG_ID=%016" PRIx64, subject->id);
        if (subject->session)
                add_field(&fields, "BPFDELEG_SESSION=%" PRIu64, subject->session);
        return send_fields(&fields);
}

void log_event(enum log_event event, const struct log_subject *subject, const char *format, ...) {
        char line[1200], text[600];
        size_t n = 0;
        va_list ap;

        append(line, sizeof(line), &n, "%s:", events[event].name);
        if (subject->uid != (uid_t) -1)
                append(line, sizeof(line), &n, " uid=%u", (unsigned) subject->uid);
        append_name(line, sizeof(line), &n, "user", subject->user);
        append_name(line, sizeof(line), &n, "service", subject->service);
        append_name(line, sizeof(line), &n, "policy", subject->policy);
        if (subject->id)
                append(line, sizeof(line), &n, " id=%016" PRIx64, subject->id);
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        append(line, sizeof(line), &n, ": %s", text);
        tell_lost();
        /* Its stream may have room still where its socket has none: a line without fields is better than none. */
        if (!stderr_is_journal() || send_entry(event, subject, line) < 0)
                write_or_lose(priority_of(event, subject), line, sizeof(line), n);
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

bool log_budget_take(struct log_budget *budget) {
        uint64_t now = now_usec(), next = budget->next > now ? budget->next : now;

        if (next - now > (LOG_BUDGET_BURST - 1) * LOG_BUDGET_USEC)
                return false;
        budget->next = next + LOG_BUDGET_USEC;
        return true;
}
