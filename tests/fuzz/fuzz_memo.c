/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_memo.c: a memo left by another master is bytes until it is checked. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/supervisor/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The input is written over a good memo, first two bytes giving the place in
 * units of eight bytes of the copy, and both digests are made right again:
 * what recovers must be safe to walk.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memo memo;
	struct memo_copy *copy;
	size_t at;

	if (size < 2)
		return 0;
	state_init(&memo);
	copy = state_begin(&memo);
	state_add_slot(copy, state_add_pool(copy, "web"), 0);
	state_add_worker(copy, 0, 7, 0);
	state_commit(&memo);
	at = (size_t)(data[0] | data[1] << 8) * 8 % sizeof(memo.copy[1]);
	if (size - 2 > sizeof(memo.copy[1]) - at)
		return 0;
	memcpy((uint8_t *)&memo.copy[1] + at, data + 2, size - 2);
	copy = &memo.copy[1];
	if (copy->pools <= MEMO_POOLS && copy->slots <= MEMO_SLOTS &&
	    copy->workers <= MEMO_WORKERS)
		state_sign(copy);
	copy = state_recover(&memo, sizeof(memo), NULL);
	if (copy == NULL)
		return 0;
	for (uint16_t i = 0; i < copy->slots; i++) {
		char name[64];

		if (copy->slot[i].pool == MEMO_NONE)
			continue;
		state_slot_name(copy, i, name, sizeof(name));
		state_sum_restarts(copy, copy->slot[i].pool);
	}
	state_count_starting(copy);
	for (uint16_t i = 0; i < copy->workers; i++)
		if (strlen(copy->worker[i].reason) >= MEMO_REASON)
			abort();
	return 0;
}
