/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sd-event(3), as far as the helper uses it, in made-up time. Priorities count as they do there; which of several
 * sources comes first is the input's choice.
 */

#include "config.h"

#include "world.h"

#include <limits.h>
#include <sys/epoll.h>

struct sd_event {
        unsigned sources;
};

struct sd_event_source {
        struct sd_event_source *next, *prev;
        sd_event *event;
        unsigned refs;
        bool time, enabled, floating, owns_fd, dispatched;
        int fd;
        uint32_t events;
        unsigned edges; /* with EPOLLET: those that it has been called for */
        uint64_t usec;
        int64_t priority;
        sd_event_io_handler_t io;
        sd_event_time_handler_t timer;
        void *userdata;
};

static struct sd_event_source head = {.next = &head, .prev = &head};

int __wrap_close(int fd);
#define WRAP(name) __wrap_sd_event_##name
int WRAP(new)(sd_event **ret);
sd_event *WRAP(unref)(sd_event *event);
int WRAP(add_io)(sd_event *event, sd_event_source **ret, int fd, uint32_t events, sd_event_io_handler_t handler,
                 void *userdata);
int WRAP(add_time_relative)(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                            sd_event_time_handler_t handler, void *userdata);
int WRAP(source_set_priority)(sd_event_source *s, int64_t priority);
int WRAP(source_set_ratelimit)(sd_event_source *s, uint64_t interval, unsigned burst);
int WRAP(source_set_time_relative)(sd_event_source *s, uint64_t usec);
int WRAP(source_set_enabled)(sd_event_source *s, int enabled);
int WRAP(source_get_enabled)(sd_event_source *s, int *ret);
int WRAP(source_set_io_fd_own)(sd_event_source *s, int own);
int WRAP(source_set_floating)(sd_event_source *s, int floating);
sd_event_source *WRAP(source_unref)(sd_event_source *s);
sd_event_source *WRAP(source_disable_unref)(sd_event_source *s);

int WRAP(new)(sd_event **ret) {
        *ret = calloc(1, sizeof(sd_event));
        must(*ret);
        return 0;
}

static struct sd_event_source *add(sd_event *event, sd_event_source **ret) {
        struct sd_event_source *s = calloc(1, sizeof(*s));

        must(s);
        *s = (struct sd_event_source){
                .next = head.next, .prev = &head, .event = event, .refs = 1, .enabled = true, .fd = -1};
        s->floating = !ret;
        head.next->prev = s;
        head.next = s;
        event->sources++;
        if (ret)
                *ret = s;
        return s;
}

int WRAP(add_io)(sd_event *event, sd_event_source **ret, int fd, uint32_t events, sd_event_io_handler_t handler,
                 void *userdata) {
        struct sd_event_source *s;

        must(fd >= 0 && fcntl(fd, F_GETFD) >= 0 && handler);
        must(!loop_watches(fd)); /* epoll_ctl(2): EEXIST */
        if (world_fault())
                return -errno;
        s = add(event, ret);
        s->fd = fd;
        s->events = events;
        s->edges = UINT_MAX; /* it is called for what was before, too */
        s->io = handler;
        s->userdata = userdata;
        return 0;
}

int WRAP(add_time_relative)(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                            sd_event_time_handler_t handler, void *userdata) {
        struct sd_event_source *s;

        (void) accuracy;
        must(clock == CLOCK_MONOTONIC);
        if (world_fault())
                return -errno;
        s = add(event, ret);
        s->time = true;
        s->usec = world.usec + usec;
        s->timer = handler;
        s->userdata = userdata;
        return 0;
}

int WRAP(source_set_priority)(sd_event_source *s, int64_t priority) {
        s->priority = priority;
        return world_fault() ? -errno : 0;
}

int WRAP(source_set_ratelimit)(sd_event_source *s, uint64_t interval, unsigned burst) {
        must(s && interval > 0 && burst > 0);
        return 0;
}

int WRAP(source_set_time_relative)(sd_event_source *s, uint64_t usec) {
        must(s->time);
        s->usec = world.usec + usec;
        return 0;
}

