/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fault points, for tests/faults/bpfdelegd-faults alone: the compiler is told to read this before each source file of
 * the helper (-include), and each system call there, by its own name or by that of our wrapper, becomes a macro of the
 * same name that asks fault_hit() first. A macro's own name is not expanded again inside of it, so the call is what it
 * was. Points are numbered by the linker: each leaves a pointer in a section of its own.
 *
 * Not here: close(2), which does not fail and before which a kill is the same as before the next call; epoll,
 * sd-event's own; readdir(3), memory, and clocks.
 */

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "sysapi.h"

#include <sys/mount.h>

struct fault_point {
        const char *file, *function, *call;
        unsigned line;
};

/* Returns 0 to go on, or an errno value to fail with; or not at all. */
int fault_hit(const struct fault_point *const *point);

#define FAULT_ASK(name)                                                                                     \
        static const struct fault_point fault_this = {.file = __FILE__,                                     \
                                                      .function = __func__,                                 \
                                                      .call = (name),                                       \
                                                      .line = __LINE__};                                    \
        static const struct fault_point *const fault_entry __attribute__((section("fault_points"), used)) = \
                &fault_this;                                                                                \
        int fault_error = fault_hit(&fault_entry)

/* A call that fails with -1 (or NULL) and errno, and one that fails with -errno. */
#define FAULT_ERRNO(name, failed, ...)                                     \
        __extension__({                                                    \
                FAULT_ASK(name);                                           \
                fault_error ? (errno = fault_error, failed) : __VA_ARGS__; \
        })
#define FAULT_CALL(name, ...) FAULT_ERRNO(name, -1, __VA_ARGS__)
#define FAULT_RESULT(name, ...)                           \
        __extension__({                                   \
                FAULT_ASK(name);                          \
                fault_error ? -fault_error : __VA_ARGS__; \
        })
/* One that frees something even when it fails. */
#define FAULT_AFTER(name, failed, ...)                                      \
        __extension__({                                                     \
                FAULT_ASK(name);                                            \
                int fault_result = __VA_ARGS__;                             \
                fault_error ? (errno = fault_error, failed) : fault_result; \
        })

#define open(...) FAULT_CALL("open", open(__VA_ARGS__))
#define openat(...) FAULT_CALL("openat", openat(__VA_ARGS__))
#define mkdir(...) FAULT_CALL("mkdir", mkdir(__VA_ARGS__))
#define mkdirat(...) FAULT_CALL("mkdirat", mkdirat(__VA_ARGS__))
#define unlink(...) FAULT_CALL("unlink", unlink(__VA_ARGS__))
#define unlinkat(...) FAULT_CALL("unlinkat", unlinkat(__VA_ARGS__))
#define rmdir(...) FAULT_CALL("rmdir", rmdir(__VA_ARGS__))
#define renameat(...) FAULT_CALL("renameat", renameat(__VA_ARGS__))
#define pread(...) FAULT_CALL("pread", pread(__VA_ARGS__))
#define readlinkat(...) FAULT_CALL("readlinkat", readlinkat(__VA_ARGS__))
#define read(...) FAULT_CALL("read", read(__VA_ARGS__))
#define write(...) FAULT_CALL("write", write(__VA_ARGS__))
#define fstat(...) FAULT_CALL("fstat", fstat(__VA_ARGS__))
#define fstatat(...) FAULT_CALL("fstatat", fstatat(__VA_ARGS__))
#define stat(...) FAULT_CALL("stat", stat(__VA_ARGS__))
#define fchown(...) FAULT_CALL("fchown", fchown(__VA_ARGS__))
#define fchownat(...) FAULT_CALL("fchownat", fchownat(__VA_ARGS__))
#define fchmod(...) FAULT_CALL("fchmod", fchmod(__VA_ARGS__))
#define dup3(...) FAULT_CALL("dup3", dup3(__VA_ARGS__))
#define flock(...) FAULT_CALL("flock", flock(__VA_ARGS__))
#define fcntl(...) FAULT_CALL("fcntl", fcntl(__VA_ARGS__))
#define ioctl(...) FAULT_CALL("ioctl", ioctl(__VA_ARGS__))
#define poll(...) FAULT_CALL("poll", poll(__VA_ARGS__))
#define prctl(...) FAULT_CALL("prctl", prctl(__VA_ARGS__))
#define setns(...) FAULT_CALL("setns", setns(__VA_ARGS__))
#define unshare(...) FAULT_CALL("unshare", unshare(__VA_ARGS__))
#define chdir(...) FAULT_CALL("chdir", chdir(__VA_ARGS__))
#define fchdir(...) FAULT_CALL("fchdir", fchdir(__VA_ARGS__))
#define mount(...) FAULT_CALL("mount", mount(__VA_ARGS__))
#define umount2(...) FAULT_CALL("umount2", umount2(__VA_ARGS__))
#define waitid(...) FAULT_CALL("waitid", waitid(__VA_ARGS__))
#define setsid(...) FAULT_CALL("setsid", setsid(__VA_ARGS__))
#define sigprocmask(...) FAULT_CALL("sigprocmask", sigprocmask(__VA_ARGS__))
#define getrandom(...) FAULT_CALL("getrandom", getrandom(__VA_ARGS__))
#define getrlimit(...) FAULT_CALL("getrlimit", getrlimit(__VA_ARGS__))
#define setrlimit(...) FAULT_CALL("setrlimit", setrlimit(__VA_ARGS__))
#define pipe2(...) FAULT_CALL("pipe2", pipe2(__VA_ARGS__))
#define socket(...) FAULT_CALL("socket", socket(__VA_ARGS__))
#define socketpair(...) FAULT_CALL("socketpair", socketpair(__VA_ARGS__))
#define bind(...) FAULT_CALL("bind", bind(__VA_ARGS__))
#define listen(...) FAULT_CALL("listen", listen(__VA_ARGS__))
#define accept4(...) FAULT_CALL("accept4", accept4(__VA_ARGS__))
#define sendto(...) FAULT_CALL("sendto", sendto(__VA_ARGS__))
#define sendmsg(...) FAULT_CALL("sendmsg", sendmsg(__VA_ARGS__))
#define recvmsg(...) FAULT_CALL("recvmsg", recvmsg(__VA_ARGS__))
#define getsockopt(...) FAULT_CALL("getsockopt", getsockopt(__VA_ARGS__))
#define setsockopt(...) FAULT_CALL("setsockopt", setsockopt(__VA_ARGS__))
#define syscall(number, ...) FAULT_CALL(#number, syscall(number, __VA_ARGS__))
#define fopen(...) FAULT_ERRNO("fopen", NULL, fopen(__VA_ARGS__))
#define fdopen(...) FAULT_ERRNO("fdopen", NULL, fdopen(__VA_ARGS__))
#define opendir(...) FAULT_ERRNO("opendir", NULL, opendir(__VA_ARGS__))
#define fdopendir(...) FAULT_ERRNO("fdopendir", NULL, fdopendir(__VA_ARGS__))
/* What was written is flushed by it. */
#define fclose(...) FAULT_AFTER("fclose", EOF, fclose(__VA_ARGS__))

