/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A task: one child that does something for the helper and then exits, watched by the loop and limited in time. Maker,
 * escort and the child of a subgroup are such; what each says, and what becomes of it, is in the file that starts it.
 */

#include "child.h"

struct task;

/* All called from the loop, never from within a function of this file. Each may end the task, and free what it is a
 * part of. Returns as a handler of sd-event does. */
struct task_callbacks {
        /* It has exited; what it has said can still be received. */
        int (*exited)(struct task *task);
        /* Its time is over; it may be at work still. */
        int (*timed_out)(struct task *task);
        /* It has said something: before exited() in any case. NULL: what it says is received when it has exited. */
        int (*said)(struct task *task);
};

struct task {
        sd_event *event;
        const struct task_callbacks *callbacks;
        void *userdata;
        struct child child;
        sd_event_source *channel_source, *exit_source, *deadline;
};

/* A task before task_start(). event, callbacks and userdata are borrowed, and outlive it. */
static inline struct task task_init(sd_event *event, const struct task_callbacks *callbacks, void *userdata) {
        return (struct task){.event = event, .callbacks = callbacks, .userdata = userdata, .child = CHILD_INIT};
}

/* Starts and watches the child, as child_spawn() does. Returns 0 or -errno; to be given to task_end() in any case. */
int task_start(struct task *task, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep);
/* Limits the time from now on, also of a task that is not started yet. Returns 0 or -errno. */
int task_limit(struct task *task, uint64_t usec);
/* What it says is of no interest any more. */
void task_ignore(struct task *task);
/* Watches it no more. The child lives on, and is child_done()'s. */
void task_forget(struct task *task);
/* Kills the child if it lives, and watches nothing any more. Takes one that was not started, or has ended. */
void task_end(struct task *task);
