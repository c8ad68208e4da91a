/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* pass.c: see pass.h. */
#include "daemon/plugin/pass.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/plugin/api_parts.h"
#include "daemon/stream/flow.h"

/* No plugin can send one with this topic. */
static const char topic[] = "clusterd.stream";

/* The data: this, then the note. */
struct gift {
	uint16_t version, listener;
};
enum { GIFT_VERSION = 1 };
_Static_assert(sizeof(struct gift) + CLUSTER_STREAM_NOTE <= LETTER_DATA_MAX,
    "it fits a letter");

/* ---- passing ----------------------------------------------------------------------- */

/* Where it is not known whether it was taken there, it is not ours any more: two
 * that serve it would be worse than none. */
static void
on_passed(void *arg, int error, unsigned taken)
{
	struct host *host = api_here();
	struct flow *flow = tcp_find(&host->streams.tcp,
	    (uint64_t)(uintptr_t)arg);

	(void)taken;
	if (flow == NULL)
		return;
	if (error == 0)
		flow_leave(flow, CLUSTER_STREAM_PASSED);
	else if (error == -EPIPE || error == -ESHUTDOWN)
		flow_leave(flow, error);
	else
		streams_keep(host, flow, error);
}

int
pass_stream(struct host *host, struct flow *flow, const char *to,
    const void *note, size_t len)
{
	struct {
		struct gift gift;
		char note[CLUSTER_STREAM_NOTE];
	} data = { .gift = { .version = GIFT_VERSION,
	    .listener = flow->listener } };
	int rc;

	if (note == NULL && len > 0)
		return -EINVAL;
	if (len > sizeof(data.note))
		return -EMSGSIZE;
	if (flow->finish)
		return -EPIPE;
	if (flow_left(flow) > 0)
		flow_write(flow);
	if (flow_left(flow) > 0 || flow->dead)
		return -EAGAIN;
	if (len > 0)
		memcpy(data.note, note, len);
	rc = outbox_pass(&host->outbox, to, topic, &data,
	    sizeof(data.gift) + len, flow->fd, on_passed,
	    (void *)(uintptr_t)flow_handle(flow));
	if (rc == 0)
		flow_set_away(flow, true);
	return rc;
}

/* ---- taking ------------------------------------------------------------------------ */

bool
pass_is_one(const struct letter *letter)
{
	return strcmp(letter->topic, topic) == 0;
}

int
pass_judge(struct host *host, const struct letter *letter, bool lost)
{
	const struct gift *gift = letter->data;
	const struct tcp *tcp = &host->streams.tcp;

	if (tcp->table == NULL || (letter->flags & LETTER_LARGE) ||
	    letter->len < sizeof(*gift) || letter->fds != 1 ||
	    letter->len - sizeof(*gift) > CLUSTER_STREAM_NOTE ||
	    gift->version != GIFT_VERSION)
		return ESRCH;
	/* one that drains would only cut it */
	return lost || tcp_is_full(tcp) ||
	    host->self.info.state != CLUSTER_STATE_READY ? EAGAIN : 0;
}

/* Another worker has made it, so it is believed in nothing: who is at its other
 * end the kernel knows. */
static bool
is_stream(int fd, struct connection_passed *passed)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} peer = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    type != SOCK_STREAM)
		return false;
	len = sizeof(peer);
	if (getpeername(fd, &peer.any, &len) != 0)
		peer.any.sa_family = AF_UNSPEC;		/* it has left already */
	passed->family = peer.any.sa_family;
	if (peer.any.sa_family == AF_INET) {
		passed->port = ntohs(peer.in.sin_port);
		memcpy(passed->address, &peer.in.sin_addr,
		    sizeof(peer.in.sin_addr));
	} else if (peer.any.sa_family == AF_INET6) {
		passed->port = ntohs(peer.in6.sin6_port);
		memcpy(passed->address, &peer.in6.sin6_addr,
		    sizeof(peer.in6.sin6_addr));
	}
	return true;
}

void
pass_take(struct host *host, const struct letter *letter, int *fds)
{
	const struct gift *gift = letter->data;
	struct connection_passed passed = { .version = CONNECTION_VERSION,
	    .listener = gift->listener };

	/* what is not taken is closed with the letter */
	if (letter->fds != 1 || letter->len < sizeof(*gift) ||
	    !is_stream(fds[0], &passed))
		return;
	host->streams.note = (const char *)letter->data + sizeof(*gift);
	host->streams.note_len = letter->len - sizeof(*gift);
	tcp_take_guest(&host->streams.tcp, fds[0], &passed);
	host->streams.note = NULL;
	host->streams.note_len = 0;
	fds[0] = -1;
}
