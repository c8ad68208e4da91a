/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* cancel.h: tokens that stop what is bound to them, by handles that are never
 * used twice.  What is bound is not known here. */
#ifndef DAEMON_CHILD_CANCEL_H
#define DAEMON_CHILD_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

enum { CANCELS_MAX = 65536 };

struct cancel {
	uint64_t number;		/* 0: free */
	uint32_t next_free;
	bool used;
};

struct cancels {
	struct cancel *rows;
	uint32_t count, size, free_first;	/* free_first: index + 1, 0 none */
	uint64_t number;		/* of the last one */
};

/* A handle, or 0: no memory, or CANCELS_MAX of them. */
uint64_t cancels_new(struct cancels *cancels);
/* NULL: it is no more. */
struct cancel *cancels_find(const struct cancels *cancels, uint64_t handle);
void cancels_free(struct cancels *cancels, struct cancel *cancel);

#endif
