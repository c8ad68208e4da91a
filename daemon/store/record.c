/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* record.c: rows copied into one allocation each; see queue.h. */
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/store/queue.h"

enum { TEXTS_MAX = 12 };

/* A record as large as its row, with room behind it for the texts that the row
 * borrows; each of them is copied there and its pointer in the row moved. */
static struct record *
make(enum record_kind kind, const void *row, size_t size, const size_t *texts,
    size_t count)
{
	size_t length[TEXTS_MAX], total = 0;
	struct record *record;
	char *at, *body;

	CHECK(count <= TEXTS_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *text;

		memcpy(&text, (const char *)row + texts[i], sizeof(text));
		length[i] = text != NULL ? strlen(text) + 1 : 0;
		total += length[i];
	}
	record = malloc(offsetof(struct record, event) + size + total);
	if (record == NULL)
		return NULL;
	record->next = NULL;
	record->kind = kind;
	body = (char *)record + offsetof(struct record, event);
	memcpy(body, row, size);
	at = body + size;
	for (size_t i = 0; i < count; i++) {
		char *member = body + texts[i];
		const char *text;

		if (length[i] == 0)
			continue;
		memcpy(&text, member, sizeof(text));
		memcpy(at, text, length[i]);
		memcpy(member, &at, sizeof(at));
		at += length[i];
	}
	return record;
}

#define MEMBER(type, name) offsetof(struct type, name)

struct record *
record_event(const struct store_event *event)
{
	static const size_t texts[] = {
		MEMBER(store_event, event), MEMBER(store_event, worker),
		MEMBER(store_event, json),
	};

	return make(RECORD_EVENT, event, sizeof(*event), texts, COUNT(texts));
}

struct record *
record_death(const struct store_death *death)
{
	return make(RECORD_DEATH, death, sizeof(*death), NULL, 0);
}

struct record *
record_generation(const struct store_generation *generation)
{
	static const size_t texts[] = {
		MEMBER(store_generation, state),
		MEMBER(store_generation, sha256),
		MEMBER(store_generation, image),
		MEMBER(store_generation, who),
		MEMBER(store_generation, text),
		MEMBER(store_generation, plugins),
		MEMBER(store_generation, verdict),
	};

	return make(RECORD_GENERATION, generation, sizeof(*generation), texts,
	    COUNT(texts));
}

struct record *
record_command(const struct store_command *command)
{
	static const size_t texts[] = {
		MEMBER(store_command, command_id),
		MEMBER(store_command, command), MEMBER(store_command, args),
		MEMBER(store_command, exe), MEMBER(store_command, state),
		MEMBER(store_command, code), MEMBER(store_command, text),
		MEMBER(store_command, result),
	};

	return make(RECORD_COMMAND, command, sizeof(*command), texts,
	    COUNT(texts));
}

struct record *
record_remove_slot(const char *pool, unsigned slot)
{
	struct store_place place = { .slot = slot };

	strncpy(place.pool, pool, sizeof(place.pool) - 1);
	return make(RECORD_REMOVE_SLOT, &place, sizeof(place), NULL, 0);
}

struct record *
record_remove_pool(const char *pool)
{
	char name[STORE_NAME] = "";

	strncpy(name, pool, sizeof(name) - 1);
	return make(RECORD_REMOVE_POOL, name, sizeof(name), NULL, 0);
}
