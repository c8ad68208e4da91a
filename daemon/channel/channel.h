/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * channel.h: one end of a control channel: typed messages with descriptors,
 * in order, each at most once.  Used by the master (one per worker) and by the
 * worker.  Never blocks; knows no event loop: the owner watches the descriptor
 * and calls flush when it is writable.  The descriptor stays the owner's.
 */
#ifndef DAEMON_CHANNEL_CHANNEL_H
#define DAEMON_CHANNEL_CHANNEL_H

#include <stdbool.h>

#include "common/base/fd.h"
#include "daemon/proto/messages.h"

enum {
	/* of plugins, each letter counted; their senders keep to it */
	CHANNEL_QUEUE_MESSAGES = 1024,
	CHANNEL_QUEUE_BYTES = 1 << 20,
	/* of all: there is a place left for what must be said */
	CHANNEL_QUEUE_ALL = 6 * CHANNEL_QUEUE_MESSAGES,
	CHANNEL_QUEUE_ALL_BYTES = 2 * CHANNEL_QUEUE_BYTES,
};

enum {
	/* of COMMAND, FOLLOW and UNFOLLOW together: a worker keeps to it, and to as
	 * many at once; none where CHANNEL_QUEUE_MESSAGES wait already */
	CHANNEL_COMMANDS_A_SECOND = 100,
};

struct channel_queued;

struct channel {
	int fd;
	enum channel_sender me;
	unsigned unknown;		/* messages of a type not known here */
	bool paused;			/* not read from at the moment */
	bool fds_lost;			/* by the message last received */
	/* what did not fit the socket yet */
	struct channel_queued *first, **last;
	unsigned queued;		/* messages; letters, where it has some */
	size_t queued_bytes;
	unsigned queued_fds;
	/* messages of each type in the second that began at rate_ns */
	uint64_t rate_ns;
	uint32_t rate[CHANNEL__COUNT];
};

void channel_init(struct channel *channel, int fd, enum channel_sender me);
void channel_done(struct channel *channel);	/* what is queued is dropped */

/*
 * Send a message of which channel_end() gave len, with descriptors, which stay
 * the caller's (queued ones are duplicated).  0: sent or queued; ERR_FULL;
 * ERR_MEMORY; ERR_SYSTEM: the other end is gone.
 */
int channel_send(struct channel *channel, const struct channel_packet *packet,
    size_t len, const int *fds, size_t count, struct errmsg *err);

enum { CHANNEL_WAIT = 1, CHANNEL_LATER };

/* Send what is queued.  0: all is sent; CHANNEL_WAIT: not all, wait until
 * writable; CHANNEL_LATER: the machine has no means for it, and waiting would
 * end at once; ERR_SYSTEM: the other end is gone. */
int channel_flush(struct channel *channel, struct errmsg *err);

/* What channel_receive() may say besides errors. */
enum { CHANNEL_EMPTY, CHANNEL_GOT, CHANNEL_CLOSED, CHANNEL_PAUSED };

/*
 * Take one message.  CHANNEL_GOT: *packet is checked, *len is its length, fds
 * are the caller's.  CHANNEL_EMPTY: none now.  CHANNEL_CLOSED: no more will
 * come.  CHANNEL_PAUSED: there is no memory for it, and channel->paused is set:
 * try again in a while.  ERR_FORMAT: malformed, or not for that side to send;
 * ERR_SYSTEM.
 * A type that is unknown here is skipped and counted by a worker, ERR_FORMAT
 * in the master.  No descriptor is left with the caller on failure.  Where there
 * are no numbers for those of letters they are lost: channel->fds_lost, *count
 * is 0; of others that is ERR_FORMAT.
 */
int channel_receive(struct channel *channel, struct channel_packet *packet,
    size_t *len, int fds[FD_PASS_MAX], size_t *count, struct errmsg *err);

/*
 * Count a message of that type at now_ns.  0, or ERR_FORMAT: over its rate,
 * 10 of each state message, 10 000 of those of letters, 300 of COMMAND, FOLLOW and
 * UNFOLLOW a second, and of the latter two kinds what may have waited while we were
 * late.  TAKEN has none: there are no more of them than letters, which their master
 * counts.
 */
int channel_check_rate(struct channel *channel, enum channel_type type,
    uint64_t now_ns, struct errmsg *err);

#endif
