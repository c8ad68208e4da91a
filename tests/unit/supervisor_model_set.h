/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * supervisor_model_set.h: the states of the model that were found, each once, in
 * the order in which they were, and how they were come by.
 */
#ifndef CLUSTERD_TESTS_SUPERVISOR_MODEL_SET_H
#define CLUSTERD_TESTS_SUPERVISOR_MODEL_SET_H

#include <stddef.h>

#include "tests/unit/supervisor_model.h"

enum { MODEL_NO_PARENT = 0xffffffff };

struct model_node {
	struct model_state state;
	uint32_t parent;
	struct model_event event;	/* what led here from the parent */
	bool adopted;			/* and the master died of it */
};

struct model_set {
	struct model_node *nodes;
	size_t count, size;
	uint32_t *table;		/* open addressing; index + 1, 0: free */
	size_t slots;
};

uint64_t model_hash(const struct model_state *state);
/* Copied, unless there is one of that state. */
void model_set_add(struct model_set *set, const struct model_node *node);
void model_set_done(struct model_set *set);
/* The way to a node, one state after the other, to stdout. */
void model_set_print(const struct model_set *set,
    const struct model_node *node);

#endif