int WRAP(source_set_enabled)(sd_event_source *s, int enabled) {
        s->enabled = enabled != SD_EVENT_OFF;
        return 0;
}

int WRAP(source_get_enabled)(sd_event_source *s, int *ret) {
        if (ret)
                *ret = s->enabled ? SD_EVENT_ON : SD_EVENT_OFF;
        return s->enabled;
}

int WRAP(source_set_io_fd_own)(sd_event_source *s, int own) {
        if (own && world_fault())
                return -errno;
        s->owns_fd = own;
        return 0;
}

int WRAP(source_set_floating)(sd_event_source *s, int floating) {
        must(floating && !s->floating);
        if (world_fault())
                return -errno;
        s->floating = true;
        s->refs++; /* the loop's */
        return 0;
}

sd_event_source *WRAP(source_unref)(sd_event_source *s) {
        if (!s)
                return NULL;
        must(s->refs > 0);
        if (--s->refs > 0 || s->dispatched)
                return NULL;
        s->next->prev = s->prev;
        s->prev->next = s->next;
        s->event->sources--;
        s->enabled = false;
        if (s->owns_fd)
                (void) __wrap_close(s->fd);
        free(s);
        return NULL;
}

sd_event_source *WRAP(source_disable_unref)(sd_event_source *s) {
        if (!s)
                return NULL;
        s->enabled = false;
        /* A source of the loop's own goes with the reference that the loop has. */
        if (s->floating && s->refs == 1)
                s->floating = false;
        return WRAP(source_unref)(s);
}

/* What is left in it must be its own. */
sd_event *WRAP(unref)(sd_event *event) {
        while (head.next != &head) {
                must(head.next->event == event && head.next->floating);
                (void) WRAP(source_disable_unref)(head.next);
        }
        must(event->sources == 0);
        free(event);
        return NULL;
}

bool loop_watches(int fd) {
        for (const struct sd_event_source *s = head.next; s != &head; s = s->next)
                if (!s->time && s->enabled && s->fd == fd)
                        return true;
        return false;
}

bool loop_is_empty(const sd_event *event) {
        return event->sources == 0;
}

static bool is_due(const struct sd_event_source *s) {
        if (!s->enabled)
                return false;
        if (s->time)
                return s->usec <= world.usec;
        return world_is_ready(s->fd, s->events & ~(uint32_t) EPOLLET) &&
               !((s->events & EPOLLET) && world_edges(s->fd) == s->edges);
}

static struct sd_event_source *choose(unsigned pick) {
        int64_t priority = INT64_MAX;
        unsigned n = 0;

        for (const struct sd_event_source *s = head.next; s != &head; s = s->next)
                if (is_due(s) && s->priority <= priority) {
                        n = s->priority < priority ? 1 : n + 1;
                        priority = s->priority;
                }
        if (n == 0)
                return NULL;
        pick %= n;
        for (struct sd_event_source *s = head.next; s != &head; s = s->next)
                if (s->priority == priority && is_due(s) && pick-- == 0)
                        return s;
        return NULL;
}

bool loop_turn(sd_event *event, unsigned pick) {
        struct sd_event_source *s = choose(pick);
        int r;

        if (!s)
                return false;
        must(s->event == event);
        s->dispatched = true;
        if (s->time)
                s->enabled = false; /* one shot, and off before it is called */
        else if (s->events & EPOLLET)
                s->edges = world_edges(s->fd);
        r = s->time ? s->timer(s, s->usec, s->userdata) : s->io(s, s->fd, s->events, s->userdata);
        s->dispatched = false;
        if (r < 0)
                s->enabled = false;
        if (s->refs == 0) {
                s->refs = 1;
                (void) WRAP(source_unref)(s);
        }
        return true;
}

bool loop_wait(sd_event *event) {
        uint64_t first = UINT64_MAX;

        (void) event;
        for (const struct sd_event_source *s = head.next; s != &head; s = s->next)
                if (s->time && s->enabled && s->usec < first)
                        first = s->usec;
        if (first == UINT64_MAX)
                return false;
        if (first > world.usec)
                world.usec = first;
        return true;
}
