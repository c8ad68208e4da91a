/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* verdicts.c: the last verdicts of changes; see verdicts.h. */
#include "daemon/control/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/heap.h"
#include "daemon/control/server.h"

void
verdicts_remember(struct control *control, const char *id,
    const struct command *command, const char *body)
{
	struct verdict *verdict = &control->verdicts[control->verdict_next];

	control->verdict_next = (control->verdict_next + 1) % VERDICTS;
	control->forgot |= verdict->body != NULL;
	free(verdict->body);
	verdict->body = strdup(strlen(body) <= VERDICT_MAX ? body :
	    "\"ok\":true,\"result\":null");
	control->forgot |= verdict->body == NULL;	/* the database knows */
	verdict->command = command;
	memcpy(verdict->id, id, sizeof(verdict->id));
}

const struct verdict *
verdicts_find(const struct control *control, const char *id)
{
	for (size_t i = 0; i < VERDICTS; i++) {
		const struct verdict *verdict = &control->verdicts[i];

		if (verdict->body != NULL && strcmp(verdict->id, id) == 0)
			return verdict;
	}
	return NULL;
}

bool
verdicts_may_lack(const struct control *control)
{
	return control->forgot || control->verdict_job != 0;
}

size_t
verdicts_memory(const struct control *control)
{
	size_t sum = 0;

	for (size_t i = 0; i < VERDICTS; i++)
		sum += heap_size_of(control->verdicts[i].body);
	return sum;
}

void
verdicts_free_all(struct control *control)
{
	for (size_t i = 0; i < VERDICTS; i++) {
		free(control->verdicts[i].body);
		control->verdicts[i].body = NULL;
	}
}
