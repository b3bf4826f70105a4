/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an INI file is here, and what is refused that iniparser would pass over, cut short or print about. The table is
 * the proof that iniparser's versions do not matter: each row holds with 4.1 (Debian 12) and 4.2 (Debian 13).
 */

#include "config.h"

#include "files.h"
#include "ini.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static int root_fd = -1;

static int setup(void **state) {
        int r = files_setup(state);

        if (r == 0)
                root_fd = open(files_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root_fd < 0 ? -1 : r;
}

static int teardown(void **state) {
        root_fd = close_fd(root_fd);
        return files_teardown(state);
}

static int read_bytes(const void *bytes, size_t size, struct ini *ret, struct errtext *err) {
        files_write_bytes("x.ini", bytes, size);
        return ini_read(root_fd, "x.ini", "DIR/x.ini", ret, err);
}

static int read_text(const char *text, struct ini *ret, struct errtext *err) {
        return read_bytes(text, strlen(text), ret, err);
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

#define X10(s) s s s s s s s s s s
#define X100(s) X10(X10(s))

struct odd {
        const char *what;
        const char *bytes;
        size_t size;
        const char *refusal;      /* part of the error; NULL: taken */
        const char *name, *value; /* if taken: an entry of the dictionary; value NULL: there is no such entry */
};
#define TAKEN(what, bytes, name, value) \
        { what, bytes, sizeof(bytes) - 1, NULL, name, value }
#define REFUSED(what, bytes, refusal) \
        { what, bytes, sizeof(bytes) - 1, refusal, NULL, NULL }

static const struct odd odds[] = {
        TAKEN("plain", "[a]\nk = v\n", "a:k", "v"),
        TAKEN("names in capitals", "[A]\nKey = Value\n", "a:key", "Value"),
        TAKEN("blanks around everything", "  [ a ]  \n\t k \t=\t v w \t\n", "a:k", "v w"),
        TAKEN("no final newline", "[a]\nk = v", "a:k", "v"),
        TAKEN("one-character value at the end", "[a]\nk=v", "a:k", "v"),
        TAKEN("one-character comment at the end", "[a]\nk = v\n#", "a:k", "v"),
        TAKEN("CRLF", "[a]\r\nk = v\r\n", "a:k", "v"),
        TAKEN("CR at the end of file", "[a]\nk = v\r", "a:k", "v"),
        TAKEN("empty lines", "\n\n[a]\n\n  \nk = v\n\n", "a:k", "v"),
        TAKEN("comments", "; one\n# two\n[a]\n ; three = x\nk = v\n", "a:k", "v"),
        TAKEN("only comments", "; nothing\n# here\n", "a:k", NULL),
        TAKEN("comment behind a value", "[a]\nk = v ; not w\n", "a:k", "v"),
        TAKEN("# behind a value", "[a]\nk = v # not w\n", "a:k", "v"),
        TAKEN("= in a value", "[a]\nk = v = w\n", "a:k", "v = w"),
        TAKEN("no value", "[a]\nk =\n", "a:k", ""),
        TAKEN("a comment for a value", "[a]\nk = ; v\n", "a:k", ""),
        TAKEN("empty quotes", "[a]\nk = \"\"\n", "a:k", ""),
        TAKEN("double quotes", "[a]\nk = \"v;w\" ; x\n", "a:k", "v;w"),
        TAKEN("single quotes", "[a]\nk = 'v#w'\n", "a:k", "v#w"),
        TAKEN("a quote inside a value", "[a]\nk = v\"w\n", "a:k", "v\"w"),
        TAKEN("continuation", "[a]\nk = v, \\\n    w\n", "a:k", "v,     w"),
        TAKEN("continuation before the value", "[a]\nk = \\\nv\n", "a:k", "v"),
        TAKEN("continuation and CRLF", "[a]\r\nk = v, \\\r\nw\r\n", "a:k", "v, w"),
        TAKEN("continuation with nothing", "[a]\nk = v\\\n\nj = w\n", "a:j", "w"),
        TAKEN("a section twice", "[a]\nk = v\n[b]\nk = w\n[a]\nj = x\n", "a:j", "x"),
        TAKEN("the same key in two sections", "[a]\nk = v\n[b]\nk = w\n", "a:k", "v"),
        TAKEN("UTF-8 in a value", "[a]\nk = j\xc3\xb6rg\n", "a:k", "j\xc3\xb6rg"),
        TAKEN("960 bytes in a line", "[a]\nk = " X100("123456789") X10("123456"), "a:k",
              X100("123456789") X10("123456")),

        REFUSED("NUL at the start of a line", "[a]\n\0k = v\nj = w\n", "DIR/x.ini:2: a NUL byte"),
        REFUSED("NUL inside a value", "[a]\nj = w\nk = v\0w\n", "DIR/x.ini:3: a NUL byte"),
        REFUSED("NUL below another mistake", "nonsense\n\0\n", "DIR/x.ini:2: a NUL byte"),
        REFUSED("escape character", "[a]\nk = \x1b[2J\n", "DIR/x.ini:2: a control character (0x1b)"),
        REFUSED("CR inside a line", "[a]\nk = v\rj = w\n", "DIR/x.ini:2: a control character (0x0d)"),
        REFUSED("byte order mark", "\xef\xbb\xbf[a]\nk = v\n", "DIR/x.ini:1: begins with a byte order mark"),
        REFUSED("key before any section", "k = v\n[a]\nj = w\n", "DIR/x.ini:1: 'k' stands before any [section]"),
        REFUSED("key twice", "[a]\nk = v\nj = x\nk = w\n", "DIR/x.ini:4: 'k' is given a second time in [a]"),
        REFUSED("key twice in other letters", "[a]\nk = v\nK = v\n", "DIR/x.ini:3: 'K' is given a second time in [a]"),
        REFUSED("key twice in two parts of a section", "[a]\nk = v\n[b]\nk = v\n[A]\nk = w\n",
                "DIR/x.ini:6: 'k' is given a second time in [A]"),
        REFUSED("line of 1022 bytes", "[a]\nk = " X100("1234567890") "123456789012345678\n",
                "DIR/x.ini:2: longer than 1000 bytes"),
        REFUSED("line of 1022 bytes in a comment", "[a]\nj = v\n;" X100("1234567890") "123456789012345678901\n",
                "DIR/x.ini:3: longer than 1000 bytes"),
        REFUSED("1022 bytes by continuation", "[a]\nk = " X10(X10("123456789") "\\\n") X10("1234567890") "12345678\n",
                "DIR/x.ini:2: longer than 1000 bytes"),
        REFUSED("continuation at the end of file", "[a]\nk = v, \\\n",
                "DIR/x.ini:2: ends in a backslash, but the file ends here"),
        REFUSED("a comment that hides a key", "[a]\n; C:\\\nk = v\nj = w\n",
                "DIR/x.ini:2: this comment ends in a backslash"),
        REFUSED("no =", "[a]\nj = w\nk v\n", "DIR/x.ini:3: expected KEY = VALUE or [section], not 'k v'"),
        REFUSED("no = in a continued line", "[a]\nj \\\n\\\nw\n", "DIR/x.ini:2: expected KEY = VALUE or [section]"),
        REFUSED("no key", "[a]\n= v\n", "DIR/x.ini:2: expected KEY = VALUE or [section], not '= v'"),
        REFUSED("one character at the end", "[a]\nk = v\nx", "DIR/x.ini:3: expected KEY = VALUE or [section], not 'x'"),
        REFUSED("open section", "[a\nk = v\n",
                "DIR/x.ini:1: expected KEY = VALUE or [section], not '[a'; a [section] has its line for itself"),
        REFUSED("comment behind a section", "[a] ; the first\nk = v\n",
                "DIR/x.ini:1: expected KEY = VALUE or [section]"),
        REFUSED("section without a name", "[a]\nk = v\n[]\nj = w\n", "DIR/x.ini:3: '' cannot be the name of a section"),
        REFUSED("section with a bracket", "[a]b]\nk = v\n", "DIR/x.ini:1: 'a]b' cannot be the name of a section"),
        REFUSED("section that is another's key", "[a]\nk = v\n[a:k]\n",
                "DIR/x.ini:3: 'a:k' cannot be the name of a section"),
        REFUSED("quote not closed", "[a]\nk = \"v\n", "DIR/x.ini:2: no closing quote (\") in the value of 'k'"),
        REFUSED("quote closed by another", "[a]\nk = 'v\"\n", "DIR/x.ini:2: no closing quote (') in the value of 'k'"),
        REFUSED("words behind a quote", "[a]\nk = \"v\", ~w\n", "DIR/x.ini:2: ', ~w' stands behind the closing quote"),
        REFUSED("words behind empty quotes", "[a]\nk = '' w\n", "DIR/x.ini:2: 'w' stands behind the closing quote"),
        REFUSED("backslash inside quotes", "[a]\nk = \"v\\\"w\"\n",
                "DIR/x.ini:2: a backslash inside quotes in the value of 'k'"),
};

static void check_taken(const struct odd *odd, const struct ini *ini) {
        const char *value = dictionary_get(ini->dict, odd->name, NULL);
        uint8_t digest[SHA256_SIZE];

        if (!value != !odd->value || (value && !streq(value, odd->value)))
                fail_msg("%s: %s is '%s', not '%s'", odd->what, odd->name, value ? value : "(none)",
                         odd->value ? odd->value : "(none)");
        assert_int_equal(ini->size, odd->size);
        assert_memory_equal(ini->bytes, odd->bytes, odd->size);
        sha256(odd->bytes, odd->size, digest);
        assert_memory_equal(ini->digest, digest, sizeof(digest));
}

static void test_odd_files(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(odds); i++) {
                struct ini ini = INI_INIT;
                struct errtext err = {.s = ""};
                int r = read_bytes(odds[i].bytes, odds[i].size, &ini, &err);

                if (r != (odds[i].refusal ? -EBADMSG : INI_OK))
                        fail_msg("%s: %d, %s", odds[i].what, r, err.s);
                if (odds[i].refusal) {
                        assert_has(err.s, odds[i].refusal);
                        assert_null(ini.dict);
                } else {
                        assert_string_equal(err.s, "");
                        check_taken(&odds[i], &ini);
                }
                ini_done(&ini);
        }
}

static void test_line_length(void **state) {
        struct ini ini = INI_INIT;
        struct errtext err;
        char text[INI_LINE_MAX + 8] = "[a]\n";

        (void) state;
        memset(text + 4, 'v', INI_LINE_MAX + 1);
        memcpy(text + 4, "k = ", 4);
        assert_int_equal(read_bytes(text, 4 + INI_LINE_MAX, &ini, &err), INI_OK);
        assert_int_equal(strlen(dictionary_get(ini.dict, "a:k", "")), INI_LINE_MAX - 4);
        ini_done(&ini);
        assert_int_equal(read_bytes(text, 4 + INI_LINE_MAX + 1, &ini, &err), -EBADMSG);
        assert_has(err.s, "DIR/x.ini:2: longer than 1000 bytes");
}

static void test_size(void **state) {
        char *text = malloc(INI_SIZE_MAX + 1);
        struct ini ini = INI_INIT;
        struct errtext err;

        (void) state;
        assert_non_null(text);
        memset(text, '\n', INI_SIZE_MAX + 1);
        assert_int_equal(read_bytes(text, INI_SIZE_MAX, &ini, &err), INI_OK);
        ini_done(&ini);
        assert_int_equal(read_bytes(text, INI_SIZE_MAX + 1, &ini, &err), -EBADMSG);
        assert_string_equal(err.s, "DIR/x.ini: larger than 65536 bytes");
        free(text);
}

/* A word of the file that is as long as a line must not push the rest of the text out. */
static void test_long_word(void **state) {
        struct ini ini = INI_INIT;
        struct errtext err;

        (void) state;
        assert_int_equal(read_text("[a]\n[" X100("12345678"), &ini, &err), -EBADMSG);
        assert_has(err.s, "a [section] has its line for itself");
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int read_name(const char *name, struct errtext *err) {
        struct ini ini = INI_INIT;
        int r;

        *err = (struct errtext){.s = ""};
        r = ini_read(root_fd, name, name, &ini, err);
        if (r != INI_OK) {
                assert_null(ini.dict);
                assert_null(ini.bytes);
        }
        ini_done(&ini);
        return r;
}

static void test_missing(void **state) {
        struct errtext err;

        (void) state;
        assert_int_equal(read_name("not-there.ini", &err), -ENOENT);
}

static void test_masks(void **state) {
        struct errtext err;

        (void) state;
        files_write("empty.ini", "");
        assert_int_equal(read_name("empty.ini", &err), INI_MASKED);
        assert_int_equal(symlinkat("/dev/null", root_fd, "null.ini"), 0);
        assert_int_equal(read_name("null.ini", &err), INI_MASKED);
}

static void test_links(void **state) {
        static const char *const targets[] = {"/dev/zero",  "/dev/null/", "/dev//null",    "/dev/nul",
                                              "/dev/null2", "real.ini",   "not-there.ini", "link.ini"};
        struct errtext err;

        (void) state;
        files_write("real.ini", "[a]\nk = v\n");
        assert_int_equal(read_name("real.ini", &err), INI_OK);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                assert_int_equal(symlinkat(targets[i], root_fd, "link.ini"), 0);
                assert_int_equal(read_name("link.ini", &err), -EPERM);
                assert_has(err.s, "link.ini: a symbolic link; only one to /dev/null");
                assert_int_equal(unlinkat(root_fd, "link.ini", 0), 0);
        }
}

static void make_socket(const char *path) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(copy_field(sa.sun_path, sizeof(sa.sun_path), path), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &sa, sizeof(sa)), 0);
}

