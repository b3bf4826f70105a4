/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The input of fuzz-helper: one byte of enum flags, then acts of four bytes each: what, and three parameters. */

enum flags {
        WITH_SCOPES = 1,
        WITH_GUARD = 2,
        WITH_CONTROLLERS = 4,
        WITH_SMALL_LIMITS = 8,
        WITH_LAZY_DEATHS = 16,
        WITHOUT_TRACING = 32,
};

enum act {
        ACT_TURN,     /* how many events (1 to 16); which first */
        ACT_CONNECT,  /* connection; peer; socket */
        ACT_OPEN,     /* connection; who (logins[]); policy, | 0x80: of another content */
        ACT_CLOSE,    /* connection; which cookie; | 0x80: another session */
        ACT_ENTER,    /* connection; which cookie, 0: none */
        ACT_STATUS,   /* connection */
        ACT_BEND,     /* of the next message, the byte at (first, second) is xored with the third */
        ACT_CUT,      /* of the next message: so many bytes less, or | 0x80: more; descriptors with it; who sends it */
        ACT_HANGUP,   /* connection */
        ACT_CHILD,    /* which; how (enum behaviour); parameter */
        ACT_TIME,     /* 0: until a timer is due; else milliseconds; times 2^second */
        ACT_PEER,     /* which; what (enum change) */
        ACT_PROCESS,  /* in which cgroup; what (enum deed) */
        ACT_SYSTEMD,  /* which job; its answer (enum answer) */
        ACT_FAULT,    /* which call from now on fails; how */
        ACT_POLICY,   /* which; 0: is removed, 1: has other content, 2: is broken, else: as it was */
        ACT_RESTART,  /* 0: killed; else stopped in order */
        ACT_DEATHS,   /* who is to die dies; 1: even who is stuck */
        ACT_REPORT,   /* of the guard: delegation; what; detail */
        ACT_REPEAT,   /* the next random number is a delegation's id */
        ACT_SUBGROUP, /* connection; which cookie, 0: none, | 0x80: is to be removed; which path and signal */
        ACTS,
};

enum behaviour { CHILD_GOES_ON, CHILD_GOES_ON_2, CHILD_FAILS, CHILD_TALKS, CHILD_DIES, CHILD_HANGS_UP, BEHAVIOURS };
enum change {
        PEER_DIES,
        PEER_RESTRICTS,
        PEER_THREADS,
        PEER_TRACED,
        PEER_TWO_UIDS,
        PEER_CONTAINER,
        PEER_PID_NAMESPACE,
        PEER_INSIDE,
        PEER_REBORN,
        CHANGES
};
enum deed {
        USER_STARTS,
        USER_EXITS,
        USER_LEAVES,
        USER_MAKES_GROUP,
        USER_STUCK,
        USER_NESTS,
        USER_KILLS_ANCHOR,
        USER_REMOVES_RUN,
        DEEDS
};
enum answer {
        SYSTEMD_MAKES,
        SYSTEMD_REFUSES,
        SYSTEMD_SILENT,
        SYSTEMD_LOST,
        SYSTEMD_ELSEWHERE,
        SYSTEMD_UNKNOWN,
        SYSTEMD_LAZY,
        ANSWERS
};
