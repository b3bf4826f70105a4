/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A helper that does as it is told: a child process that listens on a socket of its own, answers by a script and writes
 * down what it was asked. Both are in memory shared with the test, which may change the script between two requests.
 */

#include "proto.h"

#include <sys/types.h>

/* What it does with a request. */
enum fake_answer {
        FAKE_OK,          /* OPENED with a new cookie; REPLY 0 */
        FAKE_RESULT,      /* OPENED or REPLY with script.result and script.text */
        FAKE_STALE_ONCE,  /* PROTO_RESULT_STALE, after that FAKE_OK */
        FAKE_EARLY_REPLY, /* REPLY with result and text, to any request */
        FAKE_SILENT,      /* nothing; waits until the other side gives up */
        FAKE_HANGUP,      /* closes at once */
        FAKE_HANGUP_ONCE, /* closes at once, after that FAKE_OK */
        FAKE_GARBAGE,     /* 64 bytes that are no message */
        FAKE_WRONG_TYPE,  /* a well-formed message that is no answer to this */
        FAKE_SHORT,       /* the right answer but for its last byte */
        FAKE_LONG,        /* the right answer and a page more */
        FAKE_STRAY_FD,    /* the right answer, and a descriptor with it */
        FAKE_DELAYED,     /* the right answer, 300 ms late */
};

#define FAKE_REQUESTS_MAX 16
#define FAKE_DELEGATION UINT64_C(0x0123456789abcdef)

struct fake_script {
        enum fake_answer open, close;
        int result;
        char text[PROTO_TEXT_SIZE];
        char rename_from[128], rename_to[128]; /* if set: renamed before each answer */
};

struct fake_request {
        union proto_message message;
        size_t size;
        int check;        /* what proto_check says of it */
        pid_t pid;        /* who asked */
        unsigned low_fds; /* how many of the asking process's descriptors 0 to 2 are sockets just then */
};

/* Read it after fake_helper_stop, or after an answer has come: it is written before the answer goes out. */
struct fake_record {
        unsigned connections, requests, opens, closes, finds;
        unsigned given_up; /* connections that the other side closed before it had an answer */
        struct fake_request request[FAKE_REQUESTS_MAX];
};

struct fake_helper {
        pid_t pid;
        int control; /* closing it tells the child to finish what is in its backlog and end */
        struct fake_shared {
                struct fake_script script;
                struct fake_record record;
        } * shared;
};

#define FAKE_HELPER_INIT \
        { .pid = -1, .control = -1 }

/* Starts one that listens on path, with a script of all FAKE_OK. Returns 0 or -errno. */
int fake_helper_start(const char *path, struct fake_helper *ret);

/* Lets it serve what connections wait, then ends it; the record stays readable. Takes one that was not started. */
void fake_helper_stop(struct fake_helper *fake);

/* Stops it and frees the record. */
void fake_helper_done(struct fake_helper *fake);
