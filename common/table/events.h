/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * events.h: the table of events, events.def, as code.  Pure; master and ctl.
 */
#ifndef CLUSTERD_TABLE_EVENTS_H
#define CLUSTERD_TABLE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"

enum event_id {
#define EVENT(id, ...) EVENT_##id,
#include "common/table/events.def"
};
enum {
	EVENT__COUNT = 0
#define EVENT(id, ...) + 1
#include "common/table/events.def"
};

struct event_row {
	enum event_id id;
	const char *name;	/* "worker.ready" */
	enum log_level level;	/* of its line in the log */
	const char *help;
};

extern const struct event_row event_table[EVENT__COUNT];

/* Id by name, or -1. */
int event_by_name(const char *name);

/*
 * "worker.*,config.applied": which events are meant, a bit for each.  A word is a
 * name or, with a '*' at its end, how names begin.  0, or -1: a word that means
 * none, or no word at all.  len: of text.
 */
int events_parse_pattern(const char *text, size_t len, uint64_t *events);

#endif
