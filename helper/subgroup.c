/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A part of a subtree is signalled or removed on its user's word, by a child with root's rights. The user is at work
 * in there at the same time, and chooses names, depth, owners, modes and processes. What holds whatever the user does:
 *
 *  - Nothing outside of the user's subtree is touched. The path is resolved once, name by name below <root>, without
 *    "..", links and other
 *    mounts; after that everything goes through descriptors of directories. One that is removed and made again
 *    meanwhile is another cgroup, and
 *    is not touched: the descriptor's own is dead. - No process is signalled for its number. SIGKILL is cgroup.kill,
 *    which the kernel does at one stroke. Any other signal goes through
 *    pidfds, and only to what the cgroup still lists after the pidfd was opened: if the pidfd's process has not been
 *    reaped by then,
 *    the number listed was its own. - The loop waits for nobody. Walks, rmdir(2) and the wait for the last process
 *    happen in the child; there is one for a uid
 *    at a time, and it is killed at its deadline. So what a user can make root do is one process's work. - The
 *    delegation itself does not suffer: not by name (its root and `supervisor`), and not where the anchor was moved
 *    to: signals pass it
 *    by, but for SIGKILL, which is refused there, as far as can be seen. A user who moves it at that very moment ends
 *    their own delegation,
 *    which they could do by kill(1).
 */

#include "config.h"

#include "subgroup-child.h"

#include <inttypes.h>
#include <sys/queue.h>

#include "task.h"

TAILQ_HEAD(subgroup_queue, subgroup);

struct subgroups {
        sd_event *event;
        const uint64_t *timeout_usec;
        subgroup_find find;
        void *userdata;
        struct subgroup_queue queue;
};

struct subgroup {
        TAILQ_ENTRY(subgroup) entry;
        struct subgroups *subgroups;
        uint64_t id;
        uid_t uid;
        struct subgroup_request request; /* its path is this: */
        char path[PROTO_SUBGROUP_SIZE];
        subgroup_done done;
        void *userdata;
        struct task task;
        bool at_work; /* has, or had, the child; else it waits for another one of its uid */
};

/* Results that have a reason of their own. */
static const struct {
        enum subgroup_step step;
        int error;
        const char *why;
} reasons[] = {
        {SUBGROUP_FIND, -ENOENT,
         "there is no such cgroup in your subtree (`bpfdeleg run -- ls /sys/fs/cgroup` shows what there is)"},
        {SUBGROUP_FIND, -ENOTDIR, "that is a file of a cgroup and not a cgroup"},
        {SUBGROUP_FIND, -ELOOP, "there is a link in the path"},
        {SUBGROUP_FIND, -EXDEV, "the path leads out of your subtree"},
        {SUBGROUP_ANCHOR, -EBUSY,
         "the anchor that keeps your delegation (ps calls it bpfdeleg-anchor) was moved there, and would be killed: "
         "move "
         "it to a cgroup elsewhere first"},
        {SUBGROUP_KILL, -EOPNOTSUPP,
         "it is a threaded cgroup, and signals go to whole processes: name the cgroup above it that is their domain"},
        {SUBGROUP_SIGNAL, -EOPNOTSUPP,
         "it is a threaded cgroup, and signals go to whole processes: name the cgroup above it that is their domain"},
        {SUBGROUP_SIGNAL, -EAGAIN,
         "its processes start others faster than these can be signalled; send them SIGKILL, or freeze them first"},
        {SUBGROUP_REMOVE, -EBUSY,
         "there are processes in it, or somebody makes cgroups in it: end those first (`bpfdeleg kill` with the same "
         "path)"},
        {SUBGROUP_REMOVE, -ENOENT, "there is no such cgroup in your subtree any more"},
};

static const char *const step_words[] = {
        [SUBGROUP_FIND] = "opening it",
        [SUBGROUP_ANCHOR] = "looking where the anchor is",
        [SUBGROUP_KILL] = "killing what is in it",
        [SUBGROUP_SIGNAL] = "signalling what is in it",
        [SUBGROUP_REMOVE] = "removing it",
        [SUBGROUP_DONE] = "finishing",
};

