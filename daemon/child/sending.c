/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sending.c: messages to a child leave at once, or wait within bounds. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/child/child.h"
#include "daemon/child/children.h"
#include "daemon/child/post.h"

enum { RETRY_MS = 10 };			/* where the kernel has no means */

/* ---- leaving ------------------------------------------------------------------ */

/* The kernel has no means, and nothing tells when it has. */
static bool
is_for_now(int error)
{
	return error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

/* 0: all of it has left; -EAGAIN, -ENOBUFS: wait; else it never will. */
static int
leave(struct peer *peer, struct post *post)
{
	if (peer->kind == CLUSTER_CHANNEL_PACKET) {
		int rc = fd_send(peer->fd, post->bytes, post->len, post->fds,
		    post->fd_count);

		return is_for_now(-rc) ? -ENOBUFS : rc;
	}
	while (post->sent < post->len) {
		ssize_t n = send(peer->fd, post->bytes + post->sent,
		    post->len - post->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return is_for_now(errno) ? -ENOBUFS : -errno;
		post->sent += (size_t)n;
	}
	return 0;
}

/* -EPIPE for both ways of its being closed. */
static int
leave_known(struct peer *peer, struct post *post)
{
	int rc = leave(peer, post);

	if (rc != -ECONNRESET)
		return rc;
	peer->reset = true;
	return -EPIPE;
}

/* The same, and what it adds to what is unread.  The child may read meanwhile:
 * then that is less than it was, and its reading is told later, never before. */
static int
leave_counted(struct peer *peer, struct post *post)
{
	int before, after, rc;

	if (!post_is_awaited(post) && peer->left.first == NULL)
		return leave_known(peer, post);
	before = taken_unread(peer);
	rc = leave_known(peer, post);
	after = taken_unread(peer);
	if (after > before)
		peer->cost += (uint64_t)(after - before);
	post->cost = peer->cost;
	return rc;
}

static bool
waits(struct peer *peer, int rc)
{
	const struct timeval pause = { 0, RETRY_MS * 1000 };

	if (rc == -EAGAIN)
		event_add(&peer->write_event, NULL);
	else if (rc == -ENOBUFS)
		event_add(&peer->flush_event, &pause);
	return rc == -EAGAIN || rc == -ENOBUFS;
}

/* The first that waits; false: no more now. */
static bool
leave_first(struct peer *peer)
{
	struct post *post = peer->waiting.first;
	int rc = leave_counted(peer, post);

	if (waits(peer, rc))
		return false;
	if (rc == -EPIPE) {
		peer_end_writing(peer);
		return false;
	}
	post_take_out(&peer->waiting, post);
	post_count(peer, post, -1);
	if (rc == 0 && post_is_awaited(post))
		taken_await(peer, post);
	else
		post_finish(post, rc);
	return true;
}

static void
tell_room(struct peer *peer)
{
	struct child *child = peer->child;

	if (!peer->wants_room || peer->count > PEER_QUEUE_MESSAGES / 2 ||
	    peer->bytes > PEER_QUEUE_BYTES / 2 || peer->large > 0)
		return;
	peer->wants_room = false;
	child->table->ops->room(child, PEER_ROOM_FD, child->table->ctx);
}

void
posts_flush(struct peer *peer)
{
	while (peer->writes && peer->waiting.first != NULL)
		if (!leave_first(peer))
			break;
	tell_room(peer);
	posts_look_at_left(peer);
	if (peer->ends && peer->writes && peer->waiting.first == NULL) {
		peer->writes = false;
		shutdown(peer->fd, SHUT_WR);
	}
}

/* ---- for the plugin ------------------------------------------------------------ */

static bool
has_room(const struct peer *peer, const struct post *post)
{
	return peer->count < PEER_QUEUE_MESSAGES &&
	    (peer->count == 0 || peer->bytes + post->len <= PEER_QUEUE_BYTES) &&
	    peer->fds + post->fd_count <= PEER_QUEUE_FDS &&
	    (!post->large || peer->large < PEER_QUEUE_LARGE);
}

/* What can fail is done before it is sent. */
static int
prepare(struct peer *peer, struct post *post,
    const struct peer_message *message)
{
	if (!has_room(peer, post)) {
		peer->wants_room = true;
		return -EAGAIN;
	}
	if (post->large) {
		post->fds[0] = fd_sealed("clusterd-message", message->data,
		    message->len);
		if (post->fds[0] < 0)
			return post->fds[0] == -EMFILE ||
			    post->fds[0] == -ENFILE ? -EMFILE : -ENOMEM;
	}
	return post_is_awaited(post) ? taken_open(peer) : 0;
}

static int
check(const struct peer *peer, const struct peer_message *message)
{
	if (!peer_is_connected(peer))
		return -EPIPE;
	if (peer->kind != CLUSTER_CHANNEL_LINES)
		return 0;
	return message->len == 0 || message->fd_count > 0 ||
	    message->topic[0] != '\0' ||
	    memchr(message->data, '\n', message->len) != NULL ? -EINVAL : 0;
}

/* Behind the others, or as the first one for which the channel is full. */
static int
put_in_line(struct peer *peer, struct post *post)
{
	int rc = post_keep_fds(post);

	if (rc != 0)
		return rc;
	post_append(&peer->waiting, post);
	post_count(peer, post, 1);
	return 0;
}

/* No callback runs in here: done() is called by the loop. */
static int
post_now(struct peer *peer, struct post *post)
{
	int rc;

	if (peer->count > 0)
		return put_in_line(peer, post);
	rc = leave_counted(peer, post);
	if (waits(peer, rc))
		return put_in_line(peer, post);
	if (rc != 0)
		return rc;
	if (post_is_awaited(post))
		taken_await(peer, post);
	else
		post_free(post);
	return 0;
}

int
peer_send(struct peer *peer, const struct peer_message *message)
{
	int rc = check(peer, message);
	struct post *post;

	if (rc != 0)
		return rc;
	if ((post = post_new(peer, message)) == NULL)
		return -ENOMEM;
	if ((rc = prepare(peer, post, message)) == 0) {
		if (message->done != NULL && message->timeout_ms > 0)
			patience_begin(&post->patience,
			    message->timeout_ms);
		rc = post_now(peer, post);
	}
	if (rc != 0)
		post_free(post);
	return rc;
}
