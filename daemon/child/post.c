/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* post.c: one message to a child: what it is, its lists, its end; see post.h. */
#include "daemon/child/post.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/child/child.h"
#include "daemon/child/children.h"
#include "daemon/child/packet.h"

static void on_deadline(evutil_socket_t fd, short what, void *arg);

/* ---- lists ------------------------------------------------------------------- */

void
post_append(struct posts *posts, struct post *post)
{
	post->next = NULL;
	*posts->end = post;
	posts->end = &post->next;
}

void
post_take_out(struct posts *posts, struct post *post)
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

void
post_count(struct peer *peer, const struct post *post, int sign)
{
	peer->count += (unsigned)sign;
	peer->fds += (unsigned)sign * post->fd_count;
	peer->large += (unsigned)sign * post->large;
	peer->bytes += (size_t)sign * post->len;
}

/* ---- begin ------------------------------------------------------------------- */

struct post *
post_new(struct peer *peer, const struct peer_message *message)
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
	patience_init(&post->patience, peer->child->table->base, on_deadline,
	    post);
	return post;
}

int
post_keep_fds(struct post *post)
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

/* ---- end --------------------------------------------------------------------- */

void
post_close_fds(struct post *post)
{
	if (post->fds_kept)
		fd_close_all(post->fds, post->fd_count);
	else if (post->large)
		fd_close(&post->fds[0]);
	post->fd_count = 0;
	post->large = false;
}

void
post_free(struct post *post)
{
	post_close_fds(post);
	patience_end(&post->patience);
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

void
post_finish(struct post *post, int error)
{
	/* without done() nobody else can know that they are not needed */
	if (error == 0 || post->done == NULL)
		fd_close_all(post->moved, post->moved_count);
	tell_done(post, error);
	post_free(post);
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
			post_count(peer, post, -1);
		post_finish(post, peer->child->table->shut ? -ESHUTDOWN : error);
		post = next;
	}
}

static void
give_up(struct peer *peer, struct post *post)
{
	if (is_in(&peer->left, post)) {
		post_take_out(&peer->left, post);
		post_finish(post, -ETIMEDOUT);
	} else if (post->sent == 0) {
		post_take_out(&peer->waiting, post);
		post_count(peer, post, -1);
		post_finish(post, -ETIMEDOUT);
	} else {			/* a part of it has left: the rest will */
		tell_done(post, -ETIMEDOUT);
	}
}

/* Who hears that it was not read in time may send it twice. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct post *post = arg;
	struct peer *peer = post->peer;

	(void)fd;
	(void)what;
	if (patience_is_early(&post->patience))
		return;
	if (is_in(&peer->left, post) && taken_is_read(peer, post)) {
		post_take_out(&peer->left, post);
		post_finish(post, 0);
		posts_look_at_left(peer);
	} else if (!patience_excuse(&post->patience))
		give_up(peer, post);
	child_settle(peer->child);
}
