/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* digest.c: CRC-32C and SHA-256; see digest.h. */
#include "common/base/digest.h"

#include <string.h>

/* tables[n][byte]: what a byte does to the sum n bytes later. */
enum { SLICES = 8 };
static uint32_t tables[SLICES][256];

static uint32_t
crc32c_byte(uint32_t index)
{
	for (int bit = 0; bit < 8; bit++)
		index = index >> 1 ^ (index & 1 ? 0x82f63b78U : 0);
	return index;
}

/* Threads that meet here write the same. */
static void
crc32c_prepare(void)
{
	static uint32_t ready;
	uint32_t crc;

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		return;
	for (uint32_t i = 0; i < 256; i++) {
		crc = crc32c_byte(i);
		for (size_t n = 0; n < SLICES; n++) {
			__atomic_store_n(&tables[n][i], crc, __ATOMIC_RELAXED);
			crc = crc >> 8 ^ crc32c_byte(crc & 0xff);
		}
	}
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

uint32_t
crc32c_by_tables(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t low, high;

	crc32c_prepare();
	crc = ~crc;
	for (; len >= SLICES; len -= SLICES, at += SLICES) {
		memcpy(&low, at, sizeof(low));
		memcpy(&high, at + sizeof(low), sizeof(high));
		low ^= crc;
		crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		    tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
		    tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
		    tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
	}
	while (len-- > 0)
		crc = tables[0][(crc ^ *at++) & 0xff] ^ crc >> 8;
	return ~crc;
}

#ifdef __x86_64__
/* The instruction is of just this polynomial. */
__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_processor(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t sum = ~crc, word;

	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	while (len-- > 0)
		sum = __builtin_ia32_crc32qi((uint32_t)sum, *at++);
	return ~(uint32_t)sum;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_by_processor(crc, data, len);
#endif
	return crc32c_by_tables(crc, data, len);
}

static const uint32_t rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotate(uint32_t value, int by)
{
	return value >> by | value << (32 - by);
}

static void
sha256_block(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 |
		    (uint32_t)block[4 * i + 1] << 16 |
		    (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		    (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		    (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t t1 = v[7] +
		    (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
		    ((e & v[5]) ^ (~e & v[6])) + rounds[i] + w[i];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
		    ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void
sha256_init(struct sha256 *sha)
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(sha->state, start, sizeof(start));
	sha->length = 0;
}

void
sha256_add(struct sha256 *sha, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len > 0) {
		size_t used = sha->length % 64, n = 64 - used;

		if (n > len)
			n = len;
		memcpy(sha->block + used, at, n);
		sha->length += n;
		at += n;
		len -= n;
		if (sha->length % 64 == 0)
			sha256_block(sha->state, sha->block);
	}
}

void
sha256_end(struct sha256 *sha, uint8_t digest[SHA256_SIZE])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = sha->length * 8;
	uint8_t tail[8];

	sha256_add(sha, padding, 1 + (119 - sha->length % 64) % 64);
	for (int i = 0; i < 8; i++)
		tail[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(sha, tail, sizeof(tail));
	for (int i = 0; i < SHA256_SIZE; i++)
		digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - i % 4 * 8));
}

void
sha256_hex(const uint8_t digest[SHA256_SIZE], char hex[SHA256_HEX])
{
	for (int i = 0; i < SHA256_SIZE; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	hex[SHA256_HEX - 1] = '\0';
}
