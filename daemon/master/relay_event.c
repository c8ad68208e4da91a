/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * relay_event.c: a message of a plugin to "master": the event worker.message.
 * Each worker has so many a second: what it says must not push out what is said
 * of others.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "daemon/journal/journal.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/relay_parts.h"
#include "daemon/master/turn.h"

enum {
	EVENTS_A_SECOND = 100,
	DATA_MAX = 4096,		/* CLUSTER_EVENT_MAX */
	WORDS = 200,			/* bytes of it in the log */
};

static bool
may_publish(struct relay_end *end)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns - end->events_ns >= NS_PER_S) {
		end->events_ns = now_ns;
		end->events = 0;
	}
	return end->events++ < EVENTS_A_SECOND;
}

bool
relay_publish(struct process *from, const struct letter *letter)
{
	size_t len = letter->data == NULL ? 0 : letter->len;
	static char plain[DATA_MAX], data[6 * DATA_MAX + 3];
	char text[LETTER_WORD_MAX + WORDS + 3];
	size_t used;

	if (len > DATA_MAX || !may_publish(&from->relay))
		return false;
	/* a NUL is refused by many who read JSON: the sign for what is replaced */
	for (size_t i = 0; i < len; i++)
		plain[i] = ((const char *)letter->data)[i] != '\0' ?
		    ((const char *)letter->data)[i] : 0x1a;
	data[0] = '"';
	used = 1 + escape_json(data + 1, sizeof(data) - 3, plain, len);
	data[used] = '"';
	data[used + 1] = '\0';
	snprintf(text, sizeof(text), "%s%s%.*s", letter->topic,
	    letter->topic[0] == '\0' ? "" : ": ",
	    (int)(len < WORDS ? len : WORDS), plain);
	turn_tell_worker(from->master, EVENT_WORKER_MESSAGE, from->row, text,
	    (const struct event_member[]){
		EVENT_TEXT("topic", letter->topic),
		EVENT_JSON("data", data),
		EVENT_JSON("json", letter->flags & LETTER_JSON ? "true" :
		    "false"),
		EVENT_END });
	return true;
}
