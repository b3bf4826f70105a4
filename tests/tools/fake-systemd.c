/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The system bus and systemd in one process, as far as the scope backend needs them, for machines where systemd is not
 * the service manager, and for a systemd that is old, refuses, lies, or says nothing.
 *
 *   fake-systemd SOCKET SLICE-DIRECTORY MODE-FILE
 *
 * Scopes are directories in the cgroup SLICE-DIRECTORY, removed when they are empty. The mode file's word counts for
 * each call anew; each call's properties are printed on standard output.
 */

#include "config.h"

#include "sysapi.h"

#include <dirent.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#define SYSTEMD ":1.0"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

static int slice_fd;
static const char *mode_path;
static unsigned jobs;

static bool mode_is(const char *word) {
        char text[32] = "";
        FILE *f = fopen(mode_path, "re");
        bool is;

        if (!f)
                return false;
        is = fscanf(f, "%31s", text) == 1 && streq(text, word);
        (void) fclose(f);
        return is;
}

/* ---- scopes ---- */

static int write_in(int dirfd, const char *file, const char *value) {
        _cleanup_close_ int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, value, strlen(value)) >= 0 ? 0 : -errno;
}

static int open_scope(const char *name) {
        return openat(slice_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_empty(int dirfd) {
        char text[64] = "";
        _cleanup_close_ int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

        return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "populated 0");
}

static void remove_tree(int dirfd, const char *name) {
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        remove_tree(fd, e->d_name);
        if (d)
                (void) closedir(d);
        (void) unlinkat(dirfd, name, AT_REMOVEDIR);
}

/* Each of them: fn(name). */
static void each_scope(void (*fn)(const char *name, void *userdata), void *userdata) {
        int fd = openat(slice_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        fn(e->d_name, userdata);
        if (d)
                (void) closedir(d);
}

static void collect(const char *name, void *userdata) {
        _cleanup_close_ int fd = open_scope(name);

        (void) userdata;
        if (fd >= 0 && is_empty(fd) && !mode_is("forgetful") && !mode_is("amnesia"))
                remove_tree(slice_fd, name);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) usec;
        (void) userdata;
        each_scope(collect, NULL);
        (void) sd_event_source_set_time_relative(source, 5 * USEC_PER_MSEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int make_scope(const char *name, pid_t pid) {
        _cleanup_close_ int fd = -1;
        char text[16];

        if (mkdirat(slice_fd, name, 0755) < 0)
                return -errno;
        fd = open_scope(name);
        (void) snprintf(text, sizeof(text), "%d", (int) pid);
        return fd < 0 ? -errno : write_in(fd, "cgroup.procs", text);
}

/* ---- answers ---- */

static int send_as(sd_bus *bus, sd_bus_message *m, const char *sender) {
        int r = sd_bus_message_set_sender(m, sender);

        if (r >= 0)
                r = sd_bus_send(bus, m, NULL);
        sd_bus_message_unref(m);
        return r;
}

static int reply(sd_bus_message *call, const char *types, ...) {
        sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_return(call, &m);
        va_start(ap, types);
        if (r >= 0)
                r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        return r < 0 ? r : send_as(sd_bus_message_get_bus(call), m, SYSTEMD);
}

static int reply_error(sd_bus_message *call, const char *name, const char *text) {
        const sd_bus_error error = {.name = name, .message = text};
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_error(call, &m, &error);

        return r < 0 ? r : send_as(sd_bus_message_get_bus(call), m, SYSTEMD);
}

static int job_removed(sd_bus *bus, const char *path, const char *unit, const char *result, const char *sender) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(bus, &m, PATH, MANAGER, "JobRemoved");
        if (r >= 0)
                r = sd_bus_message_append(m, "uoss", jobs, path, unit, result);
        return r < 0 ? r : send_as(bus, m, sender);
}

/* ---- StartTransientUnit ---- */

static pid_t pid_of(int pidfd) {
        char path[48], line[128];
        int pid = -1;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f) && sscanf(line, "Pid: %d", &pid) != 1)
                ;
        if (f)
                (void) fclose(f);
        return pid;
}

/* Prints one property. Sets *pid if it is the one that names a process, and *by_pidfd how. */
static int read_value(sd_bus_message *m, const char *name, const char *type, pid_t *pid, bool *by_pidfd) {
        const char *s;
        uint64_t t;
        uint32_t u;
        int i, r;

        if (streq(type, "s") && (r = sd_bus_message_read(m, "s", &s)) >= 0)
                (void) printf("%s=%s\n", name, s);
        else if (streq(type, "t") && (r = sd_bus_message_read(m, "t", &t)) >= 0)
                (void) printf("%s=%llu\n", name, (unsigned long long) t);
        else if ((streq(type, "b") || streq(type, "i")) && (r = sd_bus_message_read(m, type, &i)) >= 0)
                (void) printf("%s=%d\n", name, i);
        else if (streq(type, "ah") && (r = sd_bus_message_read(m, "ah", 1, &i)) >= 0) {
                *pid = pid_of(i);
                *by_pidfd = true;
                (void) printf("%s=1\n", name);
        } else if (streq(type, "au") && (r = sd_bus_message_read(m, "au", 1, &u)) >= 0) {
                *pid = (pid_t) u;
                (void) printf("%s=1\n", name);
        } else {
                (void) printf("%s=%s\n", name, type);
                r = sd_bus_message_skip(m, type);
        }
        return r;
}

