/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The helper as a whole: server, requests, delegations, makers, escorts, sweep and recovery, with clients, children,
 * systemd, time and failing system calls as the input says (fuzz-helper.h), in any order. Whatever it was, the answers
 * are well-formed and for him who asked; and after the end nothing is left: no descriptor, process, cgroup, record,
 * event source, memory, entry of the guard.
 */

#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>

#include "delegation.h"
#include "fuzz-helper.h"
#include "guard/guard-words.h"
#include "login.h"
#include "manager.h"
#include "request.h"
#include "scope.h"
#include "server.h"
#include "sock.h"
#include "subgroup-child.h"
#include "sweep.h"
#include "world.h"

#include <limits.h>

#define ACTS_MAX 400
#define PEERS 8
#define COOKIES 32
#define ENTRIES 64

static struct manager manager;
static struct server *server;
static uint8_t flags;
static bool faulted; /* a call failed: what is left may be for the next start */
static int peers[PEERS];
static struct proto_cookie cookies[COOKIES];
static unsigned n_cookies;
static struct mask_names *names;

/* How the next message differs. */
static struct {
        size_t offset;
        uint8_t bits;
        int size;
        unsigned fds, sender;
} twist;

static const struct {
        uid_t uid;
        gid_t gid;
        const char *user;
} logins[] = {
        {1000, 1000, "alice"},    {1001, 1001, "bob"},     {1000, 100, "alice"},        {0, 0, "root"},
        {(uid_t) -1, 0, "alice"}, {1002, 1002, "mallory"}, {1000, (gid_t) -1, "alice"},
};

/* ---- policies ---- */

#define BPF "[bpf]\ndelegate_cmds = map_create\ndelegate_progs = socket_filter\n"
#define MATCH "[match]\nusers = alice, bob\n"
static struct {
        const char *name, *text;
        uint8_t digest[SHA256_SIZE];
} policies[] = {
        {"10-plain.ini", MATCH BPF "confine = off\n", {0}},
        {"20-each.ini", MATCH BPF "confine = off\n[session]\nscope = session\n", {0}},
        {"30-linger.ini", MATCH BPF "confine = off\n[session]\nlinger = yes\n", {0}},
        {"40-private.ini", MATCH BPF "confine = preferred\nnetwork = private\n", {0}},
        {"50-guarded.ini", MATCH BPF, {0}},
        {"60-limits.ini", MATCH BPF "confine = off\n[cgroup]\npids_max = 100\nmemory_max = 1G\ncpu_quota = 50%\n", {0}},
        {"70-broken.ini", MATCH "[bpf]\ncofine = off\n", {0}},
        {"80-missing.ini", NULL, {0}},
};
static char policy_dir[PATH_MAX];
static const char *policy_dirs[] = {policy_dir, NULL};
static bool policies_changed;

