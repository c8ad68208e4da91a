/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* channel.c: one end of a control channel; see channel.h. */
#include "daemon/channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

enum { RATE_STATE = 10, RATE_COMMAND = 3 * CHANNEL_COMMANDS_A_SECOND,
	RATE_MESSAGE = 10000, RATE_LATE = 3 * CHANNEL_QUEUE_MESSAGES };

struct channel_queued {
	struct channel_queued *next;
	size_t len, fd_count;
	unsigned messages;
	int fds[FD_PASS_MAX];
	uint8_t bytes[];
};

void
channel_init(struct channel *channel, int fd, enum channel_sender me)
{
	memset(channel, 0, sizeof(*channel));
	channel->fd = fd;
	channel->me = me;
	channel->last = &channel->first;
}

static void
drop_first(struct channel *channel)
{
	struct channel_queued *queued = channel->first;

	channel->first = queued->next;
	if (channel->first == NULL)
		channel->last = &channel->first;
	channel->queued -= queued->messages;
	channel->queued_bytes -= queued->len;
	channel->queued_fds -= (unsigned)queued->fd_count;
	fd_close_all(queued->fds, queued->fd_count);
	memory_free(queued);
}

void
channel_done(struct channel *channel)
{
	while (channel->first != NULL)
		drop_first(channel);
}

