/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SHA-256 (FIPS 180-4) of a policy file's bytes. It tells module and helper that they read the same file, and one
 * delegation's policy from another's. Our own, because the module may link nothing but libpam and iniparser.
 */

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* Digest of the size bytes at data. */
void sha256(const void *data, size_t size, uint8_t ret[SHA256_SIZE]);