static int finish(struct subgroup *subgroup, int result, const char *why) {
        task_end(&subgroup->task);
        subgroup->done(subgroup->userdata, &subgroup->request, result, why);
        return 0;
}

static int finish_step(struct subgroup *subgroup, const struct child_message *message) {
        struct errtext why;

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (message->error < 0 && reasons[i].step == message->step && reasons[i].error == message->error)
                        return finish(subgroup, message->error, reasons[i].why);
        (void) fail(&why, 0, "%s: %s", step_words[message->step], strerror(-message->error));
        return finish(subgroup, message->error, message->error < 0 ? why.s : "");
}

static int on_child_exit(struct task *task) {
        _cleanup_close_ int none_fd = -1;
        struct subgroup *subgroup = task->userdata;
        struct child_message message;

        if (child_recv(&task->child, &message, &none_fd) < 0)
                return finish(subgroup, -ECHILD, "the process that was to do it died");
        if (message.step >= ELEMENTSOF(step_words) || message.error > 0)
                return finish(subgroup, -EBADMSG, "the process that was to do it said what it should not");
        return finish_step(subgroup, &message);
}

static int on_deadline(struct task *task) {
        struct subgroup *subgroup = task->userdata;

        if (!subgroup->at_work)
                return finish(subgroup, -ETIMEDOUT,
                              "not begun: others that you asked for were not done in time; ask again");
        if (subgroup->request.remove)
                return finish(subgroup, -ETIMEDOUT, "not all of it could be removed in time; ask again");
        if (subgroup->request.signal == SIGKILL)
                return finish(subgroup, -ETIMEDOUT,
                              "some in it were not gone in time: they cannot end yet, or new ones come; ask again");
        return finish(subgroup, -ETIMEDOUT, "not all in it could be signalled in time: ask again, or send SIGKILL");
}

static int start_child(struct subgroup *subgroup, const struct subgroup_target *target, struct errtext *err) {
        struct subgroup_work work = {
                .root_fd = target->root->fd,
                .request = subgroup->request,
                .anchor = *target->anchor,
        };
        const int fds[] = {[SUBGROUP_FD_ROOT] = work.root_fd, [SUBGROUP_FD_ANCHOR] = work.anchor.pidfd};
        int r;

        copy_field_cut(work.root_path, sizeof(work.root_path), target->root->path);
        copy_field_cut(work.path, sizeof(work.path), subgroup->path);
        work.request.path = work.path;
        r = task_start(&subgroup->task, -1, subgroup_child, &work, fds, ELEMENTSOF(fds));
        subgroup->at_work = r >= 0;
        return r < 0 ? fail(err, r, "no process can be started for it: %s", strerror(-r)) : 0;
}

static bool is_busy(const struct subgroups *subgroups, uid_t uid) {
        const struct subgroup *other;

        TAILQ_FOREACH(other, &subgroups->queue, entry)
        if (other->uid == uid && other->at_work)
                return true;
        return false;
}

static struct subgroup *first_of(const struct subgroups *subgroups, uid_t uid) {
        struct subgroup *subgroup;

        TAILQ_FOREACH(subgroup, &subgroups->queue, entry)
        if (subgroup->uid == uid)
                return subgroup;
        return NULL;
}

/* The one that has waited longest. One that cannot be started is answered, and freed by that. */
static void start_next(struct subgroups *subgroups, uid_t uid) {
        struct subgroup_target target;
        struct subgroup *next;
        struct errtext err;
        int r;

        while (!is_busy(subgroups, uid) && (next = first_of(subgroups, uid))) {
                r = subgroups->find(subgroups->userdata, next->id, &target) ?
                            start_child(next, &target, &err) :
                            fail(&err, -ENOENT, "your delegation has ended meanwhile");
                if (r < 0)
                        (void) finish(next, r, err.s);
        }
}

