/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* history.c: the last things that were said; see chat.h. */
#include "chat.h"

#include <stdlib.h>

int
history_init(struct chat_history *history, unsigned size)
{
	history->lines = calloc(size + 1, sizeof(*history->lines));
	history->size = size;
	return history->lines == NULL ? -ENOMEM : 0;
}

static void
forget(struct chat_line *line)
{
	free(line->id);
	free(line->event);
	*line = (struct chat_line){ 0 };
}

void
history_done(struct chat_history *history)
{
	for (unsigned i = 0; history->lines != NULL && i < history->size; i++)
		forget(&history->lines[i]);
	free(history->lines);
}

static struct chat_line *
line_at(const struct chat_history *history, unsigned i)
{
	return &history->lines[(history->first + i) % history->size];
}

void
history_add(struct chat_history *history, const char *id, const char *event,
    size_t len)
{
	struct chat_line line = { .id = strdup(id), .event = malloc(len),
	    .len = len };

	if (history->size == 0 || line.id == NULL || line.event == NULL) {
		forget(&line);
		return;
	}
	memcpy(line.event, event, len);
	if (history->count < history->size) {
		history->count++;
	} else {
		forget(line_at(history, 0));
		history->first = (history->first + 1) % history->size;
	}
	*line_at(history, history->count - 1) = line;
}

int
history_write(const struct chat_history *history, const char *after,
    struct cluster_request *req)
{
	unsigned from = 0;
	int rc = 0;

	for (unsigned i = 0; after != NULL && i < history->count; i++)
		if (strcmp(line_at(history, i)->id, after) == 0)
			from = i + 1;
	for (; from < history->count && rc == 0; from++)
		rc = cluster_stream_write(req, line_at(history, from)->event,
		    line_at(history, from)->len);
	return rc;
}
