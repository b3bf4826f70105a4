/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Makes processes that do not die of SIGKILL:
 *
 *   stuck trace PID     traces PID so that it stops when it dies, and does not let it go on
 *   stuck fuse DIR UID  mounts a file system of UID's on DIR that is asked for a file and never answers: its reader
 *   sleeps uninterruptibly
 *                       (fs/fuse/dev.c, request_wait_answer: once a request has been read, it is waited out)
 *
 * Prints "ready" when it is, and "asked" when somebody sits in the file system. Until it is killed; what it holds is
 * let go by that. The mount stays.
 */

#include "config.h"

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "util.h"

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "stuck: %s: %m\n", what);
        exit(1);
}

static void say(const char *word) {
        (void) puts(word);
        (void) fflush(stdout);
}

static _Noreturn void trace(pid_t pid) {
        if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) < 0)
                die("PTRACE_SEIZE");
        say("ready");
        for (;;)
                (void) pause();
}

/* ---- a file system that never answers ---- */

static void answer(int fd, const struct fuse_in_header *in, void *body, size_t size) {
        struct fuse_out_header out = {.len = (uint32_t) (sizeof(out) + size), .unique = in->unique};
        const struct iovec iov[] = {{&out, sizeof(out)}, {body, size}};

        if (writev(fd, iov, ELEMENTSOF(iov)) < 0)
                die("answering");
}

static void answer_init(int fd, const struct fuse_in_header *in) {
        struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};

        answer(fd, in, &init, sizeof(init));
}

static void answer_root(int fd, const struct fuse_in_header *in, uid_t uid) {
        struct fuse_attr_out attr = {.attr_valid = 3600,
                                     .attr = {.ino = 1, .mode = S_IFDIR | 0755, .nlink = 2, .uid = uid}};

        answer(fd, in, &attr, sizeof(attr));
}

static void serve(int fd, uid_t uid) {
        _Alignas(struct fuse_in_header) char buf[FUSE_MIN_READ_BUFFER];
        const struct fuse_in_header *in = (const void *) buf;

        if (read(fd, buf, sizeof(buf)) < (ssize_t) sizeof(*in))
                return;
        if (in->opcode == FUSE_INIT)
                answer_init(fd, in);
        else if (in->opcode == FUSE_GETATTR && in->nodeid == FUSE_ROOT_ID)
                answer_root(fd, in, uid);
        else if (in->opcode == FUSE_LOOKUP)
                say("asked");
}

static void mount_it(int fd, const char *dir, uid_t uid) {
        char options[100];

        (void) snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", fd, (unsigned) uid,
                        (unsigned) uid);
        if (mount("stuck", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
                die(dir);
}

static _Noreturn void fuse(const char *dir, uid_t uid) {
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                die("/dev/fuse");
        mount_it(fd, dir, uid);
        say("ready");
        for (;;)
                serve(fd, uid);
}

int main(int argc, char **argv) {
        uint64_t number;

        if (argc == 3 && streq(argv[1], "trace") && parse_uint(argv[2], 10, INT32_MAX, &number) == 0)
                trace((pid_t) number);
        else if (argc == 4 && streq(argv[1], "fuse") && parse_uint(argv[3], 10, UINT32_MAX, &number) == 0)
                fuse(argv[2], (uid_t) number);
        (void) fprintf(stderr, "usage: stuck trace PID | stuck fuse DIR UID\n");
        return 2;
}
