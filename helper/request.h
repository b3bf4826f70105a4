/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each request does. */

#include "server.h"

/* For server_new(). */
extern const struct request_row request_rows[];