/* A FIFO without a writer must not be waited for: the alarm would end the test. */
static void test_not_regular(void **state) {
        struct errtext err;

        (void) state;
        assert_int_equal(mkfifoat(root_fd, "fifo.ini", 0600), 0);
        (void) files_mkdir("dir.ini");
        make_socket(files_path("socket.ini"));
        (void) alarm(10);
        assert_int_equal(read_name("fifo.ini", &err), -EPERM);
        assert_string_equal(err.s, "fifo.ini: no regular file");
        assert_int_equal(read_name("dir.ini", &err), -EPERM);
        assert_string_equal(err.s, "dir.ini: no regular file");
        assert_int_equal(read_name("socket.ini", &err), -EPERM);
        assert_string_equal(err.s, "socket.ini: no regular file");
        (void) alarm(0);
}

static void test_file_mode(void **state) {
        static const struct {
                mode_t mode;
                int result;
        } modes[] = {{0600, INI_OK}, {0644, INI_OK}, {0444, INI_OK}, {0755, INI_OK},
                     {0664, -EPERM}, {0646, -EPERM}, {0666, -EPERM}, {0620, -EPERM}};
        struct errtext err;

        (void) state;
        files_write("mode.ini", "[a]\nk = v\n");
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                assert_int_equal(chmod(files_path("mode.ini"), modes[i].mode), 0);
                assert_int_equal(read_name("mode.ini", &err), modes[i].result);
                if (modes[i].result < 0)
                        assert_has(err.s, "mode.ini: writable by others than its owner");
        }
}

