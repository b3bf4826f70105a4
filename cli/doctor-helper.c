/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether the helper answers, whether it is of this release, and whether nobody but root can stand in for it. */

#include "config.h"

#include "doctor.h"

#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "cmd.h"

/* ---- the helper ---- */

static bool has_systemd(const struct doctor *d) {
        return doctor_exists(d, "/run/systemd/system");
}

static void fix_start(struct doctor *d) {
        if (has_systemd(d))
                doctor_fix(d, "systemctl start bpfdelegd.socket");
        else
                doctor_fix(d, "start " HELPER_PATH " as root, see bpfdelegd(8)");
}

static void fix_restart(struct doctor *d) {
        if (has_systemd(d))
                doctor_fix(d, "systemctl restart bpfdelegd");
        else
                doctor_fix(d, "stop bpfdelegd and start " HELPER_PATH " as root, see bpfdelegd(8)");
}

/* The rows are of no interest here, what comes after them is. Returns 0 or -errno. */
static int ask(struct client *client, struct proto_end *ret) {
        struct proto_status request = PROTO_INIT(PROTO_STATUS);
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message answer;
        int r;

        r = client_send(client, &request);
        while (r >= 0) {
                r = client_receive(client, &answer, 0, &received);
                if (r < 0 || answer.head.type == PROTO_END)
                        break;
                if (answer.head.type != PROTO_ROW)
                        r = -EBADMSG;
        }
        if (r < 0)
                return r;
        *ret = answer.end;
        return answer.end.result;
}

/* Of whoever listens: a socket of somebody else's would tell them who wants what. */
static bool is_roots(struct doctor *d, const struct client *client) {
        struct ucred cred = {.uid = (uid_t) -1};
        socklen_t size = sizeof(cred);

        if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 && cred.uid == 0)
                return true;
        doctor_fail(d, "%s is served by uid %u, not by root: that is not bpfdelegd", d->socket, (unsigned) cred.uid);
        doctor_fix(d, "end what listens there (ss -xlp | grep %s), rm %s, then start bpfdelegd", d->socket, d->socket);
        return false;
}

static void judge_answer(struct doctor *d, int r, const struct proto_end *end) {
        if (r == -EBADMSG) {
                doctor_fail(d, "bpfdelegd at %s is of another version than this tool (" PACKAGE_VERSION ")", d->socket);
                fix_restart(d);
        } else if (r < 0) {
                doctor_fail(d, "bpfdelegd at %s gives no answer: %s", d->socket, cmd_no_answer(r));
                fix_restart(d);
        } else if (!streq(end->version, PACKAGE_VERSION)) {
                doctor_warn(d, "bpfdelegd is of version %s, this tool of " PACKAGE_VERSION, end->version);
                fix_restart(d);
        } else
                doctor_ok(d, "bpfdelegd " PACKAGE_VERSION " answers at %s", d->socket);
}

static void keep_guard(struct doctor *d, const struct proto_end *end) {
        d->guard = end->guard ? DOCTOR_GUARD_THERE : DOCTOR_GUARD_NONE;
        (void) snprintf(d->guard_why, sizeof(d->guard_why), "%s",
                        end->text[0] != '\0' ? end->text : "bpfdelegd does not say why");
}

void doctor_helper(struct doctor *d) {
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        struct proto_end end = {.version = ""};
        int r;

        r = client_connect(d->socket, CMD_TIMEOUT_USEC, &client);
        if (r == -EACCES) {
                doctor_fail(d, "%s is not for this user", d->socket);
                doctor_fix(d, "see the check `sockets`");
        } else if (r < 0) {
                doctor_fail(d, "bpfdelegd is not running: nobody answers at %s (%s)", d->socket, strerror(-r));
                fix_start(d);
        } else if (is_roots(d, &client)) {
                r = ask(&client, &end);
                judge_answer(d, r, &end);
                if (r >= 0)
                        keep_guard(d, &end);
        }
}

/* ---- its guard ---- */

/* Asked for by the check `helper`. What this kernel lacks for it is a finding of `btf`, `bpf-lsm` or `lockdown` as
 * well. */
void doctor_guard(struct doctor *d) {
        switch (d->guard) {
        case DOCTOR_GUARD_THERE:
                doctor_ok(d, "in force: what is delegated stays where the policy says");
                break;
        case DOCTOR_GUARD_NONE:
                doctor_warn(d, "none, so policies with confine = required grant nothing: %s", d->guard_why);
                doctor_fix(d,
                           "fix what this line says, then restart bpfdelegd; bpfdelegd(8) has all reasons under GUARD");
                break;
        case DOCTOR_GUARD_UNKNOWN:
                doctor_warn(d, "cannot be told: bpfdelegd has not answered");
                doctor_fix(d, "see the check `helper`");
                break;
        }
}

/* ---- its sockets ---- */

/* Whoever may write to the directory can put a socket of their own there. */
static bool judge_dir(struct doctor *d, const char *dir) {
        struct stat st;

        if (stat(dir, &st) < 0)
                return true;
        if (st.st_uid != 0) {
                doctor_fail(d, "%s, the sockets' directory, belongs to uid %u, not to root", dir, (unsigned) st.st_uid);
                doctor_fix(d, "chown root:root %s", dir);
        } else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
                doctor_fail(d, "%s, the sockets' directory, is writable by others than root (mode %04o)", dir,
                            (unsigned) (st.st_mode & 07777));
                doctor_fix(d, "chmod 0755 %s", dir);
        } else
                return true;
        return false;
}

static bool judge_socket(struct doctor *d, const char *path, unsigned mode) {
        struct stat st;

        if (lstat(path, &st) < 0) {
                doctor_fail(d, "%s is missing: %s", path, strerror(errno));
                fix_start(d);
        } else if (!S_ISSOCK(st.st_mode)) {
                doctor_fail(d, "%s is no socket", path);
                doctor_fix(d, "rm %s, then start bpfdelegd", path);
        } else if (st.st_uid != 0) {
                doctor_fail(d, "%s belongs to uid %u and not to root", path, (unsigned) st.st_uid);
                doctor_fix(d, "chown root:root %s", path);
        } else if ((st.st_mode & 0777) != mode) {
                doctor_fail(d, "%s has the mode %04o, it must be %04o", path, (unsigned) (st.st_mode & 0777), mode);
                doctor_fix(d, "chmod %04o %s", mode, path);
        } else
                return true;
        return false;
}

void doctor_sockets(struct doctor *d) {
        char copy[PATH_MAX], session[PATH_MAX + 16];
        const char *dir;
        bool good;

        (void) snprintf(copy, sizeof(copy), "%s", d->socket);
        dir = dirname(copy);
        (void) snprintf(session, sizeof(session), "%s/session", dir);
        if (access(d->socket, F_OK) < 0 && access(session, F_OK) < 0) {
                doctor_fail(d, "there is none: %s: %s", d->socket, strerror(errno));
                fix_start(d);
                return;
        }
        good = judge_dir(d, dir);
        good = judge_socket(d, d->socket, 0666) && good;
        good = judge_socket(d, session, 0600) && good;
        if (good)
                doctor_ok(d, "%s: user 0666, session 0600, all root's", dir);
}