static void write_policy(size_t i, const char *text) {
        char path[2 * PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%s", policy_dir, policies[i].name);
        if (text)
                fuzz_write(path, text, strlen(text));
        else
                must(unlink(path) == 0 || errno == ENOENT);
}

static void write_policies(void) {
        for (size_t i = 0; i < ELEMENTSOF(policies); i++)
                write_policy(i, policies[i].text);
        policies_changed = false;
}

static void setup(void) {
        (void) snprintf(policy_dir, sizeof(policy_dir), "%s/policy.d", fuzz_dir());
        must(mkdir(policy_dir, 0755) == 0);
        for (size_t i = 0; i < ELEMENTSOF(policies); i++)
                if (policies[i].text)
                        sha256(policies[i].text, strlen(policies[i].text), policies[i].digest);
        write_policies();
        must(mask_names_new_from_headers(&names) == 0);
        world_setup();
}

/* ---- the guard ---- */

struct guard {
        struct entry {
                uint64_t id;
                bool used, revoked, late;
                sd_event_source *detaching;
        } entries[ENTRIES];
};
static struct guard guard;

static int find_entry(const struct guard *g, uint64_t id) {
        for (int i = 0; i < ENTRIES; i++)
                if (g->entries[i].used && g->entries[i].id == id)
                        return i;
        return -1;
}

int guard_new(struct guard **ret, sd_event *event, const struct mask_names *mask_names, const char *dir,
              const struct guard_callbacks *callbacks, void *userdata, struct errtext *err) {
        (void) event;
        (void) dir;
        must(mask_names == names && callbacks->refused && callbacks->detached && userdata == &manager);
        if (!(flags & WITH_GUARD))
                return fail(err, -EOPNOTSUPP, "there is none here");
        *ret = &guard;
        return 0;
}

int guard_add(struct guard *g, const struct guard_entry *entry) {
        int i = find_entry(g, entry->id);

        must(i < 0 || g->entries[i].revoked); /* ids are random, and an ended one's may come again */
        must(world_is_same(entry->mount_fd, world_mount_fd) && entry->cgroup_fd >= 0);
        if (world_fault())
                return -errno;
        if (i >= 0 && g->entries[i].detaching)
                return -EEXIST;
        for (i = i < 0 ? 0 : i;
             i < ENTRIES && (g->entries[i].detaching || (g->entries[i].used && !g->entries[i].revoked)); i++)
                ;
        if (i == ENTRIES)
                return -ENOSPC;
        g->entries[i].id = entry->id;
        g->entries[i].used = true;
        g->entries[i].revoked = false;
        return 0;
}

bool guard_knows(const struct guard *g, uint64_t id, uint64_t *ret_refusals) {
        *ret_refusals = 3;
        return find_entry(g, id) >= 0;
}

static int on_detached(sd_event_source *source, uint64_t usec, void *userdata) {
        struct entry *entry = userdata;

        (void) source;
        (void) usec;
        entry->detaching = sd_event_source_disable_unref(entry->detaching);
        delegation_detached(&manager, entry->id, entry->late);
        return 0;
}

/* Some have attached something, and it takes a while. Out of memory it is done at once. */
static bool detach(struct entry *entry, bool late) {
        must(!entry->detaching);
        entry->late = late;
        if (entry->id % 2 == 0 && sd_event_add_time_relative(manager.event, &entry->detaching, CLOCK_MONOTONIC,
                                                             late ? 0 : USEC_PER_MSEC, 1, on_detached, entry) >= 0)
                return true;
        return false;
}

bool guard_revoke(struct guard *g, uint64_t id, int cgroup_fd) {
        int i = find_entry(g, id);

        must(cgroup_fd < 0 || fcntl(cgroup_fd, F_GETFD) >= 0);
        if (i < 0)
                return false;
        g->entries[i].revoked = true;
        return detach(&g->entries[i], false);
}

bool guard_revoke_late(struct guard *g, uint64_t id) {
        int i = find_entry(g, id);

        must(i < 0 || g->entries[i].revoked);
        return i >= 0 && detach(&g->entries[i], true);
}

int guard_hold(struct guard *g, uint64_t id, int pidfd) {
        int i = find_entry(g, id);

        must(pidfd >= 0 && (i < 0 || !g->entries[i].revoked));
        return world_fault() ? -errno : 0;
}

/* Only what is swept, with nothing to be detached. */
void guard_forget(struct guard *g, uint64_t id) {
        int i = find_entry(g, id);

        if (i < 0 || !g->entries[i].revoked)
                return;
        must(!sweep_has(manager.sweep, id) && !g->entries[i].detaching);
        g->entries[i].used = false;
}

void guard_finish(struct guard *g) {
        for (int i = 0; i < ENTRIES; i++)
                if (g->entries[i].detaching)
                        (void) on_detached(NULL, 0, &g->entries[i]);
}

/* What is being detached when the helper dies. */
static void forget_detaching(void) {
        for (int i = 0; i < ENTRIES; i++)
                guard.entries[i].detaching = sd_event_source_disable_unref(guard.entries[i].detaching);
}

void guard_free(struct guard *g) {
        (void) g;
        forget_detaching();
}

void guard_revoke_strangers(struct guard *g, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        for (int i = 0; i < ENTRIES; i++)
                if (g->entries[i].used && !known(userdata, g->entries[i].id))
                        g->entries[i].used = false;
}

size_t guard_held(struct guard *g, uid_t uid) {
        (void) g;
        (void) uid;
        return faulted && world_fault() ? GUARD_HELD_EACH : 0;
}

/* ---- what a child does on its user's word ---- */

/* A fork is only noted here: no child's side is ever run. */
void subgroup_child(int channel, const int *fds, void *arg) {
        (void) channel;
        (void) fds;
        (void) arg;
        abort();
}

/* ---- systemd ---- */

struct scope_job {
        struct scope_job *next;
        struct scope_spec spec;
        scope_done done;
        void *userdata;
};
struct scopes {
        struct scope_job *jobs;
        uint64_t unknown; /* it was told to stop this one, and knows none */
        bool lazy;        /* an empty scope stays before it is told */
};
static struct scopes scopes;

void scope_name(uint64_t id, char *buf) {
        (void) snprintf(buf, SCOPE_NAME_SIZE, "bpfdeleg-%016" PRIx64 ".scope", id);
}

static int find_scope(uint64_t id) {
        char name[SCOPE_NAME_SIZE];

        scope_name(id, name);
        return world_cgroup_find(name);
}

int scope_start(struct scope_job **ret, struct scopes *s, const struct scope_spec *spec, scope_done done,
                void *userdata, struct errtext *err) {
        struct scope_job *job;

        if (world_fault())
                return fail(err, -errno, "systemd cannot be asked");
        job = calloc(1, sizeof(*job));
        must(job);
        *job = (struct scope_job){.next = s->jobs, .spec = *spec, .done = done, .userdata = userdata};
        s->jobs = job;
        *ret = job;
        return 0;
}

void scope_job_free(struct scope_job *job) {
        struct scope_job **p = &scopes.jobs;

        if (!job)
                return;
        while (*p && *p != job)
                p = &(*p)->next;
        must(*p == job);
        *p = job->next;
        free(job);
}

int __wrap_sd_booted(void);
int __wrap_sd_booted(void) {
        return flags & WITH_SCOPES ? 1 : 0;
}

int scopes_new(struct scopes **ret, sd_event *event, const struct scopes_callbacks *callbacks, void *userdata) {
        (void) event;
        must(callbacks->known && callbacks->unknown && callbacks->settled && userdata == &manager);
        *ret = &scopes;
        return 0;
}

void scopes_free(struct scopes *s) {
        (void) s;
        while (scopes.jobs)
                scope_job_free(scopes.jobs);
}

void scope_stop(struct scopes *s, uint64_t id) {
        int node = find_scope(id);

        s->lazy = false;
        if (node < 0)
                s->unknown = id;
        else
                world_cgroup_kill(node);
}

bool scopes_busy(const struct scopes *s, bool leftovers) {
        (void) leftovers;
        return s->unknown != 0;
}

static bool is_scope(int node) {
        return !world.cgroups[node].removed &&
               strncmp(world.cgroups[node].name, "bpfdeleg-", strlen("bpfdeleg-")) == 0 &&
               strstr(world.cgroups[node].name, ".scope");
}

void scopes_end_leftovers(struct scopes *s) {
        (void) s;
        for (int i = 1; i < world.n_cgroups; i++)
                if (is_scope(i) &&
                    !manager_find(&manager, strtoull(world.cgroups[i].name + strlen("bpfdeleg-"), NULL, 16)))
                        world_cgroup_kill(i);
}

/* Empty scopes and slices go. */
static void let_systemd_clean(void) {
        uint64_t unknown = scopes.unknown;

        for (int i = 1; i < world.n_cgroups; i++)
                if (is_scope(i) && !scopes.lazy && !world_cgroup_populated(i))
                        world_cgroup_remove(i);
        scopes.unknown = 0;
        if (unknown)
                delegation_scope_unknown(&manager, unknown);
}

static int make_scope(const struct scope_job *job) {
        int user = world_cgroup_find("user.slice"), slice;
        char name[64];

        if (user < 0)
                user = world_cgroup_make(0, "user.slice");
        (void) snprintf(name, sizeof(name), "user-%u.slice", (unsigned) job->spec.uid);
        slice = world_cgroup_find(name);
        if (slice < 0 && user >= 0)
                slice = world_cgroup_make(user, name);
        scope_name(job->spec.id, name);
        return slice < 0 ? -1 : world_cgroup_make(slice, name);
}

static void make_and_move(struct scope_job *job, bool elsewhere) {
        int node = make_scope(job);

        for (int i = 0; i < world.n_procs; i++)
                if (node >= 0 && !elsewhere && world.procs[i].pid == job->spec.pid && world.procs[i].alive)
                        world.procs[i].cgroup = node;
}

static void act_systemd(uint8_t which, uint8_t how) {
        struct scope_job *job = scopes.jobs;

        if (how % ANSWERS == SYSTEMD_UNKNOWN)
                let_systemd_clean();
        if (how % ANSWERS == SYSTEMD_LAZY)
                scopes.lazy = true;
        for (; job && job->next && which > 0; which--)
                job = job->next;
        if (!job)
                return;
        switch ((int) (how % ANSWERS)) {
        case SYSTEMD_MAKES:
        case SYSTEMD_ELSEWHERE:
                make_and_move(job, how % ANSWERS == SYSTEMD_ELSEWHERE);
                job->done(job->userdata, 0, NULL);
                break;
        case SYSTEMD_REFUSES:
                job->done(job->userdata, -EACCES, "systemd refuses");
                break;
        case SYSTEMD_SILENT:
                job->done(job->userdata, -ETIMEDOUT, "systemd does not answer");
                break;
        case SYSTEMD_LOST:
                make_and_move(job, false);
                job->done(job->userdata, -ECONNRESET, "the bus was lost");
                break;
        default:
                break;
        }
}

/* ---- the helper ---- */

static void start(void) {
        static const struct options options = {.runtime_dir = "/run/bpfdeleg"};
        struct errtext err = {.s = ""};

        manager = (struct manager) MANAGER_INIT;
        manager.policy_dirs = policy_dirs;
        manager.names = names;
        settings_init(&manager.settings);
        if (flags & WITH_SMALL_LIMITS) {
                manager.settings.delegations = manager.settings.sessions_per_uid = 3;
                manager.settings.delegations_per_uid = manager.settings.connections_per_uid = 2;
                manager.settings.connections = 4;
        }
        must(manager_begin(&manager) == 0);
        manager.setup.nursery_fd = fcntl(world_mount_fd, F_DUPFD_CLOEXEC, 3);
        manager.cgroups.mount_fd = world_cgroup_mount();
        manager.cgroups.mount = strdup("/sys/fs/cgroup");
        manager.cgroups.name = strdup(manager.settings.cgroup_parent);
        must(manager.cgroups.mount && manager.cgroups.name);
        must(manager_start(&manager, &options, &err) >= 0);
        must(server_new(&server, &manager, request_rows, "/run/bpfdeleg", &err) == 0);
}

static void read_answers(void);

/* As main.c does. */
static void stop(bool all) {
        world.fault_in = 0;
        server_stop(server);
        manager_end_all(&manager, !all, "bpfdelegd was stopped");
        for (unsigned i = 0; !manager_is_settled(&manager, all); i++) {
                must(i < 5000);
                world_deaths(true);
                let_systemd_clean();
                if (!loop_turn(manager.event, 0))
                        must(loop_wait(manager.event) || scopes.unknown || manager_is_settled(&manager, all));
                read_answers();
        }
        sweep_flush(manager.sweep, UINT_MAX);
        if (manager.guard)
                guard_finish(manager.guard);
        world_deaths(true);
}

static void done(void) {
        server_free(server);
        world_deaths(false);
        while (loop_turn(manager.event, 0))
                ;             /* what is there to be reaped */
        manager.names = NULL; /* for the next one, too */
        manager_done(&manager);
        read_answers();
}

/* Killed, everything of it goes without a word to anybody; the records are what the next one knows. */
static void restart(bool in_order) {
        world.fault_in = 0;
        if (in_order)
                stop(false);
        done();
        world_orphan();
        scopes.unknown = 0;
        start();
}

static void check_manager(void) {
        const struct delegation *d;
        size_t n = 0, connections = 0;
        int i;

        LIST_FOREACH(d, &manager.delegations, entry) {
                const struct session *session;
                size_t sessions = 0;

                LIST_FOREACH(session, &d->sessions, entry) {
                        must(session->delegation == d && session->number >= 1 && session->number <= d->last_number);
                        must(d->state == PROTO_STATE_OPENING || !session->ready);
                        sessions++;
                }
                must(sessions == d->n_sessions && (d->state != PROTO_STATE_ENDING || sessions == 0));
                i = find_entry(&guard, d->id);
                if (manager.guard && d->state == PROTO_STATE_ACTIVE)
                        must(i >= 0 && !guard.entries[i].revoked);
                must(d->state != PROTO_STATE_ENDING || i < 0 || guard.entries[i].revoked || !manager.guard);
                must(d->uid != (uid_t) -1 && d->gid != (gid_t) -1);
                n++;
        }
        must(n == manager.n_delegations && n <= manager.settings.delegations);
        for (i = 0; i < CONNS_MAX; i++)
                connections += world.conns[i].helper_fd >= 0 && world.conns[i].socket == SERVER_USER;
        must(connections <= manager.settings.connections);
}

/* ---- clients ---- */

static void judge_opened(struct conn *conn, const struct proto_opened *opened) {
        const struct delegation *d;

        must(conn->socket == SERVER_SESSION && conn->asked == PROTO_OPEN_SESSION && world.procs[conn->peer].uid == 0);
        if (opened->result < 0) {
                must(opened->text[0] != '\0' && opened->cookie.delegation == 0);
                return;
        }
        d = manager_find(&manager, opened->cookie.delegation);
        must(opened->result == 0 && d && login_find(&manager, &opened->cookie));
        must(d->uid == conn->asked_uid && d->state == PROTO_STATE_ACTIVE && d->policy->error.s[0] == '\0');
        must(d->policy->confine != POLICY_CONFINE_REQUIRED || manager.guard);
        for (unsigned i = 0; i < n_cookies && i < COOKIES; i++)
                must(memcmp(&cookies[i], &opened->cookie, sizeof(cookies[i])) != 0);
        cookies[n_cookies++ % COOKIES] = opened->cookie;
}

static const struct space *space_of_fd(int fd) {
        for (int i = 0; i < world.n_spaces; i++)
                if (world_is_same(fd, world.spaces[i].fd))
                        return world.spaces + i;
        return NULL;
}

static void judge_entered(const struct conn *conn, const struct proto_entered *entered, const int *fds, size_t n) {
        const struct proc *p = world.procs + conn->peer;
        const struct space *space;

        must(conn->socket == SERVER_USER && conn->asked == PROTO_ENTER);
        if (entered->result < 0) {
                must(n == 0 && entered->text[0] != '\0');
                return;
        }
        must(entered->path[0] == '/' && p->uid != 0);
        if (entered->flags & PROTO_ENTERED_INSIDE) {
                must(n == 0 && p->userns >= SPACES_FIXED && world.spaces[p->userns].owner == p->uid);
                return;
        }
        must(n == (entered->flags & PROTO_ENTERED_NETWORK ? 4 : 3));
        space = space_of_fd(fds[0]);
        must(space && space->owner == p->uid && p->no_new_privs && world_is_same(fds[2], world_mount_fd));
}

/* How often the helper has said yes. */
static unsigned said_yes[PROTO_REMOVE_SUBGROUP + 1];

static void note_yes(const struct conn *conn, const union proto_message *message) {
        if ((message->head.type == PROTO_OPENED && message->opened.result == 0) || message->head.type == PROTO_ROW ||
            (message->head.type == PROTO_ENTERED && message->entered.result == 0) ||
            (message->head.type == PROTO_REPLY && message->reply.result == 0))
                said_yes[conn->asked]++;
}

const char *fuzz_missed(void) {
        static const struct {
                uint32_t type;
                const char *name;
        } rows[] = {
                {PROTO_OPEN_SESSION, "a login"},
                {PROTO_CLOSE_SESSION, "a logout"},
                {PROTO_ENTER, "an ENTER"},
                {PROTO_STATUS, "a row of STATUS"},
                {PROTO_KILL_SUBGROUP, "KILL_SUBGROUP"},
                {PROTO_REMOVE_SUBGROUP, "REMOVE_SUBGROUP"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (said_yes[rows[i].type] == 0)
                        return rows[i].name;
        return NULL;
}

static void judge(struct conn *conn, const union proto_message *message, size_t size, const int *fds, size_t n) {
        const struct proc *p = world.procs + conn->peer;

        must(proto_check(message, size, NULL) == 0 && !conn->answered);
        must(n == 0 || message->head.type == PROTO_ENTERED);
        conn->answered = message->head.type != PROTO_ROW;
        if (conn->asked < ELEMENTSOF(said_yes))
                note_yes(conn, message);
        switch (message->head.type) {
        case PROTO_OPENED:
                judge_opened(conn, &message->opened);
                break;
        case PROTO_ENTERED:
                judge_entered(conn, &message->entered, fds, n);
                break;
        case PROTO_ROW:
                conn->rows++;
                must(conn->asked == PROTO_STATUS && message->row.uid == p->uid &&
                     message->row.state <= PROTO_STATE_ENDING);
                break;
        case PROTO_END:
                must(conn->asked == PROTO_STATUS && (message->end.result < 0 || message->end.rows == conn->rows));
                break;
        default:
                must(message->head.type == PROTO_REPLY &&
                     (conn->asked == PROTO_CLOSE_SESSION || conn->asked == PROTO_KILL_SUBGROUP ||
                      conn->asked == PROTO_REMOVE_SUBGROUP));
                break;
        }
}

/* Returns false when there is nothing more. */
static bool read_answer(struct conn *conn) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control;
        union proto_message message;
        struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control)};
        const struct cmsghdr *c;
        size_t n_fds = 0;
        int fds[8];
        ssize_t n;

        n = recvmsg(conn->ours, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n <= 0)
                return false;
        must(!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)));
        c = CMSG_FIRSTHDR(&msg);
        if (c) {
                n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
        }
        judge(conn, &message, (size_t) n, fds, n_fds);
        for (size_t i = 0; i < n_fds; i++)
                (void) close_fd(fds[i]);
        return true;
}