static void test_owner(void **state) {
        struct errtext err;

        (void) state;
        files_write("owner.ini", "[a]\nk = v\n");
        assert_int_equal(read_name("owner.ini", &err), INI_OK);
        if (!files_give_away("owner.ini"))
                skip();
        assert_int_equal(read_name("owner.ini", &err), -EPERM);
        assert_has(err.s, "owner.ini: owned by uid 1234 and not by root");
        /* An empty file of somebody else's is no mask either. */
        files_write("owner.ini", "");
        assert_int_equal(read_name("owner.ini", &err), -EPERM);
}

static void test_dirs(void **state) {
        const char *path = files_mkdir("d");
        struct errtext err = {.s = ""};
        int fd;

        (void) state;
        fd = ini_open_dir(path, &err);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        (void) close_fd(fd);
        assert_int_equal(ini_open_dir(files_path("not-there"), &err), -ENOENT);

        assert_int_equal(chmod(path, 01777), 0);
        assert_int_equal(ini_open_dir(path, &err), -EPERM);
        assert_has(err.s, "/d: writable by others than its owner (mode 1777)");
        assert_int_equal(chmod(path, 0775), 0);
        assert_int_equal(ini_open_dir(path, &err), -EPERM);
        assert_int_equal(chmod(path, 0755), 0);

        assert_int_equal(symlink(path, files_path("dlink")), 0);
        assert_int_equal(ini_open_dir(files_path("dlink"), &err), -EPERM);
        assert_has(err.s, "/dlink: no directory (a symbolic link is not followed)");
        files_write("dfile", "x");
        assert_int_equal(ini_open_dir(files_path("dfile"), &err), -EPERM);
}

