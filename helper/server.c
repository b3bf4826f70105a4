/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The guarantee: nothing a client sends or withholds costs anybody else more than a bounded piece of memory and one
 * turn of the loop. Each connection is charged to its uid before anything is allocated for it; it has a deadline
 * until its request is complete; nothing but one well-formed request of a type that its socket permits is ever looked
 * at; any other byte closes it.
 */

#include "config.h"

#include "server.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "delegation.h"
#include "manager.h"
#include "sock.h"

#define BACKLOG 1024

/*
 * What users may take of the loop by connecting alone: so many at once, which is what a login has to wait for at each
 * of its steps, and so many in such a time. More wait in the socket's queue. Out of descriptors, accept(2) fails and
 * the socket stays readable: it does not spin either.
 */
#define ACCEPTS_PER_TURN 2
#define TURNS_USEC (10 * USEC_PER_MSEC)
#define TURNS 25

/* What the requests of one uid on the user socket may take of the loop: so much of its time in such a time. Further
 * requests of that uid wait; those of others do not. */
#define WINDOW_USEC (10 * USEC_PER_MSEC)
#define BUDGET_USEC (1 * USEC_PER_MSEC)

/* Logins come before what users ask, however much they ask. */
static const struct {
        const char *name;
        mode_t mode;
        int64_t priority;
} sockets[SERVER_SOCKETS] = {
        [SERVER_SESSION] = {"session", 0600, SD_EVENT_PRIORITY_NORMAL - 1},
        [SERVER_USER] = {"user", 0666, SD_EVENT_PRIORITY_NORMAL + 2},
};

/*
 * What one person has open on the user socket: a uid that has a delegation, or root. All other uids are one person
 * here. Somebody with subordinate uids has thousands of them, in user namespaces and, by setuid programs of those, in
 * the initial one as well; nobody gives them delegations. They may all ask, and what is done for them is to say no.
 *
 * Outlives its connections for as long as its log limit and its window count, so that coming back does not start them
 * anew.
 */
#define NOBODYS_UID ((uid_t) -1)
struct usage {
        LIST_ENTRY(usage) entry;
        uid_t uid;
        unsigned connections;
        uint64_t window, used; /* since when, and how much of BUDGET_USEC */
        struct log_ratelimit limit;
};

struct server {
        struct manager *manager;
        const struct request_row *requests;
        int dir_fd;   /* locked; -1 when the sockets were handed over */
        int spare_fd; /* see turn_away() */
        struct {
                int fd;
                bool ours; /* made by us, so ours to remove */
                sd_event_source *source;
        } sockets[SERVER_SOCKETS];
        TAILQ_HEAD(, connection) connections; /* the oldest first */
        LIST_HEAD(, usage) usages;
        size_t n_user_connections;
        struct log_ratelimit full_limit;
        struct log_budget budget; /* for lines that users cause */
        unsigned left_out;        /* of them, and not told yet */
        sd_event_source *left_out_timer;
};

struct manager *connection_manager(const struct connection *connection) {
        return connection->server->manager;
}

/* ---- what users make it say ---- */

static void tell_left_out(struct server *server) {
        if (server->left_out > 0)
                log_line(LOG_WARNING, "%u more lines about what users sent and asked for were left out",
                         server->left_out);
        server->left_out = 0;
}

static int on_left_out(sd_event_source *source, uint64_t usec, void *userdata) {
        struct server *server = userdata;

        (void) source;
        (void) usec;
        server->left_out_timer = sd_event_source_disable_unref(server->left_out_timer);
        tell_left_out(server);
        return 0;
}

/* Whether a line that this one causes may be written. If not it is counted, and the count is told: without a timer by
 * the end at the latest. */
static bool may_log(struct server *server, struct usage *usage) {
        unsigned suppressed;

        if (log_ratelimit(&usage->limit, &suppressed) && (usage->uid == 0 || log_budget_take(&server->budget)))
                return true;
        server->left_out++;
        if (!server->left_out_timer)
                (void) sd_event_add_time_relative(server->manager->event, &server->left_out_timer, CLOCK_MONOTONIC,
                                                  LOG_RATELIMIT_USEC, 1, on_left_out, server);
        return false;
}