static void read_answers(void) {
        world.active = false;
        for (int i = 0; i < CONNS_MAX; i++)
                while (world.conns[i].ours >= 0 && read_answer(world.conns + i))
                        ;
        world.active = true;
}

static void act_hangup(struct conn *conn) {
        conn->ours = close_fd(conn->ours);
}

/* The slot is free again when both ends are closed. */
static void act_connect(int slot, uint8_t peer, uint8_t which) {
        struct conn *conn = world.conns + slot;
        int pair[2], on = 1;

        if (conn->helper_fd >= 0 || conn->theirs >= 0 || !world.procs[peers[peer % PEERS]].alive)
                return;
        act_hangup(conn);
        must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        must(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
        *conn = (struct conn){.ours = pair[0],
                              .theirs = pair[1],
                              .helper_fd = -1,
                              .socket = which % SERVER_SOCKETS,
                              .peer = peers[peer % PEERS]};
        world.waiting[conn->socket][world.n_waiting[conn->socket]++] = slot;
}

static void note_asked(struct conn *conn, const union proto_message *message, size_t size) {
        if (conn->sent > 0 || size < sizeof(message->head))
                return;
        conn->asked = message->head.type;
        conn->asked_uid = message->open_session.uid;
}

static void ask(struct conn *conn, const void *data, size_t size) {
        union {
                union proto_message message;
                uint8_t bytes[2 * sizeof(union proto_message)];
        } bytes = {.bytes = {0}};
        int fds[SOCK_FDS_MAX];
        const struct proc *p;

        if (conn->ours < 0 || conn->sent - conn->received >= ELEMENTSOF(conn->senders))
                return;
        memcpy(&bytes, data, size);
        if (twist.offset < size)
                bytes.bytes[twist.offset] ^= twist.bits;
        size = (size_t) ((int) size + twist.size < 0 ? 0 : (int) size + twist.size);
        p = world.procs + (twist.sender ? peers[twist.sender % PEERS] : conn->peer);
        conn->senders[conn->sent % ELEMENTSOF(conn->senders)].pid = p->pid;
        conn->senders[conn->sent % ELEMENTSOF(conn->senders)].uid = p->uid;
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = world_context_fd;
        note_asked(conn, &bytes.message, size);
        if (sock_send(conn->ours, &bytes, size, fds, twist.fds) == 0 && size > 0)
                conn->sent++;
        memset(&twist, 0, sizeof(twist));
}

static struct proto_cookie choose_cookie(uint8_t which) {
        return n_cookies > 0 ? cookies[which % (n_cookies < COOKIES ? n_cookies : COOKIES)] :
                               (struct proto_cookie){.delegation = which, .session = 1};
}

static void act_ask(struct conn *conn, enum act act, uint8_t a, uint8_t b) {
        struct proto_open_session open = PROTO_INIT(PROTO_OPEN_SESSION);
        struct proto_close_session close_session = PROTO_INIT(PROTO_CLOSE_SESSION);
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);
        struct proto_status status = PROTO_INIT(PROTO_STATUS);
        size_t policy = (b & 0x7f) % ELEMENTSOF(policies), who = a % ELEMENTSOF(logins);

        if (act == ACT_OPEN) {
                open.uid = logins[who].uid;
                open.gid = logins[who].gid;
                copy_field_cut(open.user, sizeof(open.user), logins[who].user);
                must(copy_field(open.service, sizeof(open.service), "sshd") == 0);
                copy_field_cut(open.policy, sizeof(open.policy), policies[policy].name);
                memcpy(open.digest, policies[policy].digest, sizeof(open.digest));
                open.digest[0] ^= b & 0x80;
                ask(conn, &open, sizeof(open));
        } else if (act == ACT_CLOSE) {
                close_session.cookie = choose_cookie(a);
                close_session.cookie.session += b;
                ask(conn, &close_session, sizeof(close_session));
        } else if (act == ACT_ENTER) {
                if (a > 0)
                        enter.cookie = choose_cookie((uint8_t) (a - 1));
                ask(conn, &enter, sizeof(enter));
        } else
                ask(conn, &status, sizeof(status));
}