static void test_dir_owner(void **state) {
        const char *path = files_mkdir("downer");
        struct errtext err;

        (void) state;
        if (!files_give_away("downer"))
                skip();
        assert_int_equal(ini_open_dir(path, &err), -EPERM);
        assert_has(err.s, "/downer: owned by uid 1234 and not by root");
}

/* ---- inside somebody's process ----------------------------------------------------------------------------------- */

/* With descriptors 0 to 2 closed, as a daemon may have them: nothing may be left behind, nothing may be printed.
 * Runs in a child. */
static int read_without_stdio(void) {
        struct ini ini = INI_INIT;
        struct errtext err;
        int fd;

        for (fd = 0; fd <= 2; fd++)
                (void) close(fd);
        if (read_text("[a]\nk = v\n", &ini, &err) != INI_OK)
                return 1;
        ini_done(&ini);
        if (read_text("[a]\nk = v\nnonsense\n", &ini, &err) != -EBADMSG)
                return 2;
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd == 0 ? 0 : 3;
}

static void test_closed_stdio(void **state) {
        int status = -1;
        pid_t pid;

        (void) state;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(read_without_stdio());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static int read_into_log(const char *log) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct ini ini = INI_INIT;
        struct errtext err;

        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(odds); i++)
                if (read_bytes(odds[i].bytes, odds[i].size, &ini, &err) == INI_OK)
                        ini_done(&ini);
        return 0;
}