bool connection_log_allowed(struct connection *connection) {
        return may_log(connection->server, connection->usage);
}

/* ---- accounting ---- */

static struct usage *usage_get(struct server *server, uid_t peer_uid) {
        uid_t uid = peer_uid == 0 || manager_find_uid(server->manager, peer_uid) ? peer_uid : NOBODYS_UID;
        struct usage *usage, *next, *found = NULL;

        for (usage = LIST_FIRST(&server->usages); usage; usage = next) {
                next = LIST_NEXT(usage, entry);
                if (usage->uid == uid)
                        found = usage;
                else if (usage->connections == 0 && now_usec() - usage->limit.begin > LOG_RATELIMIT_USEC &&
                         now_usec() - usage->window > WINDOW_USEC) {
                        LIST_REMOVE(usage, entry);
                        free(usage);
                }
        }
        if (found)
                return found;
        usage = malloc(sizeof(*usage));
        if (usage) {
                *usage = (struct usage){.uid = uid};
                LIST_INSERT_HEAD(&server->usages, usage, entry);
        }
        return usage;
}

/* ---- one connection ---- */

static void connection_free(struct connection *connection) {
        TAILQ_REMOVE(&connection->server->connections, connection, entry);
        if (connection->socket == SERVER_USER)
                connection->server->n_user_connections--;
        connection->usage->connections--;
        sd_event_source_disable_unref(connection->source);
        sd_event_source_disable_unref(connection->timer);
        sd_event_source_disable_unref(connection->resume);
        peer_done(&connection->peer);
        (void) close_fd(connection->fd);
        free(connection);
}

/* Ends it before its answer. */
static void connection_drop(struct connection *connection) {
        void (*gone)(void *userdata) = connection->gone;
        void *userdata = connection->userdata;

        connection_free(connection);
        if (gone)
                gone(userdata);
}

static _printf_(2, 3) void connection_violation(struct connection *connection, const char *format, ...) {
        struct errtext why;
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(why.s, sizeof(why.s), format, ap);
        va_end(ap);
        if (connection_log_allowed(connection))
                log_line(LOG_WARNING, "%s socket: connection of uid %u, pid %d closed: %s",
                         sockets[connection->socket].name, (unsigned) connection->peer.cred.uid,
                         (int) connection->peer.cred.pid, why.s);
        connection_drop(connection);
}

int connection_send(struct connection *connection, const void *message) {
        const struct proto_head *head = message;

        return sock_send(connection->fd, message, proto_size(head->type), NULL, 0);
}

int connection_reply(struct connection *connection, const void *message, const int *fds, size_t n_fds) {
        const struct proto_head *head = message;
        int r;

        r = sock_send(connection->fd, message, proto_size(head->type), fds, n_fds);
        connection->gone = NULL;
        connection_free(connection);
        return r;
}

static const struct request_row *find_row(const struct server *server, uint32_t type, enum server_socket socket) {
        for (const struct request_row *row = server->requests; row->handle; row++)
                if (row->type == type && row->socket == socket)
                        return row;
        return NULL;
}

static void handle_message(struct connection *connection, const union proto_message *message,
                           const struct sock_received *received) {
        const struct request_row *row;
        struct errtext err;

        if (connection->busy) {
                connection_violation(connection, "more than one request");
                return;
        }
        if (proto_check(message, received->size, &err) < 0) {
                connection_violation(connection, "%s", err.s);
                return;
        }
        row = find_row(connection->server, message->head.type, connection->socket);
        if (!row) {
                connection_violation(connection, "message type %u is not for this socket", message->head.type);
                return;
        }
        /* SO_PEERPIDFD is who connected: a descriptor passed on must not make another process the one that is meant. */
        if (received->cred.pid != connection->peer.cred.pid || received->cred.uid != connection->peer.cred.uid) {
                connection_violation(connection, "sent by pid %d, another process than the one that connected",
                                     (int) received->cred.pid);
                return;
        }
        log_line(LOG_DEBUG, "%s socket: request %u of uid %u, pid %d", sockets[connection->socket].name,
                 message->head.type, (unsigned) connection->peer.cred.uid, (int) connection->peer.cred.pid);
        connection->busy = true;
        connection->timer = sd_event_source_disable_unref(connection->timer); /* from here on the request has its own */
        row->handle(connection, message);
}