/* cookie: 0: none, | 0x80: to be removed. */
static void act_subgroup(struct conn *conn, uint8_t cookie, uint8_t how) {
        static const char *const paths[] = {"run",  "run/x", "supervisor", "run/x/y", "run/../supervisor",
                                            "/run", "",      "run//x"};
        struct proto_remove_subgroup remove_subgroup = PROTO_INIT(PROTO_REMOVE_SUBGROUP);
        struct proto_kill_subgroup kill_subgroup = PROTO_INIT(PROTO_KILL_SUBGROUP);
        struct proto_cookie which = {.delegation = 0};
        const char *path = paths[how % ELEMENTSOF(paths)];

        if (cookie & 0x7f)
                which = choose_cookie((uint8_t) ((cookie & 0x7f) - 1));
        if (cookie & 0x80) {
                remove_subgroup.cookie = which;
                copy_field_cut(remove_subgroup.path, sizeof(remove_subgroup.path), path);
                ask(conn, &remove_subgroup, sizeof(remove_subgroup));
        } else {
                kill_subgroup.cookie = which;
                kill_subgroup.signal = how / ELEMENTSOF(paths) % 4 ? SIGKILL : (uint32_t) how;
                copy_field_cut(kill_subgroup.path, sizeof(kill_subgroup.path), path);
                ask(conn, &kill_subgroup, sizeof(kill_subgroup));
        }
}

