/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls that the C libraries we build with lack or wrap differently. Each returns what the man page of the
 * same name says, but -errno instead of -1; new descriptors are close-on-exec. Nothing here allocates, so all of it
 * may be called in a child made by sys_clone3().
 */

#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "util.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5, asm-generic/socket.h */
#endif
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9, linux/pidfd.h */
#endif
/* linux/pidfd.h, the first version of the struct. Kernels before 6.13 answer ENOTTY or EINVAL. */
struct sys_pidfd_info {
        uint64_t mask, cgroup;
        uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, spare;
};
#define SYS_PIDFD_INFO_IDS 3 /* PIDFD_INFO_PID | PIDFD_INFO_CREDS */
#define SYS_PIDFD_GET_INFO _IOWR(0xff, 11, struct sys_pidfd_info)
#ifndef NS_GET_OWNER_UID
#define NS_GET_OWNER_UID 0xb704 /* linux/nsfs.h */
#endif
#ifndef NS_GET_ID
#define NS_GET_ID _IOR(0xb7, 0xd, uint64_t) /* Linux 6.18, linux/nsfs.h */
#endif
#ifndef NS_GET_PARENT
#define NS_GET_PARENT 0xb702 /* linux/nsfs.h, ioctl_ns(2) */
#endif

int sys_fsopen(const char *type);                                       /* fsopen(2) */
int sys_fsconfig_string(int fs_fd, const char *key, const char *value); /* FSCONFIG_SET_STRING */
int sys_fsconfig_create(int fs_fd);                                     /* FSCONFIG_CMD_CREATE */
int sys_fsmount(int fs_fd, unsigned attr_flags);                        /* MOUNT_ATTR_… */
int sys_new_mount(int fs_fd, unsigned attr_flags);                      /* the two calls above: a mount's descriptor */
int sys_move_mount(int from_fd, int to_dirfd, const char *to_path);     /* from_fd is the mount itself */
int sys_open_tree_clone(int dirfd, const char *path); /* OPEN_TREE_CLONE: a detached copy of one mount */

/*
 * Opens the directory path for reading, below dirfd and on its mount, one name at a time. What openat2(2) could do by
 * RESOLVE_…, which units with RestrictSUIDSGID= have not. Returns a descriptor or -errno: -EXDEV for "..", a leading
 * "/" and another mount, -ELOOP for a link, -ENOTDIR for another file.
 */
int sys_open_below(int dirfd, const char *path);

/*
 * clone3(2) as a fork: flags may have CLONE_INTO_CGROUP (with cgroup_fd; else it is -1); CLONE_PIDFD is always set.
 * Returns the pid in the parent, with *ret_pidfd, and 0 in the child, which may use only async-signal-safe functions:
 * no glibc handler has run.
 */
pid_t sys_clone3(uint64_t flags, int cgroup_fd, int *ret_pidfd);

/*
 * A fork whose child's end sends no signal: a caller that becomes another program by exec leaves it no SIGCHLD of a
 * child that it never had. To be waited for with __WALL, whatever SIGCHLD is set to. For the child as above.
 */
pid_t sys_fork_silent(void);

int sys_pidfd_open(pid_t pid);
int sys_pidfd_open_thread(pid_t tid); /* PIDFD_THREAD, Linux 6.9 */
int sys_pidfd_send_signal(int pidfd, int sig);
int sys_pidfd_getfd(int pidfd, int fd); /* a copy of another process's descriptor */
bool sys_pidfd_exited(int pidfd);       /* whether its process has exited; if that cannot be told, too */

/* What a pidfd says of its process, without its number being looked up anywhere (PIDFD_GET_INFO, Linux 6.13). Returns
 * 0; -EOPNOTSUPP: this kernel has no such call; -ESRCH: it has gone; or -errno. */
struct sys_pidfd_ids {
        pid_t pid; /* in the pid namespace of whoever asks */
        uid_t uid; /* the real one */
};
int sys_pidfd_ids(int pidfd, struct sys_pidfd_ids *ret);

/*
 * Names one process for as long as the machine is up, so that it can be written down: a pid alone may be another's
 * later. inode: of its pidfd, which pidfs gives out once (Linux 6.9; on 32-bit its lower half).
 */
struct sys_process {
        pid_t pid;
        uint64_t start; /* in clock ticks since boot: field 22 of /proc/PID/stat, proc_pid_stat(5) */
        uint64_t inode;
};

/* Fills *ret about the process of pidfd, whose number is pid. Returns 0 or -errno; -ESRCH: it has gone. */
int sys_process_identify(pid_t pid, int pidfd, struct sys_process *ret);
/* Opens a pidfd of exactly that process. Descriptor, or -errno; -ESRCH: it has gone, whoever has its number now. */
int sys_process_open(const struct sys_process *process);

/* Names a namespace. id: the kernel gives it out once (Linux 6.18; 0 before), inode: a later one may get it again. */
struct sys_namespace {
        uint64_t inode, id;
};

/* Fills *ret about the namespace that fd is. Returns 0 or -errno. */
int sys_namespace_identify(int fd, struct sys_namespace *ret);
/* Whether they are the same, as far as both can tell. */
bool sys_namespace_same(const struct sys_namespace *a, const struct sys_namespace *b);

/* Closes every descriptor but those listed (any order, at most 8 of them, -1 skipped). For children only. */
int sys_close_all_but(const int *fds, size_t n);

/* For a child that shares its parent's descriptor table (CLONE_FILES): gives it one of its own, a copy of the numbers
 * below `end` only, so that what it costs does not depend on how many the parent has (close_range(2),
 * CLOSE_RANGE_UNSHARE). Returns 0 or -errno. */
int sys_unshare_files_below(int end);

/* execveat(2) of a file in dirfd, without arguments but its name and without environment. Returns -errno, or not at
 * all. */
int sys_execute_in(int dirfd, const char *name);

/* The directory of the program's own file, by the kernel's word, not by argv. Returns 0 or -errno. */
int sys_own_dir(char *ret, size_t size);

/* Sets the process's effective, permitted, inheritable capabilities (bit N: capability N), capset(2). */
int sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/* The effective ones of a thread, which are of its own user namespace. Returns 0 or -errno. */
int sys_capget_effective(pid_t tid, uint64_t *ret);

int sys_seccomp(unsigned operation, unsigned flags, void *args); /* seccomp(2) */

/* The f_type of the file system that fd is on, or -errno. */
int64_t sys_fs_magic(int fd);
