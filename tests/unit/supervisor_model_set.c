/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* supervisor_model_set.c: the states that were found; see
 * supervisor_model_set.h. */
#include "tests/unit/supervisor_model_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

uint64_t
model_hash(const struct model_state *state)
{
	const uint8_t *at = (const uint8_t *)state;
	uint64_t h = sizeof(*state), word;

	for (size_t left = sizeof(*state); left > 0; left -= left < 8 ? left : 8,
	    at += 8) {
		word = 0;
		memcpy(&word, at, left < 8 ? left : 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h;
}

static uint32_t *
place(const struct model_set *set, const struct model_state *state)
{
	size_t i = model_hash(state) & (set->slots - 1);

	while (set->table[i] != 0 && memcmp(&set->nodes[set->table[i] - 1].state,
	    state, sizeof(*state)) != 0)
		i = (i + 1) & (set->slots - 1);
	return &set->table[i];
}

static void
grow(struct model_set *set)
{
	set->size = set->size == 0 ? 4096 : 2 * set->size;
	set->slots = 4 * set->size;
	set->nodes = realloc(set->nodes, set->size * sizeof(*set->nodes));
	free(set->table);
	set->table = calloc(set->slots, sizeof(*set->table));
	CHECK(set->nodes != NULL && set->table != NULL);
	for (size_t i = 0; i < set->count; i++)
		*place(set, &set->nodes[i].state) = (uint32_t)i + 1;
}

void
model_set_add(struct model_set *set, const struct model_node *node)
{
	uint32_t *at;

	if (set->count == set->size)
		grow(set);
	at = place(set, &node->state);
	if (*at != 0)
		return;
	set->nodes[set->count] = *node;
	*at = (uint32_t)++set->count;
}

void
model_set_done(struct model_set *set)
{
	free(set->nodes);
	free(set->table);
}

void
model_set_print(const struct model_set *set, const struct model_node *node)
{
	char text[64];

	if (node->parent != MODEL_NO_PARENT) {
		model_set_print(set, &set->nodes[node->parent]);
		printf("-> %s%s\n", model_event_text(node->event, text),
		    node->adopted ? "; another master" : "");
	}
	model_print(&node->state);
}
