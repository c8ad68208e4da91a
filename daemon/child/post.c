/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * post.c: messages to a child.  They leave at once, or wait within bounds.
 *
 * That a child has read one is told by the kernel alone: SIOCOUTQ is what the
 * child has still to read of our socket, and each message adds to it.  When no
 * more is left than what came after a message, that one has been read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "daemon/child/child.h"
#include "daemon/child/children.h"
#include "daemon/child/packet.h"
#include "daemon/child/peer.h"

enum {
	/* The kernel counts a message that it is about to free as 1 byte more;
	 * any that is unread is far more than this. */
	COST_SLACK = 16,
	RETRY_MS = 10,
};

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
	struct event deadline_event;
	uint64_t cost;			/* of the peer, with this one */
	size_t len, sent;
	uint8_t bytes[];
};

/* ---- lists ---------------------------------------------------------------------- */

static void
append(struct posts *posts, struct post *post)
{
	post->next = NULL;
	*posts->end = post;
	posts->end = &post->next;
}

static void
take_out(struct posts *posts, struct post *post)
{
	struct post **at = &posts->first;

	while (*at != post)
		at = &(*at)->next;
	*at = post->next;
	if (posts->end == &post->next)
		posts->end = at;
}

static bool
is_in(const struct posts *posts, const struct post *post)
{
	const struct post *at = posts->first;

	while (at != NULL && at != post)
		at = at->next;
	return at != NULL;
}

void
posts_init(struct peer *peer)
{
	peer->waiting.end = &peer->waiting.first;
	peer->left.end = &peer->left.first;
	peer->taken_fd = -1;
}

static bool
is_awaited(const struct post *post)
{
	return post->done != NULL || post->moved_count > 0;
}

static void
count(struct peer *peer, const struct post *post, int sign)
{
	peer->count += (unsigned)sign;
	peer->fds += (unsigned)sign * post->fd_count;
	peer->large += (unsigned)sign * post->large;
	peer->bytes += (size_t)sign * post->len;
}

/* ---- the end of one ---------------------------------------------------------------- */

static void
close_fds(struct post *post)
{
	if (post->fds_kept)
		fd_close_all(post->fds, post->fd_count);
	else if (post->large)
		fd_close(&post->fds[0]);
	post->fd_count = 0;
	post->large = false;
}

static void
free_post(struct post *post)
{
	close_fds(post);
	event_del(&post->deadline_event);
	free(post);
}

static void
tell_done(struct post *post, int error)
{
	struct child *child = post->peer->child;
	void (*done)(void *, int, unsigned) = post->done;

	post->done = NULL;
	if (done != NULL)
		child->table->ops->sent(child, done, post->arg, error,
		    child->table->ctx);
}

/* It is in no list any more. */
static void
finish(struct post *post, int error)
{
	/* without done() nobody else can know that they are not needed */
	if (error == 0 || post->done == NULL)
		fd_close_all(post->moved, post->moved_count);
	tell_done(post, error);
	free_post(post);
}

/* A callback may send more. */
void
posts_fail(struct posts *posts, int error)
{
	struct post *post = posts->first;

	posts->first = NULL;
	posts->end = &posts->first;
	while (post != NULL) {
		struct post *next = post->next;
		struct peer *peer = post->peer;

		if (posts == &peer->waiting)
			count(peer, post, -1);
		finish(post, peer->child->table->shut ? -ESHUTDOWN : error);
		post = next;
	}
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct post *post = arg;
	struct peer *peer = post->peer;

	(void)fd;
	(void)what;
	if (is_in(&peer->left, post)) {
		take_out(&peer->left, post);
		finish(post, -ETIMEDOUT);
	} else if (post->sent == 0) {
		take_out(&peer->waiting, post);
		count(peer, post, -1);
		finish(post, -ETIMEDOUT);
	} else {			/* a part of it has left: the rest will */
		tell_done(post, -ETIMEDOUT);
	}
	child_settle(peer->child);
}


/* ---- what was read ------------------------------------------------------------------- */

