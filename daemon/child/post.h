/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * post.h: one message on its way to a child, for the three files that see it
 * off: post.c has the message itself, sending.c sends it, taken.c finds out that
 * the child has read it.  All others know peer.h.
 */
#ifndef DAEMON_CHILD_POST_H
#define DAEMON_CHILD_POST_H

#include "common/base/fd.h"
#include "daemon/child/patience.h"
#include "daemon/child/peer.h"

struct post {
	struct post *next;
	struct peer *peer;
	/* to be sent; ours, unless it has only just come */
	int fds[FD_PASS_MAX];
	unsigned fd_count;
	bool fds_kept;
	bool large;			/* fds[0] is its data, always ours */
	/* what somebody waits for */
	int moved[FD_PASS_MAX];		/* closed when it is read */
	unsigned moved_count;
	void (*done)(void *arg, int error, unsigned taken);
	void *arg;
	struct patience patience;	/* where done() is told in time */
	uint64_t cost;			/* of the peer, with this one */
	size_t len, sent;
	uint8_t bytes[];
};

static inline bool
post_is_awaited(const struct post *post)
{
	return post->done != NULL || post->moved_count > 0;
}

/* Bytes and descriptors, as they are sent; data of a large one is missing yet.
 * NULL: no memory. */
struct post *post_new(struct peer *peer, const struct peer_message *message);
/* It waits, and the plugin may close its own descriptors: 0 or -EMFILE. */
int post_keep_fds(struct post *post);
/* It has left: the kernel has its own copies. */
void post_close_fds(struct post *post);
/* Nobody hears of it. */
void post_free(struct post *post);
/* It is in no list any more: tell what became of it, and free it. */
void post_finish(struct post *post, int error);

void post_append(struct posts *posts, struct post *post);
void post_take_out(struct posts *posts, struct post *post);
/* In or out of what waits in the peer: sign 1, -1. */
void post_count(struct peer *peer, const struct post *post, int sign);

/* ---- taken.c ---- */

/* What the child has still to read, in bytes as the kernel counts them. */
int taken_unread(const struct peer *peer);
/* Before a message that is awaited is sent: 0 or -EMFILE. */
int taken_open(struct peer *peer);
/* Has one that left been read, with all before it? */
bool taken_is_read(struct peer *peer, const struct post *post);
/* It has left, and somebody waits for its being read. */
void taken_await(struct peer *peer, struct post *post);

#endif
