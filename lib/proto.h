/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The wire between the PAM module, the tool and the helper. The document is PROTOCOL; this file is its C form.
 *
 * Each message is one datagram of an AF_UNIX SOCK_SEQPACKET socket and one struct below, of exactly its size, in the
 * machine's byte order (both ends are always the same machine). Version and type come first. Strings are
 * terminated inside their field, hold no control character, and the rest of the field is zero; padding is zero.
 * A connection carries one request and its answer.
 *
 * No I/O and no allocation here: lib/sock.h sends and receives.
 */

#include "util.h"

#define PROTO_VERSION 1u

#define PROTO_POLICY_SIZE 128  /* base name of a policy file */
#define PROTO_USER_SIZE 256    /* login name: LOGIN_NAME_MAX is 256 with its terminator */
#define PROTO_SERVICE_SIZE 128 /* PAM service */
#define PROTO_TTY_SIZE 64
#define PROTO_RHOST_SIZE 248
#define PROTO_PATH_SIZE 256 /* where the bpffs is mounted; a cgroup path */
#define PROTO_TEXT_SIZE 512 /* words for a person; as large as struct errtext */
#define PROTO_DIGEST_SIZE 32
#define PROTO_SUBGROUP_SIZE 1024 /* a cgroup in the subtree */
#define PROTO_PACKAGE_SIZE 32    /* version of the package, as --version prints it */

enum proto_type {
        /* session socket, root only */
        PROTO_OPEN_SESSION = 1,
        PROTO_CLOSE_SESSION = 2,
        PROTO_FIND_SESSION = 3,
        /* user socket */
        PROTO_ENTER = 16,
        PROTO_STATUS = 17,
        PROTO_KILL_SUBGROUP = 18,
        PROTO_REMOVE_SUBGROUP = 19,
        /* answers */
        /* To CLOSE_SESSION, KILL_SUBGROUP, REMOVE_SUBGROUP, and any request that failed before its own answer. */
        PROTO_REPLY = 64,
        PROTO_OPENED = 65,  /* to OPEN_SESSION, FIND_SESSION */
        PROTO_ENTERED = 66, /* to ENTER, with descriptors */
        PROTO_ROW = 67,     /* to STATUS: one for each delegation … */
        PROTO_END = 68,     /* … and this after the last */
};

/* Names one session of one delegation. All zero: none. Not a secret: whoever shows one is checked against the kernel's
 * word on who they are. */
struct proto_cookie {
        uint64_t delegation; /* random, unique among the living; shown as 16 hex digits: the delegation's id */
        uint64_t session;    /* counts up within the delegation from 1, never used again */
};

/* "0123456789abcdef-1": 16 hex digits, '-', decimal without leading zero. */
#define PROTO_COOKIE_TEXT_SIZE 40
#define PROTO_COOKIE_ENV "BPFDELEG"

struct proto_head {
        uint32_t version;
        uint32_t type; /* enum proto_type */
};

struct proto_open_session {
        struct proto_head head;
        uint32_t uid;
        uint32_t gid;
        uint8_t digest[PROTO_DIGEST_SIZE]; /* SHA-256 of the policy file's bytes */
        char policy[PROTO_POLICY_SIZE];
        char user[PROTO_USER_SIZE];
        char service[PROTO_SERVICE_SIZE];
        char tty[PROTO_TTY_SIZE];     /* may be empty */
        char rhost[PROTO_RHOST_SIZE]; /* may be empty */
        /* Random, the same in each repetition of a request whose answer was lost; 0: it is not repeated. */
        uint64_t attempt;
};

struct proto_opened {
        struct proto_head head;
        int32_t result;   /* 0 or -errno, see PROTO_RESULT_* */
        uint32_t padding; /* 0 */
        struct proto_cookie cookie;
        char text[PROTO_TEXT_SIZE]; /* why not, for a person; empty on success */
};

/* Results with a meaning of their own. Everything else is an errno value. */
#define PROTO_RESULT_STALE (-ESTALE)          /* the policy file has other content than the digest says: read again */
#define PROTO_RESULT_STOPPING (-ECANCELED)    /* the helper stops, and nothing has come of this: ask the next one */
#define PROTO_RESULT_POLICY_BROKEN (-EBADMSG) /* the policy file is at fault: it grants nothing and locks nobody out */

struct proto_close_session {
        struct proto_head head;
        struct proto_cookie cookie;
};

/* Which session is it that the process that connects has opened for this user? The newest, if there are several. */
struct proto_find_session {
        struct proto_head head;
        uint32_t uid;
        uint32_t padding; /* 0 */
};

/* The note of a logout that no helper heard, beside the session socket: an empty file with this and the cookie as its
 * name, or with this and an attempt, as an id, of an OPEN_SESSION that nobody waits for any more. The next helper
 * takes it. */
#define PROTO_CLOSED_DIR "state"
#define PROTO_CLOSED "closed-"

struct proto_enter {
        struct proto_head head;
        struct proto_cookie cookie; /* from $BPFDELEG; zero: the only one the caller has */
};

enum proto_entered_flags {
        PROTO_ENTERED_INSIDE = 1,  /* the caller is in this delegation already; no descriptors come with it */
        PROTO_ENTERED_NETWORK = 2, /* a fourth descriptor: the delegation's network namespace */
};

