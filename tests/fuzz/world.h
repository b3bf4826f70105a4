/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The world in which the helper is fuzzed: its sources as they are, linked with -Wl,--wrap. Files, sockets and
 * descriptors are the kernel's own; what is made up is who is who: processes, credentials, time, cgroups, namespaces
 * and the bpf file system (world.c), and the event loop (loop.c), so that the input alone says what comes after what.
 */

#include "fuzz.h"

#include <systemd/sd-event.h>

#define FDS_MAX 1024
#define PROCS_MAX 96
#define CGROUPS_MAX 160
#define SPACES_MAX 96
#define CONNS_MAX 12

/* What a descriptor of the helper's is, beyond what the kernel says. */
enum fd_kind {
        FD_PLAIN, /* nothing */
        FD_LISTENING,
        FD_CONNECTION,
        FD_PIDFD,     /* of a process */
        FD_PROC,      /* /proc/PID */
        FD_PROC_ROOT, /* /proc */
        FD_SYS,       /* another directory of /proc or /sys */
        FD_SPACE,     /* a namespace */
        FD_SINK,      /* takes what is written */
        FD_CGROUP,    /* a cgroup's directory */
        FD_EVENTS,    /* its cgroup.events */
        FD_KILL,      /* its cgroup.kill */
        FD_PROCS,     /* its cgroup.procs, for writing */
};

enum role { ROLE_PEER, ROLE_MAKER, ROLE_ANCHOR, ROLE_ESCORT, ROLE_SUBGROUP, ROLE_USERS };

struct proc {
        bool alive, reaped;
        bool child;  /* of the helper: a zombie until it reaps it */
        bool stuck;  /* does not die before it is let go */
        bool killed; /* and is to die as soon as it may */
        bool listed; /* in /proc, for those who look for all */
        enum role role;
        pid_t pid;
        uid_t uid;
        int channel; /* a child's end */
        int step;
        int cgroup; /* -1: elsewhere */
        int userns, pidns;
        int target, target_cgroup; /* of an escort */
        /* of a peer */
        unsigned threads;
        pid_t tracer;
        bool no_new_privs, two_uids;
};

struct cgroup_node {
        bool removed;
        bool changed; /* `populated`, since it was last read */
        unsigned changes;
        bool was_populated;
        int parent;
        ino_t inode;
        char name[64];
};

struct space {
        int fd;
        uid_t owner;
        int parent; /* -1: none */
};
enum { SPACE_INITIAL, SPACE_PID, SPACE_OTHER_PID, SPACE_CONTAINER, SPACE_REST, SPACES_FIXED };

struct conn {
        int ours, theirs; /* theirs is the helper's until it has accepted it, then -1 */
        int helper_fd;    /* -1: not accepted, or closed */
        int socket;       /* enum server_socket */
        int peer;         /* index of its process */
        struct {
                pid_t pid;
                uid_t uid;
        } senders[8];
        unsigned sent, received; /* messages */
        uint32_t asked;          /* the type that was sent first */
        bool bent;               /* not as it should be */
        uid_t asked_uid;
        unsigned rows;
        bool answered;
};

struct world {
        bool active; /* the helper is at work: else the wrapped calls are the real ones */
        bool controllers, limits_set, no_tracing, lazy; /* lazy: killed processes take their time */
        uint64_t usec;                                  /* CLOCK_MONOTONIC */
        unsigned fault_in;                              /* the call of that number from now on fails; 0: none */
        int fault_errno;
        uint64_t next_id, repeat_id;
        struct {
                enum fd_kind kind;
                int index;
        } fds[FDS_MAX];
        struct proc procs[PROCS_MAX];
        int n_procs;
        struct cgroup_node cgroups[CGROUPS_MAX];
        int n_cgroups;
        struct space spaces[SPACES_MAX];
        int n_spaces;
        struct conn conns[CONNS_MAX];
        int waiting[2][CONNS_MAX]; /* not accepted yet */
        int n_waiting[2];
        pid_t next_pid;
        int last_channel; /* the end of the last socketpair(2) that a fork would inherit */
        struct proc next_child;
};
extern struct world world;

/* Descriptors that are recognised by their inodes: they come over sockets. */
extern int world_context_fd, world_mount_fd;
bool world_is_same(int a, int b);

/* Once. */
void world_setup(void);
/* Anew for each input. */
void world_begin(void);
/* What the helper should have taken back is no more. */
void world_end(void);
bool world_fault(void);

int world_proc(enum role role, uid_t uid);
void world_kill(int proc);
void world_die(int proc);
/* Lets those go that are to die. */
void world_deaths(bool stuck_too);
/* The helper has died: its children are nobody's. */
void world_orphan(void);
void world_list(int proc);

int world_space(uid_t owner, int parent);
/* The helper's cgroup2 mount, to be closed by it. */
int world_cgroup_mount(void);
int world_cgroup_make(int parent, const char *name);
void world_cgroup_remove(int node);
bool world_cgroup_populated(int node);
int world_cgroup_find(const char *name);
void world_cgroup_kill(int node);
bool world_has_cgroups(void);

/* Whether an event loop would wake up. */
bool world_is_ready(int fd, uint32_t events);
/* How often a pidfd or a cgroup.events has become ready, for EPOLLET. */
unsigned world_edges(int fd);

/* loop.c */
/* Calls what is due; of several with the same priority the one that pick says. Returns false if nothing was. */
bool loop_turn(sd_event *event, unsigned pick);
/* Time goes on until a timer is due. Returns false if there is none. */
bool loop_wait(sd_event *event);
bool loop_is_empty(const sd_event *event);
bool loop_watches(int fd);
