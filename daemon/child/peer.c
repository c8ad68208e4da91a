/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* peer.c: the channel to a child, and what comes from it; see peer.h. */
#include "daemon/child/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "daemon/child/child.h"
#include "daemon/child/children.h"
#include "daemon/child/packet.h"

enum {
	TURN = 64,			/* messages received at once */
	CLOSE_MS = 1000,		/* for what was sent to be read */
};

_Static_assert((int)CHILDREN_READ == (int)CLUSTER_PEER_PACKET_MAX,
    "the buffer holds a packet");

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_end(evutil_socket_t fd, short what, void *arg);

/* ---- opening ------------------------------------------------------------- */

int
peer_open(struct child *child, enum cluster_channel kind, struct peer **out)
{
	int type = kind == CLUSTER_CHANNEL_LINES ? SOCK_STREAM :
	    SOCK_SEQPACKET;
	struct peer *peer = calloc(1, sizeof(*peer));
	int pair[2];

	if (peer == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0) {
		int rc = -errno;

		free(peer);
		return rc;
	}
	peer->child = child;
	peer->kind = kind;
	peer->fd = pair[0];
	peer->writes = true;
	buf_init(&peer->line, CLUSTER_MESSAGE_MAX);
	posts_init(peer);
	peer->theirs = pair[1];
	*out = peer;
	return 0;
}

const char *const *
peer_environment(enum cluster_channel kind)
{
	static const char *const packets[] = { "CLUSTERD_CHANNEL_FD=8",
	    "CLUSTERD_CHANNEL_KIND=packet", NULL };
	static const char *const lines[] = { "CLUSTERD_CHANNEL_FD=8",
	    "CLUSTERD_CHANNEL_KIND=lines", "NODE_CHANNEL_FD=8",
	    "NODE_CHANNEL_SERIALIZATION_MODE=json", NULL };

	_Static_assert(PEER_FD == 8, "as it is written above");
	switch (kind) {
	case CLUSTER_CHANNEL_PACKET:
		return packets;
	case CLUSTER_CHANNEL_LINES:
		return lines;
	case CLUSTER_CHANNEL_NONE:
		break;
	}
	return NULL;
}

int
peer_attach(struct peer *peer)
{
	struct event_base *base = peer->child->table->base;

	fd_close(&peer->theirs);
	event_assign(&peer->read_event, base, peer->fd, EV_READ | EV_PERSIST,
	    on_readable, peer);
	event_assign(&peer->write_event, base, peer->fd, EV_WRITE, on_writable,
	    peer);
	evtimer_assign(&peer->flush_event, base, on_writable, peer);
	patience_init(&peer->patience, base, on_end, peer);
	return event_add(&peer->read_event, NULL) == 0 ? 0 : -ENOMEM;
}

void
peer_free(struct peer *peer)
{
	if (peer == NULL)
		return;
	buf_done(&peer->line);
	fd_close(&peer->fd);
	fd_close(&peer->theirs);
	free(peer);
}

/* ---- what comes ---------------------------------------------------------- */

static void
tell(struct peer *peer, struct cluster_message *m, int *fds)
{
	struct child *child = peer->child;

	m->size = sizeof(*m);
	m->from = "child";
	m->from_id = (uint64_t)child->pid;
	child->table->ops->message(child, m, fds, child->table->ctx);
}

/* Once, as a child that errs may do nothing else. */
static void
tell_error(struct peer *peer, const char *what)
{
	struct child *child = peer->child;

	if (!peer->told)
		child->table->ops->line(child, PEER_FD, what,
		    child->table->ctx);
	peer->told = true;
}

/* The data of a LARGE one; NULL: it is not what it has to be. */
static void *
map_large(int fd, size_t *len)
{
	struct stat status;
	void *data;

	if (!fd_is_sealed(fd) || fstat(fd, &status) != 0 ||
	    status.st_size <= 0 || status.st_size > CLUSTER_MESSAGE_MAX)
		return NULL;
	*len = (size_t)status.st_size;
	data = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	return data != MAP_FAILED ? data : NULL;
}

/* False: it does not say for whom. */
static bool
pass_on(struct peer *peer, struct cluster_message *m, int *fds)
{
	struct child *child = peer->child;
	const char *to = m->data, *end;

	end = m->len > 0 ? memchr(to, '\0', m->len) : NULL;
	if (!peer->is_task || end == NULL)
		return false;
	m->data = end + 1;
	m->len -= (size_t)(end + 1 - to);
	child->table->ops->pass_on(child, to, m, fds, child->table->ctx);
	return true;
}

static void
take_packet(struct peer *peer, size_t len, int *fds, size_t fd_count)
{
	uint8_t *at = (uint8_t *)peer->child->table->buffer;
	struct packet packet;
	struct cluster_message m = { .topic = packet.topic };
	void *large = NULL;

	if (packet_read(at, len, fd_count, &packet) != 0) {
		tell_error(peer, "sent what is no message");
		return;
	}
	m.flags = packet.flags & (CLUSTER_SEND_JSON | CLUSTER_SEND_NOT_SELF);
	m.len = packet.len;
	if (packet.flags & CLUSTER_PEER_LARGE) {
		large = map_large(fds[0], &m.len);
		if (large == NULL) {
			tell_error(peer, "sent data that is not sealed, or "
			    "there is no memory for it");
			return;
		}
		m.data = large;
		m.fd_count = (unsigned)fd_count - 1;
	} else {			/* aligned, whatever the topic */
		m.data = memmove(at, packet.data, packet.len);
		m.fd_count = (unsigned)fd_count;
	}
	len = m.len;
	if ((packet.flags & PACKET_PASS_ON) == 0)
		tell(peer, &m, fds + (large != NULL));
	else if (!pass_on(peer, &m, fds + (large != NULL)))
		tell_error(peer, "sent what is no message");
	if (large != NULL)
		munmap(large, len);
}