static int check(const struct subgroup_target *target, const struct subgroup_request *request, struct errtext *err) {
        const char *path = request->path;
        size_t n = strlen(CGROUP_SUPERVISOR);
        int r;

        if (!request->remove && (request->signal == 0 || request->signal >= NSIG))
                return fail(err, -EINVAL, "there is no signal %" PRIu32, request->signal);
        if (target->root->fd < 0)
                return fail(err, -ENOENT, "your delegation has no cgroup");
        r = proto_check_subgroup(path, err);
        if (r < 0)
                return r;
        if (strncmp(path, CGROUP_SUPERVISOR, n) == 0 && (path[n] == '\0' || path[n] == '/'))
                return fail(
                        err, -EPERM,
                        "`%s` holds the anchor that keeps your delegation, and ends with it: log out, or name another "
                        "cgroup",
                        CGROUP_SUPERVISOR);
        return 0;
}

int subgroup_start(struct subgroup **ret, struct subgroups *subgroups, const struct subgroup_target *target,
                   const struct subgroup_request *request, subgroup_done done, void *userdata, struct errtext *err) {
        static const struct task_callbacks callbacks = {.exited = on_child_exit, .timed_out = on_deadline};
        struct subgroup *subgroup;
        int r;

        r = check(target, request, err);
        if (r < 0)
                return r;
        subgroup = malloc(sizeof(*subgroup));
        if (!subgroup)
                return fail(err, -ENOMEM, "out of memory");
        *subgroup = (struct subgroup){
                .subgroups = subgroups,
                .id = target->id,
                .uid = target->uid,
                .request = *request,
                .done = done,
                .userdata = userdata,
                .task = task_init(subgroups->event, &callbacks, subgroup),
        };
        copy_field_cut(subgroup->path, sizeof(subgroup->path), request->path);
        subgroup->request.path = subgroup->path;
        r = is_busy(subgroups, target->uid) ? 0 : start_child(subgroup, target, err);
        TAILQ_INSERT_TAIL(&subgroups->queue, subgroup, entry);
        if (r >= 0) {
                r = task_limit(&subgroup->task, *subgroups->timeout_usec);
                if (r < 0)
                        (void) fail(err, r, "its time cannot be kept: %s", strerror(-r));
        }
        if (r < 0) {
                subgroup_free(subgroup);
                return r;
        }
        *ret = subgroup;
        return 0;
}

void subgroup_free(struct subgroup *subgroup) {
        struct subgroups *subgroups;
        bool was_at_work;
        uid_t uid;

        if (!subgroup)
                return;
        subgroups = subgroup->subgroups;
        was_at_work = subgroup->at_work;
        uid = subgroup->uid;
        TAILQ_REMOVE(&subgroups->queue, subgroup, entry);
        task_end(&subgroup->task);
        free(subgroup);
        if (was_at_work)
                start_next(subgroups, uid);
}

static struct subgroup *of_delegation(const struct subgroups *subgroups, uint64_t id) {
        struct subgroup *subgroup;

        TAILQ_FOREACH(subgroup, &subgroups->queue, entry)
        if (subgroup->id == id)
                return subgroup;
        return NULL;
}

void subgroups_end(struct subgroups *subgroups, uint64_t id) {
        struct subgroup *subgroup;

        while ((subgroup = of_delegation(subgroups, id)))
                (void) finish(subgroup, -ENOENT, "your delegation has ended meanwhile");
}

int subgroups_new(struct subgroups **ret, sd_event *event, const uint64_t *timeout_usec, subgroup_find find,
                  void *userdata) {
        struct subgroups *subgroups = malloc(sizeof(*subgroups));

        if (!subgroups)
                return -ENOMEM;
        *subgroups =
                (struct subgroups){.event = event, .timeout_usec = timeout_usec, .find = find, .userdata = userdata};
        TAILQ_INIT(&subgroups->queue);
        *ret = subgroups;
        return 0;
}

void subgroups_free(struct subgroups *subgroups) {
        free(subgroups);
}