static void test_prints_nothing(void **state) {
        int status = -1;
        struct stat st;
        pid_t pid;

        (void) state;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(read_into_log(files_path("log")));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(stat(files_path("log"), &st), 0);
        assert_int_equal(st.st_size, 0);
}

static void test_keeps_no_descriptor(void **state) {
        int before = dup(0), after;

        (void) state;
        (void) close(before);
        for (size_t i = 0; i < ELEMENTSOF(odds); i++) {
                struct ini ini = INI_INIT;
                struct errtext err;

                if (read_bytes(odds[i].bytes, odds[i].size, &ini, &err) == INI_OK)
                        ini_done(&ini);
        }
        after = dup(0);
        (void) close(after);
        assert_int_equal(before, after);
}

/* ---- tables of keys ---------------------------------------------------------------------------------------------- */

struct target {
        char order[32];
        char value[64];
};

static int note(const char *value, void *target, const char *key) {
        struct target *t = target;

        (void) strcat(t->order, key);
        (void) snprintf(t->value, sizeof(t->value), "%s", value);
        return 0;
}

static int parse_color(const char *value, void *target, struct errtext *err) {
        if (streq(value, "grue"))
                return (fail) (err, -EBADMSG, "'%s' is no color; expected green or blue", value);
        return note(value, target, "c");
}

static int parse_size(const char *value, void *target, struct errtext *err) {
        (void) err;
        return note(value, target, "s");
}

static int parse_nothing(const char *value, void *target, struct errtext *err) {
        (void) value;
        (void) target;
        (void) err;
        return -ENOMEM;
}

