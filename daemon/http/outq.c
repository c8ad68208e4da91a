/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* outq.c: see outq.h. */
#include "daemon/http/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/check.h"

enum { VECTORS = 32 };

static struct outq_part *
part_at(const struct outq *queue, unsigned index)
{
	return &queue->parts[(queue->first + index) % OUTQ_PARTS];
}

/* ---- what comes in -------------------------------------------------------------- */

static int
have_ring(struct outq *queue)
{
	if (queue->parts == NULL)
		queue->parts = malloc(OUTQ_PARTS * sizeof(queue->parts[0]));
	return queue->parts == NULL ? -ENOMEM : 0;
}

int
outq_reserve_lent(struct outq *queue, struct dues *dues,
    const struct piece *pieces, unsigned count, unsigned lent)
{
	int rc;

	if (queue->count - queue->marks + lent > OUTQ_LENT)
		return -EAGAIN;
	if ((rc = have_ring(queue)) != 0)
		return rc;
	for (unsigned i = 0; i < count; i++) {
		if (!piece_is_lent(&pieces[i]) ||
		    pieces[i].due.kind == DUE_NONE)
			continue;
		if (dues_promise(dues) != 0) {
			outq_forgo(dues, pieces, i);
			return -ENOMEM;
		}
	}
	return 0;
}

void
outq_forgo(struct dues *dues, const struct piece *pieces, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (piece_is_lent(&pieces[i]) &&
		    pieces[i].due.kind != DUE_NONE)
			dues->promised--;
}

static struct outq_part *
append(struct outq *queue)
{
	struct outq_part *part = part_at(queue, queue->count++);

	CHECK(queue->count <= OUTQ_PARTS);
	*part = (struct outq_part){
	    .before = buf_len(&queue->bytes) - queue->claimed, .fd = -1 };
	queue->claimed = buf_len(&queue->bytes);
	return part;
}

void
outq_lend(struct outq *queue, struct piece *piece)
{
	struct outq_part *part = append(queue);

	part->left = piece->len;
	part->due = piece->due;
	if (piece->kind == PIECE_FILE) {
		part->fd = piece->fd;
		part->close = piece->close;
		part->offset = piece->offset;
	} else {
		part->memory = piece->data;
		part->held = piece->kind == PIECE_GIVE ? piece->len : 0;
	}
	queue->lent += part->left;
	queue->held += part->held;
	piece->taken = true;
}

int
outq_mark(struct outq *queue, struct dues *dues, const struct due *due)
{
	bool now = outq_left(queue) == 0;

	if (queue->marks == OUTQ_MARKS)
		return -EAGAIN;
	if ((!now && have_ring(queue) != 0) || dues_promise(dues) != 0)
		return -ENOMEM;
	if (now) {
		dues_add(dues, due);
		return 0;
	}
	append(queue)->due = *due;
	queue->marks++;
	return 0;
}

/* ---- what goes out -------------------------------------------------------------- */

/* Its due was promised already.  False: it is due now. */
static bool
pass_mark(struct outq *to, const struct due *due)
{
	if (outq_left(to) == 0 || to->marks == OUTQ_MARKS || have_ring(to) != 0)
		return false;
	append(to)->due = *due;
	to->marks++;
	return true;
}

/* The first part is over: error 0, all of it went. */
static void
end_part(struct outq *queue, struct outq *to, struct dues *dues, int error)
{
	struct outq_part *part = part_at(queue, 0);

	queue->first = (queue->first + 1) % OUTQ_PARTS;
	queue->count--;
	queue->lent -= part->left;
	queue->held -= part->held;
	if (queue->passed_at != dues->runs) {
		queue->passed_at = dues->runs;
		queue->passed = 0;
	}
	queue->passed += part->held;
	if (part->close)
		close(part->fd);
	if (part->due.kind == DUE_WORD) {
		part->due.number = error;
		queue->marks--;
	}
	if (part->due.kind == DUE_WORD && to != NULL &&
	    pass_mark(to, &part->due))
		return;
	if (part->due.kind != DUE_NONE)
		dues_add(dues, &part->due);
}

/* So many bytes, in order, have gone. */
static void
consume(struct outq *queue, struct outq *to, struct dues *dues, size_t len)
{
	while (queue->count > 0) {
		struct outq_part *part = part_at(queue, 0);
		size_t bytes = len < part->before ? len : part->before;
		size_t lent;

		buf_consume(&queue->bytes, bytes);
		queue->claimed -= bytes;
		part->before -= bytes;
		len -= bytes;
		lent = len < part->left ? len : (size_t)part->left;
		if (part->memory != NULL)
			part->memory += lent;
		part->offset += lent;
		part->left -= lent;
		queue->lent -= lent;
		len -= lent;
		if (part->before > 0 || part->left > 0)
			return;
		end_part(queue, to, dues, 0);
	}
	buf_consume(&queue->bytes, len);
}

