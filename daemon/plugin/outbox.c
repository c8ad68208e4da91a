/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* outbox.c: messages that plugins send; see outbox.h. */
#include "daemon/plugin/outbox.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/parcel.h"
#include "daemon/plugin/sent.h"

enum {
	FRAMES_A_SECOND = 10000,	/* over it the master ends us */
	FRAMES_AT_ONCE = 1000,
	LARGE_WAITING = 4,		/* of OUTBOX_FDS, for data of 16 MiB */
	TIMEOUT_MS = 30000,		/* of a question, unless it says */
};

/* ---- leaving ----------------------------------------------------------------- */

static bool
take_token(struct outbox *outbox)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t more = (now_ns - outbox->tokens_ns) /
	    (NS_PER_S / FRAMES_A_SECOND);

	if (more > 0) {
		outbox->tokens = more > FRAMES_AT_ONCE - outbox->tokens ?
		    FRAMES_AT_ONCE : outbox->tokens + (uint32_t)more;
		outbox->tokens_ns = now_ns;
	}
	if (outbox->tokens == 0)
		return false;
	outbox->tokens--;
	return true;
}

static unsigned
letters_gathered(const struct outbox *outbox)
{
	return outbox->filled == 0 ? 0 : channel_letters(&outbox->packet);
}

/* 0 or -errno; what was gathered has left the packet then. */
static int
leave(struct outbox *outbox, const int *fds, size_t count)
{
	struct channel *channel = outbox->channel;
	struct errmsg err;
	int rc;

	if (outbox->filled == 0)
		return 0;
	if (!take_token(outbox))
		return -EAGAIN;
	rc = channel_send(channel, &outbox->packet,
	    channel_end(&outbox->packet, outbox->filled), fds, count, &err);
	if (rc == ERR_MEMORY || rc == ERR_FULL)
		return -EAGAIN;
	if (rc == ERR_SYSTEM && count > 0)
		return -EMFILE;
	/* The other end gone is no news here: the lifeline tells. */
	outbox->filled = 0;
	if (channel->queued > 0)
		outbox->host->ops->waits();
	return 0;
}

static void
leave_later(struct outbox *outbox)
{
	const struct timeval pause = { 0, 1000 };

	if (outbox->tokens > 0)
		event_active(&outbox->flush_event, EV_TIMEOUT, 0);
	else if (!evtimer_pending(&outbox->flush_event, NULL))
		event_add(&outbox->flush_event, &pause);
}

void
outbox_flush(struct outbox *outbox)
{
	const struct timeval pause = { 0, 1000 };

	if (leave(outbox, NULL, 0) != 0)
		event_add(&outbox->flush_event, &pause);
	outbox_tell_room(outbox);
}

static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	outbox_flush(arg);
}

/* ---- room --------------------------------------------------------------------- */

static bool
has_room(const struct outbox *outbox, size_t size, unsigned fds, bool large)
{
	const struct channel *channel = outbox->channel;

	return channel->queued + letters_gathered(outbox) <
	    CHANNEL_QUEUE_MESSAGES &&
	    channel->queued_bytes + outbox->filled + size <=
	    CHANNEL_QUEUE_BYTES &&
	    (fds == 0 || channel->queued_fds + fds <= OUTBOX_FDS) &&
	    (!large || channel->queued_fds < LARGE_WAITING);
}

static size_t
room_of(const struct outbox *outbox)
{
	const struct channel *channel = outbox->channel;
	size_t used = channel->queued_bytes + outbox->filled + LETTERS_MAX;

	return used < CHANNEL_QUEUE_BYTES &&
	    has_room(outbox, LETTERS_MAX, 0, false) &&
	    outbox->open < OUTBOX_OPEN &&
	    (outbox->tokens > 0 || outbox->filled == 0) ?
	    CHANNEL_QUEUE_BYTES - used : 0;
}

/* The plugin whose callback runs hears of room. */
static void
want_room(struct outbox *outbox)
{
	host_want_room(outbox->host);
	outbox->room_wanted = true;
}

size_t
outbox_room(struct outbox *outbox)
{
	size_t room = outbox->channel == NULL ? 0 : room_of(outbox);

	if (room == 0)
		want_room(outbox);
	return room;
}

static int
refuse(struct outbox *outbox)
{
	want_room(outbox);
	board_add(outbox->host->board, METRIC_MESSAGES_REFUSED, 1);
	leave_later(outbox);
	return -EAGAIN;
}

/* Not for each that has left: they would be called for one message each. */
void
outbox_tell_room(struct outbox *outbox)
{
	const struct channel *channel = outbox->channel;

	if (!outbox->room_wanted ||
	    channel->queued > CHANNEL_QUEUE_MESSAGES / 2 ||
	    channel->queued_bytes > CHANNEL_QUEUE_BYTES / 2 ||
	    channel->queued_fds >= LARGE_WAITING || room_of(outbox) == 0)
		return;
	outbox->room_wanted = false;
	host_tell_room(outbox->host);
}

/* ---- one letter ------------------------------------------------------------------ */

