/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a fault point does. In the children of the helper it runs between clone3 and _exit, so it calls nothing but
 * what may be called there; the unwinder is a reader of this program's own tables.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "shared.h"

struct fault_point {
        const char *file, *function, *call;
        unsigned line;
};
extern const struct fault_point *const __start_fault_points[], *const __stop_fault_points[];
extern const char __executable_start[], etext[];

int fault_hit(const struct fault_point *const *point);

static struct fault_shared *shared;

/* Of libraries nothing counts: where they are is another place each time. */
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *userdata) {
        uintptr_t ip = _Unwind_GetIP(context);
        uint32_t *hash = userdata;

        if (ip >= (uintptr_t) __executable_start && ip < (uintptr_t) etext)
                *hash = (*hash ^ (uint32_t) (ip - (uintptr_t) __executable_start)) * UINT32_C(16777619);
        return _URC_NO_REASON;
}

static void record(uint32_t point, uint32_t path, pid_t pid) {
        uint32_t n = __atomic_fetch_add(&shared->n, 1, __ATOMIC_SEQ_CST);

        if (n < FAULTS_ROWS)
                shared->rows[n] = (struct fault_row){.point = point, .path = path, .pid = pid};
}

int fault_hit(const struct fault_point *const *point) {
        uint32_t which = (uint32_t) (point - __start_fault_points), path = UINT32_C(2166136261);
        pid_t pid;
        int saved = errno;

        if (!shared)
                return 0;
        pid = (pid_t) syscall(SYS_getpid);
        (void) _Unwind_Backtrace(on_frame, &path);
        record(which, path, pid);
        errno = saved;
        if (shared->action == FAULT_NONE || shared->point != which || shared->path != path ||
            __atomic_add_fetch(&shared->passes, 1, __ATOMIC_SEQ_CST) != shared->pass)
                return 0;
        shared->fired = pid;
        if (shared->action == FAULT_KILL)
                (void) kill(pid, SIGKILL);
        if (shared->action == FAULT_ERROR)
                return shared->error;
        for (;;)
                (void) pause();
}

static bool is_like(const struct fault_point *a, const struct fault_point *b) {
        return strcmp(a->file, b->file) == 0 && strcmp(a->function, b->function) == 0 && strcmp(a->call, b->call) == 0;
}

/* "NUMBER FILE:FUNCTION:CALL#N": the N-th such call in that function. */
static void list(void) {
        for (const struct fault_point *const *p = __start_fault_points; p < __stop_fault_points; p++) {
                const char *slash = strrchr((*p)->file, '/');
                unsigned nth = 1;

                for (const struct fault_point *const *q = __start_fault_points; q < __stop_fault_points; q++)
                        nth += is_like(*q, *p) && ((*q)->line < (*p)->line || ((*q)->line == (*p)->line && q < p));
                (void) printf("%u %s:%s:%s#%u\n", (unsigned) (p - __start_fault_points), slash ? slash + 1 : (*p)->file,
                              (*p)->function, (*p)->call, nth);
        }
        (void) fflush(stdout);
        _exit(0);
}

static __attribute__((constructor)) void begin(void) {
        const char *path = getenv(FAULTS_ENV);
        void *p;
        int fd;

        if (getenv(FAULTS_LIST_ENV))
                list();
        fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        if (fd < 0)
                return;
        p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        if (p != MAP_FAILED)
                shared = p;
}
