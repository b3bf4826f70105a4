/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The walk through PAM's service files; see pam-stack.h. */

#include "config.h"

#include "pam-stack.h"

#include <dirent.h>
#include <strings.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX 65536
#define LINE_SIZE 1024
#define DEPTH_MAX 16  /* of files in files */
#define FILES_MAX 256 /* looked into for one service, the same one counted each time */
#define SERVICES_MAX 512
#define PLACES_MAX 64
#define USES_MAX 4096

/* ---- one line ---- */

/* Takes the next token off the line: a word, or what is between brackets. NULL at the end. */
static char *next_token(char **line) {
        static const char blanks[] = " \t\r";
        char *token = *line + strspn(*line, blanks), *end;

        if (*token == '\0')
                return NULL;
        if (*token == '[') {
                end = ++token;
                while (*end && *end != ']')
                        end += end[0] == '\\' && end[1] == ']' ? 2 : 1;
        } else
                end = token + strcspn(token, blanks);
        *line = *end ? end + 1 : end;
        *end = '\0';
        return token;
}

static void lower(char *s) {
        for (; *s; s++)
                if (*s >= 'A' && *s <= 'Z')
                        *s = (char) (*s - 'A' + 'a');
}

static bool is_module(const char *path, const char *name) {
        const char *slash = strrchr(path, '/');

        return streq(slash ? slash + 1 : path, name);
}

/* What an entry says. */
struct entry {
        const char *file;
        unsigned line;
        const char *type, *control, *module;
};

/* Returns the place's index, n_places if there is no room, or -ENOMEM. */
static ssize_t place_of(struct pam_stack *stack, const struct entry *entry) {
        struct pam_place *places, *place;
        size_t i;

        for (i = 0; i < stack->n_places; i++)
                if (stack->places[i].line == entry->line && streq(stack->places[i].file, entry->file))
                        return (ssize_t) i;
        if (i == PLACES_MAX)
                return PLACES_MAX;
        places = reallocarray(stack->places, i + 1, sizeof(*places));
        if (!places)
                return -ENOMEM;
        stack->places = places;
        stack->n_places++;
        place = &places[i];
        *place = (struct pam_place){.line = entry->line};
        (void) snprintf(place->file, sizeof(place->file), "%s", entry->file);
        (void) snprintf(place->type, sizeof(place->type), "%s", entry->type);
        (void) snprintf(place->control, sizeof(place->control), "%s", entry->control);
        (void) snprintf(place->module, sizeof(place->module), "%s", entry->module);
        return (ssize_t) i;
}

static int add_use(struct pam_stack *stack, const struct entry *entry) {
        ssize_t place = place_of(stack, entry);
        struct pam_use *uses;

        if (place < 0)
                return (int) place;
        if (place == PLACES_MAX || stack->n_uses == USES_MAX) {
                stack->cut = true;
                return 0;
        }
        for (size_t i = stack->first_use; i < stack->n_uses; i++)
                if (stack->uses[i].place == (size_t) place)
                        return 0;
        uses = reallocarray(stack->uses, stack->n_uses + 1, sizeof(*uses));
        if (!uses)
                return -ENOMEM;
        stack->uses = uses;
        uses[stack->n_uses] = (struct pam_use){.place = (size_t) place};
        (void) snprintf(uses[stack->n_uses].service, sizeof(uses->service), "%s", stack->service);
        stack->n_uses++;
        return 0;
}

/* ---- files ---- */

/* Reads a regular file into buf, of FILE_SIZE_MAX bytes; what is behind those is not looked at. Neither a FIFO nor a
 * device may hold this up. */
static int read_file(struct pam_stack *stack, const char *path, char *buf) {
        _cleanup_close_ int fd = -1;
        size_t got = 0;
        struct stat st;
        ssize_t n;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return -EINVAL;
        do {
                n = read(fd, buf + got, FILE_SIZE_MAX - 1 - got);
                if (n < 0)
                        return -errno;
                got += (size_t) n;
        } while (n > 0 && got < FILE_SIZE_MAX - 1);
        buf[got] = '\0';
        stack->cut |= got == FILE_SIZE_MAX - 1;
        return 0;
}

/* A service or a file to include: an absolute path, or in the first directory that has it. */
static int find_file(struct pam_stack *stack, const char *name, char *ret_path, char *buf) {
        static const char *const no_dir[] = {"", NULL};
        const char *const *dirs = name[0] == '/' ? no_dir : stack->dirs;
        int r = -ENOENT;

        for (; *dirs && r == -ENOENT; dirs++) {
                (void) snprintf(ret_path, PATH_MAX, "%s%s%s", *dirs, name[0] == '/' ? "" : "/", name);
                r = read_file(stack, ret_path, buf);
        }
        return r;
}

static int walk_file(struct pam_stack *stack, const char *name);

static int walk_entry(struct pam_stack *stack, const struct entry *entry) {
        bool session = streq(entry->type, "session");

        if (strcasecmp(entry->control, "include") == 0 || strcasecmp(entry->control, "substack") == 0)
                return session ? walk_file(stack, entry->module) : 0;
        if (is_module(entry->module, stack->module))
                return add_use(stack, entry);
        if (session && is_module(entry->module, stack->later))
                for (size_t i = stack->first_use; i < stack->n_uses; i++)
                        stack->uses[i].above = true;
        return 0;
}