static bool is_over_budget(struct usage *usage) {
        uint64_t now = now_usec();

        if (now - usage->window > WINDOW_USEC) {
                usage->window = now;
                usage->used = 0;
        }
        return usage->used >= BUDGET_USEC;
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata) {
        struct connection *connection = userdata;

        (void) source;
        (void) usec;
        connection->resume = sd_event_source_disable_unref(connection->resume);
        return sd_event_source_set_enabled(connection->source, SD_EVENT_ON);
}

/* Whether it waits from here on. Where there is no memory for a timer, it does not. */
static bool postpone(struct connection *connection) {
        if (connection->socket != SERVER_USER || !is_over_budget(connection->usage) ||
            sd_event_add_time_relative(connection->server->manager->event, &connection->resume, CLOCK_MONOTONIC,
                                       WINDOW_USEC, 1, on_resume, connection) < 0)
                return false;
        (void) sd_event_source_set_priority(connection->resume, sockets[SERVER_USER].priority);
        /* The request has come in time; what takes long is our doing. */
        connection->timer = sd_event_source_disable_unref(connection->timer);
        return sd_event_source_set_enabled(connection->source, SD_EVENT_OFF) >= 0;
}

static void receive(struct connection *connection, int fd) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message message;
        int r;

        r = sock_recv(fd, &message, sizeof(message), 0, &received);
        if (r == -EAGAIN || r == -EINTR)
                return;
        if (r == -EMSGSIZE)
                connection_violation(connection, "a message of more than %zu bytes", sizeof(message));
        else if (r == -EBADMSG)
                connection_violation(connection, "descriptors, or other control data, with a request");
        else if (r < 0)
                connection_drop(connection); /* hung up */
        else
                handle_message(connection, &message, &received);
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct connection *connection = userdata;
        struct usage *usage = connection->usage; /* stays, when the connection goes */
        uint64_t begin = now_usec();

        (void) source;
        /* What users ask is for them alone, and there is nobody left to tell. A log-out counts all the same. */
        if ((revents & EPOLLHUP) && connection->socket == SERVER_USER)
                connection_drop(connection);
        else if (!postpone(connection)) {
                receive(connection, fd);
                usage->used += now_usec() - begin;
        }
        return 0;
}

static int on_connection_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        connection_violation(userdata, "no request within the time given");
        return 0;
}

/* ---- accepting ---- */

/* Whether nothing has come of it yet, and nothing waits to be read. */
static bool is_half_open(const struct connection *connection) {
        return connection->socket == SERVER_USER && !connection->busy && connection->timer &&
               poll(&(struct pollfd){.fd = connection->fd, .events = POLLIN}, 1, 0) == 0;
}

/* Gives the place of the oldest half-open connection, of usage's or (NULL) of all, to another. Returns whether there
 * was one. */
static bool make_room(struct server *server, const struct usage *usage) {
        struct connection *connection;

        TAILQ_FOREACH(connection, &server->connections, entry)
        if ((!usage || connection->usage == usage) && is_half_open(connection)) {
                connection_violation(connection, "it had not asked for anything yet, and its place was needed");
                return true;
        }
        return false;
}

