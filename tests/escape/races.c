/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "escape.h"
const struct vector race_vectors[] = {{NULL, NULL, NULL, NULL, NULL}};
