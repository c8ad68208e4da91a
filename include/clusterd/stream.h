/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stream.h: connections of a pool whose protocol is tcp.  .on_stream of the
 * plugin that its route names is called for each, before a byte is read.
 *
 * The callbacks of a stream come in this order: .on_stream; then data, drained
 * and eof, eof last of what is read; at last closed, once, whatever happens:
 * also when the worker ends, before the plugin's stop().  None comes from
 * within a function of this header, but from the loop, and none must block.
 *
 * A stream is a handle, not a pointer: one that has ended, and any other
 * number, gives -ESTALE (or NULL).  All functions run in the loop's thread and
 * do not block.  Since 1.3.
 */
#ifndef CLUSTERD_STREAM_H
#define CLUSTERD_STREAM_H

#include <clusterd/api.h>

enum {
	CLUSTER_STREAM_DATA = 65536,	/* bytes of one data(), at most */
	CLUSTER_STREAM_OUT = 1 << 20,	/* that wait for a client, at most */
	CLUSTER_STREAM_NOTE = 8192,	/* that go with one that is passed on */
};

/* What send() says, beside 0: taken, and it is time to pause. */
enum { CLUSTER_STREAM_FULL = 1 };
/* What closed() says, beside 0 and -errno: another worker has it. */
enum { CLUSTER_STREAM_PASSED = 1 };

struct cluster_stream_ops {
	size_t size;			/* of this struct, as compiled */

	/* Bytes from the client, borrowed for the call.  All are taken: who
	 * cannot go on calls cluster_stream_pause(). */
	void (*data)(struct cluster_stream *stream, const void *data,
	    size_t len, void *arg);

	/* Once after each FULL or -EAGAIN: little waits for the client now.
	 * NULL: not told. */
	void (*drained)(struct cluster_stream *stream, void *arg);

	/* The client sends no more; it may still read.  NULL: as
	 * cluster_stream_close(). */
	void (*eof)(struct cluster_stream *stream, void *arg);

	/*
	 * It has ended, and the handle with it: free what is yours.  error: 0
	 * in good order, all that was sent has left; CLUSTER_STREAM_PASSED;
	 * -ECONNRESET, -EPIPE and
	 * others of a socket: the client has gone; -ETIMEDOUT: idle, or it took
	 * nothing; -ECONNABORTED: cluster_stream_abort(); -ESHUTDOWN: the
	 * worker ends; -ENOMEM.  NULL: not told.
	 */
	void (*closed)(struct cluster_stream *stream, int error, void *arg);

	/* cluster_stream_give() has failed, and it goes on here as before. */
	void (*kept)(struct cluster_stream *stream, int error, void *arg);
};

/*
 * Call ops, which is copied, with arg from now on.  Nothing is read before; one
 * that never gets any is cut when it has been idle for idle_timeout.  May be
 * called again for others.  -EINVAL: no ops, an unknown size, no data.
 */
static inline int
cluster_stream_on(struct cluster_stream *stream,
    const struct cluster_stream_ops *ops, void *arg)
{
	return cluster_has(stream_on) ?
	    cluster_host->stream_on(stream, ops, arg) : -ENOSYS;
}

/*
 * Send bytes, which are copied.  0; CLUSTER_STREAM_FULL: taken, and over 512 KiB
 * wait; -EAGAIN: nothing taken, they would be over 1 MiB.  After each of these
 * two drained() follows.  -EMSGSIZE: more than 1 MiB at once; -EPIPE: after
 * finish() or close(); -EINVAL: no data; -ENOMEM.
 */
static inline int
cluster_stream_send(struct cluster_stream *stream, const void *data,
    size_t len)
{
	return cluster_has(stream_send) ?
	    cluster_host->stream_send(stream, data, len) : -ENOSYS;
}

/* Our side ends when what was sent has left; the client's goes on, and closed()
 * comes when that has ended, too.  -EALREADY. */
static inline int
cluster_stream_finish(struct cluster_stream *stream)
{
	return cluster_has(stream_finish) ?
	    cluster_host->stream_finish(stream) : -ENOSYS;
}

/* The same, and no more data() nor eof(): closed() comes when what was sent has
 * left.  -EALREADY. */
static inline int
cluster_stream_close(struct cluster_stream *stream)
{
	return cluster_has(stream_close) ?
	    cluster_host->stream_close(stream) : -ENOSYS;
}

/* It ends now, by a reset; what waits is lost. */
static inline int
cluster_stream_abort(struct cluster_stream *stream)
{
	return cluster_has(stream_abort) ?
	    cluster_host->stream_abort(stream) : -ENOSYS;
}

/* No data() and no eof() until resume(): the client is held back.  That it has
 * gone is seen when something is sent or the stream is resumed, else when its idle
 * time is over: who sets none (cluster_stream_deadline()) has to look himself. */
static inline int
cluster_stream_pause(struct cluster_stream *stream)
{
	return cluster_has(stream_pause) ?
	    cluster_host->stream_pause(stream, true) : -ENOSYS;
}

static inline int
cluster_stream_resume(struct cluster_stream *stream)
{
	return cluster_has(stream_pause) ?
	    cluster_host->stream_pause(stream, false) : -ENOSYS;
}

/* It may be idle, without a byte either way, for ms from now on, in the place of
 * idle_timeout; 0: for ever.  While something waits for the client it is
 * send_timeout that counts. */
static inline int
cluster_stream_deadline(struct cluster_stream *stream, unsigned ms)
{
	return cluster_has(stream_deadline) ?
	    cluster_host->stream_deadline(stream, ms) : -ENOSYS;
}

/* The client: "192.0.2.1:4711", "[2001:db8::1]:4711", "unix".  Borrowed until
 * closed() returns. */
static inline const char *
cluster_stream_peer(struct cluster_stream *stream)
{
	return cluster_has(stream_peer) ?
	    cluster_host->stream_peer(stream) : NULL;
}

/* Our end of it, the same way.  Borrowed until the next call. */
static inline const char *
cluster_stream_local(struct cluster_stream *stream)
{
	return cluster_has(stream_local) ?
	    cluster_host->stream_local(stream) : NULL;
}

/*
 * Pass it to another worker of a pool of protocol tcp: to is "web/1" or "id:4711",
 * as in message.h.  There .on_stream comes, with note, which is copied: best what
 * was read and not used.  What was not read goes with it.  Until it is known what
 * became of it, the stream is still, and all functions but peer and local are
 * -EBUSY.  Then comes closed(CLUSTER_STREAM_PASSED); or kept(): -ESRCH nobody
 * there who takes streams, -EAGAIN it has max_connections or no means; or
 * closed(-EPIPE): that worker ended, or the master, which would have known.
 * -EAGAIN: something waits for the client, or too many messages for the master;
 * -EPIPE: after finish() or close(); -EMSGSIZE: a note over CLUSTER_STREAM_NOTE;
 * -EINVAL: not a word for one worker, or no note; -ENOMEM, -EMFILE.
 */
static inline int
cluster_stream_give(struct cluster_stream *stream, const char *to,
    const void *note, size_t len)
{
	return cluster_has(stream_give) ?
	    cluster_host->stream_give(stream, to, note, len) : -ENOSYS;
}

/* In .on_stream: the note that came with it; NULL: it comes from its client. */
static inline const void *
cluster_stream_note(size_t *len)
{
	if (len != NULL)
		*len = 0;
	return cluster_has(stream_note) ?
	    cluster_host->stream_note(len) : NULL;
}

#endif