static int
gather(struct outbox *outbox, const struct parcel *parcel, size_t size)
{
	struct channel_packet *packet = &outbox->packet;
	int rc = 0;

	if (outbox->filled > 0 && (packet->header.type != parcel->type ||
	    outbox->filled + size > LETTERS_MAX ||
	    letters_gathered(outbox) >= LETTERS_A_FRAME ||
	    parcel->letter.fds > 0))
		rc = leave(outbox, NULL, 0);
	if (rc != 0)
		return rc;
	if (outbox->filled == 0)
		channel_begin(packet, parcel->type, 0);
	letter_put(&parcel->letter, channel_tail(packet, NULL) +
	    outbox->filled);
	outbox->filled += size;
	packet->body.message.letters++;
	return 0;
}

/* 0: it is gathered or has left; else -errno, and nothing has changed. */
static int
post(struct outbox *outbox, struct parcel *parcel)
{
	bool large = parcel->letter.flags & LETTER_LARGE;
	size_t size = letter_size(&parcel->letter);
	int rc;

	if (outbox->channel == NULL)
		return -ESHUTDOWN;
	if (!has_room(outbox, size, parcel->count + large, large))
		return refuse(outbox);
	if (large && (rc = parcel_make_large(parcel)) != 0)
		return rc;
	rc = gather(outbox, parcel, size);
	if (rc == 0 && parcel->letter.fds > 0) {
		rc = leave(outbox, parcel->fds + !large, parcel->letter.fds);
		if (rc != 0)
			outbox->filled = 0;
	}
	if (large)
		fd_close(&parcel->fds[0]);
	if (rc == -EAGAIN)
		return refuse(outbox);
	if (rc != 0)
		return rc;
	board_add(outbox->host->board, METRIC_MESSAGES_SENT, 1);
	/* from a callback it leaves when that returns */
	if (outbox->filled > 0 && !outbox->host->in_callback)
		leave_later(outbox);
	return 0;
}

/* ---- what plugins send ------------------------------------------------------------- */

/* Send a checked parcel whose end is awaited. */
static int
post_awaited(struct outbox *outbox, struct parcel *parcel,
    const struct sent_how *how)
{
	struct sent *sent;
	int rc;

	if (outbox->shut)
		return -ESHUTDOWN;
	sent = sent_new(outbox, how, parcel->moves ? parcel->fds + 1 : NULL,
	    parcel->count);
	if (sent == NULL)
		return outbox->open < OUTBOX_OPEN ? -ENOMEM : refuse(outbox);
	sent_expect(sent, mail_target_is_broadcast(&parcel->target));
	parcel->letter.ref = sent_ref(sent);
	parcel->letter.flags |= LETTER_REPORT;
	rc = post(outbox, parcel);
	if (rc != 0)
		sent_drop(outbox, sent);
	else
		sent_arm(outbox, sent, how->timeout_ms);
	return rc;
}

int
outbox_send(struct outbox *outbox, const char *to, const void *data,
    size_t len, const struct cluster_send *given)
{
	struct cluster_send how;
	struct parcel parcel;
	int rc = parcel_fill(&parcel, to, data, len, given, &how);

	if (rc != 0)
		return rc;
	if (how.done == NULL && !parcel.moves)
		return post(outbox, &parcel);
	return post_awaited(outbox, &parcel,
	    &(struct sent_how){ .plugin = outbox->host->current,
	    .done = how.done, .arg = how.arg, .timeout_ms = how.timeout_ms });
}

int
outbox_ask(struct outbox *outbox, const char *to, const void *data,
    size_t len, unsigned timeout_ms, cluster_answer_fn *answer, void *arg)
{
	struct parcel parcel;
	int rc = answer == NULL ? -EINVAL :
	    parcel_fill_question(&parcel, to, data, len);

	if (rc != 0)
		return rc;
	return post_awaited(outbox, &parcel,
	    &(struct sent_how){ .plugin = outbox->host->current,
	    .answer = answer, .asked = &parcel.target, .arg = arg,
	    .timeout_ms = timeout_ms == 0 ? TIMEOUT_MS : timeout_ms });
}

int
outbox_pass(struct outbox *outbox, const char *to, const char *topic,
    const void *data, size_t len, int fd,
    void (*done)(void *arg, int error, unsigned taken), void *arg)
{
	const struct cluster_send given = { .size = sizeof(given),
		.fds = { .fd = &fd, .count = 1, .mode = CLUSTER_FD_DUP } };
	struct cluster_send how;
	struct parcel parcel;
	int rc = parcel_fill(&parcel, to, data, len, &given, &how);

	if (rc == 0 && mail_target_is_broadcast(&parcel.target))
		rc = -EINVAL;
	if (rc != 0)
		return rc;
	parcel.letter.topic = topic;
	return post_awaited(outbox, &parcel,
	    &(struct sent_how){ .plugin = outbox->host->current,
	    .done = done, .arg = arg });
}

int
outbox_answer(struct outbox *outbox, uint64_t to, uint64_t ref,
    const void *data, size_t len, const struct cluster_fds *fds)
{
	struct parcel parcel;
	int rc = parcel_fill_answer(&parcel, to, ref, data, len, fds);

	if (rc == 0)
		rc = post(outbox, &parcel);
	if (rc == 0 && parcel.moves)
		fd_close_all(parcel.fds + 1, parcel.count);
	return rc;
}

void
outbox_init(struct outbox *outbox, struct host *host)
{
	outbox->host = host;
	outbox->tokens = FRAMES_AT_ONCE;
	outbox->tokens_ns = clock_now_ns();
	evtimer_assign(&outbox->flush_event, host->base, on_flush, outbox);
	sent_init(outbox);
}
