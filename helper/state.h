/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a helper must find again after a restart, written down before it is done: in <runtime-dir>/state, one
 * directory for each delegation, named by its id:
 *
 *     record        who, which policy, which cgroup, how far it has come, its anchor
 *     50-x.ini      the policy file's bytes as they were granted, whatever the admin has written since
 *     session-<n>   one for each open session: its leader
 *
 * and beside these directories the module's notes of logouts that no helper heard, "closed-<cookie>".
 *
 * INI files, root's alone, each put in place by rename(2), and so is the directory, which is filled and emptied under
 * another name, ".<id>": a helper killed at any moment leaves the old or the new one, and nothing but that is ever
 * half there. They live in /run, so nothing of them outlives the kernel that the delegations live in.
 */

#include <systemd/sd-event.h>

#include "cgroup.h"
#include "sysapi.h"

struct state_dir {
        int fd; /* locked; -1: none, then nothing is written */
        char *path;
        sd_event *event;
        sd_event_source *tidying; /* on as long as something of a record could not be removed */
};
#define STATE_DIR_INIT \
        { .fd = -1 }

/* Makes <runtime_dir>/state unless it is there, and locks it: one helper at a time. event is borrowed, and outlives
 * it; NULL: what cannot be removed is left to the next start. Returns 0 or -errno with err. */
int state_open(struct state_dir *ret, sd_event *event, const char *runtime_dir, struct errtext *err);
/* Removes leftovers, and the directory if it is empty then. */
void state_done(struct state_dir *dir);

/* One delegation's record. */
struct state_record {
        uint64_t id;
        uid_t uid;
        gid_t gid;
        char user[PROTO_USER_SIZE];
        char policy[PROTO_POLICY_SIZE]; /* base name */
        enum proto_state state;
        uint64_t created_usec; /* CLOCK_REALTIME */
        uint64_t last_session; /* highest number ever given to one */
        enum cgroup_backend backend;
        char cgroup[PROTO_PATH_SIZE]; /* "" as long as it is not known */
        struct sys_process anchor;    /* pid 0 before there is one */
        struct sys_namespace userns;  /* inode 0 before there is one */
};

/* One session's. */
struct state_session {
        uint64_t number;
        uint64_t attempt; /* 0: none, or written by a helper of version 0.1, which knew of none */
        struct sys_process leader;
        char service[PROTO_SERVICE_SIZE];
};

/* Writes a delegation's record for the first time, with its policy's bytes. Returns 0, or -errno and nothing is
 * there. */
int state_new(struct state_dir *dir, const struct state_record *record, const char *policy_text, size_t policy_size);
/* Replaces the record. */
int state_update(const struct state_dir *dir, const struct state_record *record);
int state_add_session(const struct state_dir *dir, uint64_t id, const struct state_session *session);
void state_remove_session(const struct state_dir *dir, uint64_t id, uint64_t number);
/* Removes all of a delegation: the last thing of it. Does nothing if there is none. A record that cannot be removed
 * counts no more. If descriptors or memory are lacking (is_shortage()), its removal is tried again each second. */
void state_remove(struct state_dir *dir, uint64_t id);

/*
 * Reads everything. For each delegation whose record makes sense calls delegation(), with its policy (to be taken),
 * and then session() for each of its sessions. What makes no sense is set aside, renamed to "bad-<name>", with a line
 * in the log: never trusted, never fatal. What was being made or removed is removed. Returns how many there were, or
 * -errno with err: they cannot be read now, for want of something (is_shortage()), and nothing is said about those
 * that were not read.
 */
struct state_reader {
        void (*delegation)(void *userdata, const struct state_record *record, struct policy *take_policy);
        void (*session)(void *userdata, uint64_t id, const struct state_session *session);
        void *userdata;
};
int state_read(const struct state_dir *dir, const struct state_reader *reader, struct errtext *err);

/* Calls closed() for each note of a logout that no helper has heard (PROTO_CLOSED), with an attempt other than 0 or
 * else the cookie, and removes the note then: a helper that is killed in between leaves it to the next one. */
void state_read_closed(const struct state_dir *dir,
                       void (*closed)(void *userdata, const struct proto_cookie *cookie, uint64_t attempt),
                       void *userdata);