/* Whether one more is allowed; if not, says so, but not for ever. */
static bool within_limits(struct server *server, enum server_socket socket, struct usage *usage, uid_t uid) {
        const struct settings *settings = &server->manager->settings;

        /* The mode of its file says the same; a socket unit may have been written with another. */
        if (socket == SERVER_SESSION) {
                if (uid != 0 && may_log(server, usage))
                        log_line(LOG_WARNING,
                                 "session socket: connection of uid %u closed: it is for root alone, its mode should "
                                 "be 0600",
                                 (unsigned) uid);
                return uid == 0;
        }
        if (usage->connections >= settings->connections_per_uid && !make_room(server, usage)) {
                if (may_log(server, usage))
                        log_line(LOG_WARNING,
                                 "user socket: %s has %u connections already, one more, of uid %u, closed "
                                 "(connections_per_uid in bpfdeleg.ini)",
                                 usage->uid == NOBODYS_UID ? "who has no delegation" : "that user", usage->connections,
                                 (unsigned) uid);
                return false;
        }
        if (server->n_user_connections >= settings->connections && !make_room(server, NULL)) {
                if (may_log(server, usage))
                        log_line(LOG_WARNING,
                                 "user socket: %zu connections already, one more, of uid %u, closed "
                                 "(connections in bpfdeleg.ini)",
                                 server->n_user_connections, (unsigned) uid);
                return false;
        }
        return true;
}

/* Takes fd and peer, also on failure. */
static int connection_new(struct server *server, enum server_socket socket, int fd, struct peer *peer,
                          struct usage *usage) {
        sd_event *event = server->manager->event;
        struct connection *connection;
        int r;

        connection = malloc(sizeof(*connection));
        if (!connection) {
                (void) close_fd(fd);
                peer_done(peer);
                return -ENOMEM;
        }
        *connection = (struct connection){.server = server, .socket = socket, .fd = fd, .peer = *peer, .usage = usage};
        usage->connections++;
        if (socket == SERVER_USER)
                server->n_user_connections++;
        TAILQ_INSERT_TAIL(&server->connections, connection, entry);
        r = sd_event_add_io(event, &connection->source, fd, EPOLLIN, on_connection, connection);
        if (r >= 0)
                r = sd_event_source_set_priority(connection->source, sockets[socket].priority);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &connection->timer, CLOCK_MONOTONIC,
                                               server->manager->settings.request_timeout, 0, on_connection_timeout,
                                               connection);
        if (r < 0)
                connection_free(connection);
        return r < 0 ? r : 0;
}

static void log_not_taken(struct server *server, enum server_socket socket, int error) {
        unsigned suppressed;

        if (log_ratelimit(&server->full_limit, &suppressed))
                log_line(LOG_ERR, "%s socket: a connection is turned away: %s%s (%u such lines left out)",
                         sockets[socket].name, strerror(error),
                         error == EMFILE ? "; bpfdelegd needs a higher limit of them (LimitNOFILE= in its unit)" : "",
                         suppressed);
}

/* Takes fd in any case. */
static void admit_take(struct server *server, enum server_socket socket, int take) {
        _cleanup_close_ int fd = take;
        struct peer peer = PEER_INIT;
        struct usage *usage;
        int r;

        r = peer_get(fd, &peer);
        if (r == -EMFILE || r == -ENFILE)
                log_not_taken(server, socket, -r);
        if (r < 0)
                return; /* gone already, or that */
        usage = usage_get(server, peer.cred.uid);
        if (!usage || !within_limits(server, socket, usage, peer.cred.uid)) {
                peer_done(&peer);
                return;
        }
        r = connection_new(server, socket, TAKE_FD(fd), &peer, usage);
        if (r < 0)
                log_line(LOG_ERR, "a connection of uid %u cannot be kept: %s", (unsigned) peer.cred.uid, strerror(-r));
}

/*
 * Out of descriptors nobody can be accepted, and all would wait for their own deadlines. One that is kept for this is
 * given up for the first in line, who is hung up on. Returns whether there was one: out of descriptors accept(2) does
 * not even look.
 */
static bool turn_away(struct server *server, enum server_socket socket) {
        int fd;

        server->spare_fd = close_fd(server->spare_fd);
        fd = accept4(server->sockets[socket].fd, NULL, NULL, SOCK_CLOEXEC);
        (void) close_fd(fd);
        server->spare_fd = open("/", O_PATH | O_CLOEXEC);
        return fd >= 0;
}

