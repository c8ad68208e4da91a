/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * talk.c: a plugin that talks to its children over their channels, for tests
 * only; arguments stand behind the '?', what is sent is the body.  A child is
 * named by its number, n.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { CHILDREN_MAX = 256, WORDS_MAX = 64, HEARD_MAX = 1 << 22, DATA_SHOWN = 64 };

struct row {
	struct cluster_child *child;
	char *heard;			/* a line for each event */
	size_t len;
	bool closed;
};

static struct row rows[CHILDREN_MAX];
static unsigned row_count;

/* What was sent along, and is looked at in done(). */
struct parcel {
	struct row *row;
	int fd, number;
};

/* ---- arguments ------------------------------------------------------------------ */

static const char *
argument(struct cluster_request *req, const char *name)
{
	static char texts[16][256];	/* of a request */
	static unsigned next;
	char *out = texts[next++ % 16];
	const char *at = cluster_query(req);
	size_t len = strlen(name);

	while (at != NULL && *at != '\0') {
		size_t part = strcspn(at, "&");

		if (part > len && strncmp(at, name, len) == 0 &&
		    at[len] == '=') {
			snprintf(out, 256, "%.*s", (int)(part - len - 1),
			    at + len + 1);
			return out;
		}
		at += part + (at[part] == '&');
	}
	return NULL;
}

static long
number(struct cluster_request *req, const char *name, long fallback)
{
	const char *text = argument(req, name);

	return text == NULL ? fallback : strtol(text, NULL, 0);
}

static struct row *
row_of(struct cluster_request *req)
{
	long n = number(req, "n", 0);

	return n >= 0 && n < row_count ? &rows[n] : NULL;
}

__attribute__((format(printf, 2, 3))) static int
reply(struct cluster_request *req, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return cluster_reply_text(req, 200, text);
}

/* ---- what is heard ----------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
hear(struct row *row, const char *fmt, ...)
{
	va_list args;

	if (row->heard == NULL && (row->heard = malloc(HEARD_MAX)) == NULL)
		return;
	va_start(args, fmt);
	if (row->len + 1024 < HEARD_MAX)
		row->len += (size_t)vsnprintf(row->heard + row->len, 1024, fmt,
		    args);
	va_end(args);
}

static void
hear_bytes(struct row *row, const char *before, const void *data, size_t len)
{
	const unsigned char *at = data;

	hear(row, "%s", before);
	for (size_t i = 0; i < len && i < DATA_SHOWN; i++)
		hear(row, "%02x", at[i]);
}

static unsigned
sum_of(const void *data, size_t len)
{
	const unsigned char *at = data;
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + at[i];
	return sum;
}

/* message TOPIC FLAGS FDS LEN SUM ALIGNED DATA, and what is in its files. */
static void
on_message(struct cluster_child *child, const struct cluster_message *m,
    void *arg)
{
	struct row *row = arg;

	if (strcmp(m->topic, "again") == 0)
		(void)cluster_child_send(child, m->data, m->len, NULL);
	hear(row, "message \"%s\" %u %u %zu %u %d ", m->topic, m->flags,
	    m->fd_count, m->len, sum_of(m->data, m->len),
	    (uintptr_t)m->data % 8 == 0);
	hear_bytes(row, "", m->data, m->len);
	for (unsigned i = 0; i < m->fd_count && strcmp(m->topic, "leave") != 0;
	    i++) {
		int fd = cluster_message_take_fd(m, i);
		char text[DATA_SHOWN];
		ssize_t n = pread(fd, text, sizeof(text), 0);

		hear_bytes(row, " ", text, n < 0 ? 0 : (size_t)n);
		close(fd);
	}
	hear(row, "\n");
}

static void
on_room(struct cluster_child *child, int fd, void *arg)
{
	(void)child;
	hear(arg, "room %d\n", fd);
}

static void
on_disconnect(struct cluster_child *child, void *arg)
{
	struct cluster_child_info info = { .size = sizeof(info) };

	(void)cluster_child_info(child, &info);
	hear(arg, "disconnect %d\n", info.connected);
}

static void
on_ended(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	(void)child;
	hear(arg, "exit %d %d\n", ended->code, ended->signal);
}

static void
on_close(struct cluster_child *child, const struct cluster_exit *ended,
    void *arg)
{
	struct row *row = arg;

	(void)child;
	(void)ended;
	row->closed = true;
	hear(row, "close\n");
}

static const struct cluster_child_events events = {
	.on_room = on_room, .on_message = on_message,
	.on_disconnect = on_disconnect, .on_exit = on_ended,
	.on_close = on_close,
};

/* done NUMBER ERROR TAKEN, and whether what was sent along is open. */
static void
on_done(void *arg, int error, unsigned taken)
{
	struct parcel *parcel = arg;
	bool open = parcel->fd >= 0 && fcntl(parcel->fd, F_GETFD) >= 0;

	hear(parcel->row, "done %d %d %u %d\n", parcel->number, error, taken,
	    open);
	if (open)
		close(parcel->fd);
	free(parcel);
}

/* ---- orders ------------------------------------------------------------------------- */

