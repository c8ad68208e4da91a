/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * taken.c: which messages a child has read.
 *
 * That is told by the kernel alone: SIOCOUTQ is what the child has still to read
 * of our socket, and each message adds to it.  When no more is left than what
 * came after a message, that one has been read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "daemon/child/child.h"
#include "daemon/child/children.h"
#include "daemon/child/post.h"

enum {
	/* The kernel counts a message that it is about to free as 1 byte more;
	 * any that is unread is far more than this. */
	COST_SLACK = 16,
};

int
taken_unread(const struct peer *peer)
{
	int bytes = 0;

	return ioctl(peer->fd, SIOCOUTQ, &bytes) == 0 ? bytes : INT_MAX;
}

/* Asked after taken_unread(): what it closed without reading is not counted any more,
 * and the error is there before. */
static bool
is_reset(struct peer *peer)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error == ECONNRESET)
		peer->reset = true;
	return peer->reset;
}

bool
taken_is_read(struct peer *peer, const struct post *post)
{
	uint64_t bytes = (uint64_t)taken_unread(peer);

	return !is_reset(peer) &&
	    bytes <= peer->cost - post->cost + COST_SLACK;
}

void
posts_look_at_left(struct peer *peer)
{
	struct post *post;

	while ((post = peer->left.first) != NULL) {
		if (!taken_is_read(peer, post))
			return;
		post_take_out(&peer->left, post);
		post_finish(post, 0);
	}
	if (peer->taken_fd >= 0)
		event_del(&peer->taken_event);
}

static void
on_taken(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;

	(void)fd;
	(void)what;
	posts_look_at_left(peer);
	child_settle(peer->child);
}

/* Edges need a number of their own: fd itself is polled by level. */
int
taken_open(struct peer *peer)
{
	if (peer->taken_fd >= 0)
		return 0;
	peer->taken_fd = fcntl(peer->fd, F_DUPFD_CLOEXEC, 0);
	if (peer->taken_fd < 0)
		return -EMFILE;
	event_assign(&peer->taken_event, peer->child->table->base,
	    peer->taken_fd, EV_WRITE | EV_ET | EV_PERSIST, on_taken, peer);
	return 0;
}

void
posts_end(struct peer *peer)
{
	posts_look_at_left(peer);
	posts_fail(&peer->left, -EPIPE);
	if (peer->taken_fd >= 0)
		event_del(&peer->taken_event);
	fd_close(&peer->taken_fd);
}

/* The event comes once at least. */
void
taken_await(struct peer *peer, struct post *post)
{
	post_close_fds(post);
	post_append(&peer->left, post);
	event_add(&peer->taken_event, NULL);
}
