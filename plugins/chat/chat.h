/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* chat.h: what was said, and who listens, in one worker. */
#ifndef PLUGINS_CHAT_CHAT_H
#define PLUGINS_CHAT_CHAT_H

#include <stdbool.h>
#include <stdint.h>

#include <clusterd/plugin.h>

enum { CHAT_ID_MAX = 40, CHAT_TEXT_MAX = 1000, CHAT_EVENT_MAX = 7168 };

/* The last things that were said, as events; the oldest makes way. */
struct chat_line {
	char *id, *event;
	size_t len;
};
struct chat_history {
	struct chat_line *lines;
	unsigned size, count, first;
};

int history_init(struct chat_history *history, unsigned size);
void history_done(struct chat_history *history);
/* Both are copied; without memory it is not remembered. */
void history_add(struct chat_history *history, const char *id,
    const char *event, size_t len);
/* Write what came after the one of that id; all, if it is not known (NULL). */
int history_write(const struct chat_history *history, const char *after,
    struct cluster_request *req);

/* Open streams. */
struct chat_listeners {
	struct cluster_request **streams;
	unsigned size, count;
};

int listeners_init(struct chat_listeners *listeners, unsigned size);
void listeners_done(struct chat_listeners *listeners);
/* -ENOSPC: there are as many as may be. */
int listeners_add(struct chat_listeners *listeners,
    struct cluster_request *req);
/* Who is gone, or reads too slowly, is left out from then on. */
void listeners_tell(struct chat_listeners *listeners, const void *event,
    size_t len);
void listeners_end(struct chat_listeners *listeners);

#endif