/* ---- children and processes ---- */

/* maker.c's numbers, and enter.c's. */
enum { NAMESPACES = 2, CONTEXT = 3, READY = 7, ANCHORED = 9, MOVED = 3 };

static void tell(const struct proc *p, uint32_t step, int error, int fd) {
        const struct child_message message = {.step = step, .error = error};

        if (p->channel >= 0)
                (void) sock_send(p->channel, &message, sizeof(message), &fd, fd >= 0);
}

/* Whether the helper has said to go on. Only ever with a descriptor where one is due. */
static bool is_told(const struct proc *p, bool with_mount) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct child_message message;
        struct timeval soon = {.tv_usec = 1};

        (void) setsockopt(p->channel, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
        if (recv(p->channel, &message, sizeof(message), MSG_DONTWAIT | MSG_PEEK) <= 0 ||
            sock_recv(p->channel, &message, sizeof(message), 1, &received) < 0)
                return false;
        must(received.n_fds == with_mount);
        if (with_mount)
                must(world_is_same(received.fds[0], world_mount_fd) && p->cgroup > 0);
        sock_received_done(&received);
        return true;
}

static void maker_goes_on(struct proc *p) {
        if (p->step == 0) {
                p->userns = world_space(p->uid, SPACE_INITIAL);
                if (p->userns < 0)
                        p->userns = SPACE_CONTAINER;
                tell(p, NAMESPACES, 0, -1);
                p->step++;
        } else if (p->step == 1 && is_told(p, false)) {
                tell(p, CONTEXT, 0, world_context_fd);
                p->step++;
        } else if (p->step == 2 && is_told(p, true)) {
                tell(p, READY, 0, -1);
                p->step++;
        }
}

