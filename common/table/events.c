/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* events.c: the table of events; see events.h. */
#include "common/table/events.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(EVENT__COUNT <= 64, "a bit for each event");

const struct event_row event_table[EVENT__COUNT] = {
#define EVENT(id_, ...) [EVENT_##id_] = { .id = EVENT_##id_, __VA_ARGS__ },
#include "common/table/events.def"
};

int
event_by_name(const char *name)
{
	for (int i = 0; i < EVENT__COUNT; i++)
		if (strcmp(event_table[i].name, name) == 0)
			return i;
	return -1;
}

static uint64_t
events_of_word(const char *word, size_t len)
{
	bool begins = len > 0 && word[len - 1] == '*';
	uint64_t found = 0;

	len -= begins;
	for (int i = 0; i < EVENT__COUNT; i++) {
		const char *name = event_table[i].name;

		if (strncmp(name, word, len) == 0 &&
		    (begins || name[len] == '\0'))
			found |= (uint64_t)1 << i;
	}
	return found;
}

int
events_parse_pattern(const char *text, size_t len, uint64_t *events)
{
	uint64_t all = 0, found;

	for (size_t at = 0, end; at <= len; at = end + 1) {
		for (end = at; end < len && text[end] != ','; end++)
			continue;
		found = events_of_word(text + at, end - at);
		if (found == 0)
			return -1;
		all |= found;
	}
	*events = all;
	return 0;
}
