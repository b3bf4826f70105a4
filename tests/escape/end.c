/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "escape.h"
const struct vector end_vectors[] = {{NULL, NULL, NULL, NULL, NULL}};