static int
duplicate_fds(struct channel_queued *queued, const int *fds, size_t count)
{
	for (; queued->fd_count < count; queued->fd_count++) {
		int fd = fcntl(fds[queued->fd_count], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return -1;
		queued->fds[queued->fd_count] = fd;
	}
	return 0;
}

static int
enqueue(struct channel *channel, const struct channel_packet *packet,
    size_t len, const int *fds, size_t count, struct errmsg *err)
{
	unsigned messages = channel_letters(packet);
	struct channel_queued *queued;

	if (channel->queued + messages > CHANNEL_QUEUE_ALL ||
	    channel->queued_bytes + len > CHANNEL_QUEUE_ALL_BYTES)
		return errmsg_set(err, ERR_FULL,
		    "%u messages wait already", channel->queued);
	queued = memory_take(sizeof(*queued) + len);
	if (queued == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	queued->next = NULL;
	queued->len = len;
	queued->fd_count = 0;
	queued->messages = messages;
	memcpy(queued->bytes, packet, len);
	if (duplicate_fds(queued, fds, count) != 0) {
		errmsg_errno(err, "cannot keep a descriptor");
		fd_close_all(queued->fds, queued->fd_count);
		memory_free(queued);
		return ERR_SYSTEM;
	}
	*channel->last = queued;
	channel->last = &queued->next;
	channel->queued += messages;
	channel->queued_bytes += len;
	channel->queued_fds += (unsigned)count;
	return 0;
}

/* CHANNEL_WAIT, CHANNEL_LATER, or 0: neither. */
static int
why_not(int rc)
{
	return rc == -EAGAIN ? CHANNEL_WAIT : rc == -ENOBUFS ||
	    rc == -ENOMEM || rc == -ETOOMANYREFS ? CHANNEL_LATER : 0;
}

static int
gone(int rc, struct errmsg *err)
{
	return errmsg_set(err, ERR_SYSTEM, "control channel: %s",
	    strerror(-rc));
}

int
channel_send(struct channel *channel, const struct channel_packet *packet,
    size_t len, const int *fds, size_t count, struct errmsg *err)
{
	int rc;

	if (channel->first != NULL)
		return enqueue(channel, packet, len, fds, count, err);
	rc = fd_send(channel->fd, packet, len, fds, count);
	if (rc >= 0)
		return 0;
	if (why_not(rc) != 0)
		return enqueue(channel, packet, len, fds, count, err);
	return gone(rc, err);
}

int
channel_flush(struct channel *channel, struct errmsg *err)
{
	while (channel->first != NULL) {
		struct channel_queued *queued = channel->first;
		int rc = fd_send(channel->fd, queued->bytes, queued->len,
		    queued->fds, queued->fd_count);

		if (why_not(rc) != 0)
			return why_not(rc);
		if (rc < 0)
			return gone(rc, err);
		drop_first(channel);
	}
	return 0;
}

int
channel_receive(struct channel *channel, struct channel_packet *packet,
    size_t *len, int fds[FD_PASS_MAX], size_t *count, struct errmsg *err)
{
	enum channel_sender peer = channel->me == CHANNEL_FROM_WORKER ?
	    CHANNEL_FROM_MASTER : CHANNEL_FROM_WORKER;
	bool was_reset = false;

	for (;;) {
		size_t got = 0;
		ssize_t size = fd_recv_lossy(channel->fd, packet,
		    sizeof(*packet), fds, &got);
		int rc;

		/* It ended without having read all; what it had said itself
		 * is still there. */
		if (size == -ECONNRESET && !was_reset) {
			was_reset = true;
			continue;
		}
		if (size == 0 || size == -ECONNRESET)
			return CHANNEL_CLOSED;
		if (size == -EAGAIN)
			return CHANNEL_EMPTY;
		if (size == -ENOMEM || size == -ENOBUFS) {
			channel->paused = true;
			return CHANNEL_PAUSED;
		}
		if (size == -EMSGSIZE)
			return errmsg_set(err, ERR_FORMAT,
			    "a message that is too long, or came without "
			    "room for its descriptor");
		if (size < 0)
			return gone((int)size, err);
		channel->fds_lost = got == FD_LOST;
		if (channel->fds_lost)
			got = 0;
		rc = channel_check(packet, (size_t)size, got, peer, err);
		/* of letters their sender hears; others make no sense so */
		if (rc == 0 && channel->fds_lost && !channel_is_mail(packet))
			rc = errmsg_set(err, ERR_FORMAT,
			    "no numbers for its descriptors");
		if (rc == 0) {
			*len = (size_t)size;
			*count = got;
			return CHANNEL_GOT;
		}
		fd_close_all(fds, got);
		if (rc != ERR_VERSION || channel->me != CHANNEL_FROM_WORKER)
			return errmsg_set(err, ERR_FORMAT, "%s",
			    err == NULL ? "" : err->text);
		channel->unknown++;
	}
}

static uint32_t
rate_of(enum channel_type type)
{
	switch ((unsigned)type) {
	case CHANNEL_MESSAGE:
	case CHANNEL_ANSWER:
		return RATE_MESSAGE;
	case CHANNEL_COMMAND:
	case CHANNEL_FOLLOW:
	case CHANNEL_UNFOLLOW:
		return RATE_COMMAND;
	}
	return RATE_STATE;
}

/* What came at once, as we were late, is paid off by the rate. */
static void
pay_off(struct channel *channel, uint64_t now_ns)
{
	uint64_t seconds = (now_ns - channel->rate_ns) / NS_PER_S;

	channel->rate_ns += seconds * NS_PER_S;
	for (unsigned i = 0; i < CHANNEL__COUNT; i++) {
		uint64_t paid = seconds * rate_of((enum channel_type)i);

		channel->rate[i] -= paid < channel->rate[i] ?
		    (uint32_t)paid : channel->rate[i];
	}
}

int
channel_check_rate(struct channel *channel, enum channel_type type,
    uint64_t now_ns, struct errmsg *err)
{
	uint32_t rate = rate_of(type);
	uint32_t limit = rate == RATE_STATE ? rate : rate + RATE_LATE;

	if (type == CHANNEL_TAKEN)
		return 0;
	if (now_ns - channel->rate_ns >= NS_PER_S)
		pay_off(channel, now_ns);
	if (++channel->rate[type] <= limit)
		return 0;
	return errmsg_set(err, ERR_FORMAT, "more than %u of %s in a second",
	    rate, channel_record(type)->name);
}