#define sys_fsopen(...) FAULT_RESULT("fsopen", sys_fsopen(__VA_ARGS__))
#define sys_fsconfig_string(...) FAULT_RESULT("fsconfig", sys_fsconfig_string(__VA_ARGS__))
#define sys_new_mount(...) FAULT_RESULT("new_mount", sys_new_mount(__VA_ARGS__))
#define sys_move_mount(...) FAULT_RESULT("move_mount", sys_move_mount(__VA_ARGS__))
#define sys_open_tree_clone(...) FAULT_RESULT("open_tree", sys_open_tree_clone(__VA_ARGS__))
#define sys_open_below(...) FAULT_RESULT("open_below", sys_open_below(__VA_ARGS__))
#define sys_clone3(...) FAULT_RESULT("clone3", sys_clone3(__VA_ARGS__))
#define sys_pidfd_open(...) FAULT_RESULT("pidfd_open", sys_pidfd_open(__VA_ARGS__))
#define sys_pidfd_send_signal(...) FAULT_RESULT("pidfd_send_signal", sys_pidfd_send_signal(__VA_ARGS__))
#define sys_pidfd_exited(...) FAULT_RESULT("pidfd_exited", sys_pidfd_exited(__VA_ARGS__))
#define sys_pidfd_ids(...) FAULT_RESULT("pidfd_ids", sys_pidfd_ids(__VA_ARGS__))
#define sys_process_identify(...) FAULT_RESULT("process_identify", sys_process_identify(__VA_ARGS__))
#define sys_process_open(...) FAULT_RESULT("process_open", sys_process_open(__VA_ARGS__))
#define sys_namespace_identify(...) FAULT_RESULT("namespace_identify", sys_namespace_identify(__VA_ARGS__))
#define sys_close_all_but(...) FAULT_RESULT("close_range", sys_close_all_but(__VA_ARGS__))
#define sys_unshare_files_below(...) FAULT_RESULT("unshare_files", sys_unshare_files_below(__VA_ARGS__))
#define sys_execute_in(...) FAULT_RESULT("execveat", sys_execute_in(__VA_ARGS__))
#define sys_own_dir(...) FAULT_RESULT("own_dir", sys_own_dir(__VA_ARGS__))
#define sys_capset(...) FAULT_RESULT("capset", sys_capset(__VA_ARGS__))
#define sys_fs_magic(...) FAULT_RESULT("fstatfs", sys_fs_magic(__VA_ARGS__))

#define sd_event_add_io(...) FAULT_RESULT("sd_event_add_io", sd_event_add_io(__VA_ARGS__))
#define sd_event_add_time_relative(...) \
        FAULT_RESULT("sd_event_add_time_relative", sd_event_add_time_relative(__VA_ARGS__))
#define sd_notify(...) FAULT_RESULT("sd_notify", sd_notify(__VA_ARGS__))
#define sd_bus_open_system(...) FAULT_RESULT("sd_bus_open_system", sd_bus_open_system(__VA_ARGS__))
#define sd_bus_attach_event(...) FAULT_RESULT("sd_bus_attach_event", sd_bus_attach_event(__VA_ARGS__))
#define sd_bus_call_async(...) FAULT_RESULT("sd_bus_call_async", sd_bus_call_async(__VA_ARGS__))
#define sd_bus_call_method_async(...) FAULT_RESULT("sd_bus_call_method_async", sd_bus_call_method_async(__VA_ARGS__))
#define sd_bus_match_signal_async(...) FAULT_RESULT("sd_bus_match_signal_async", sd_bus_match_signal_async(__VA_ARGS__))