/* Its descriptors, in this order. */
enum proto_entered_fd {
        PROTO_ENTERED_FD_USER,    /* user namespace */
        PROTO_ENTERED_FD_CGROUP,  /* cgroup namespace */
        PROTO_ENTERED_FD_MOUNT,   /* detached mount of the bpffs */
        PROTO_ENTERED_FD_NETWORK, /* network namespace: with PROTO_ENTERED_NETWORK alone */
        PROTO_ENTERED_FDS_MAX,
};

struct proto_entered {
        struct proto_head head;
        int32_t result;
        uint32_t flags;             /* enum proto_entered_flags */
        uint64_t caps;              /* bit N: capability N of linux/capability.h, to be made ambient */
        char path[PROTO_PATH_SIZE]; /* where the bpffs goes */
        char text[PROTO_TEXT_SIZE];
};

struct proto_status {
        struct proto_head head;
};

enum proto_state {
        PROTO_STATE_OPENING = 0,
        PROTO_STATE_ACTIVE = 1,
        PROTO_STATE_ENDING = 2,
};

struct proto_row {
        struct proto_head head;
        uint64_t id;
        uint32_t uid;
        uint32_t state;        /* enum proto_state */
        uint32_t sessions;     /* open ones */
        uint32_t confine;      /* enum policy_confine */
        uint32_t network;      /* enum policy_network */
        uint32_t linger;       /* 0 or 1 */
        uint32_t guarded;      /* 0 or 1: the guard keeps it */
        uint32_t refusals;     /* by the guard */
        uint64_t created_usec; /* CLOCK_REALTIME */
        uint64_t masks[4];     /* cmds, maps, progs, attachs, as the kernel was given them */
        uint64_t caps;
        char policy[PROTO_POLICY_SIZE];
        char path[PROTO_PATH_SIZE];   /* of the bpffs, inside */
        char cgroup[PROTO_PATH_SIZE]; /* of the subtree, below the cgroup2 mount */
};

struct proto_kill_subgroup {
        struct proto_head head;
        uint32_t signal;
        uint32_t padding;           /* 0 */
        struct proto_cookie cookie; /* as in ENTER */
        char path[PROTO_SUBGROUP_SIZE];
};

struct proto_remove_subgroup {
        struct proto_head head;
        struct proto_cookie cookie;
        char path[PROTO_SUBGROUP_SIZE];
};

struct proto_end {
        struct proto_head head;
        int32_t result;
        uint32_t rows;                    /* how many came before */
        uint32_t guard;                   /* 0 or 1: the helper has one */
        uint32_t padding;                 /* 0 */
        char text[PROTO_TEXT_SIZE];       /* with guard 0: why not, for a person */
        char version[PROTO_PACKAGE_SIZE]; /* of the helper */
};

struct proto_reply {
        struct proto_head head;
        int32_t result;
        uint32_t padding; /* 0 */
        char text[PROTO_TEXT_SIZE];
};

/* Large enough, and aligned, for any message. */
union proto_message {
        struct proto_head head;
        struct proto_open_session open_session;
        struct proto_opened opened;
        struct proto_close_session close_session;
        struct proto_find_session find_session;
        struct proto_enter enter;
        struct proto_entered entered;
        struct proto_status status;
        struct proto_kill_subgroup kill_subgroup;
        struct proto_remove_subgroup remove_subgroup;
        struct proto_row row;
        struct proto_end end;
        struct proto_reply reply;
};

/* A message of this type with nothing in it: zeroed, version and type set. */
#define PROTO_INIT(t)                                            \
        {                                                        \
                .head = {.version = PROTO_VERSION, .type = (t) } \
        }

/* Size in bytes of a message of this type; 0 for a type there is not. */
size_t proto_size(uint32_t type);

/*
 * Judges the size bytes at message, as they came from a socket. Returns 0 when they are exactly one well-formed
 * message, else
 * -EBADMSG and in err what is wrong with it. Never reads beyond size. Who may send the type is the caller's question.
 */
int proto_check(const void *message, size_t size, struct errtext *err);

/*
 * Judges how a cgroup in a subtree is written: names joined by single slashes, below the subtree's root, none of them
 * "." or "..". Returns 0, or -EINVAL with err for whoever typed it. Whether it is there is the kernel's to say.
 */
int proto_check_subgroup(const char *path, struct errtext *err);

/* The cookie as text, for the environment and for people; buf has PROTO_COOKIE_TEXT_SIZE bytes. Returns buf. */
char *proto_cookie_format(const struct proto_cookie *cookie, char *buf);

/* Its inverse; only the exact form is taken. Returns 0 or -EINVAL. */
int proto_cookie_parse(const char *s, struct proto_cookie *ret);

/* A delegation's id alone: 16 hex digits. buf has PROTO_ID_SIZE bytes. Returns buf. */
#define PROTO_ID_SIZE 17
char *proto_id_format(uint64_t id, char *buf);
/* Its inverse; only the exact form is taken. Returns 0 or -EINVAL. */
int proto_id_parse(const char *s, uint64_t *ret);