/* Bytes and memory up to the next file, most at the most. */
static unsigned
gather(const struct outq *queue, struct iovec *vectors, size_t most,
    bool *file_follows)
{
	const char *bytes = buf_at(&queue->bytes);
	size_t rest = buf_len(&queue->bytes) - queue->claimed;
	unsigned count = 0, i;

	*file_follows = false;
	for (i = 0; i < queue->count && count + 2 <= VECTORS && most > 0; i++) {
		const struct outq_part *part = part_at(queue, i);
		size_t len = part->before < most ? part->before : most;

		if (len > 0)
			vectors[count++] = (struct iovec){
			    (void *)(uintptr_t)bytes, len };
		bytes += len;
		most -= len;
		if (part->memory == NULL && part->left > 0) {
			*file_follows = true;
			return count;
		}
		len = part->left < most ? (size_t)part->left : most;
		if (len > 0)
			vectors[count++] = (struct iovec){
			    (void *)(uintptr_t)part->memory, len };
		most -= len;
	}
	rest = rest < most ? rest : most;
	if (i == queue->count && rest > 0 && count < VECTORS)
		vectors[count++] = (struct iovec){
		    (void *)(uintptr_t)bytes, rest };
	return count;
}

static ssize_t
send_gathered(const struct outq *queue, int fd, size_t most)
{
	struct iovec vectors[VECTORS];
	struct msghdr message = { .msg_iov = vectors };
	bool file_follows;

	message.msg_iovlen = gather(queue, vectors, most, &file_follows);
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL |
	    (file_follows ? MSG_MORE : 0));
}

static ssize_t
send_bytes(const struct outq *queue, int fd, size_t most)
{
	size_t len = buf_len(&queue->bytes);

	return send(fd, buf_at(&queue->bytes), len < most ? len : most,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t
send_file(const struct outq_part *part, int fd, size_t most)
{
	off_t offset = (off_t)part->offset;

	return sendfile(fd, part->fd, &offset,
	    part->left < most ? (size_t)part->left : most);
}

/* Of sendfile(): is it the file?  Else the client. */
static enum outq_state
blame(int error)
{
	switch (error) {
	case EBADF:
	case EINVAL:
	case EIO:
	case EISDIR:
	case ENOMEM:			/* for what is read of it */
	case ENXIO:
	case EOVERFLOW:
	case ESPIPE:
	case ESTALE:
		return OUTQ_BROKEN;
	}
	return OUTQ_GONE;
}

enum outq_state
outq_send(struct outq *queue, struct dues *dues, int fd, size_t most,
    size_t *sent)
{
	*sent = 0;
	while (outq_left(queue) > 0) {
		const struct outq_part *part = queue->count == 0 ? NULL :
		    part_at(queue, 0);
		bool is_file = part != NULL && part->before == 0 &&
		    part->memory == NULL;
		ssize_t got;

		if (*sent >= most)
			return OUTQ_ENOUGH;
		if (part == NULL)
			got = send_bytes(queue, fd, most - *sent);
		else if (is_file)
			got = send_file(part, fd, most - *sent);
		else
			got = send_gathered(queue, fd, most - *sent);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return OUTQ_FULL;
		if (got <= 0)
			return is_file && got == 0 ? OUTQ_BROKEN :
			    is_file ? blame(errno) : OUTQ_GONE;
		*sent += (size_t)got;
		if (part == NULL)
			buf_consume(&queue->bytes, (size_t)got);
		else
			consume(queue, NULL, dues, (size_t)got);
	}
	return OUTQ_EMPTY;
}

/* The bytes at the front that lie together, of a file those that block holds. */
ssize_t
outq_peek(const struct outq *queue, char *block, size_t size, const char **at)
{
	const struct outq_part *part = queue->count == 0 ? NULL :
	    part_at(queue, 0);
	ssize_t got;

	*at = buf_at(&queue->bytes);
	if (part == NULL)
		return (ssize_t)buf_len(&queue->bytes);
	if (part->before > 0)
		return (ssize_t)part->before;
	*at = part->memory != NULL ? part->memory : block;
	if (part->left < size)
		size = (size_t)part->left;
	if (part->memory != NULL)
		return (ssize_t)size;
	do
		got = pread(part->fd, block, size, (off_t)part->offset);
	while (got < 0 && errno == EINTR);
	return got;
}

void
outq_take(struct outq *queue, struct outq *to, struct dues *dues, size_t len)
{
	consume(queue, to, dues, len);
}

void
outq_drop(struct outq *queue, struct dues *dues)
{
	while (queue->count > 0)
		end_part(queue, NULL, dues, -EPIPE);
	queue->claimed = 0;
	buf_clear(&queue->bytes);
}

void
outq_done(struct outq *queue)
{
	CHECK(queue->count == 0);
	free(queue->parts);
	queue->parts = NULL;
	buf_done(&queue->bytes);
}
