/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * chat.c: a chat room over all workers of a pool: what is said in one goes to
 * the plugin in each as a message, and from there to its listeners as a
 * server-sent event (HTML, section 9.2).
 */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>

enum { PING_MS = 15000 };

#define TOPIC "chat"

struct chat {
	int64_t max_listeners, remember;
	struct chat_listeners listeners;
	struct chat_history history;
	char pool[64];
	uint64_t said;			/* by this worker */
	bool draining;
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_NUMBER(struct chat, max_listeners, "1000", 1, 100000,
	    "Most listeners at once in a worker"),
	CLUSTER_OPTION_NUMBER(struct chat, remember, "100", 0, 10000,
	    "How much of what was said last a worker remembers"),
	CLUSTER_OPTION_END
};

static const char page[] =
    "<!doctype html>\n<meta charset=utf-8>\n<title>chat</title>\n"
    "<ul id=said></ul>\n<form><input name=text autofocus></form>\n<script>\n"
    "const base = location.pathname.replace(/\\/$/, '');\n"
    "new EventSource(base + '/events').onmessage = (event) => {\n"
    "  const line = document.createElement('li');\n"
    "  line.textContent = event.data;\n"
    "  document.getElementById('said').append(line);\n};\n"
    "document.forms[0].onsubmit = (event) => {\n"
    "  event.preventDefault();\n"
    "  fetch(base + '/say', { method: 'POST', body: event.target.text.value });\n"
    "  event.target.reset();\n};\n</script>\n";

/* ---- listening ------------------------------------------------------------------- */

static enum cluster_verdict
listen_to(struct chat *chat, struct cluster_request *req)
{
	const char *last = cluster_header(req, "Last-Event-ID");

	if (chat->draining || chat->listeners.count == chat->listeners.size) {
		cluster_set_header(req, "Retry-After", "1");
		return cluster_reply_text(req, 503, "no room here\n");
	}
	cluster_deadline(req, 0);
	cluster_set_header(req, "Cache-Control", "no-store");
	if (cluster_stream_begin(req, 200, "text/event-stream", -1) != 0)
		return CLUSTER_FAIL;
	/* so that the browser knows at once that it is connected */
	if (cluster_stream_write(req, ": welcome\n\n", 11) != 0 ||
	    history_write(&chat->history, last, req) != 0)
		return cluster_stream_end(req) == 0 ? CLUSTER_DONE :
		    CLUSTER_FAIL;
	listeners_add(&chat->listeners, req);
	return CLUSTER_LATER;
}

/* Who has left is seen when something is written. */
static void
ping(void *arg)
{
	struct chat *chat = arg;

	listeners_tell(&chat->listeners, ":\n\n", 3);
	if (!chat->draining)
		cluster_timer(PING_MS, ping, chat);
}

/* ---- speaking -------------------------------------------------------------------- */

/* A text as an event: each of its lines is one of data. */
static size_t
make_event(const char *id, const char *text, size_t len, char *event)
{
	size_t at = (size_t)sprintf(event, "id: %s\ndata: ", id);

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			at += (size_t)sprintf(event + at, "\ndata: ");
		else
			event[at++] = (unsigned char)text[i] < ' ' ? ' ' :
			    text[i];
	}
	return at + (size_t)sprintf(event + at, "\n\n");
}

/* All workers have it, or one that is not there any more will not need it. */
static void
on_said(void *arg, int error, unsigned taken)
{
	struct cluster_request *req = arg;

	if (error == 0 || taken > 0) {
		cluster_reply_copy(req, 204, NULL, "", 0);
		return;
	}
	cluster_set_header(req, "Retry-After", "1");
	cluster_reply_text(req, 503, "too much is said at the moment\n");
}

/* A message is the id, a NUL, and the text. */
static enum cluster_verdict
say(struct chat *chat, struct cluster_request *req)
{
	struct cluster_send how = { .size = sizeof(how), .topic = TOPIC,
	    .done = on_said, .arg = req, .timeout_ms = 5000 };
	char data[CHAT_ID_MAX + CHAT_TEXT_MAX];
	const char *text;
	size_t len, at;

	text = cluster_body(req, &len);
	if (len == 0 || len > CHAT_TEXT_MAX)
		return cluster_reply_text(req, len == 0 ? 400 : 413,
		    "a text of 1 to 1000 bytes\n");
	at = (size_t)snprintf(data, CHAT_ID_MAX, "%llu-%llu",
	    (unsigned long long)cluster_worker_id(),
	    (unsigned long long)++chat->said) + 1;
	memcpy(data + at, text, len);
	if (cluster_send(chat->pool, data, at + len, &how) != 0) {
		on_said(req, EAGAIN, 0);
		return CLUSTER_DONE;
	}
	return CLUSTER_LATER;
}

static void
on_message(const struct cluster_message *message, void *self)
{
	struct chat *chat = self;
	const char *id = message->data;
	char event[CHAT_EVENT_MAX];
	size_t id_len, len;

	/* of another plugin, or by hand: it has no id */
	if (strcmp(message->topic, TOPIC) != 0 || message->len == 0)
		return;
	id_len = strnlen(id, message->len);
	if (id_len == message->len || id_len >= CHAT_ID_MAX ||
	    message->len - id_len - 1 > CHAT_TEXT_MAX)
		return;
	len = make_event(id, id + id_len + 1, message->len - id_len - 1,
	    event);
	history_add(&chat->history, id, event, len);
	listeners_tell(&chat->listeners, event, len);
}

/* ---- the plugin ------------------------------------------------------------------ */

static bool
ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), end_len = strlen(end);

	return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);
	bool posts = strcmp(cluster_method(req), "POST") == 0;

	if (ends_with(path, "/say"))
		return posts ? say(self, req) :
		    cluster_reply_text(req, 405, "POST what you say\n");
	if (posts)
		return cluster_reply_text(req, 405, "GET only\n");
	if (ends_with(path, "/events"))
		return listen_to(self, req);
	return cluster_reply_static(req, 200, "text/html; charset=utf-8", page,
	    sizeof(page) - 1) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

static int
start(void *self)
{
	struct chat *chat = self;
	const char *name = cluster_worker_name();

	snprintf(chat->pool, sizeof(chat->pool), "%.*s",
	    (int)strcspn(name, "/"), name);
	if (listeners_init(&chat->listeners, (unsigned)chat->max_listeners) != 0 ||
	    history_init(&chat->history, (unsigned)chat->remember) != 0)
		return -ENOMEM;
	return cluster_timer(PING_MS, ping, chat) == NULL ? -ENOMEM : 0;
}

/* They come back, to a worker that stays. */
static void
on_drain(void *self)
{
	struct chat *chat = self;

	chat->draining = true;
	listeners_end(&chat->listeners);
}

static void
stop(void *self)
{
	struct chat *chat = self;

	listeners_done(&chat->listeners);
	history_done(&chat->history);
}

CLUSTER_PLUGIN(chat,
	.summary = "A chat room over all workers of a pool",
	.options = options, .size = sizeof(struct chat),
	.start = start, .stop = stop, .handle = handle,
	.on_drain = on_drain, .on_message = on_message);
