/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "task.h"

static int on_message(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct task *task = userdata;

        (void) source;
        (void) fd;
        (void) revents;
        return task->callbacks->said(task);
}

static int on_exited(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct task *task = userdata;

        (void) source;
        (void) fd;
        (void) revents;
        return task->callbacks->exited(task);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        struct task *task = userdata;

        (void) source;
        (void) usec;
        return task->callbacks->timed_out(task);
}

int task_start(struct task *task, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep) {
        int r;

        r = child_spawn(&task->child, cgroup_fd, main, arg, keep, n_keep);
        if (r >= 0 && task->callbacks->said)
                r = sd_event_add_io(task->event, &task->channel_source, task->child.channel, EPOLLIN, on_message, task);
        if (r >= 0)
                r = sd_event_add_io(task->event, &task->exit_source, task->child.pidfd, EPOLLIN, on_exited, task);
        /* Its last words count before its death. */
        if (r >= 0 && task->callbacks->said)
                r = sd_event_source_set_priority(task->exit_source, SD_EVENT_PRIORITY_NORMAL + 1);
        return r;
}

int task_limit(struct task *task, uint64_t usec) {
        return sd_event_add_time_relative(task->event, &task->deadline, CLOCK_MONOTONIC, usec, 0, on_deadline, task);
}

void task_ignore(struct task *task) {
        task->channel_source = sd_event_source_disable_unref(task->channel_source);
}

static void unwatch(struct task *task) {
        task->deadline = sd_event_source_disable_unref(task->deadline);
        task->exit_source = sd_event_source_disable_unref(task->exit_source);
        task_ignore(task);
}

void task_forget(struct task *task) {
        unwatch(task);
        task->child.channel = close_fd(task->child.channel);
}

void task_end(struct task *task) {
        unwatch(task);
        child_done(&task->child, task->event);
}
