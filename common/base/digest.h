/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * digest.h: CRC-32C (RFC 3720, B.4) and SHA-256 (FIPS 180-4).  Pure; all roles.
 */
#ifndef CLUSTERD_BASE_DIGEST_H
#define CLUSTERD_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX = 65 };

/* CRC-32C of data, continued from crc (0 at the start). */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same, as where the processor has no instruction for it. */
uint32_t crc32c_by_tables(uint32_t crc, const void *data, size_t len);

struct sha256 {
	uint32_t state[8];
	uint64_t length;	/* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t len);
void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);

/* Lower-case hexadecimal, terminated. */
void sha256_hex(const uint8_t digest[SHA256_SIZE], char hex[SHA256_HEX]);

#endif