static void child_goes_on(struct proc *p) {
        if (p->role == ROLE_MAKER)
                maker_goes_on(p);
        else if (p->role == ROLE_ANCHOR) {
                tell(p, ANCHORED, 0, -1);
                p->channel = close_fd(p->channel);
        } else if (p->role == ROLE_SUBGROUP) {
                tell(p, SUBGROUP_DONE, 0, -1);
                world_die((int) (p - world.procs));
        } else {
                if (world.procs[p->target].alive && !world.cgroups[p->target_cgroup].removed)
                        world.procs[p->target].cgroup = p->target_cgroup;
                tell(p, MOVED, 0, world_mount_fd);
                world_die((int) (p - world.procs));
        }
}

/* Of those that could do it. A maker that has made all only waits. */
static struct proc *choose_child(uint8_t which, bool goes_on) {
        struct proc *p = NULL;

        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].alive && world.procs[i].child && world.procs[i].channel >= 0 &&
                    !(goes_on && world.procs[i].step == 3)) {
                        p = world.procs + i;
                        if (which-- == 0)
                                break;
                }
        return p;
}

static void act_child(uint8_t which, uint8_t how, uint8_t parameter) {
        struct proc *p = choose_child(which, how % BEHAVIOURS <= CHILD_GOES_ON_2);

        if (!p)
                return;
        switch ((int) (how % BEHAVIOURS)) {
        case CHILD_FAILS:
                tell(p, parameter % 16, -EPERM, -1);
                world_die((int) (p - world.procs));
                break;
        case CHILD_TALKS: /* makers and anchors are their user's, all others root's */
                if (p->role == ROLE_MAKER || p->role == ROLE_ANCHOR)
                        tell(p, parameter % 16, parameter & 0x80 ? 1 : 0,
                             parameter & 0x40 ? parameter & 0x20 ? world_context_fd : STDERR_FILENO : -1);
                break;
        case CHILD_DIES:
                world_die((int) (p - world.procs));
                break;
        case CHILD_HANGS_UP:
                p->channel = close_fd(p->channel);
                break;
        default:
                child_goes_on(p);
                break;
        }
}

/* Namespaces of delegations that are there. */
static int some_space(uint8_t which) {
        return world.n_spaces > SPACES_FIXED ? SPACES_FIXED + which % (world.n_spaces - SPACES_FIXED) : SPACE_CONTAINER;
}

