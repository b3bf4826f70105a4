/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* For cppcheck (`./bootstrap analyze`), which reads no system headers: the macros in them without which it cannot
 * read ours. */

#define LIST_HEAD(name, type)          \
        struct name {                  \
                struct type *lh_first; \
        }
#define LIST_ENTRY(type)              \
        struct {                      \
                struct type *le_next; \
        }
#define LIST_FOREACH(var, head, field) for ((var) = (head)->lh_first; (var); (var) = (var)->field.le_next)
#define LIBBPF_OPTS(type, name, ...) struct type name = {__VA_ARGS__}
