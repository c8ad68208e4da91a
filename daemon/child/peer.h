/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * peer.h: the channel to a child, our end of it.  peer.c opens, receives and
 * closes; sending.c sends, and taken.c finds out what the child has read.  Never
 * blocks.
 */
#ifndef DAEMON_CHILD_PEER_H
#define DAEMON_CHILD_PEER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include <clusterd/process.h>

#include "common/base/buf.h"
#include "daemon/child/patience.h"

struct child;
struct post;

enum {
	PEER_FD = CLUSTER_STDIO_COUNT,	/* its number in the child */
	PEER_QUEUE_MESSAGES = 1024, PEER_QUEUE_BYTES = 1 << 20,
	PEER_QUEUE_FDS = 64,
	PEER_QUEUE_LARGE = 4,		/* with up to 16 MiB each */
	PEER_ROOM_FD = -1,		/* on_room() of the channel */
};

struct posts {
	struct post *first, **end;
};

struct peer {
	struct child *child;
	enum cluster_channel kind;
	int fd;				/* -1: closed */
	int theirs;			/* the child's end, till it has it */
	bool writes;			/* more may be sent */
	bool ends;			/* cluster_child_disconnect() */
	bool reset;			/* it closed with messages unread */
	struct event read_event, write_event;
	struct event flush_event;	/* timer */
	struct patience patience;	/* after a disconnect */

	/* receiving */
	struct buf line;		/* LINES: the beginning of one */
	bool skips;			/* the rest of one that is too long */
	bool told;			/* the log knows that it errs */
	bool is_task;			/* messages are passed on for it */

	/* sending */
	struct posts waiting;		/* to leave */
	struct posts left;		/* whose reading somebody awaits */
	unsigned count, fds, large;	/* of those that wait */
	size_t bytes;
	bool wants_room;
	uint64_t cost;			/* of all that left: taken.c */
	int taken_fd;			/* another number for fd, or -1 */
	struct event taken_event;	/* something was read */
};

/* One message to be sent; all is borrowed, and good. */
struct peer_message {
	const char *topic;
	const void *data;
	size_t len;
	unsigned flags;			/* CLUSTER_SEND_JSON */
	const int *fds;
	unsigned fd_count;
	bool moves;			/* fds are closed when it is read */
	unsigned timeout_ms;
	void (*done)(void *arg, int error, unsigned taken);
	void *arg;
};

/* Make a channel.  0 or -errno. */
int peer_open(struct child *child, enum cluster_channel kind,
    struct peer **out);
/* What its environment says of it; NULL: nothing. */
const char *const *peer_environment(enum cluster_channel kind);
/* The child has its end: begin to listen.  0 or -ENOMEM. */
int peer_attach(struct peer *peer);
/* It was closed, or never attached; NULL is fine. */
void peer_free(struct peer *peer);

static inline bool
peer_is_open(const struct peer *peer)
{
	return peer != NULL && peer->fd >= 0;
}

static inline bool
peer_is_connected(const struct peer *peer)
{
	return peer_is_open(peer) && peer->writes && !peer->ends;
}

/* As cluster_child_send(), cluster_child_disconnect(). */
int peer_send(struct peer *peer, const struct peer_message *message);
int peer_disconnect(struct peer *peer);

/* The next ones do nothing where there is no channel, or it is closed.
 * The child has ended: what waits for it is not sent any more. */
void peer_end_writing(struct peer *peer);
/* Receive what is there already, at most so many messages. */
void peer_receive_rest(struct peer *peer, unsigned most);
/* Close it, and tell so. */
void peer_close(struct peer *peer);

/* ---- post.c, sending.c, taken.c ---- */

void posts_init(struct peer *peer);
/* What waits leaves, as far as it is taken. */
void posts_flush(struct peer *peer);
/* Those of `left' that have been read are done. */
void posts_look_at_left(struct peer *peer);
/* All of a list have failed. */
void posts_fail(struct posts *posts, int error);
/* The other side is gone, or will be: nobody reads any more. */
void posts_end(struct peer *peer);

#endif
