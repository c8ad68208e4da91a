/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * body.h: the body of a request, before all of it is there.  A plugin with an
 * on_head callback is asked when the head of a request with a body has come and
 * it is the first route that matches.  It may
 *
 *   answer, and return CLUSTER_DONE: the body is not read, and what is under
 *	way ends with the connection;
 *   cluster_body_stream(), and return CLUSTER_LATER: it gets the body piece by
 *	piece, as it comes;
 *   return CLUSTER_PASS: the body is read as a whole, and handle() follows;
 *   return CLUSTER_LATER without a stream: the body waits, unread.  The request
 *	can only be answered.
 *
 * Texts of the request that were asked for in on_head stay where they are until
 * it is answered.  All functions run in the loop's thread and do not block.
 * Since 1.3.
 */
#ifndef CLUSTERD_BODY_H
#define CLUSTERD_BODY_H

#include <clusterd/api.h>

/* Where a body goes.  Borrowed until end() or the answer. */
struct cluster_body_sink {
	size_t size;			/* of this struct */
	/* A piece of it, 1 to 65,536 bytes; borrowed for the call. */
	void (*data)(struct cluster_request *req, const void *data, size_t len,
	    void *arg);
	/*
	 * Nothing follows.  0: that was all of it, and the answer is due if it
	 * was not given.  Else the body is cut short and the request over, also
	 * for who had begun its answer: -EPIPE the client has gone (no answer
	 * is taken); -ETIMEDOUT it was too slow (body_timeout, min_rate);
	 * -EMSGSIZE over the limit; -EPROTO broken framing; -ECANCELED
	 * request_timeout, while it was paused, or cluster_deadline().  An answer
	 * that is given here is sent, else the host's own: 408, 413, 400, 504.
	 * Called once; never when the whole answer was given before.
	 */
	void (*end)(struct cluster_request *req, int error, void *arg);
};

/*
 * In on_head: give me the body.  Both functions are called from the loop, not
 * before on_head has returned.  -EALREADY: it is streamed, or the request was
 * answered; -EINVAL: not in on_head, or a sink without size, data or end.
 */
static inline int
cluster_body_stream(struct cluster_request *req,
    const struct cluster_body_sink *sink, void *arg)
{
	return cluster_has(body_stream) ?
	    cluster_host->body_stream(req, sink, arg) : -ENOSYS;
}

/*
 * Back-pressure: after pause() data() is not called and nothing is read from the
 * client, which will have to wait; at most 64 KiB of the body are in memory.
 * body_timeout does not run meanwhile, request_timeout does: it is the plugin
 * that is waited for.  A client that leaves meanwhile is noticed at once, but where
 * it had sent more than was read: then when it goes on, at the latest at the end of
 * that time.  Pausing what is paused changes nothing.  -EINVAL: the body
 * is not streamed; -EALREADY: it is at its end.
 */
static inline int
cluster_body_pause(struct cluster_request *req)
{
	return cluster_has(body_pause) ?
	    cluster_host->body_pause(req) : -ENOSYS;
}

/* Go on.  data() is not called from in here.  Errors as above. */
static inline int
cluster_body_resume(struct cluster_request *req)
{
	return cluster_has(body_resume) ?
	    cluster_host->body_resume(req) : -ENOSYS;
}

/* In on_head: at most so many bytes of this one; beyond it is 413.  -ERANGE:
 * more than the limit there is (max_body_size); -EINVAL: not in on_head. */
static inline int
cluster_body_limit(struct cluster_request *req, uint64_t bytes)
{
	return cluster_has(body_limit) ?
	    cluster_host->body_limit(req, bytes) : -ENOSYS;
}

/*
 * A body that is longer than body_buffer is in a file without a name: its
 * descriptor, at the first byte, for reading.  Borrowed until the request is
 * answered: to keep it, dup().  -ENOENT: the body is in memory, streamed, not
 * there yet, or there is none.  cluster_body() has it in either case: it maps
 * the file, and is NULL if it cannot.
 */
static inline int
cluster_body_fd(struct cluster_request *req)
{
	return cluster_has(body_fd) ? cluster_host->body_fd(req) : -ENOSYS;
}

#endif
