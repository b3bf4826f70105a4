/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "session.h"

#include "delegation.h"
#include "manager.h"

void session_free(struct session *session) {
        if (!session)
                return;
        sd_event_source_disable_unref(session->leader_source);
        (void) close_fd(session->leader_pidfd);
        free(session->service);
        free(session);
}

void session_unlink(struct session *session) {
        struct delegation *d = session->delegation;

        LIST_REMOVE(session, entry);
        d->n_sessions--;
        state_remove_session(&d->manager->state, d->id, session->number);
}

void sessions_drop(struct delegation *d, int result, const char *why) {
        struct session *session;

        while ((session = LIST_FIRST(&d->sessions))) {
                session_unlink(session);
                if (session->ready)
                        session->ready(session->userdata, session, result, why);
                session_free(session);
        }
}

void sessions_forget(struct delegation *d) {
        struct session *session;

        while ((session = LIST_FIRST(&d->sessions))) {
                LIST_REMOVE(session, entry);
                session_free(session);
        }
}

int session_add(struct session **ret, struct delegation *d, uint64_t number, uint64_t attempt, const char *service,
                int take_leader_pidfd, sd_event_io_handler_t on_leader_exit) {
        _cleanup_close_ int leader_pidfd = take_leader_pidfd;
        struct session *session;
        int r;

        session = malloc(sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (struct session){
                .delegation = d,
                .number = number,
                .attempt = attempt,
                .service = strdup(service),
                .leader_pidfd = TAKE_FD(leader_pidfd),
        };
        /* Not our child: sd_event_add_child_pidfd would end the loop with ECHILD. */
        r = !session->service ? -ENOMEM :
                                sd_event_add_io(d->manager->event, &session->leader_source, session->leader_pidfd,
                                                ONCE_EXITED, on_leader_exit, session);
        if (r < 0) {
                session_free(session);
                return r;
        }
        if (d->last_number < number)
                d->last_number = number;
        LIST_INSERT_HEAD(&d->sessions, session, entry);
        d->n_sessions++;
        *ret = session;
        return 0;
}
