/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ids.c: see ids.h. */
#include "daemon/http/ids.h"

#include <sys/random.h>
#include <unistd.h>

#include "common/base/clock.h"

/* The finalizer of splitmix64: each bit depends on each. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void
ids_init(struct ids *ids)
{
	if (getrandom(ids->base, sizeof(ids->base), GRND_NONBLOCK) ==
	    (ssize_t)sizeof(ids->base))
		return;
	/* too early in the life of the machine: process and time are as good,
	 * as only that two differ counts */
	ids->base[0] = mix(clock_now_ns());
	ids->base[1] = mix(clock_wall_ms() ^ (uint64_t)getpid() << 42);
}

/*
 * A Feistel network: whatever mix() does it is one to one, so two numbers of one
 * worker never meet.  Of two workers the keys differ.
 */
void
ids_make(const struct ids *ids, uint64_t number, enum ids_kind kind,
    uint64_t id[2])
{
	uint64_t left = (uint64_t)kind, right = number;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t next = left ^ mix(right + ids->base[i % 2] + i);

		left = right;
		right = next;
	}
	/* once in 2^63; a trace must have neither */
	id[0] = left != 0 ? left : 1;
	id[1] = right != 0 ? right : 1;
}

void
ids_print(char out[16], uint64_t half)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--) {
		out[i] = digits[half & 15];
		half >>= 4;
	}
}