static const struct ini_key keys[] = {
        {"paint", "color", parse_color},
        {"paint", "size", parse_size},
        {"brush", "width", parse_size},
        {"brush", "never", parse_nothing},
};

static int apply(const char *text, const char *only_section, struct target *target, struct errtext *err) {
        struct ini ini = INI_INIT;
        int r;

        *target = (struct target){.order = ""};
        *err = (struct errtext){.s = ""};
        assert_int_equal(read_text(text, &ini, err), INI_OK);
        r = ini_apply(&ini, "DIR/x.ini", keys, ELEMENTSOF(keys), only_section, target, err);
        ini_done(&ini);
        return r;
}

static void test_apply(void **state) {
        struct target target;
        struct errtext err;

        (void) state;
        assert_int_equal(apply("[brush]\nwidth = 1\n[Paint]\nSIZE = 3\ncolor = red\n", NULL, &target, &err), 0);
        assert_string_equal(target.order, "css");
        assert_string_equal(target.value, "1");
        assert_int_equal(apply("; nothing\n", NULL, &target, &err), 0);
        assert_string_equal(target.order, "");
        assert_int_equal(apply("[paint]\ncolor = \"  red  \"\n", NULL, &target, &err), 0);
        assert_string_equal(target.value, "red");
        assert_int_equal(apply("[paint]\ncolor =\n", NULL, &target, &err), 0);
        assert_string_equal(target.order, "c");
}

static void test_apply_refusals(void **state) {
        static const struct {
                const char *text;
                int result;
                const char *refusal;
        } cases[] = {
                {"[paint]\nsize = 1\ncolor = grue\n", -EBADMSG,
                 "DIR/x.ini:3: color: 'grue' is no color; expected green or blue"},
                {"[paint]\n\nCOLOR = \\\ngrue\n", -EBADMSG, "DIR/x.ini:3: color: 'grue' is no color"},
                {"[paint]\ncolour = red\n", -EBADMSG,
                 "DIR/x.ini:2: unknown key 'colour' in [paint]; did you mean 'color'?"},
                {"[paint]\nsize = 1\n[paint]\nxyzzy = red\n", -EBADMSG, "DIR/x.ini:4: unknown key 'xyzzy' in [paint]"},
                {"[brush]\ncolor = red\n", -EBADMSG,
                 "DIR/x.ini:2: unknown key 'color' in [brush]; it belongs in [paint]"},
                {"[brush]\nwidth:x = red\n", -EBADMSG, "DIR/x.ini:2: unknown key 'width:x' in [brush]"},
                {"[paint]\nsize = 1\n\n[brsh]\n", -EBADMSG,
                 "DIR/x.ini:4: unknown section [brsh]; did you mean [brush]?"},
                {"[xyzzy]\nsize = 1\n", -EBADMSG, "DIR/x.ini:1: unknown section [xyzzy]"},
                {"[brush]\nnever = 1\n", -ENOMEM, "DIR/x.ini:2: never: "},
        };
        struct target target;
        struct errtext err;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(apply(cases[i].text, NULL, &target, &err), cases[i].result);
                assert_has(err.s, cases[i].refusal);
        }
}

static void test_apply_one_section(void **state) {
        static const char text[] = "[paint]\ncolor = red\n[brush]\nwidht = 3\n[xyzzy]\na = b\n";
        struct target target;
        struct errtext err;

        (void) state;
        assert_int_equal(apply(text, "paint", &target, &err), 0);
        assert_string_equal(target.order, "c");
        assert_int_equal(apply(text, "brush", &target, &err), -EBADMSG);
        assert_has(err.s, "DIR/x.ini:4: unknown key 'widht' in [brush]; did you mean 'width'?");
        assert_int_equal(apply("[brush]\nwidth = 3\n", "paint", &target, &err), 0);
        assert_string_equal(target.order, "");
}

