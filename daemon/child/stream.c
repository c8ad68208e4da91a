/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* stream.c: the bytes of one descriptor of a child; see stream.h. */
#include "daemon/child/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "daemon/child/children.h"

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

void
stream_init(struct stream *stream, struct child *child, int number)
{
	stream->child = child;
	stream->number = number;
	stream->fd = -1;
	buf_init(&stream->out, 0);
	buf_init(&stream->line, 0);
}

int
stream_open(struct stream *stream, int fd, bool reads, bool writes)
{
	struct event_base *base = stream->child->table->base;

	stream->fd = fd;
	event_assign(&stream->read_event, base, fd, EV_READ | EV_PERSIST,
	    on_readable, stream);
	event_assign(&stream->write_event, base, fd, EV_WRITE | EV_PERSIST,
	    on_writable, stream);
	stream->reads = reads;
	stream->writes = writes;
	return reads && event_add(&stream->read_event, NULL) != 0 ?
	    -ENOMEM : 0;
}

static void
close_if_done(struct stream *stream)
{
	if (stream->fd < 0 || stream->reads || stream->writes)
		return;
	event_del(&stream->read_event);
	event_del(&stream->write_event);
	fd_close(&stream->fd);
}

/* ---- reading ------------------------------------------------------------------------- */

static void
end_reading(struct stream *stream)
{
	if (!stream->reads)
		return;
	stream->reads = false;
	event_del(&stream->read_event);
	close_if_done(stream);
	output_end(stream);
}

/* Bytes that were read; 0: none now, or at its end. */
static size_t
read_once(struct stream *stream)
{
	char *buffer = stream->child->table->buffer;
	ssize_t n = read(stream->fd, buffer, CHILDREN_READ);

	if (n > 0) {
		output_take(stream, buffer, (size_t)n);
		return (size_t)n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_reading(stream);
	return 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;

	(void)fd;
	(void)what;
	(void)read_once(stream);
	child_settle(stream->child);
}

void
stream_read_rest(struct stream *stream, size_t most)
{
	size_t n = 1;

	for (size_t all = 0; n > 0 && all < most && stream->reads; all += n)
		n = read_once(stream);
}

int
stream_pause(struct stream *stream, bool paused)
{
	if (!stream->reads)
		return -EPIPE;
	if (paused == stream->paused)
		return 0;
	if (paused)
		event_del(&stream->read_event);
	else if (event_add(&stream->read_event, NULL) != 0)
		return -ENOMEM;
	stream->paused = paused;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------- */

void
stream_end_writing(struct stream *stream)
{
	if (!stream->writes)
		return;
	stream->writes = false;
	stream->wants_room = false;
	event_del(&stream->write_event);
	buf_done(&stream->out);
	if (stream->reads)
		shutdown(stream->fd, SHUT_WR);
	close_if_done(stream);
}

/* False: the child reads no more. */
static bool
flush(struct stream *stream)
{
	struct buf *out = &stream->out;

	while (buf_len(out) > 0) {
		ssize_t n = write(stream->fd, buf_at(out), buf_len(out));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return event_add(&stream->write_event, NULL) == 0;
		if (n < 0)
			return false;
		buf_consume(out, (size_t)n);
	}
	buf_done(out);
	event_del(&stream->write_event);
	return true;
}

static void
go_on(struct stream *stream)
{
	if (!flush(stream) || (stream->ends && buf_len(&stream->out) == 0))
		stream_end_writing(stream);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	struct children *table = stream->child->table;
	bool owed;

	(void)fd;
	(void)what;
	owed = stream->wants_room;
	go_on(stream);
	/* also where it reads no more: the next write says so */
	if (owed && buf_len(&stream->out) <= CLUSTER_CHILD_WRITE_MAX / 2) {
		stream->wants_room = false;
		table->ops->room(stream->child, stream->number, table->ctx);
	}
	child_settle(stream->child);
}

int
stream_write(struct stream *stream, const void *data, size_t len)
{
	if (data == NULL && len > 0)
		return -EINVAL;
	if (!stream->writes || stream->ends)
		return -EPIPE;
	if (len > CLUSTER_CHILD_WRITE_MAX)
		return -EMSGSIZE;
	if (buf_len(&stream->out) + len > CLUSTER_CHILD_WRITE_MAX) {
		stream->wants_room = true;
		return -EAGAIN;
	}
	if (buf_add(&stream->out, data, len) != 0) {
		stream->out.failed = 0;
		return -ENOMEM;
	}
	go_on(stream);
	return stream->writes ? 0 : -EPIPE;
}

int
stream_end(struct stream *stream)
{
	if (stream->ends || (!stream->writes && !stream->reads))
		return -EPIPE;
	if (stream->writes) {
		stream->ends = true;
		go_on(stream);
		return 0;
	}
	end_reading(stream);
	child_settle_soon(stream->child);
	return 0;
}

void
stream_close(struct stream *stream)
{
	stream_end_writing(stream);
	end_reading(stream);
	buf_done(&stream->out);
	buf_done(&stream->line);
}
