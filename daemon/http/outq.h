/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * outq.h: what a connection has to send, in order: bytes of a buffer of its own,
 * and between them parts that are sent from where they lie, memory and ranges of
 * files.  A queue of bytes alone is a buffer and nothing more.
 *
 * Who gave a part is told when it is not needed any more, by way of dues.h: when
 * our kernel has all of it, or none will go.  Knows sockets, not HTTP.
 */
#ifndef DAEMON_HTTP_OUTQ_H
#define DAEMON_HTTP_OUTQ_H

#include <sys/types.h>

#include "common/base/buf.h"
#include "daemon/http/dues.h"

enum {
	OUTQ_LENT = 48,			/* parts that wait in one queue */
	OUTQ_MARKS = 16,
	OUTQ_PARTS = OUTQ_LENT + OUTQ_MARKS,
	/* Less is copied: up to some 8 to 16 KiB that costs no more than an
	 * entry of its own, and the memory is free at once. */
	OUTQ_LEND_MIN = 16384,
};

enum piece_kind {
	PIECE_COPY,			/* memory, borrowed for the call */
	PIECE_STATIC,			/* memory that stays as it is */
	PIECE_GIVE,			/* memory that is ours until due */
	PIECE_FILE,			/* so many bytes of fd from offset on */
};

/* What is to be sent. */
struct piece {
	uint8_t kind;			/* enum piece_kind */
	bool taken;			/* set: the queue has it, due follows */
	bool close;			/* FILE: close fd when it is due */
	int fd;
	const void *data;
	uint64_t offset, len;
	struct due due;			/* GIVE, FILE: whom to tell */
};

struct outq_part {
	size_t before;			/* bytes of the buffer that go first */
	const char *memory;		/* NULL: of fd */
	uint64_t offset, left;
	size_t held;			/* its share in what the queue holds */
	int fd;
	bool close;
	struct due due;
};

struct outq {
	struct buf bytes;
	size_t claimed;			/* of them, before the last part */
	uint64_t lent;			/* bytes of all parts */
	size_t held;			/* of those in memory of the worker */
	size_t passed;			/* bytes of such memory that went since
					 * run number passed_at of the dues */
	uint64_t passed_at;
	struct outq_part *parts;	/* a ring of OUTQ_PARTS, or NULL */
	unsigned first, count, marks;	/* marks: of the count */
};

enum outq_state {
	OUTQ_EMPTY,			/* all is out */
	OUTQ_FULL,			/* the client must read first */
	OUTQ_ENOUGH,			/* as much as was allowed went out */
	OUTQ_GONE,			/* the client is */
	OUTQ_BROKEN,			/* a file is shorter, or not readable */
};

/* Bytes that wait. */
static inline uint64_t
outq_left(const struct outq *queue)
{
	return buf_len(&queue->bytes) + queue->lent;
}

/* Bytes of the worker's memory among them, and of what has gone but is not given
 * back yet. */
static inline size_t
outq_held(const struct outq *queue, const struct dues *dues)
{
	return buf_len(&queue->bytes) + queue->held +
	    (queue->passed_at == dues->runs ? queue->passed : 0);
}

/* Whether one who was refused a piece may try again: half of all is free. */
static inline bool
outq_has_room(const struct outq *queue, const struct dues *dues, size_t bytes)
{
	return outq_held(queue, dues) < bytes && queue->count - queue->marks <= OUTQ_LENT / 2;
}

/* Whether a piece goes from where it lies.  Of no bytes there is none that does:
 * nobody would append it. */
static inline bool
piece_is_lent(const struct piece *piece)
{
	return (piece->kind == PIECE_FILE && piece->len > 0) ||
	    (piece->kind != PIECE_COPY && piece->len >= OUTQ_LEND_MIN);
}

/*
 * Room for those of these pieces that are lent, and for their dues, so that
 * outq_lend() of each will do; or outq_forgo() gives it up again.  0, -EAGAIN: too
 * many parts wait, -ENOMEM.
 */
int outq_reserve_lent(struct outq *queue, struct dues *dues,
    const struct piece *pieces, unsigned count, unsigned lent);
void outq_forgo(struct dues *dues, const struct piece *pieces, unsigned count);

static inline int
outq_reserve(struct outq *queue, struct dues *dues,
    const struct piece *pieces, unsigned count)
{
	unsigned lent = 0;

	for (unsigned i = 0; i < count; i++)
		lent += piece_is_lent(&pieces[i]);
	return lent == 0 ? 0 :
	    outq_reserve_lent(queue, dues, pieces, count, lent);
}

/* Append one that is lent, behind the bytes that are there. */
void outq_lend(struct outq *queue, struct piece *piece);

/* Have due called, with number 0, when all that waits now has left; with -EPIPE
 * if it never will.  0, -EAGAIN, -ENOMEM. */
int outq_mark(struct outq *queue, struct dues *dues, const struct due *due);

/* Send up to most bytes; *sent of them went.  Never blocks. */
enum outq_state outq_send(struct outq *queue, struct dues *dues, int fd,
    size_t most, size_t *sent);

/*
 * For one who reads it instead: bytes at the front, up to size of them where they
 * are lent, at *at, which is block where they are a file's; 0: the file is shorter,
 * -1: errno.  Take away so many; marks that they pass go to the other
 * queue, and are due when what is there by then has left.
 */
ssize_t outq_peek(const struct outq *queue, char *block, size_t size,
    const char **at);
void outq_take(struct outq *queue, struct outq *to, struct dues *dues,
    size_t len);

/* None of it will be sent. */
void outq_drop(struct outq *queue, struct dues *dues);

/* Memory back; the queue is empty. */
void outq_done(struct outq *queue);

#endif