static int accept_some(struct server *server, enum server_socket socket) {
        if (server->spare_fd < 0)
                server->spare_fd = open("/", O_PATH | O_CLOEXEC);
        for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
                int fd = accept4(server->sockets[socket].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), e = errno;

                if (fd >= 0) {
                        admit_take(server, socket, fd);
                        continue;
                }
                if (e == EMFILE || e == ENFILE ? turn_away(server, socket) :
                                                 e != EAGAIN && e != EINTR && e != ECONNABORTED)
                        log_not_taken(server, socket, e);
                return 0;
        }
        return 0;
}

static int on_session_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return accept_some(userdata, SERVER_SESSION);
}

static int on_user_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        return accept_some(userdata, SERVER_USER);
}

/* ---- sockets ---- */

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16, asm-generic/socket.h */
#endif

/*
 * Set before anybody can connect, because connections inherit it: what is sent before SO_PASSCRED is set carries no
 * credentials. No request carries a descriptor, so from 6.16 on the sender is told so, and none can come to rest in
 * our queue, where dropping the last reference to it could block the loop; older kernels do not know the option.
 */
static int set_options(int fd) {
        int on = 1, off = 0;

        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0 && errno != ENOPROTOOPT)
                return -errno;
        return 0;
}

/* The mode is set before bind(2), which makes the file with it: there is no moment with another. */
static int make_socket(const char *dir, enum server_socket which, struct errtext *err) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un sa;
        char path[sizeof(sa.sun_path) + 1];
        mode_t old;
        int r;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, sockets[which].name) >= sizeof(path) ||
            sock_address(path, &sa) < 0)
                return fail(err, -ENAMETOOLONG, "%s: too long a path for a socket", dir);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || fchmod(fd, sockets[which].mode) < 0)
                return fail(err, -errno, "%s: %m", path);
        (void) unlink(path); /* of a helper that died: the directory's lock says that none lives */
        old = umask(0);
        r = bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 ? -errno : 0;
        (void) umask(old);
        if (r < 0)
                return fail(err, r, "%s cannot be bound: %s", path, strerror(-r));
        r = set_options(fd);
        if (r >= 0 && listen(fd, BACKLOG) < 0)
                r = -errno;
        if (r < 0)
                return fail(err, r, "%s: %s", path, strerror(-r));
        return TAKE_FD(fd);
}

static int make_sockets(struct server *server, const char *dir, struct errtext *err) {
        struct stat st;

        if (mkdir(dir, 0755) < 0 && errno != EEXIST)
                return fail(err, -errno, "%s cannot be made: %m", dir);
        server->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (server->dir_fd < 0 || fstat(server->dir_fd, &st) < 0)
                return fail(err, -errno, "%s cannot be opened: %m", dir);
        if (st.st_uid != 0 || (st.st_mode & 0022))
                return fail(err, -EPERM, "%s must be root's and writable by nobody else", dir);
        if (flock(server->dir_fd, LOCK_EX | LOCK_NB) < 0)
                return fail(err, -errno, "another bpfdelegd serves %s", dir);
        for (unsigned i = 0; i < SERVER_SOCKETS; i++) {
                int fd = make_socket(dir, (enum server_socket) i, err);

                if (fd < 0)
                        return fd;
                server->sockets[i].fd = fd;
                server->sockets[i].ours = true;
        }
        return 0;
}

/* Which of the two a descriptor of the service manager is, by the last part of its path. */
static int adopt_socket(struct server *server, int fd, struct errtext *err) {
        struct sockaddr_un sa = {.sun_family = AF_UNSPEC};
        socklen_t n = sizeof(sa) - 1;
        const char *slash;

        if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0 ||
            getsockname(fd, (struct sockaddr *) &sa, &n) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
            set_options(fd) < 0)
                return fail(err, -EINVAL, "descriptor %d, handed over, is no listening SOCK_SEQPACKET unix socket", fd);
        slash = strrchr(sa.sun_path, '/');
        for (unsigned i = 0; i < SERVER_SOCKETS; i++)
                if (slash && streq(slash + 1, sockets[i].name) && server->sockets[i].fd < 0) {
                        server->sockets[i].fd = fd;
                        return 0;
                }
        return fail(err, -EINVAL, "the socket %s, handed over, is neither `session` nor `user`", sa.sun_path);
}

