/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The PAM session module. At open it finds the policy file that is for this login, with NSS and the rights of the
 * login process, and asks the helper for a delegation; at close it gives the session back. It decides nothing: the
 * helper reads the file again itself.
 *
 * It lives in sshd, login and su, and holds to their terms:
 * - A login is not blocked. Everything asked of the helper ends at one deadline.
 * - A login is not broken. All trouble is one line in the log and PAM_SUCCESS, unless the file that matched says
 *   `on_failure = deny` and is itself in order. pam_code() is the one place where that is decided.
 * - Nothing of the process changes: no static state, no signal, no environment (the PAM one aside), no descriptor
 *   that stays.
 * - Nothing here raises a signal, whatever limits the login has: no byte goes into a file (SIGXFSZ), nor into a socket
 *   without MSG_NOSIGNAL, and what is on the stack is small.
 */

#include "config.h"

#include "client.h"
#include "policy.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>

#define SESSION_DATA "pam_bpfdeleg"
#define SOCKET_DEFAULT RUNTIME_DIR "/session"
#define TIMEOUT_DEFAULT 5 /* seconds */
#define RECORD_TIMEOUT 1  /* for a login that gets nothing in any case */
#define TIMEOUT_MAX 60    /* sshd's LoginGraceTime is 120 s; beyond a minute nobody waits at a prompt */
/* How long nobody may listen before that is no restart, but the admin's will: then logins are not held up. */
#define RESTART_USEC (2 * USEC_PER_SEC)
#define PAUSE_MIN_USEC (10 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (250 * USEC_PER_MSEC)
#define ARGUMENTS "socket=PATH timeout=SECONDS policy_dir=DIR debug"

enum outcome {
        OUTCOME_NOTHING,  /* no policy is for this login */
        OUTCOME_GRANTED,  /* the session has its delegation */
        OUTCOME_UNUSABLE, /* arguments, policy file or NSS at fault: an admin's error locks nobody out */
        OUTCOME_STALE,    /* the helper read another content of the file than we did */
        OUTCOME_FAILED,   /* a sound policy is for this login, and its delegation could not be had */
};