/* False: nothing more is there now. */
static bool
receive_packet(struct peer *peer)
{
	int fds[FD_PASS_MAX];
	size_t count = 0;
	ssize_t n = fd_recv_lossy(peer->fd, peer->child->table->buffer,
	    CHILDREN_READ, fds, &count);

	/* It closed before it had read all: that comes first, what it has sent
	 * itself after it. */
	if (n == -ECONNRESET) {
		peer->reset = true;
		return true;
	}
	if (n == -EAGAIN || n == -ENOMEM || n == -ENOBUFS)
		return false;
	if (n == -EMSGSIZE) {
		tell_error(peer, "sent what is more than a packet");
		return true;
	}
	if (n <= 0) {
		peer_close(peer);
		return false;
	}
	if (count == FD_LOST) {
		tell_error(peer, "sent descriptors for which there is no room");
		return true;
	}
	take_packet(peer, (size_t)n, fds, count);
	fd_close_all(fds, count);	/* -1: it was taken */
	return true;
}

/* ---- lines --------------------------------------------------------------- */

static bool
begins(const struct buf *line, const char *text)
{
	size_t len = strlen(text);

	return buf_len(line) >= len && memcmp(buf_at(line), text, len) == 0;
}

/* What Node says to Node.  A handle that it sends is refused: it tries again, and
 * then warns; without a word it would wait for ever. */
static void
answer_node(struct peer *peer)
{
	static const char refusal[] = "{\"cmd\":\"NODE_HANDLE_NACK\"}";

	if (begins(&peer->line, "{\"cmd\":\"NODE_HANDLE\""))
		(void)peer_send(peer, &(struct peer_message){ .topic = "",
		    .data = refusal, .len = strlen(refusal) });
}

static void
take_line(struct peer *peer)
{
	struct cluster_message m = { .topic = "", .flags = CLUSTER_SEND_JSON,
	    .data = buf_at(&peer->line), .len = buf_len(&peer->line) };

	if (peer->skips)
		tell_error(peer, "sent a line that is too long");
	else if (begins(&peer->line, "{\"cmd\":\"NODE_"))
		answer_node(peer);
	else if (m.len > 0)
		tell(peer, &m, NULL);
	peer->skips = false;
	if (m.len > CHILDREN_READ)
		buf_done(&peer->line);
	else
		buf_clear(&peer->line);
}

static void
take_bytes(struct peer *peer, const char *at, size_t len)
{
	while (len > 0) {
		const char *end = memchr(at, '\n', len);
		size_t part = end != NULL ? (size_t)(end - at) : len;

		if (!peer->skips && buf_add(&peer->line, at, part) != 0) {
			buf_done(&peer->line);
			peer->skips = true;
		}
		if (end != NULL)
			take_line(peer);
		at += part + (end != NULL);
		len -= part + (end != NULL);
	}
}

/* As receive_packet().  Descriptors that come along are lost to the kernel. */
static bool
receive_lines(struct peer *peer)
{
	char *buffer = peer->child->table->buffer;
	ssize_t n = recv(peer->fd, buffer, CHILDREN_READ, MSG_DONTWAIT);

	if (n < 0 && errno == ECONNRESET) {
		peer->reset = true;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM ||
	    errno == ENOBUFS))
		return false;
	if (n <= 0) {
		peer_close(peer);
		return false;
	}
	take_bytes(peer, buffer, (size_t)n);
	return true;
}

void
peer_receive_rest(struct peer *peer, unsigned most)
{
	while (peer_is_open(peer) && most-- > 0)
		if (!(peer->kind == CLUSTER_CHANNEL_LINES ? receive_lines :
		    receive_packet)(peer))
			return;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;

	(void)fd;
	(void)what;
	peer_receive_rest(peer, peer->kind == CLUSTER_CHANNEL_LINES ? 1 : TURN);
	child_settle(peer->child);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;

	(void)fd;
	(void)what;
	posts_flush(peer);
	child_settle(peer->child);
}

/* ---- the end ------------------------------------------------------------- */

/* Its time to read what was sent is over. */
static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;

	(void)fd;
	(void)what;
	if (patience_is_early(&peer->patience) ||
	    patience_excuse(&peer->patience))
		return;
	peer_receive_rest(peer, TURN);
	peer_close(peer);
	child_settle(peer->child);
}

/* It shall see the end after all that was sent, and what it has sent itself is
 * received until it closes, too. */
int
peer_disconnect(struct peer *peer)
{
	if (!peer_is_connected(peer))
		return -EPIPE;
	peer->ends = true;
	patience_begin(&peer->patience, CLOSE_MS);
	event_active(&peer->flush_event, EV_TIMEOUT, 0);
	return 0;
}

void
peer_end_writing(struct peer *peer)
{
	if (!peer_is_open(peer) || !peer->writes)
		return;
	peer->writes = false;
	event_del(&peer->write_event);
	event_del(&peer->flush_event);
	posts_fail(&peer->waiting, -EPIPE);
}

void
peer_close(struct peer *peer)
{
	struct child *child;

	if (!peer_is_open(peer))
		return;
	child = peer->child;
	peer_end_writing(peer);
	posts_end(peer);
	event_del(&peer->read_event);
	/* after a disconnect they may wait still, for nothing */
	event_del(&peer->write_event);
	event_del(&peer->flush_event);
	patience_end(&peer->patience);
	fd_close(&peer->fd);
	child->table->ops->disconnected(child, child->table->ctx);
}