static int walk_line(struct pam_stack *stack, const char *file, unsigned number, char *line) {
        struct entry entry = {.file = file, .line = number};
        char *type;

        line[strcspn(line, "#")] = '\0';
        type = next_token(&line);
        if (!type)
                return 0;
        entry.control = next_token(&line);
        if (!entry.control)
                return 0;
        if (streq(type, "@include"))
                return walk_file(stack, entry.control);
        entry.module = next_token(&line);
        if (!entry.module)
                return 0;
        lower(type);
        entry.type = type + (type[0] == '-');
        return walk_entry(stack, &entry);
}

/* Copies a line with its continuations, cut at size, and counts the lines. Returns where the next one begins. */
static const char *next_line(const char *p, char *line, size_t size, unsigned *number) {
        size_t n = 0;

        for (bool more = true; more && *p;) {
                size_t length = strcspn(p, "\n"), part = length;

                more = length > 0 && p[length - 1] == '\\';
                part -= more;
                part = part < size - 1 - n ? part : size - 1 - n;
                memcpy(line + n, p, part);
                n += part;
                p += length + (p[length] == '\n');
                (*number)++;
        }
        line[n] = '\0';
        return p;
}

static int walk_text(struct pam_stack *stack, const char *path, const char *text) {
        _cleanup_free_ char *line = malloc(LINE_SIZE);
        unsigned number = 0;
        int r = line ? 0 : -ENOMEM;

        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch): find_file() has filled and terminated it */
        while (r >= 0 && *text) {
                unsigned first = number + 1;

                text = next_line(text, line, LINE_SIZE, &number);
                r = walk_line(stack, path, first, line);
        }
        return r;
}

/* A file that is not there, or cannot be read, is linux-pam's trouble; one that only root may read is worth a word. */
static int walk_file(struct pam_stack *stack, const char *name) {
        _cleanup_free_ char *buf = NULL, *path = NULL;
        int r;

        if (stack->depth == DEPTH_MAX || stack->files_left == 0) {
                stack->cut = true;
                return 0;
        }
        stack->files_left--;
        buf = malloc(FILE_SIZE_MAX);
        path = malloc(PATH_MAX);
        if (!buf || !path)
                return -ENOMEM;
        r = find_file(stack, name, path, buf);
        if (r == -EACCES)
                (void) snprintf(stack->unreadable, sizeof(stack->unreadable), "%s", path);
        if (r < 0)
                return 0;
        stack->depth++;
        r = walk_text(stack, path, buf);
        stack->depth--;
        return r;
}

/* ---- services ---- */

/* Neither parts that services include, Debian's and Fedora's, nor what editors and package managers leave. */
static bool is_service(const char *name) {
        static const char *const leftovers[] = {".dpkg-", ".rpm", ".ucf-", ".pam-old", ".bak", ".orig", "~"};
        size_t n = strlen(name);

        if (name[0] == '.' || streq(name, "postlogin") || strncmp(name, "common-", strlen("common-")) == 0)
                return false;
        if (n > strlen("-auth") && streq(name + n - strlen("-auth"), "-auth"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(leftovers); i++)
                if (strstr(name, leftovers[i]))
                        return false;
        return true;
}

struct names {
        char *names[SERVICES_MAX];
        size_t n;
};

static void names_done(struct names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->names[i]);
}

/* Returns 0, -ENOMEM, or -E2BIG. A directory that is not there has no services. */
static int names_add_dir(struct names *names, const char *path) {
        const struct dirent *e;
        int r = 0;
        DIR *dir;

        dir = opendir(path);
        if (!dir)
                return 0;
        while (r == 0 && (e = readdir(dir))) {
                if (!is_service(e->d_name))
                        continue;
                if (names->n == SERVICES_MAX)
                        r = -E2BIG;
                else if (!(names->names[names->n] = strdup(e->d_name)))
                        r = -ENOMEM;
                else
                        names->n++;
        }
        (void) closedir(dir);
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int pam_stack_read(struct pam_stack *stack) {
        _cleanup_(names_done) struct names names = {.n = 0};
        int r = 0;

        for (size_t i = 0; r == 0 && stack->dirs[i]; i++)
                r = names_add_dir(&names, stack->dirs[i]);
        if (r == -ENOMEM)
                return r;
        stack->cut = r == -E2BIG;
        r = 0;
        if (names.n > 1)
                qsort(names.names, names.n, sizeof(names.names[0]), compare_names);
        for (size_t i = 0; r >= 0 && i < names.n; i++) {
                if (i > 0 && streq(names.names[i], names.names[i - 1]))
                        continue;
                stack->service = names.names[i];
                stack->depth = 0;
                stack->files_left = FILES_MAX;
                stack->first_use = stack->n_uses;
                r = walk_file(stack, names.names[i]);
        }
        stack->service = NULL;
        return r;
}

void pam_stack_done(struct pam_stack *stack) {
        free(stack->places);
        free(stack->uses);
}