static int pam_code(enum outcome outcome, const struct policy *policy) {
        switch (outcome) {
        case OUTCOME_NOTHING:
                /* Not PAM_IGNORE: a stack in which every module answers that denies the login. */
        case OUTCOME_GRANTED:
        case OUTCOME_UNUSABLE:
                return PAM_SUCCESS;
        case OUTCOME_STALE:
        case OUTCOME_FAILED:
                break;
        }
        return policy && policy->deny ? PAM_SESSION_ERR : PAM_SUCCESS;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

struct options {
        const char *socket;
        uint64_t timeout;          /* seconds */
        const char *policy_dir[2]; /* NULL-terminated, as policy_find wants it; empty: the default directories */
        bool debug;
};

#define OPTIONS_INIT \
        { .socket = SOCKET_DEFAULT, .timeout = TIMEOUT_DEFAULT }

static int set_socket(const char *value, struct options *options) {
        struct sockaddr_un address;

        if (value[0] != '/')
                return -EINVAL;
        options->socket = value;
        return sock_address(value, &address);
}

static int set_timeout(const char *value, struct options *options) {
        int r = parse_uint(value, 10, TIMEOUT_MAX, &options->timeout);

        return r < 0 ? r : options->timeout == 0 ? -ERANGE : 0;
}

static int set_policy_dir(const char *value, struct options *options) {
        options->policy_dir[0] = value;
        return value[0] == '/' ? 0 : -EINVAL;
}

static int set_debug(const char *value, struct options *options) {
        options->debug = true;
        return *value == '\0' ? 0 : -EINVAL;
}

static const struct argument {
        const char *name; /* with its '=' if it has a value */
        int (*set)(const char *value, struct options *options);
        const char *want;
} arguments[] = {
        {"socket=", set_socket, "must be an absolute path of at most 107 bytes"},
        {"timeout=", set_timeout, "must be a whole number of seconds from 1 to 60"},
        {"policy_dir=", set_policy_dir, "must be an absolute path"},
        {"debug", set_debug, "takes no value"},
};

static int parse_argument(const char *text, struct options *options, struct errtext *err) {
        for (size_t i = 0; i < ELEMENTSOF(arguments); i++) {
                const struct argument *a = &arguments[i];
                size_t n = strlen(a->name);

                if (strncmp(text, a->name, n) != 0)
                        continue;
                if (a->set(text + n, options) < 0)
                        return fail(err, -EINVAL, "argument \"%s\" %s; valid are: " ARGUMENTS, text, a->want);
                return 0;
        }
        return fail(err, -EINVAL, "unknown argument \"%s\"; valid are: " ARGUMENTS, text);
}

static int parse_options(int argc, const char **argv, struct options *options, struct errtext *err) {
        for (int i = 0; i < argc; i++) {
                int r = parse_argument(argv[i], options, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the login --------------------------------------------------------------------------------------------------- */

struct login {
        pam_handle_t *pamh;
        struct options options;
        const struct passwd *pw; /* libpam's, valid until pam_end */
        const char *user;        /* for the log, before and after NSS has been asked */
        const char *service;
        gid_t *groups; /* NULL: not asked for yet */
        int n_groups;
        uint64_t attempt; /* what repetitions of the request are known by; 0: cannot be had */
        bool cut;         /* a helper went away with the request: it may have opened a session */
};

static void login_done(struct login *login) {
        free(login->groups);
}

static const char *get_text_item(const pam_handle_t *pamh, int type) {
        const void *item = NULL;

        return pam_get_item(pamh, type, &item) == PAM_SUCCESS && item ? item : "";
}

/*
 * From here on the user's name is the one NSS gives: with a directory server that takes "Bob" for "bob", `users = ~bob`
 * must not depend on how they typed it.
 */
static enum outcome login_init(struct login *login, struct errtext *err) {
        const char *user = NULL;

        login->service = get_text_item(login->pamh, PAM_SERVICE);
        if (pam_get_user(login->pamh, &user, NULL) != PAM_SUCCESS || !user || user[0] == '\0') {
                (void) fail(err, -ENOENT, "the application has not said who logs in");
                return OUTCOME_UNUSABLE;
        }
        login->user = user;
        login->pw = pam_modutil_getpwnam(login->pamh, user);
        if (!login->pw) {
                (void) fail(err, -ENOENT, "NSS knows no such user");
                return OUTCOME_UNUSABLE;
        }
        login->user = login->pw->pw_name;
        return OUTCOME_GRANTED;
}

/* All groups at once, as initgroups does, and only when a policy file asks for one: with a directory server this is a
 * round trip. */
static int load_groups(struct login *login) {
        int n = 64;

        for (;;) {
                _cleanup_free_ gid_t *groups = calloc((size_t) n, sizeof(*groups));
                int size = n;

                if (!groups)
                        return -ENOMEM;
                if (getgrouplist(login->pw->pw_name, login->pw->pw_gid, groups, &n) >= 0) {
                        login->groups = TAKE_PTR(groups);
                        login->n_groups = n;
                        return 0;
                }
                /* Too small: n says what is needed, but the user may get another group meanwhile. */
                if (n <= size)
                        n = size * 2;
                if (n > NGROUPS_MAX)
                        return -E2BIG;
        }
}

static int in_group(void *userdata, const char *name) {
        struct login *login = userdata;
        const struct group *group;
        int r;

        if (!login->groups) {
                r = load_groups(login);
                if (r < 0)
                        return r;
        }
        errno = 0;
        group = pam_modutil_getgrnam(login->pamh, name);
        if (!group) {
                /* Other values of errno come with "there is no such group", see getgrnam(3). */
                r = -errno;
                return r == -EIO || r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : 0;
        }
        for (int i = 0; i < login->n_groups; i++)
                if (login->groups[i] == group->gr_gid)
                        return 1;
        return 0;
}

static enum outcome find_policy(struct login *login, struct policy **ret, struct errtext *err) {
        const struct policy_login who = {
                .uid = login->pw->pw_uid,
                .user = login->user,
                .service = login->service,
                .in_group = in_group,
                .userdata = login,
        };
        const char *const *dirs = login->options.policy_dir[0] ? login->options.policy_dir : policy_default_dirs;
        int r = policy_find(dirs, &who, ret, err);

        if (r < 0)
                return OUTCOME_UNUSABLE;
        if (r == 0)
                return OUTCOME_NOTHING;
        if ((*ret)->error.s[0] != '\0') {
                *err = (*ret)->error;
                return OUTCOME_UNUSABLE;
        }
        return OUTCOME_GRANTED;
}

/* ---- asking the helper ------------------------------------------------------------------------------------------- */

/* Says in words why the helper could not be asked. Returns r. */
static int explain(int r, const char *socket, uint64_t timeout, struct errtext *err) {
        switch (-r) {
        case ENOENT:
        case ECONNREFUSED:
                return fail(err, r,
                            "bpfdelegd is not running (nobody listens on %s): start it, "
                            "see bpfdelegd(8)",
                            socket);
        case EACCES:
        case EPERM:
                return fail(err, r, "this process, of uid %u, may not connect to %s", (unsigned) geteuid(), socket);
        case ETIMEDOUT:
                return fail(err, r, "no answer from bpfdelegd on %s within %u s", socket, (unsigned) timeout);
        case EPIPE:
        case ECONNRESET:
                return fail(err, r, "bpfdelegd closed the connection without an answer: its own log says why");
        case EBADMSG:
        case EMSGSIZE:
                return fail(err, r,
                            "bpfdelegd answered what this module does not understand: is it of another "
                            "version? Restart it");
        default:
                errno = -r;
                return fail(err, r, "cannot talk to bpfdelegd on %s: %m", socket);
        }
}

/* tty and rhost only inform, and the far end may have a say in them: what the wire does not take must not cost
 * anyone the login. */
static void copy_informative(char *field, size_t size, const char *s) {
        copy_field_cut(field, size, s);
        for (char *p = field; *p != '\0'; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';
}

static int make_request(const struct login *login, const struct policy *policy, struct proto_open_session *ret,
                        struct errtext *err) {
        struct proto_open_session request = PROTO_INIT(PROTO_OPEN_SESSION);

        request.uid = login->pw->pw_uid;
        request.gid = login->pw->pw_gid;
        request.attempt = login->attempt;
        memcpy(request.digest, policy->digest, sizeof(request.digest));
        if (copy_field(request.policy, sizeof(request.policy), policy->name) < 0 ||
            copy_field(request.user, sizeof(request.user), login->user) < 0 ||
            copy_field(request.service, sizeof(request.service), login->service) < 0)
                return fail(err, -ENAMETOOLONG, "name too long: at most %zu bytes for a user's, %zu for a service's",
                            sizeof(request.user) - 1, sizeof(request.service) - 1);
        copy_informative(request.tty, sizeof(request.tty), get_text_item(login->pamh, PAM_TTY));
        copy_informative(request.rhost, sizeof(request.rhost), get_text_item(login->pamh, PAM_RHOST));
        /* The helper drops a connection over a malformed message without a word; here there is one. */
        if (proto_check(&request, sizeof(request), NULL) < 0)
                return fail(err, -EBADMSG, "a control character in the name of the user, service or policy file");
        *ret = request;
        return 0;
}

static enum outcome judge_answer(const union proto_message *answer, struct proto_cookie *ret, struct errtext *err) {
        bool opened = answer->head.type == PROTO_OPENED;
        int result = opened ? answer->opened.result : answer->reply.result;
        const char *text = opened ? answer->opened.text : answer->reply.text;

        if (opened && result == 0) {
                *ret = answer->opened.cookie;
                return OUTCOME_GRANTED;
        }
        errno = -result;
        (void) (text[0] != '\0' ? fail(err, result, "%s", text) : fail(err, result, "bpfdelegd refused: %m"));
        if (opened && result == PROTO_RESULT_POLICY_BROKEN)
                return OUTCOME_UNUSABLE;
        return opened && result == PROTO_RESULT_STALE ? OUTCOME_STALE : OUTCOME_FAILED;
}

/* One request, one answer: of the type want, or a REPLY that refuses, which also a helper sends that did not get so far
 * as to look at the request. */
static int exchange(const char *socket, uint64_t deadline, const void *request, uint32_t want,
                    union proto_message *ret) {
        _cleanup_(client_done) struct client client = CLIENT_INIT;
        _cleanup_(sock_received_done) struct sock_received received = SOCK_RECEIVED_INIT;
        uint64_t now = now_usec();
        int r;

        if (now >= deadline)
                return -ETIMEDOUT;
        r = client_connect(socket, deadline - now, &client);
        if (r < 0)
                return r;
        r = client_send(&client, request);
        if (r < 0)
                return r;
        r = client_receive(&client, ret, 0, &received);
        if (r < 0)
                return r;
        if (ret->head.type == want)
                return 0;
        return ret->head.type == PROTO_REPLY && ret->reply.result != 0 ? 0 : -EBADMSG;
}

/* Nobody listens, or there is not even the socket: for a moment that is so where bpfdelegd restarts without systemd. */
static bool is_away(int r) {
        return r == -ECONNREFUSED || r == -ENOENT;
}

/* The helper went away between our connecting and its answer. */
static bool is_cut(int r) {
        return r == -ECONNRESET || r == -EPIPE;
}

/* It went away after it had heard us, and says so. */
static bool is_stopping(const union proto_message *answer) {
        return answer->head.type == PROTO_OPENED && answer->opened.result == PROTO_RESULT_STOPPING;
}

static void pause_for(uint64_t usec) {
        const struct timespec ts = {.tv_sec = (time_t) (usec / USEC_PER_SEC),
                                    .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000};

        (void) nanosleep(&ts, NULL); /* cut short by a signal of the login's: then we ask a little sooner */
}

/* Asks again and again, until the deadline, while helpers stop and start. Only for what may be asked twice. */
static int exchange_through_restarts(const char *socket, uint64_t deadline, const void *request, uint32_t want,
                                     union proto_message *ret, bool *cut) {
        uint64_t away_since = 0, pause = PAUSE_MIN_USEC;

        for (;;) {
                int r = exchange(socket, deadline, request, want, ret);
                uint64_t now = now_usec();

                if (is_cut(r) || (r == 0 && is_stopping(ret))) {
                        *cut |= r < 0;
                        away_since = 0;
                } else if (!is_away(r))
                        return r;
                else if (away_since == 0)
                        away_since = now;
                if (now + pause >= deadline || (away_since != 0 && now - away_since >= RESTART_USEC))
                        return r;
                pause_for(pause);
                pause = 2 * pause < PAUSE_MAX_USEC ? 2 * pause : PAUSE_MAX_USEC;
        }
}

/*
 * Leaves a note for the next helper that something has ended (PROTO_CLOSED), and its path in buf. mknod(2), because it
 * needs no descriptor. Returns false where that cannot be: then only the leader's death ends the session.
 */
static bool leave_note(const char *socket, const char *what, char *buf, size_t size) {
        const char *slash = strrchr(socket, '/');
        int n = snprintf(buf, size, "%.*s/" PROTO_CLOSED_DIR "/" PROTO_CLOSED "%s", (int) (slash - socket), socket,
                         what);

        return n > 0 && (size_t) n < size && (mknod(buf, S_IFREG | 0600, 0) == 0 || errno == EEXIST);
}

#define NOTE_SIZE                                                                                          \
        (sizeof(((struct sockaddr_un *) NULL)->sun_path) + sizeof("/" PROTO_CLOSED_DIR "/" PROTO_CLOSED) + \
         PROTO_COOKIE_TEXT_SIZE)

static enum outcome ask_helper(struct login *login, const struct policy *policy, uint64_t deadline,
                               struct proto_cookie *ret, struct errtext *err) {
        const struct options *options = &login->options;
        struct proto_open_session request;
        union proto_message answer;
        int r;

        if (make_request(login, policy, &request, err) < 0)
                return OUTCOME_FAILED;
        r = exchange_through_restarts(options->socket, deadline, &request, PROTO_OPENED, &answer, &login->cut);
        if (r < 0) {
                (void) explain(r, options->socket, options->timeout, err);
                return OUTCOME_FAILED;
        }
        return judge_answer(&answer, ret, err);
}

/* ---- the session, from open to close ----------------------------------------------------------------------------- */

/* What libpam keeps for us between open and close. */
struct session {
        struct proto_cookie cookie;
        pid_t pid; /* that opened: a child of the application's may end the handle as well */
        uint64_t timeout;
        bool debug;
        char socket[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
};

/* Kept in place of one by a handle that has opened no session: what it closes is nothing, and not another handle's. */
static const struct session no_session;

/*
 * Tells the helper. If that goes wrong, a note is left first, and then the helper is asked once more: either it hears
 * of the end now, or the one that starts next reads the note.
 */
static int close_at_helper(const struct session *session, union proto_message *answer, bool *noted) {
        uint64_t deadline = now_usec() + session->timeout * USEC_PER_SEC;
        struct proto_close_session request = PROTO_INIT(PROTO_CLOSE_SESSION);
        char cookie[PROTO_COOKIE_TEXT_SIZE], note[NOTE_SIZE];
        int r;

        request.cookie = session->cookie;
        r = exchange(session->socket, deadline, &request, PROTO_REPLY, answer);
        if (r >= 0 || r == -EACCES || r == -EPERM)
                return r;
        *noted = leave_note(session->socket, proto_cookie_format(&session->cookie, cookie), note, sizeof(note));
        if (is_away(r) || is_cut(r)) {
                r = exchange(session->socket, deadline, &request, PROTO_REPLY, answer);
                if (r >= 0 && *noted)
                        (void) unlink(note);
        }
        return r;
}

static void end_session(pam_handle_t *pamh, const struct session *session, bool quiet) {
        char cookie[PROTO_COOKIE_TEXT_SIZE];
        union proto_message answer;
        struct errtext err = {""};
        int priority = LOG_ERR, r;
        bool noted = false;

        r = close_at_helper(session, &answer, &noted);
        if (r < 0) {
                if (r == -EACCES || r == -EPERM)
                        priority =
                                LOG_DEBUG; /* (sd-pam) closes as the user; the helper sees the leader's death itself */
                (void) explain(r, session->socket, session->timeout, &err);
        } else if (answer.reply.result == -ENOENT) {
                priority = LOG_DEBUG;
                (void) fail(&err, 0, "it had ended before");
        } else if (answer.reply.result < 0) {
                errno = -answer.reply.result;
                (void) (answer.reply.text[0] != '\0' ? fail(&err, 0, "%s", answer.reply.text) : fail(&err, 0, "%m"));
        } else {
                priority = LOG_DEBUG;
        }
        if (!quiet && (priority != LOG_DEBUG || session->debug))
                pam_syslog(pamh, priority, "bpfdeleg session %s of user %s: %s%s",
                           proto_cookie_format(&session->cookie, cookie), get_text_item(pamh, PAM_USER),
                           err.s[0] == '\0' ? "closed" :
                           noted            ? "left for the next bpfdelegd to close: " :
                                              "not closed: ",
                           err.s);
}

/*
 * Called when the data is replaced, by another open or by our close, and by pam_end. A handle that ends has closed
 * nothing: an application may close in another one (JupyterHub does), and until then, or its death, the session is
 * open. Only one that ends its handle with an error will not come back: it could not open the whole session, and with
 * it not ours. In any case only in the process that opened: su's child ends the handle before it runs the command.
 */
static void session_cleanup(pam_handle_t *pamh, void *data, int error_status) {
        bool replaced = error_status & PAM_DATA_REPLACE;
        int status = error_status & ~(PAM_DATA_REPLACE | PAM_DATA_SILENT);
        struct session *session = data;

        if (session->pid == getpid() && (replaced || status != PAM_SUCCESS))
                end_session(pamh, session, error_status & PAM_DATA_SILENT);
        free(session);
}

static const struct session *kept_session(const pam_handle_t *pamh) {
        const void *data = NULL;

        return pam_get_data(pamh, SESSION_DATA, &data) == PAM_SUCCESS ? data : NULL;
}

/* Ends the session that libpam keeps, if any, through session_cleanup. The variable is looked for first because libpam
 * logs an error when one is removed that is not there. */
static void drop_session(pam_handle_t *pamh) {
        (void) pam_set_data(pamh, SESSION_DATA, (void *) (uintptr_t) &no_session, NULL);
        if (pam_getenv(pamh, PROTO_COOKIE_ENV))
                (void) pam_putenv(pamh, PROTO_COOKIE_ENV);
}

/* A second open on one handle replaces the first session: it joins the delegation before the first leaves it. */
static enum outcome keep_session(const struct login *login, const struct proto_cookie *cookie, struct errtext *err) {
        struct session session = {
                .cookie = *cookie,
                .pid = getpid(),
                .timeout = login->options.timeout,
                .debug = login->options.debug,
        };
        char env[sizeof(PROTO_COOKIE_ENV "=") + PROTO_COOKIE_TEXT_SIZE] = PROTO_COOKIE_ENV "=";
        struct session *kept = malloc(sizeof(*kept));

        copy_field_cut(session.socket, sizeof(session.socket), login->options.socket);
        if (kept)
                *kept = session;
        if (!kept || pam_set_data(login->pamh, SESSION_DATA, kept, session_cleanup) != PAM_SUCCESS) {
                free(kept);
                end_session(login->pamh, &session, false);
                (void) fail(err, -ENOMEM, "out of memory; the session was given back");
                return OUTCOME_FAILED;
        }
        (void) proto_cookie_format(cookie, env + strlen(env));
        if (pam_putenv(login->pamh, env) != PAM_SUCCESS) {
                drop_session(login->pamh);
                (void) fail(err, -ENOMEM, "cannot set " PROTO_COOKIE_ENV " for the session, which was given back");
                return OUTCOME_FAILED;
        }
        return OUTCOME_GRANTED;
}

/* A file that is at fault grants nothing, whoever looks at it. The helper is asked all the same, so that the refusal
 * has its record: it finds the fault itself. Its answer changes nothing, and is not waited for as long as one that
 * matters. */
static void have_refusal_recorded(const struct login *login, const struct policy *policy) {
        uint64_t deadline = now_usec() + RECORD_TIMEOUT * USEC_PER_SEC;
        struct proto_open_session request;
        union proto_message answer;
        struct errtext err;

        if (make_request(login, policy, &request, &err) >= 0)
                (void) exchange(login->options.socket, deadline, &request, PROTO_OPENED, &answer);
}

static enum outcome open_session(struct login *login, struct policy **policy, struct errtext *err) {
        struct proto_cookie cookie = {0};
        char attempt[PROTO_ID_SIZE], note[NOTE_SIZE];
        uint64_t deadline = 0;
        enum outcome outcome;

        if (getrandom(&login->attempt, sizeof(login->attempt), GRND_NONBLOCK) != sizeof(login->attempt))
                login->attempt = 0;

        /* An admin may replace the file between our reading and the helper's; but not twice in one login. */
        for (int tries = 0; tries < 2; tries++) {
                policy_free(TAKE_PTR(*policy));
                outcome = find_policy(login, policy, err);
                if (outcome == OUTCOME_UNUSABLE && *policy)
                        have_refusal_recorded(login, *policy);
                if (outcome != OUTCOME_GRANTED)
                        return outcome;
                if (deadline == 0)
                        deadline = now_usec() + login->options.timeout * USEC_PER_SEC;
                outcome = ask_helper(login, *policy, deadline, &cookie, err);
                if (outcome != OUTCOME_STALE)
                        break;
        }
        if (outcome == OUTCOME_GRANTED)
                return keep_session(login, &cookie, err);
        /* A helper that died with its answer may have left a session that nobody would close. */
        if (login->cut && login->attempt != 0)
                (void) leave_note(login->options.socket, proto_id_format(login->attempt, attempt), note, sizeof(note));
        return outcome;
}

/* ---- what PAM calls ---------------------------------------------------------------------------------------------- */

static void log_outcome(const struct login *login, enum outcome outcome, const struct policy *policy,
                        const struct errtext *err) {
        const char *path = policy ? policy->path : "none", *what;

        if (outcome == OUTCOME_NOTHING || outcome == OUTCOME_GRANTED) {
                what = outcome == OUTCOME_NOTHING ? "nothing to do" : "delegation granted";
                if (login->options.debug)
                        pam_syslog(login->pamh, LOG_DEBUG, "user %s, service %s, policy %s: %s", login->user,
                                   login->service, path, what);
                return;
        }
        what = pam_code(outcome, policy) == PAM_SUCCESS ? "no delegation" : "login refused (on_failure = deny)";
        pam_syslog(login->pamh, LOG_ERR, "user %s, service %s, policy %s: %s: %s", login->user, login->service, path,
                   what, err->s);
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        _cleanup_(login_done) struct login login = {.pamh = pamh, .options = OPTIONS_INIT, .user = "?", .service = "?"};
        _cleanup_(policy_freep) struct policy *policy = NULL;
        struct errtext err = {""};
        enum outcome outcome = OUTCOME_UNUSABLE;
        int code;

        if (parse_options(argc, argv, &login.options, &err) >= 0)
                outcome = login_init(&login, &err);
        if (outcome == OUTCOME_GRANTED)
                outcome = open_session(&login, &policy, &err);
        if (outcome != OUTCOME_GRANTED && !kept_session(pamh))
                drop_session(pamh);
        log_outcome(&login, outcome, policy, &err);
        code = pam_code(outcome, policy);
        if (code != PAM_SUCCESS && !(flags & PAM_SILENT))
                (void) pam_error(pamh,
                                 "Login refused: the BPF delegation that policy %s asks for could not be set up: %s. "
                                 "Ask this host's administrator.",
                                 policy->name, err.s);
        return code;
}

/* Which session is it that this process has opened in another handle? */
static bool find_session(pam_handle_t *pamh, const struct options *options, struct session *ret) {
        struct login login = {.pamh = pamh, .options = *options};
        struct proto_find_session request = PROTO_INIT(PROTO_FIND_SESSION);
        struct session session = {.timeout = options->timeout, .debug = options->debug};
        uint64_t deadline = now_usec() + options->timeout * USEC_PER_SEC;
        union proto_message answer;
        struct errtext err = {""};
        bool cut = false;
        int r;

        if (login_init(&login, &err) != OUTCOME_GRANTED)
                return false;
        request.uid = login.pw->pw_uid;
        r = exchange_through_restarts(options->socket, deadline, &request, PROTO_OPENED, &answer, &cut);
        if (r < 0 || answer.head.type != PROTO_OPENED || answer.opened.result != 0)
                return false;
        session.cookie = answer.opened.cookie;
        copy_field_cut(session.socket, sizeof(session.socket), options->socket);
        *ret = session;
        return true;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv) {
        struct options options = OPTIONS_INIT;
        const struct session *kept = kept_session(pamh);
        struct session elsewhere;
        struct errtext err = {""};

        (void) flags;
        if (parse_options(argc, argv, &options, &err) < 0)
                return pam_code(OUTCOME_UNUSABLE, NULL); /* open has logged it */
        if (!kept) {
                if (find_session(pamh, &options, &elsewhere))
                        end_session(pamh, &elsewhere, false);
                return pam_code(OUTCOME_NOTHING, NULL);
        }
        if (kept == &no_session)
                return pam_code(OUTCOME_NOTHING, NULL);
        /* An explicit close counts from any process: (sd-pam) is not the one that opened. The data is ours to change,
         * libpam's const a formality. */
        ((struct session *) (uintptr_t) kept)->pid = getpid();
        drop_session(pamh);
        return pam_code(OUTCOME_NOTHING, NULL);
}
