/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* events.c: the table of events; see events.h. */
#include "common/table/events.h"

#include <string.h>

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
