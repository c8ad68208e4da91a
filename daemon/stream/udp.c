/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* udp.c: datagrams; see udp.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "daemon/stream/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/errmsg.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Which of our addresses, as the kernel tells it and as it is told. */
union control {
	struct cmsghdr header;		/* for its alignment */
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_batch {
	struct mmsghdr message[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union address from[UDP_BATCH];
	union control control[UDP_BATCH];
	char bytes[UDP_BATCH][UDP_SIZE];
};

int
udp_init(struct udp *udp, struct board *board,
    void (*on_datagram)(const struct udp_datagram *datagram, void *ctx),
    void *ctx)
{
	memset(udp, 0, sizeof(*udp));
	udp->board = board;
	udp->on_datagram = on_datagram;
	udp->ctx = ctx;
	udp->batch = malloc(sizeof(*udp->batch));
	return udp->batch != NULL ? 0 : ERR_MEMORY;
}

/* ---- sockets ----------------------------------------------------------------------- */

static struct udp_socket *
find(struct udp *udp, uint32_t id)
{
	for (unsigned i = 0; i < UDP_SOCKETS; i++)
		if (udp->socket[i].id == id)
			return &udp->socket[i];
	return NULL;
}

/* Of all workers, who share the socket: each says the same. */
static int
ask_for_local(int fd, int family)
{
	int on = 1;

	return family == AF_INET ?
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) :
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

int
udp_add(struct udp *udp, uint32_t id, int fd)
{
	union address at = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(at), type_len = sizeof(int);
	struct udp_socket *row;
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 ||
	    getsockname(fd, &at.any, &len) != 0)
		return -errno;
	if (type != SOCK_DGRAM || (at.any.sa_family != AF_INET &&
	    at.any.sa_family != AF_INET6))
		return -EPROTOTYPE;
	udp_drop(udp, id);
	if ((row = find(udp, 0)) == NULL)
		return -ENOSPC;
	(void)ask_for_local(fd, at.any.sa_family);
	*row = (struct udp_socket){ .id = id, .fd = fd,
	    .family = at.any.sa_family, .port = ntohs(
	    at.any.sa_family == AF_INET ? at.in.sin_port : at.in6.sin6_port) };
	return 0;
}

void
udp_drop(struct udp *udp, uint32_t id)
{
	struct udp_socket *row = find(udp, id);

	if (row != NULL)
		row->id = 0;
}

/* ---- what comes ---------------------------------------------------------------------- */

static void
prepare(struct udp_batch *batch)
{
	for (unsigned i = 0; i < UDP_BATCH; i++) {
		batch->iov[i] = (struct iovec){ batch->bytes[i], UDP_SIZE };
		batch->message[i].msg_hdr = (struct msghdr){
		    .msg_name = &batch->from[i],
		    .msg_namelen = sizeof(batch->from[i]),
		    .msg_iov = &batch->iov[i], .msg_iovlen = 1,
		    .msg_control = &batch->control[i],
		    .msg_controllen = sizeof(batch->control[i]) };
	}
}

static void
take_peer(const union address *from, struct udp_path *path)
{
	path->family = from->any.sa_family;
	if (path->family == AF_INET) {
		path->port = ntohs(from->in.sin_port);
		memcpy(path->peer, &from->in.sin_addr,
		    sizeof(from->in.sin_addr));
	} else {
		path->port = ntohs(from->in6.sin6_port);
		path->scope = from->in6.sin6_scope_id;
		memcpy(path->peer, &from->in6.sin6_addr,
		    sizeof(from->in6.sin6_addr));
	}
}

/* to: where it was sent to, 16 bytes, which may be a group. */
static void
take_local(struct msghdr *message, struct udp_path *path, uint8_t *to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
	    c = CMSG_NXTHDR(message, c)) {
		struct in_pktinfo info;
		struct in6_pktinfo info6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(to, &info.ipi_addr, sizeof(info.ipi_addr));
			memcpy(path->local, &info.ipi_spec_dst,
			    sizeof(info.ipi_spec_dst));
			path->known = 1;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			memcpy(to, &info6.ipi6_addr, 16);
			memcpy(path->local, &info6.ipi6_addr, 16);
			path->known =
			    !IN6_IS_ADDR_MULTICAST(&info6.ipi6_addr);
		}
	}
}

/* False: there is no sender, as the socket was shut. */
static bool
take_one(struct udp *udp, const struct udp_socket *at, unsigned i)
{
	struct udp_batch *batch = udp->batch;
	struct msghdr *message = &batch->message[i].msg_hdr;
	struct udp_datagram datagram = { .data = batch->bytes[i],
	    .len = batch->message[i].msg_len, .path.socket = at->id };
	uint8_t to[16] = { 0 };

	if (message->msg_namelen == 0)
		return false;
	board_add(udp->board, METRIC_DATAGRAMS_IN, 1);
	board_add(udp->board, METRIC_BYTES_IN, datagram.len);
	if (message->msg_flags & MSG_TRUNC) {
		board_add(udp->board, METRIC_DATAGRAMS_TRUNCATED, 1);
		return true;
	}
	take_peer(&batch->from[i], &datagram.path);
	take_local(message, &datagram.path, to);
	origin_put_text(datagram.peer, datagram.path.family,
	    datagram.path.peer, datagram.path.port);
	origin_put_text(datagram.local, at->family, to, at->port);
	udp->on_datagram(&datagram, udp->ctx);
	return true;
}