/* channel=packet, body: words, each ended by a NUL.  "N PID" or "ERROR" */
static int
start(struct cluster_request *req)
{
	static char body[65536];
	const char *words[WORDS_MAX + 1] = { NULL }, *kind, *data;
	struct cluster_child_info info = { .size = sizeof(info) };
	struct row *row = &rows[row_count];
	struct cluster_spawn how;
	size_t len, count = 0;
	int rc;

	data = cluster_body(req, &len);
	if (row_count == CHILDREN_MAX || len >= sizeof(body))
		return reply(req, "%d", -ENOSPC);
	memcpy(body, data, len);
	for (size_t at = 0; at < len && count < WORDS_MAX;
	    at += strlen(body + at) + 1)
		words[count++] = body + at;
	kind = argument(req, "channel");
	how = (struct cluster_spawn){ .size = sizeof(how), .file = words[0],
	    .argv = words, .events = &events, .arg = row,
	    .linger_ms = (unsigned)number(req, "linger", 0),
	    .channel = kind == NULL ? CLUSTER_CHANNEL_NONE :
	    strcmp(kind, "packet") == 0 ? CLUSTER_CHANNEL_PACKET :
	    CLUSTER_CHANNEL_LINES };
	*row = (struct row){ 0 };
	rc = cluster_spawn(&how, NULL, &row->child);
	if (rc != 0)
		return reply(req, "%d", rc);
	(void)cluster_child_info(row->child, &info);
	return reply(req, "%u %d", row_count++, (int)info.pid);
}

static int
file_of(const char *text)
{
	int fd = memfd_create("talk", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		hear(&rows[0], "no file\n");
	return fd;
}

/* The body, or size= bytes: 0, 1 .. 250, 0 .. */
static const void *
data_of(struct cluster_request *req, size_t *len)
{
	static unsigned char data[CLUSTER_MESSAGE_MAX + 1];
	long size = number(req, "size", -1);

	if (size < 0 || (size_t)size > sizeof(data))
		return cluster_body(req, len);
	for (long i = 0; i < size; i++)
		data[i] = (unsigned char)(i % 251);
	*len = (size_t)size;
	return data;
}

/* topic= flags= done=1 timeout= file=text mode=move count= */
static int
send_(struct cluster_request *req)
{
	struct row *row = row_of(req);
	const char *file = argument(req, "file"), *mode = argument(req, "mode");
	struct cluster_send how = { .size = sizeof(how),
	    .topic = argument(req, "topic"),
	    .flags = (unsigned)number(req, "flags", 0),
	    .timeout_ms = (unsigned)number(req, "timeout", 0) };
	struct parcel *parcel = calloc(1, sizeof(*parcel));
	int many[20];
	size_t len;
	const void *data = data_of(req, &len);
	int rc;

	if (row == NULL || parcel == NULL)
		return CLUSTER_FAIL;
	*parcel = (struct parcel){ row, file == NULL ? -1 : file_of(file),
	    (int)number(req, "done", 0) };
	for (int i = 0; i < 20; i++)
		many[i] = parcel->fd;
	how.fds = (struct cluster_fds){ many,
	    file == NULL ? 0 : (unsigned)number(req, "count", 1),
	    mode != NULL && strcmp(mode, "move") == 0 ? CLUSTER_FD_MOVE :
	    CLUSTER_FD_DUP };
	if (parcel->number != 0) {
		how.done = on_done;
		how.arg = parcel;
	}
	rc = cluster_child_send(row->child, data, len, &how);
	if (rc != 0 || parcel->number == 0) {
		if (parcel->fd >= 0 && how.fds.mode == CLUSTER_FD_DUP)
			close(parcel->fd);
		free(parcel);
	}
	return reply(req, "%d", rc);
}

/* Send so many of that size until it is refused: "HOW_MANY ERROR". */
static int
fill(struct cluster_request *req)
{
	static char data[1 << 20];
	struct row *row = row_of(req);
	long size = number(req, "size", 1), most = number(req, "most", 100000);
	long sent = 0;
	int rc = 0;

	if (row == NULL)
		return CLUSTER_FAIL;
	memset(data, '7', sizeof(data));
	while (sent < most && (rc = cluster_child_send(row->child, data,
	    (size_t)size, NULL)) == 0)
		sent++;
	return reply(req, "%ld %d", sent, rc);
}

static int
heard(struct cluster_request *req)
{
	struct row *row = row_of(req);

	return row == NULL || row->heard == NULL ? reply(req, "%s", "") :
	    cluster_reply_copy(req, 200, "text/plain", row->heard, row->len);
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);
	struct row *row = row_of(req);

	(void)self;
	if (strcmp(path, "/start") == 0)
		return start(req);
	if (strcmp(path, "/send") == 0)
		return send_(req);
	if (strcmp(path, "/fill") == 0)
		return fill(req);
	if (strcmp(path, "/heard") == 0)
		return heard(req);
	if (strcmp(path, "/disconnect") == 0 && row != NULL)
		return reply(req, "%d", cluster_child_disconnect(row->child));
	return CLUSTER_PASS;
}

CLUSTER_PLUGIN(talk, .summary = "Channels to children", .handle = handle);