static int
unread(const struct peer *peer)
{
	int bytes = 0;

	return ioctl(peer->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* Asked after unread(): what it closed without reading is not counted any more,
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

void
posts_look_at_left(struct peer *peer)
{
	struct post *post;

	while ((post = peer->left.first) != NULL) {
		uint64_t bytes = (uint64_t)unread(peer);

		if (is_reset(peer) ||
		    bytes > peer->cost - post->cost + COST_SLACK)
			return;
		take_out(&peer->left, post);
		finish(post, 0);
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
static int
open_taken(struct peer *peer)
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

/* It has left, and somebody waits; the event comes once at least. */
static void
await(struct peer *peer, struct post *post)
{
	close_fds(post);
	append(&peer->left, post);
	event_add(&peer->taken_event, NULL);
}

/* ---- leaving ---------------------------------------------------------------------------- */

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

	if (!is_awaited(post) && peer->left.first == NULL)
		return leave_known(peer, post);
	before = unread(peer);
	rc = leave_known(peer, post);
	after = unread(peer);
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
	take_out(&peer->waiting, post);
	count(peer, post, -1);
	if (rc == 0 && is_awaited(post))
		await(peer, post);
	else
		finish(post, rc);
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

/* ---- for the plugin ------------------------------------------------------------------------ */

static bool
has_room(const struct peer *peer, const struct post *post)
{
	return peer->count < PEER_QUEUE_MESSAGES &&
	    (peer->count == 0 || peer->bytes + post->len <= PEER_QUEUE_BYTES) &&
	    peer->fds + post->fd_count <= PEER_QUEUE_FDS &&
	    (!post->large || peer->large < PEER_QUEUE_LARGE);
}

/* Bytes and descriptors, as they are sent.  NULL: no memory. */
static struct post *
new_post(struct peer *peer, const struct peer_message *message)
{
	size_t topic_len = strlen(message->topic), size;
	bool large = peer->kind == CLUSTER_CHANNEL_PACKET &&
	    packet_is_large(topic_len, message->len);
	struct post *post;

	size = PACKET_HEAD + topic_len + (large ? 0 : message->len) + 1;
	post = malloc(sizeof(*post) + size);
	if (post == NULL)
		return NULL;
	*post = (struct post){ .peer = peer, .large = large,
	    .done = message->done, .arg = message->arg };
	if (peer->kind == CLUSTER_CHANNEL_PACKET)
		post->len = packet_begin(post->bytes, message->topic,
		    message->flags | (large ? CLUSTER_PEER_LARGE : 0));
	if (!large) {
		if (message->len > 0)
			memcpy(post->bytes + post->len, message->data,
			    message->len);
		post->len += message->len;
	}
	if (peer->kind == CLUSTER_CHANNEL_LINES)
		post->bytes[post->len++] = '\n';
	post->fd_count = message->fd_count + large;
	if (message->fd_count > 0)
		memcpy(post->fds + large, message->fds,
		    message->fd_count * sizeof(int));
	if (message->moves) {
		memcpy(post->moved, message->fds,
		    message->fd_count * sizeof(int));
		post->moved_count = message->fd_count;
	}
	if (large)
		post->fds[0] = -1;
	evtimer_assign(&post->deadline_event, peer->child->table->base,
	    on_deadline, post);
	return post;
}

/* It waits: the plugin may close its own. */
static int
keep_fds(struct post *post)
{
	unsigned kept = post->large;

	if (post->fds_kept)
		return 0;
	for (; kept < post->fd_count; kept++) {
		int fd = fcntl(post->fds[kept], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			break;
		post->fds[kept] = fd;
	}
	if (kept == post->fd_count) {
		post->fds_kept = true;
		return 0;
	}
	fd_close_all(post->fds + post->large, kept - post->large);
	return -EMFILE;
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
	return is_awaited(post) ? open_taken(peer) : 0;
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
	int rc = keep_fds(post);

	if (rc != 0)
		return rc;
	append(&peer->waiting, post);
	count(peer, post, 1);
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
	if (is_awaited(post))
		await(peer, post);
	else
		free_post(post);
	return 0;
}

int
peer_send(struct peer *peer, const struct peer_message *message)
{
	const struct timeval time = { message->timeout_ms / 1000,
		message->timeout_ms % 1000 * 1000 };
	int rc = check(peer, message);
	struct post *post;

	if (rc != 0)
		return rc;
	if ((post = new_post(peer, message)) == NULL)
		return -ENOMEM;
	if ((rc = prepare(peer, post, message)) == 0) {
		if (message->done != NULL && message->timeout_ms > 0)
			event_add(&post->deadline_event, &time);
		rc = post_now(peer, post);
	}
	if (rc != 0)
		free_post(post);
	return rc;
}
