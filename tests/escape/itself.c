/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "escape.h"
const struct vector itself_vectors[] = {{.name = NULL}};