static void test_line(void **state) {
        struct ini ini = INI_INIT;
        struct errtext err;

        (void) state;
        assert_int_equal(read_text("; one\n[A]\nk = v, \\\n  w\nJ = x\n[b]\nj = y\n", &ini, &err), INI_OK);
        assert_int_equal(ini_line(&ini, "a", NULL), 2);
        assert_int_equal(ini_line(&ini, "a", "k"), 3);
        assert_int_equal(ini_line(&ini, "a", "j"), 5);
        assert_int_equal(ini_line(&ini, "b", NULL), 6);
        assert_int_equal(ini_line(&ini, "b", "j"), 7);
        assert_int_equal(ini_line(&ini, "b", "k"), 0);
        assert_int_equal(ini_line(&ini, "c", NULL), 0);
        ini_done(&ini);
}

static void test_nearest(void **state) {
        static const char *const list[] = {"hash", "array", "percpu_array", "ringbuf", "q", NULL};
        static const struct {
                const char *word, *nearest;
        } cases[] = {
                {"hsh", "hash"},
                {"arrray", "array"},
                {"ARRAI", "array"},
                {"per_cpu_array", "percpu_array"},
                {"ring_buff", "ringbuf"},
                {"rinbguf", "ringbuf"},
                {"ahsh", "hash"},
                {"qq", "q"},
                {"x", "q"},
                {"has", "hash"},
                {"queue", NULL},
                {"abc", NULL},
                {"completely_else", NULL},
        };
        char huge[200];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *nearest = ini_nearest(cases[i].word, list);

                if (!nearest != !cases[i].nearest || (nearest && !streq(nearest, cases[i].nearest)))
                        fail_msg("%s: %s", cases[i].word, nearest ? nearest : "(none)");
        }
        memset(huge, 'a', sizeof(huge));
        huge[sizeof(huge) - 1] = '\0';
        assert_null(ini_nearest(huge, list));
}

/* Items with a bar between them, or the error. */
static void split(const char *text, char *buf, size_t size) {
        char item[8];
        size_t n = 0;
        int r;

        buf[0] = '\0';
        while ((r = ini_next_item(&text, item, sizeof(item))) > 0)
                n += (size_t) snprintf(buf + n, size - n, "%s|", item);
        if (r < 0)
                (void) snprintf(buf + n, size - n, "%s", r == -ENAMETOOLONG ? "too long" : "?");
}

static void test_items(void **state) {
        static const struct {
                const char *text, *items;
        } cases[] = {
                {"", ""},
                {"  \t", ""},
                {"a", "a|"},
                {" a ", "a|"},
                {"a,b", "a|b|"},
                {"a b", "a|b|"},
                {"a , b", "a|b|"},
                {"a,\tb  c", "a|b|c|"},
                {"a, ~b", "a|~b|"},
                {"a,,b", "a||b|"},
                {"a, ,b", "a||b|"},
                {",a", "|a|"},
                {"a,", "a||"},
                {"a, ", "a||"},
                {",", "|"},
                {",,", "||"},
                {"1234567", "1234567|"},
                {"a 12345678", "a|too long"},
        };
        char buf[64];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                split(cases[i].text, buf, sizeof(buf));
                if (!streq(buf, cases[i].items))
                        fail_msg("'%s': '%s'", cases[i].text, buf);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_odd_files),
                cmocka_unit_test(test_line_length),
                cmocka_unit_test(test_size),
                cmocka_unit_test(test_long_word),
                cmocka_unit_test(test_missing),
                cmocka_unit_test(test_masks),
                cmocka_unit_test(test_links),
                cmocka_unit_test(test_not_regular),
                cmocka_unit_test(test_file_mode),
                cmocka_unit_test(test_owner),
                cmocka_unit_test(test_dirs),
                cmocka_unit_test(test_dir_owner),
                cmocka_unit_test(test_closed_stdio),
                cmocka_unit_test(test_prints_nothing),
                cmocka_unit_test(test_keeps_no_descriptor),
                cmocka_unit_test(test_apply),
                cmocka_unit_test(test_apply_refusals),
                cmocka_unit_test(test_apply_one_section),
                cmocka_unit_test(test_line),
                cmocka_unit_test(test_nearest),
                cmocka_unit_test(test_items),
        };

        return cmocka_run_group_tests_name("ini", tests, setup, teardown);
}