static void act_peer(uint8_t which, uint8_t what, uint8_t parameter) {
        int *slot = peers + which % PEERS;
        struct proc *p = world.procs + *slot;
        int reborn;

        switch ((int) (what % CHANGES)) {
        case PEER_DIES:
                world_die(*slot);
                break;
        case PEER_RESTRICTS:
                p->no_new_privs = true;
                break;
        case PEER_THREADS:
                p->threads = parameter;
                break;
        case PEER_TRACED:
                p->tracer = parameter;
                break;
        case PEER_TWO_UIDS:
                p->two_uids = !p->two_uids;
                break;
        case PEER_CONTAINER:
                p->userns = parameter & 1 ? SPACE_CONTAINER : SPACE_INITIAL;
                break;
        case PEER_PID_NAMESPACE:
                p->pidns = parameter & 1 ? SPACE_OTHER_PID : SPACE_PID;
                break;
        case PEER_INSIDE:
                if (p->uid != 0 && world.spaces[some_space(parameter)].owner == p->uid)
                        p->userns = some_space(parameter);
                break;
        default:
                reborn = p->alive ? -1 : world_proc(ROLE_PEER, p->uid);
                if (reborn >= 0) {
                        world.procs[reborn].no_new_privs = p->no_new_privs;
                        if (parameter & 1)
                                world.procs[reborn].pid = p->pid; /* the number is given out again */
                        *slot = reborn;
                }
                break;
        }
}

/* Whose subtree a cgroup is in: NULL if it is nobody's (yet). */
static const struct delegation *delegation_of(int node) {
        const struct delegation *d;

        LIST_FOREACH(d, &manager.delegations, entry)
        for (int i = node; d->cgroup.path[0] && i > 0; i = world.cgroups[i].parent)
                if (streq(strrchr(d->cgroup.path, '/') + 1, world.cgroups[i].name))
                        return d;
        return NULL;
}

static void user_starts(int node, const struct delegation *d, bool stuck) {
        int proc = d->userns_fd < 0 ? -1 : world_proc(ROLE_USERS, d->uid);

        if (proc < 0)
                return;
        world.procs[proc].cgroup = node;
        world.procs[proc].stuck = stuck;
        world.procs[proc].userns = (int) (space_of_fd(d->userns_fd) - world.spaces);
        world.cgroups[node].changed = true;
}

static void act_on_process(int node, bool leaves) {
        for (int i = 0; i < world.n_procs; i++) {
                struct proc *p = world.procs + i;

                if (!p->alive || p->role != ROLE_USERS || p->cgroup != node)
                        continue;
                if (!leaves)
                        world_die(i);
                else {
                        p->cgroup = -1;
                        if (!p->listed)
                                world_list(i);
                }
                world.cgroups[node].changed = true;
                return;
        }
}

/* The anchor is in <root>/supervisor; who may be killed by his user may be killed by this. */
static void kill_anchor(int node) {
        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].role == ROLE_ANCHOR && world.procs[i].alive && world.procs[i].cgroup == node)
                        world_die(i);
}

/* What users do in a subtree of theirs. */
static void act_process(uint8_t which, uint8_t what) {
        int node = world.n_cgroups > 1 ? 1 + which % (world.n_cgroups - 1) : -1;
        const struct delegation *d = node < 0 ? NULL : delegation_of(node);

        if (!d || d->state == PROTO_STATE_OPENING || world.cgroups[node].removed)
                return;
        switch ((int) (what % DEEDS)) {
        case USER_STARTS:
        case USER_STUCK:
                if (d->state == PROTO_STATE_ACTIVE)
                        user_starts(node, d, what % DEEDS == USER_STUCK);
                break;
        case USER_EXITS:
                act_on_process(node, false);
                break;
        case USER_LEAVES:
                act_on_process(node, true);
                break;
        case USER_MAKES_GROUP:
        case USER_NESTS:
                (void) world_cgroup_make(node, what % DEEDS == USER_NESTS ? "run" : ".hidden");
                break;
        case USER_KILLS_ANCHOR:
                kill_anchor(node);
                break;
        default:
                if (streq(world.cgroups[node].name, "run") && !world_cgroup_populated(node))
                        world_cgroup_remove(node);
                break;
        }
}

/* ---- the rest ---- */

static void act_fault(uint8_t when, uint8_t how) {
        static const int errors[] = {EMFILE, ENOMEM, EAGAIN, EPERM, ENOSPC, EINTR, EIO, ENOENT};

        world.fault_in = 1u + when;
        world.fault_errno = errors[how % ELEMENTSOF(errors)];
        faulted = true;
}

static void act_time(uint8_t n, uint8_t shift) {
        if (n == 0)
                (void) loop_wait(manager.event);
        else
                world.usec += ((uint64_t) n << shift % 12) * USEC_PER_MSEC;
}

static void act_policy(uint8_t which, uint8_t what) {
        size_t i = which % ELEMENTSOF(policies);
        const char *const texts[] = {NULL, "[match]\nusers = alice\n" BPF "confine = off\nmode = 0750\n",
                                     "[match]\nusers = alice\n[bpf\n", policies[i].text};

        write_policy(i, texts[what % ELEMENTSOF(texts)]);
        policies_changed = true;
}

static void act_report(const uint8_t *p) {
        struct guard_report report = {
                .delegation = choose_cookie(p[1]).delegation,
                .what = p[2] % GUARD_WHATS,
                .cmd = p[3] & 0x3f,
                .pid = 1,
                .uid = 1000,
                .prog_type = p[3] % 40,
                .detail = p[3],
                .interface = p[1],
                .has_prog = p[3] & 1,
                .comm = "x\n",
                .prog_name = "\x1b[1m",
                .path = "/user.slice\n",
        };

        if (manager.guard)
                delegation_guard_refused(&manager, &report);
}