/* Nothing came: is it ready for something else, which it would be until that is
 * read?  A plugin can have asked to be told of what was sent (IP_RECVERR,
 * SO_TIMESTAMPING), by a second queue.  False: it was shut. */
static bool
look_why(struct udp *udp, int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLRDHUP };
	int told;

	if (poll(&one, 1, 0) <= 0)
		return true;
	if (one.revents & POLLERR) {
		prepare(udp->batch);
		told = recvmmsg(fd, udp->batch->message, UDP_BATCH,
		    MSG_DONTWAIT | MSG_ERRQUEUE, NULL);
		if (told > 0)
			board_add(udp->board, METRIC_DATAGRAM_REPORTS,
			    (uint64_t)told);
	}
	return (one.revents & (POLLHUP | POLLRDHUP | POLLNVAL)) == 0;
}

bool
udp_read(struct udp *udp, uint32_t id)
{
	struct udp_socket *row = find(udp, id), at;
	int count;

	if (id == 0 || row == NULL)
		return false;
	at = *row;			/* a callback may drop it */
	board_wake(udp->board, clock_now_ns());
	prepare(udp->batch);
	count = recvmmsg(at.fd, udp->batch->message, UDP_BATCH, MSG_DONTWAIT,
	    NULL);
	for (int i = 0; i < count; i++)
		if (!take_one(udp, &at, (unsigned)i))
			return false;
	/* an error is that of one answer before, and is told once */
	return count >= 0 || (errno != EBADF && errno != ENOTSOCK &&
	    look_why(udp, at.fd));
}

/* ---- what goes ------------------------------------------------------------------------ */

static socklen_t
put_peer(const struct udp_path *path, union address *to)
{
	memset(to, 0, sizeof(*to));
	to->any.sa_family = path->family;
	if (path->family == AF_INET) {
		to->in.sin_port = htons(path->port);
		memcpy(&to->in.sin_addr, path->peer, sizeof(to->in.sin_addr));
		return sizeof(to->in);
	}
	to->in6.sin6_port = htons(path->port);
	to->in6.sin6_scope_id = path->scope;
	memcpy(&to->in6.sin6_addr, path->peer, sizeof(to->in6.sin6_addr));
	return sizeof(to->in6);
}

/* From the address that it was sent to, also where the socket is bound to all. */
static void
put_local(const struct udp_path *path, struct msghdr *message,
    union control *control)
{
	struct in_pktinfo info = { 0 };
	struct in6_pktinfo info6 = { .ipi6_ifindex = 0 };
	bool is_inet = path->family == AF_INET;
	size_t size = is_inet ? sizeof(info) : sizeof(info6);

	if (!path->known)
		return;
	memset(control, 0, sizeof(*control));
	control->header.cmsg_level = is_inet ? IPPROTO_IP : IPPROTO_IPV6;
	control->header.cmsg_type = is_inet ? IP_PKTINFO : IPV6_PKTINFO;
	control->header.cmsg_len = CMSG_LEN(size);
	memcpy(&info.ipi_spec_dst, path->local, sizeof(info.ipi_spec_dst));
	memcpy(&info6.ipi6_addr, path->local, sizeof(info6.ipi6_addr));
	memcpy(CMSG_DATA(&control->header), is_inet ? (const void *)&info :
	    (const void *)&info6, size);
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(size);
}

/* That call may fail with the error of one before, which is told once: then it is
 * made again. */
static int
send_message(int fd, const struct msghdr *message)
{
	for (bool again = true;; ) {
		if (sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == ENOBUFS || errno == ENOMEM || errno == EAGAIN)
			return -EAGAIN;
		if (!again)
			return -errno;
		again = false;
	}
}

int
udp_send(struct udp *udp, const struct udp_path *path, const void *data,
    size_t len)
{
	struct udp_socket *row = path->socket != 0 ? find(udp, path->socket) :
	    NULL;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	union control control;
	union address to;
	struct msghdr message = { .msg_name = &to, .msg_iov = &iov,
	    .msg_iovlen = 1 };
	int rc;

	if (row == NULL)
		return -ENOENT;
	if (path->family != row->family || path->port == 0)
		return -EINVAL;
	message.msg_namelen = put_peer(path, &to);
	put_local(path, &message, &control);
	if ((rc = send_message(row->fd, &message)) != 0) {
		board_add(udp->board, METRIC_DATAGRAMS_UNSENT, 1);
		return rc;
	}
	board_add(udp->board, METRIC_DATAGRAMS_OUT, 1);
	board_add(udp->board, METRIC_BYTES_OUT, len);
	return 0;
}
