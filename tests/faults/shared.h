/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the driver (faults.c) and the helper of the fault build share: a page of memory in a file that $BD_FAULTS
 * names, mapped by both, so that children of the helper that have closed everything still have it.
 */

#include <stdint.h>

#define FAULTS_ENV "BD_FAULTS"           /* the file */
#define FAULTS_LIST_ENV "BD_FAULTS_LIST" /* set: print the points, and exit */
#define FAULTS_ROWS 16384

enum fault_action { FAULT_NONE, FAULT_KILL, FAULT_ERROR, FAULT_STALL };

/* One passage. path: a hash of the return addresses that led there, of our own program: a wrapper such as sendmsg in
 * sock.c is one point and many paths. The same for one build, whoever runs it. */
struct fault_row {
        uint32_t point, path;
        int32_t pid;
};

struct fault_shared {
        /* The driver's: what fires, once, at the pass-th passage, from 1. */
        uint32_t action, point, path, pass;
        int32_t error;
        /* The helper's. */
        uint32_t passes; /* of what is to fire */
        int32_t fired;   /* the pid in which it did, or 0 */
        uint32_t n;      /* rows, those beyond the table included */
        struct fault_row rows[FAULTS_ROWS];
};
