/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a fuzz target over files, without libFuzzer: FILE-OR-DIRECTORY… as arguments, or else the corpus of the target
 * that this program is named after. Each input is one TAP case; one that crashes ends the program, and is named
 * before that.
 */

#include "config.h"

#include <dirent.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 20)

static unsigned cases;

static void replay_file(const char *path, const char *name) {
        FILE *f = fopen(path, "re");
        uint8_t *bytes;
        size_t n;

        if (!f) {
                (void) printf("Bail out! %s: %s\n", path, strerror(errno));
                exit(EXIT_FAILURE);
        }
        bytes = malloc(INPUT_MAX);
        must(bytes);
        n = fread(bytes, 1, INPUT_MAX, f);
        (void) fclose(f);
        /* Of exactly its size, so that a sanitizer sees a read beyond it. */
        bytes = realloc(bytes, n > 0 ? n : 1);
        must(bytes);
        (void) printf("# %s\n", name);
        (void) fflush(stdout);
        (void) LLVMFuzzerTestOneInput(bytes, n);
        free(bytes);
        (void) printf("ok %u - %s\n", ++cases, name);
}

static int is_visible(const struct dirent *e) {
        return e->d_name[0] != '.';
}

static void replay(const char *path) {
        struct dirent **names;
        struct stat st;
        char file[1024];
        int n;

        if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
                replay_file(path, path);
                return;
        }
        n = scandir(path, &names, is_visible, alphasort);
        must(n >= 0);
        for (int i = 0; i < n; i++) {
                (void) snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
                replay_file(file, names[i]->d_name);
                free(names[i]);
        }
        free(names);
}

/* tests/fuzz/corpus/proto of fuzz-proto, also of libtool's lt-fuzz-proto. */
static void replay_own(const char *program) {
        const char *srcdir = getenv("top_srcdir"), *name = strrchr(program, '/');
        char path[1024];

        name = name ? name + 1 : program;
        name = strncmp(name, "lt-", 3) == 0 ? name + 3 : name;
        must(strncmp(name, "fuzz-", 5) == 0);
        (void) snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name + 5);
        replay(path);
        if (fuzz_missed) {
                const char *missed = fuzz_missed();

                (void) printf("%s %u - the corpus comes to all that it is for%s%s\n", missed ? "not ok" : "ok", ++cases,
                              missed ? ", but not to: " : "", missed ? missed : "");
        }
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                replay(argv[i]);
        if (argc == 1)
                replay_own(argv[0]);
        (void) printf("1..%u\n", cases);
        return cases > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