static int read_properties(sd_bus_message *m, pid_t *pid, bool *by_pidfd) {
        const char *name, *type;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sv)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = sd_bus_message_peek_type(m, NULL, &type);
                if (r >= 0)
                        r = sd_bus_message_enter_container(m, 'v', type);
                if (r >= 0)
                        r = read_value(m, name, type, pid, by_pidfd);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int start_unit(sd_bus_message *m) {
        sd_bus *bus = sd_bus_message_get_bus(m);
        const char *unit, *how;
        bool by_pidfd = false;
        char path[64];
        pid_t pid = -1;
        int r;

        r = sd_bus_message_read(m, "ss", &unit, &how);
        if (r >= 0)
                r = read_properties(m, &pid, &by_pidfd);
        if (r < 0)
                return reply_error(m, SD_BUS_ERROR_INVALID_ARGS, "not understood");
        (void) printf("Unit=%s\n", unit);
        (void) fflush(stdout);
        if (mode_is("silent"))
                return 0;
        if (mode_is("old") && by_pidfd)
                return reply_error(m, SD_BUS_ERROR_PROPERTY_READ_ONLY,
                                   "Cannot set property PIDFDs, or unknown property.");
        if (mode_is("refuse"))
                return reply_error(m, SD_BUS_ERROR_ACCESS_DENIED, "not today");
        if (mode_is("hang-up"))
                return -ECONNRESET;
        (void) snprintf(path, sizeof(path), "/org/freedesktop/systemd1/job/%u", ++jobs);
        r = reply(m, "o", path);
        /* Anybody on the bus may send such a signal. */
        if (r >= 0 && mode_is("spoofed"))
                r = job_removed(bus, path, unit, "failed", ":1.99");
        if (r < 0 || mode_is("hang-up-later"))
                return r < 0 ? r : -ECONNRESET;
        if (!mode_is("lie") && !mode_is("fail") && make_scope(unit, pid) < 0)
                return job_removed(bus, path, unit, "failed", SYSTEMD);
        return job_removed(bus, path, unit, mode_is("fail") ? "failed" : "done", SYSTEMD);
}

/* ---- the others ---- */

static int stop_unit(sd_bus_message *m) {
        const char *unit, *how;
        _cleanup_close_ int fd = -1;

        if (sd_bus_message_read(m, "ss", &unit, &how) < 0)
                return 0;
        (void) printf("Stop=%s\n", unit);
        (void) fflush(stdout);
        fd = open_scope(unit);
        if (fd < 0 || mode_is("amnesia"))
                return reply_error(m, "org.freedesktop.systemd1.NoSuchUnit", "not loaded");
        (void) write_in(fd, "cgroup.kill", "1");
        if (is_empty(fd))
                remove_tree(slice_fd, unit);
        return reply(m, "o", PATH "/job/0");
}

static void list_one(const char *name, void *userdata) {
        (void) sd_bus_message_append(userdata, "(ssssssouso)", name, "", "loaded", "active", "running", "",
                                     PATH "/unit/x", 0u, "", "/");
}

static int list_units(sd_bus_message *call) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        each_scope(list_one, m);
        (void) sd_bus_message_close_container(m);
        return send_as(sd_bus_message_get_bus(call), m, SYSTEMD);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);
        sd_bus *bus = sd_bus_message_get_bus(m);
        int r = 0;

        (void) userdata;
        (void) error;
        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        if (streq(member, "Hello"))
                r = reply(m, "s", ":1.1");
        else if (streq(member, "StartTransientUnit"))
                r = start_unit(m);
        else if (streq(member, "StopUnit"))
                r = stop_unit(m);
        else if (streq(member, "ListUnitsByPatterns"))
                r = list_units(m);
        else
                r = reply(m, ""); /* AddMatch and the like */
        if (r < 0)
                sd_bus_close(bus);
        return 1;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        sd_event *event = userdata;
        sd_id128_t id = {.bytes = {1}};
        sd_bus *bus = NULL;
        int client, r;

        (void) source;
        (void) revents;
        client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0)
                return 0;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, client, client);
        if (r >= 0)
                r = sd_bus_set_server(bus, 1, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_message, NULL);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        return r < 0 ? r : 0; /* the loop keeps it */
}

int main(int argc, char **argv) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        sd_event *event = NULL;
        int fd, r;

        if (argc != 4 || copy_field(sa.sun_path, sizeof(sa.sun_path), argv[1]) < 0)
                return EXIT_FAILURE;
        mode_path = argv[3];
        slice_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (slice_fd < 0 || fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 16) < 0) {
                perror("fake-systemd");
                return EXIT_FAILURE;
        }
        (void) signal(SIGPIPE, SIG_IGN);
        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, fd, EPOLLIN, on_connection, event);
        if (r >= 0)
                r = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 0, 1, on_timer, NULL);
        if (r >= 0)
                r = sd_event_loop(event);
        (void) fprintf(stderr, "fake-systemd: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
