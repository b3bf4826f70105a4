/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SHA-256, as FIPS 180-4 has it and with its names. The guarantee: the digest of these bytes, for any length. It is no
 * secret's keeper: nothing here runs in constant time or wipes its traces, and nothing needs to.
 */

#include "config.h"

#include "sha256.h"

#include <string.h>

#define BLOCK 64

static const uint32_t K[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t initial[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t rotr(uint32_t x, unsigned n) {
        return x >> n | x << (32 - n);
}

static inline uint32_t get32(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static inline void put32(uint8_t *p, uint32_t v) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (v >> (24 - 8 * i));
}

static void schedule(const uint8_t *block, uint32_t w[64]) {
        for (unsigned t = 0; t < 16; t++)
                w[t] = get32(block + (size_t) 4 * t);
        for (unsigned t = 16; t < 64; t++) {
                uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
                uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;

                w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
}

static void compress(uint32_t state[8], const uint8_t *block) {
        uint32_t w[64], v[8];

        schedule(block, w);
        memcpy(v, state, sizeof(v));
        for (unsigned t = 0; t < 64; t++) {
                uint32_t S1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
                uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
                uint32_t t1 = v[7] + S1 + ch + K[t] + w[t];
                uint32_t S0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
                uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

                memmove(v + 1, v, 7 * sizeof(v[0]));
                v[4] += t1;
                v[0] = t1 + S0 + maj;
        }
        for (unsigned i = 0; i < 8; i++)
                state[i] += v[i];
}

void sha256(const void *data, size_t size, uint8_t ret[SHA256_SIZE]) {
        uint8_t tail[2 * BLOCK] = {0};
        uint64_t bits = (uint64_t) size * 8;
        const uint8_t *p = data;
        uint32_t state[8];
        size_t rest, tail_size;

        memcpy(state, initial, sizeof(state));
        for (rest = size; rest >= BLOCK; rest -= BLOCK, p += BLOCK)
                compress(state, p);

        if (rest > 0)
                memcpy(tail, p, rest);
        tail[rest] = 0x80;
        /* One more block where the 8 bytes of length do not fit behind the 0x80. */
        tail_size = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
        put32(tail + tail_size - 8, (uint32_t) (bits >> 32));
        put32(tail + tail_size - 4, (uint32_t) bits);
        for (size_t done = 0; done < tail_size; done += BLOCK)
                compress(state, tail + done);

        for (unsigned i = 0; i < 8; i++)
                put32(ret + (size_t) 4 * i, state[i]);
}