static void act_repeat(uint8_t which) {
        world.repeat_id = choose_cookie(which).delegation;
}

static void take_turns(uint8_t n, uint8_t pick) {
        for (unsigned i = 0; i <= n % 16 && loop_turn(manager.event, pick); i++) {
                read_answers();
                check_manager();
        }
}

/* What happens outside of the helper. */
static void act_outside(enum act what, const uint8_t *p) {
        struct conn *conn = world.conns + p[1] % CONNS_MAX;

        switch ((int) what) {
        case ACT_CONNECT:
                act_connect(p[1] % CONNS_MAX, p[2], p[3]);
                break;
        case ACT_OPEN:
        case ACT_CLOSE:
        case ACT_ENTER:
        case ACT_STATUS:
                act_ask(conn, what, p[2], p[3]);
                break;
        case ACT_SUBGROUP:
                act_subgroup(conn, p[2], p[3]);
                break;
        case ACT_BEND:
                twist.offset = (size_t) p[1] << 8 | p[2];
                twist.bits = p[3];
                break;
        case ACT_CUT:
                twist.size = p[1] & 0x80 ? p[1] & 0x7f : -p[1];
                twist.fds = p[2] % (SOCK_FDS_MAX + 1);
                twist.sender = p[3];
                break;
        case ACT_HANGUP:
                act_hangup(conn);
                break;
        case ACT_CHILD:
                act_child(p[1], p[2], p[3]);
                break;
        case ACT_PEER:
                act_peer(p[1], p[2], p[3]);
                break;
        case ACT_PROCESS:
                act_process(p[1], p[2]);
                break;
        case ACT_POLICY:
                act_policy(p[1], p[2]);
                break;
        case ACT_DEATHS:
                world_deaths(p[1] & 1);
                break;
        default:
                break;
        }
}

/* What the helper is told, or does. */
static void act_inside(enum act what, const uint8_t *p) {
        switch ((int) what) {
        case ACT_TURN:
                take_turns(p[1], p[2]);
                break;
        case ACT_TIME:
                act_time(p[1], p[2]);
                break;
        case ACT_SYSTEMD:
                act_systemd(p[1], p[2]);
                break;
        case ACT_FAULT:
                act_fault(p[1], p[2]);
                break;
        case ACT_RESTART:
                restart(p[1]);
                break;
        case ACT_REPORT:
                act_report(p);
                break;
        case ACT_REPEAT:
                act_repeat(p[1]);
                break;
        default:
                break;
        }
        read_answers();
        check_manager();
}

static void act(const uint8_t *p) {
        enum act what = (enum act)(p[0] % ACTS);

        world.active = false;
        act_outside(what, p);
        world.active = true;
        act_inside(what, p);
}

/* ---- from beginning to end ---- */

static void open_fds(struct pollfd fds[FDS_MAX]) {
        for (int i = 0; i < FDS_MAX; i++)
                fds[i] = (struct pollfd){.fd = i};
        must(poll(fds, FDS_MAX, 0) >= 0);
}

static void must_be_open_as_before(const struct pollfd before[FDS_MAX]) {
        static struct pollfd now[FDS_MAX];

        open_fds(now);
        for (int i = 0; i < FDS_MAX; i++)
                must((now[i].revents & POLLNVAL) == (before[i].revents & POLLNVAL));
}

static void begin(void) {
        static const uid_t uids[PEERS] = {0, 1000, 1001, 0, 1000, 1002, 0, 1000};

        flags = 0;
        faulted = false;
        n_cookies = 0;
        memset(&twist, 0, sizeof(twist));
        memset(&guard, 0, sizeof(guard));
        memset(&scopes, 0, sizeof(scopes));
        if (policies_changed)
                write_policies();
        world_begin();
        for (int i = 0; i < PEERS; i++) {
                peers[i] = world_proc(ROLE_PEER, uids[i]);
                world.procs[peers[i]].no_new_privs = i != 7;
        }
}

static void must_be_clean(void) {
        char path[PATH_MAX];

        for (int i = world.n_cgroups - 1; i > 0; i--)
                if (!world.cgroups[i].removed && strstr(world.cgroups[i].name, ".slice"))
                        world_cgroup_remove(i);
        must(!world_has_cgroups());
        (void) snprintf(path, sizeof(path), "%s/run/bpfdeleg/state", fuzz_dir());
        must(access(path, F_OK) < 0);
        for (int i = 0; i < ENTRIES; i++)
                must(!guard.entries[i].used || guard.entries[i].revoked);
        for (int i = 0; i < world.n_procs; i++)
                must(!world.procs[i].listed || !world.procs[i].alive || world.procs[i].userns < SPACES_FIXED ||
                     faulted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct pollfd before[FDS_MAX];

        if (!names)
                setup();
        open_fds(before);
        begin();
        if (size > 0)
                flags = data[0];
        world.controllers = flags & WITH_CONTROLLERS;
        world.limits_set = flags & WITH_CONTROLLERS;
        world.lazy = flags & WITH_LAZY_DEATHS;
        world.no_tracing = flags & WITHOUT_TRACING;
        world.active = true;
        start();
        for (size_t i = 1; i + 4 <= size && i < 4 * ACTS_MAX; i += 4)
                act(data + i);
        if (faulted)
                restart(true);
        stop(true);
        done();
        world.active = false;
        must_be_clean();
        world_end();
        must_be_open_as_before(before);
        return 0;
}