static int adopt_sockets(struct server *server, int n, struct errtext *err) {
        int r;

        for (int i = 0; i < n; i++) {
                r = adopt_socket(server, SD_LISTEN_FDS_START + i, err);
                if (r < 0)
                        return r;
        }
        if (server->sockets[SERVER_SESSION].fd < 0 || server->sockets[SERVER_USER].fd < 0)
                return fail(err, -EINVAL, "two sockets are to be handed over, `session` and `user`; got %d", n);
        return 0;
}

static int watch_sockets(struct server *server, struct errtext *err) {
        static const sd_event_io_handler_t handlers[SERVER_SOCKETS] = {on_session_socket, on_user_socket};
        int r;

        for (unsigned i = 0; i < SERVER_SOCKETS; i++) {
                r = sd_event_add_io(server->manager->event, &server->sockets[i].source, server->sockets[i].fd, EPOLLIN,
                                    handlers[i], server);
                if (r >= 0)
                        r = sd_event_source_set_priority(server->sockets[i].source, sockets[i].priority);
                if (r >= 0)
                        r = sd_event_source_set_ratelimit(server->sockets[i].source, TURNS_USEC, TURNS);
                if (r < 0)
                        return fail(err, r, "the sockets cannot be watched: %s", strerror(-r));
        }
        return 0;
}

int server_new(struct server **ret, struct manager *manager, const struct request_row *requests, const char *dir,
               struct errtext *err) {
        struct server *server;
        int n, r;

        server = malloc(sizeof(*server));
        if (!server)
                return fail(err, -ENOMEM, "out of memory");
        *server = (struct server){
                .manager = manager,
                .requests = requests,
                .dir_fd = -1,
                .spare_fd = open("/", O_PATH | O_CLOEXEC),
                .sockets = {{.fd = -1}, {.fd = -1}},
        };
        TAILQ_INIT(&server->connections);
        LIST_INIT(&server->usages);
        n = sd_listen_fds(1);
        r = n > 0 ? adopt_sockets(server, n, err) : make_sockets(server, dir, err);
        if (r >= 0)
                r = watch_sockets(server, err);
        if (r < 0) {
                server_free(server);
                return r;
        }
        *ret = server;
        return 0;
}

void server_stop(struct server *server) {
        struct connection *connection, *next;

        for (unsigned i = 0; i < SERVER_SOCKETS; i++)
                server->sockets[i].source = sd_event_source_disable_unref(server->sockets[i].source);
        for (connection = TAILQ_FIRST(&server->connections); connection; connection = next) {
                next = TAILQ_NEXT(connection, entry);
                if (!connection->busy)
                        connection_free(connection);
        }
}

ANALYZER_OFF("-Wanalyzer-double-free") /* LIST_REMOVE has taken it out of the list */
void server_free(struct server *server) {
        struct connection *connection;
        struct usage *usage;

        if (!server)
                return;
        server_stop(server);
        while ((connection = TAILQ_FIRST(&server->connections)))
                connection_drop(connection);
        tell_left_out(server);
        sd_event_source_disable_unref(server->left_out_timer);
        while ((usage = LIST_FIRST(&server->usages))) {
                LIST_REMOVE(usage, entry);
                free(usage);
        }
        for (unsigned i = 0; i < SERVER_SOCKETS; i++) {
                if (server->sockets[i].ours)
                        (void) unlinkat(server->dir_fd, sockets[i].name, 0);
                (void) close_fd(server->sockets[i].fd);
        }
        (void) close_fd(server->dir_fd);
        (void) close_fd(server->spare_fd);
        free(server);
}
ANALYZER_ON
