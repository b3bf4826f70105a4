/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The attach proxy's table: a command (4 bytes) and its attr, of which the proxy takes numbers for descriptors of
 * somebody else's. What it names must lie in what it has read.
 */

#include "config.h"

#include "fuzz.h"
#include "proxy-attr.h"

static void must_be_members(const struct proxy_members *members) {
        must(members->n >= 1 && members->n <= PROXY_FDS_MAX);
        for (unsigned i = 0; i < members->n; i++) {
                must((members->words[i] + 1) * sizeof(uint32_t) <= PROXY_ATTR_LEAST);
                for (unsigned j = 0; j < i; j++)
                        must(members->words[i] != members->words[j]);
        }
}

/* What the descriptors' numbers are, and what stands behind them, says nothing of where they are. */
static void must_depend_on_type_and_flags(uint32_t command, const union proxy_attr *attr, bool known,
                                          const struct proxy_members *members) {
        struct proxy_members again = {.n = 0xee};
        union proxy_attr other;

        memset(&other, 0x5a, sizeof(other));
        memcpy(other.words + 2, attr->words + 2, 2 * sizeof(uint32_t));
        must(proxy_attr_members(command, &other, &again) == known);
        if (!known) {
                must(again.n == 0xee);
                return;
        }
        must(again.n == members->n && again.in_network == members->in_network);
        must(memcmp(again.words, members->words, sizeof(again.words)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = {.p = data, .left = size};
        struct proxy_members members = {.n = 0xee};
        union proxy_attr attr;
        uint32_t command;
        bool known;

        (void) take_bytes(&in, &command, sizeof(command));
        (void) take_bytes(&in, &attr, sizeof(attr));
        known = proxy_attr_members(command, &attr, &members);
        if (known)
                must_be_members(&members);
        else
                must(members.n == 0xee);
        must(!known || command == BPF_LINK_CREATE || command == BPF_LINK_UPDATE || command == BPF_PROG_ATTACH ||
             command == BPF_PROG_DETACH);
        must_depend_on_type_and_flags(command, &attr, known, &members);
        return 0;
}
