/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* cancel.c: tokens that stop what is bound to them; see cancel.h. */
#include "daemon/child/cancel.h"

#include <stdlib.h>

#include "common/base/handle.h"

enum { ROW_BITS = 16 };

static struct cancel *
new_row(struct cancels *cancels)
{
	if (cancels->count == CANCELS_MAX)
		return NULL;
	if (cancels->count == cancels->size) {
		uint32_t size = cancels->size == 0 ? 8 : cancels->size * 2;
		struct cancel *rows = realloc(cancels->rows,
		    size * sizeof(rows[0]));

		if (rows == NULL)
			return NULL;
		cancels->rows = rows;
		cancels->size = size;
	}
	return &cancels->rows[cancels->count++];
}

uint64_t
cancels_new(struct cancels *cancels)
{
	struct cancel *row;

	if (cancels->free_first != 0) {
		row = &cancels->rows[cancels->free_first - 1];
		cancels->free_first = row->next_free;
	} else if ((row = new_row(cancels)) == NULL) {
		return 0;
	}
	*row = (struct cancel){ .number = handle_number(HANDLE_CANCEL,
	    ++cancels->number) };
	return row->number << ROW_BITS | (uint32_t)(row - cancels->rows);
}

struct cancel *
cancels_find(const struct cancels *cancels, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & (CANCELS_MAX - 1));

	if (row >= cancels->count || handle >> ROW_BITS == 0 ||
	    cancels->rows[row].number != handle >> ROW_BITS)
		return NULL;
	return &cancels->rows[row];
}

void
cancels_free(struct cancels *cancels, struct cancel *cancel)
{
	cancel->number = 0;
	cancel->next_free = cancels->free_first;
	cancels->free_first = (uint32_t)(cancel - cancels->rows) + 1;
}
