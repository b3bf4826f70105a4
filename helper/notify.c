/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * STATUS= as sd_notify(3) has it, but without waiting: sd_notify() does so while the service manager does not read,
 * and a login must not wait for that. After each turn of the loop the numbers are compared with what was told last.
 */

#include "config.h"

#include "notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "manager.h"
#include "sock.h"

#define INTERVAL_USEC USEC_PER_SEC

struct notify {
        const struct manager *manager;
        sd_event_source *post, *timer;
        size_t told; /* how many delegations, the last time */
        uint64_t told_usec;
};

static void tell(struct notify *notify) {
        size_t n = notify->manager->n_delegations;
        const char *path = getenv("NOTIFY_SOCKET");
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address;
        char text[128];
        int size;

        notify->told = n;
        notify->told_usec = now_usec();
        /* systemd's is a path; with "@" it is somebody else's, who can do without. */
        if (!path || path[0] != '/' || sock_address(path, &address) < 0)
                return;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        size = snprintf(text, sizeof(text), "STATUS=%s, %zu delegation%s",
                        notify->manager->guard ? "guard in force" : "no guard", n, plural(n));
        if (sendto(fd, text, (size_t) size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *) &address,
                   sizeof(address)) < 0)
                notify->told = SIZE_MAX; /* once more, after the next turn */
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct notify *notify = userdata;

        (void) source;
        (void) usec;
        notify->timer = sd_event_source_disable_unref(notify->timer);
        return 0; /* on_post() comes next */
}

static int on_post(sd_event_source *source, void *userdata) {
        struct notify *notify = userdata;
        uint64_t passed = now_usec() - notify->told_usec;

        if (notify->told == notify->manager->n_delegations || notify->timer)
                return 0;
        if (passed >= INTERVAL_USEC)
                tell(notify);
        else
                (void) sd_event_add_time_relative(sd_event_source_get_event(source), &notify->timer, CLOCK_MONOTONIC,
                                                  INTERVAL_USEC - passed, 0, on_timer, notify);
        return 0;
}

int notify_new(struct notify **ret, const struct manager *manager) {
        struct notify *notify;
        int r;

        notify = malloc(sizeof(*notify));
        if (!notify)
                return -ENOMEM;
        *notify = (struct notify){.manager = manager};
        r = sd_event_add_post(manager->event, &notify->post, on_post, notify);
        if (r < 0) {
                free(notify);
                return r;
        }
        tell(notify);
        *ret = notify;
        return 0;
}

void notify_free(struct notify *notify) {
        if (!notify)
                return;
        sd_event_source_disable_unref(notify->post);
        sd_event_source_disable_unref(notify->timer);
        free(notify);
}
