/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * message.h: messages between the plugins of all workers, through the master.
 *
 * A message is bytes, with a topic and up to 16 descriptors.  It is delivered
 * at most once, to the process that serves when the master passes it on, never
 * to a successor of that.  Order is kept from each sender to each receiver.
 * Nobody waits for a slow receiver: what does not fit is refused, and its sender
 * is told.
 *
 * For whom, a word: "web/0" the worker that serves there, "web" all of a pool
 * that are ready, "all" those of all pools, "id:4711" that process only,
 * "master" nobody but the event worker.message.  "@INSTANCE" behind it means
 * one [plugin INSTANCE] there; without it all that have .on_message get it.
 *
 * All functions run in the loop's thread and do not block.
 */
#ifndef CLUSTERD_MESSAGE_H
#define CLUSTERD_MESSAGE_H

#include <clusterd/api.h>
#include <clusterd/message_types.h>

/* How to send; begin with .size = sizeof(struct cluster_send). */
struct cluster_send {
	size_t size;
	const char *topic;		/* NULL: "" */
	struct cluster_fds fds;
	unsigned flags;			/* enum cluster_send_flag */
	unsigned timeout_ms;		/* until done(-ETIMEDOUT); 0: never */
	/* What became of it, once, from the loop, after cluster_send() gave 0.
	 * error 0: every receiver has read it; else why one has not: -ESRCH
	 * nobody there, -EAGAIN its queue is full or there were no means,
	 * -EPIPE it ended before it read it, or the master ended, which would
	 * have heard (then it may have been read), -ETIMEDOUT (it may still
	 * be), -ESHUTDOWN this worker stops.  taken: how many receivers have
	 * it. */
	void (*done)(void *arg, int error, unsigned taken);
	void *arg;
};

typedef void cluster_answer_fn(const struct cluster_message *m, int error,
    void *arg);

/*
 * Send.  how may be NULL: no topic, nothing is heard of it.  The data is copied.
 * Descriptors stay yours: with MOVE until done(0), when they have been closed;
 * without done they are closed here when the message has ended, well or not.
 * 0: it is on its way.  -EAGAIN: 1,024 messages or 1 MiB wait here already, or
 * 4,096 whose done() is to come: nothing was taken, on_room() says when to go on
 * -- with a NULL for the request.  -EINVAL: not a word for anybody, an unknown
 * flag, a topic with control characters, over 63 bytes or "clusterd.…", MOVE to
 * several; -EMSGSIZE: over 16 MiB, or 4 KiB to "master"; -EBADF: not an open
 * descriptor; -E2BIG: too many of them; -ESHUTDOWN: with done, in stop();
 * -ENOMEM, -EMFILE.
 */
static inline int
cluster_send(const char *to, const void *data, size_t len,
    const struct cluster_send *how)
{
	return cluster_has(send) ?
	    cluster_host->send(to, data, len, how) : -ENOSYS;
}

/*
 * Send, and wait for the one answer: answer(m, 0, arg) with it, or
 * answer(NULL, error, arg) as done() above; exactly once.  timeout_ms 0: 30 s.
 * -ETIMEDOUT is also the end of who has read it and ended, or will not answer.
 * -EINVAL also when `to' may name several, or is "master".
 */
static inline int
cluster_ask(const char *to, const void *data, size_t len, unsigned timeout_ms,
    cluster_answer_fn *answer, void *arg)
{
	return cluster_has(ask) ?
	    cluster_host->ask(to, data, len, timeout_ms, answer, arg) : -ENOSYS;
}

/*
 * Answer the message of this .on_message.  As cluster_send(); descriptors that
 * move are closed here at once.  -EINVAL: no answer is awaited; -EALREADY: it
 * was answered, perhaps by another plugin; -ESTALE: not the message at hand.
 */
static inline int
cluster_answer(const struct cluster_message *m, const void *data, size_t len,
    const struct cluster_fds *fds)
{
	return cluster_has(answer) ?
	    cluster_host->answer(m, data, len, fds) : -ENOSYS;
}

/* In .on_message or answer(): descriptor number index, yours from now on.  Those
 * that nobody has taken are closed on return.  -EBADF: there is none, or it was
 * taken; -ESTALE: not the message at hand. */
static inline int
cluster_message_take_fd(const struct cluster_message *m, unsigned index)
{
	return cluster_has(message_take_fd) ?
	    cluster_host->message_take_fd(m, index) : -ENOSYS;
}

/* Bytes of data that would be taken now.  0: on_room(NULL, self) is called once
 * when there is room again. */
static inline size_t
cluster_send_room(void)
{
	return cluster_has(send_room) ? cluster_host->send_room() : 0;
}

#endif
