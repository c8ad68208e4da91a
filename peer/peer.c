/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * peer.c: libclusterd-peer, the program's end of a channel; see clusterd/peer.h.
 * One file that needs the C library and nothing of the daemon, so that it may as
 * well be copied into a program.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <clusterd/peer.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD = 8,			/* of a packet */
	LINE_STEP = 16 << 10,
	LINE_KEPT = 256 << 10,		/* room that is not given back */
	CLOSE_MS = 1000,
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

struct bytes {
	char *at;
	size_t len, room;
};

struct cluster_peer {
	int fd;
	bool lines;
	/* the message received last */
	struct bytes in;		/* a packet; a line, or its beginning */
	bool in_shown;			/* it is whole, and was received */
	bool skips;			/* the rest of a line that is too long */
	char topic[CLUSTER_TOPIC_MAX + 1];
	int fds[CLUSTER_MESSAGE_FDS];	/* -1: taken */
	unsigned fd_count, fd_first;	/* those before are not the program's */
	void *mapped;			/* data of a LARGE one */
	size_t mapped_len;
	/* a line that the channel took in part, from sent on */
	struct bytes out;
	size_t sent;
};

/* ---- helpers ------------------------------------------------------------- */

static int
bytes_want(struct bytes *bytes, size_t room)
{
	char *at;

	if (room <= bytes->room)
		return 0;
	if (room < 2 * bytes->room)
		room = 2 * bytes->room;
	at = realloc(bytes->at, room);
	if (at == NULL)
		return -ENOMEM;
	bytes->at = at;
	bytes->room = room;
	return 0;
}

/* Empty it; what one great message needed is not kept. */
static void
bytes_clear(struct bytes *bytes)
{
	bytes->len = 0;
	if (bytes->room > LINE_KEPT) {
		free(bytes->at);
		*bytes = (struct bytes){ 0 };
	}
}

static void
close_fds(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void
put_u32(unsigned char *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t
get_u32(const unsigned char *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	    (uint32_t)from[3] << 24;
}

static bool
is_topic(const char *topic, size_t len)
{
	if (len > CLUSTER_TOPIC_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)topic[i] < ' ' || topic[i] == 0x7f)
			return false;
	return len < 9 || memcmp(topic, "clusterd.", 9) != 0;
}

/* An errno of a socket as this library says it. */
static int
failed(void)
{
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return -EPIPE;
	return errno == EWOULDBLOCK || errno == ENOBUFS ||
	    errno == ETOOMANYREFS ? -EAGAIN : -errno;
}

/* ---- opening ------------------------------------------------------------- */

/* A descriptor's number, and nothing else. */
static int
parse_fd(const char *text)
{
	long number;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	return errno != 0 || *end != '\0' || number > INT_MAX ? -1 :
	    (int)number;
}

static bool
is_socket_of(int fd, int type)
{
	socklen_t len = sizeof(int);
	int found = -1;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &found, &len) == 0 &&
	    found == type;
}

static int
find_channel(bool *lines)
{
	const char *kind = getenv("CLUSTERD_CHANNEL_KIND");
	int fd = parse_fd(getenv("CLUSTERD_CHANNEL_FD"));

	*lines = kind != NULL && strcmp(kind, "lines") == 0;
	if (fd < 0 || kind == NULL ||
	    (!*lines && strcmp(kind, "packet") != 0) ||
	    !is_socket_of(fd, *lines ? SOCK_STREAM : SOCK_SEQPACKET) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -1;
	return fd;
}

struct cluster_peer *
cluster_peer_open(void)
{
	bool lines;
	int fd = find_channel(&lines);
	struct cluster_peer *p = fd < 0 ? NULL : calloc(1, sizeof(*p));

	unsetenv("CLUSTERD_CHANNEL_FD");
	unsetenv("CLUSTERD_CHANNEL_KIND");
	unsetenv("NODE_CHANNEL_FD");
	unsetenv("NODE_CHANNEL_SERIALIZATION_MODE");
	if (p == NULL)
		return NULL;
	p->fd = fd;
	p->lines = lines;
	if (bytes_want(&p->in, lines ? LINE_STEP : CLUSTER_PEER_PACKET_MAX) != 0) {
		free(p);
		return NULL;
	}
	return p;
}

int
cluster_peer_fd(const struct cluster_peer *p)
{
	return p->fd;
}

/* ---- sending a packet ---------------------------------------------------- */

struct packet {
	unsigned char head[HEAD];
	const char *topic;
	size_t topic_len;
	const void *data;
	size_t len;
	int fds[CLUSTER_MESSAGE_FDS];
	unsigned fd_count;
	unsigned large;			/* 1: its data is fds[0] */
};

/* Data that is more than a packet: a memory file that nobody can change. */
static int
make_large(const char *data, size_t len)
{
	int fd = memfd_create("clusterd-message",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, data + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (fd >= 0 && (done < len ||
	    fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)) {
		close(fd);
		return -ENOMEM;
	}
	return fd >= 0 ? fd : errno == EMFILE || errno == ENFILE ? -EMFILE :
	    -ENOMEM;
}

static int
packet_fill(struct packet *packet, const char *topic, const void *data,
    size_t len, const struct cluster_fds *fds)
{
	unsigned count = fds == NULL ? 0 : fds->count;

	*packet = (struct packet){ .topic = topic == NULL ? "" : topic,
	    .data = data, .len = len };
	packet->topic_len = strlen(packet->topic);
	if (!is_topic(packet->topic, packet->topic_len) ||
	    (count > 0 && fds->fd == NULL))
		return -EINVAL;
	packet->large =
	    HEAD + packet->topic_len + len > CLUSTER_PEER_PACKET_MAX;
	if (count > CLUSTER_MESSAGE_FDS - packet->large)
		return -E2BIG;
	if (packet->large) {
		packet->fds[0] = make_large(data, len);
		if (packet->fds[0] < 0)
			return packet->fds[0];
		packet->len = 0;
	}
	if (count > 0)
		memcpy(packet->fds + packet->large, fds->fd,
		    count * sizeof(int));
	packet->fd_count = count + packet->large;
	put_u32(packet->head, (uint32_t)packet->topic_len);
	put_u32(packet->head + 4, packet->large ? CLUSTER_PEER_LARGE : 0);
	return 0;
}

static int
packet_leave(struct cluster_peer *p, struct packet *packet)
{
	_Alignas(struct cmsghdr) char
	    control[CMSG_SPACE(sizeof(packet->fds))] = { 0 };
	struct iovec iov[] = {
		{ packet->head, HEAD },
		{ (void *)(uintptr_t)packet->topic, packet->topic_len },
		{ (void *)(uintptr_t)packet->data, packet->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	size_t size = packet->fd_count * sizeof(int);
	ssize_t n;

	if (size > 0) {
		struct cmsghdr *cmsg = (struct cmsghdr *)(void *)control;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(size);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(cmsg), packet->fds, size);
	}
	do
		n = sendmsg(p->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? failed() : 0;
}

static int
send_packet(struct cluster_peer *p, const char *topic, const void *data,
    size_t len, const struct cluster_fds *fds)
{
	struct packet packet;
	int rc = packet_fill(&packet, topic, data, len, fds);

	if (rc != 0)
		return rc;
	rc = packet_leave(p, &packet);
	if (packet.large)
		close(packet.fds[0]);
	if (rc == 0 && fds != NULL && fds->mode == CLUSTER_FD_MOVE)
		for (unsigned i = 0; i < fds->count; i++)
			close(fds->fd[i]);
	return rc;
}

/* ---- sending a line ------------------------------------------------------ */

/* 0: nothing waits any more. */
static int
flush_line(struct cluster_peer *p)
{
	while (p->out.len > p->sent) {
		ssize_t n = send(p->fd, p->out.at + p->sent,
		    p->out.len - p->sent, MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			p->sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		rc = failed();
		if (rc != -EAGAIN)
			p->out.len = 0;
		return rc;
	}
	bytes_clear(&p->out);
	p->sent = 0;
	return 0;
}

static int
send_line(struct cluster_peer *p, const char *topic, const void *data,
    size_t len, const struct cluster_fds *fds)
{
	int rc;

	if ((topic != NULL && topic[0] != '\0') || len == 0 ||
	    (fds != NULL && fds->count > 0) || memchr(data, '\n', len) != NULL)
		return -EINVAL;
	if ((rc = flush_line(p)) != 0 ||
	    (rc = bytes_want(&p->out, len + 1)) != 0)
		return rc;
	memcpy(p->out.at, data, len);
	p->out.at[len] = '\n';
	p->out.len = len + 1;
	rc = flush_line(p);
	if (rc == -EAGAIN && p->sent > 0)
		return 0;
	if (rc != 0)
		p->out.len = 0;
	return rc;
}

int
cluster_peer_send(struct cluster_peer *p, const char *topic, const void *data,
    size_t len, const struct cluster_fds *fds)
{
	if (data == NULL && len > 0)
		return -EINVAL;
	if (len > CLUSTER_MESSAGE_MAX)
		return -EMSGSIZE;
	return (p->lines ? send_line : send_packet)(p, topic, data, len, fds);
}

/* ---- receiving a packet -------------------------------------------------- */

static void
forget(struct cluster_peer *p)
{
	close_fds(p->fds, p->fd_count);
	p->fd_count = p->fd_first = 0;
	if (p->mapped != NULL)
		munmap(p->mapped, p->mapped_len);
	p->mapped = NULL;
	if (p->in_shown || !p->lines)
		bytes_clear(&p->in);
	p->in_shown = false;
}

static void
take_fds(struct cluster_peer *p, struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		p->fd_count = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) /
		    sizeof(int));
		memcpy(p->fds, CMSG_DATA(cmsg), p->fd_count * sizeof(int));
	}
}

/* The length of what came, or -errno. */
static ssize_t
receive_bytes(struct cluster_peer *p)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(p->fds))];
	struct iovec iov = { p->in.at, p->in.room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(p->fd, &msg, MSG_CMSG_CLOEXEC);

	/* It closed with messages of ours unread.  That is told first, once;
	 * what it has sent itself comes after. */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(p->fd, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return failed();
	take_fds(p, &msg);
	if (n == 0)
		return -EPIPE;
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return msg.msg_flags & MSG_TRUNC ? -EBADMSG : n;
}

/* The first descriptor is the data. */
static int
map_large(struct cluster_peer *p, struct cluster_message *out)
{
	struct stat status;
	int seals;

	if (p->fd_count == 0)
		return -EBADMSG;
	seals = fcntl(p->fds[0], F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS ||
	    fstat(p->fds[0], &status) != 0 || status.st_size <= 0 ||
	    status.st_size > CLUSTER_MESSAGE_MAX)
		return -EBADMSG;
	p->mapped_len = (size_t)status.st_size;
	p->mapped = mmap(NULL, p->mapped_len, PROT_READ, MAP_PRIVATE,
	    p->fds[0], 0);
	if (p->mapped == MAP_FAILED) {
		p->mapped = NULL;
		return -ENOMEM;
	}
	p->fd_first = 1;
	out->data = p->mapped;
	out->len = p->mapped_len;
	return 0;
}

static int
read_packet(struct cluster_peer *p, size_t n, struct cluster_message *out)
{
	const unsigned char *head = (const unsigned char *)p->in.at;
	uint32_t topic_len, flags;

	if (n < HEAD)
		return -EBADMSG;
	topic_len = get_u32(head);
	flags = get_u32(head + 4);
	if (topic_len > n - HEAD || !is_topic(p->in.at + HEAD, topic_len) ||
	    (flags & ~(uint32_t)(CLUSTER_SEND_JSON | CLUSTER_PEER_LARGE)) != 0)
		return -EBADMSG;
	memcpy(p->topic, p->in.at + HEAD, topic_len);
	p->topic[topic_len] = '\0';
	out->flags = flags & CLUSTER_SEND_JSON;
	out->len = n - HEAD - topic_len;
	if (flags & CLUSTER_PEER_LARGE)
		return out->len > 0 ? -EBADMSG : map_large(p, out);
	/* data is aligned, whatever the topic */
	out->data = memmove(p->in.at + HEAD, p->in.at + HEAD + topic_len,
	    out->len);
	return 0;
}

static ssize_t
receive_packet(struct cluster_peer *p, struct cluster_message *out)
{
	ssize_t n;
	int rc;

	forget(p);
	n = receive_bytes(p);
	rc = n < 0 ? (int)n : read_packet(p, (size_t)n, out);
	if (rc != 0) {
		forget(p);
		return rc;
	}
	out->fd_count = p->fd_count - p->fd_first;
	return (ssize_t)out->len;
}

/* ---- receiving a line ---------------------------------------------------- */

/*
 * Append what is there, up to the end of the line and not beyond, so that a poll
 * of the descriptor tells of the next one.  1: the line is whole; 0: go on.
 */
static int
append_line(struct cluster_peer *p)
{
	char *to, *end;
	ssize_t n;
	int rc = bytes_want(&p->in, p->in.len + LINE_STEP);

	if (rc != 0)
		return rc;
	to = p->in.at + p->in.len;
	n = recv(p->fd, to, LINE_STEP, MSG_PEEK);
	if (n < 0 && errno == ECONNRESET)
		n = recv(p->fd, to, LINE_STEP, MSG_PEEK);
	if (n < 0)
		return failed();
	end = memchr(to, '\n', (size_t)n);
	if (end != NULL)
		n = end - to + 1;
	if (n > 0)
		n = recv(p->fd, to, (size_t)n, 0);
	if (n <= 0)
		return n < 0 ? failed() : -EPIPE;
	p->in.len += (size_t)n;
	return end != NULL;
}

static ssize_t
receive_line(struct cluster_peer *p, struct cluster_message *out)
{
	forget(p);
	for (;;) {
		int whole = append_line(p);

		if (whole < 0)
			return whole;
		if (p->in.len > (size_t)CLUSTER_MESSAGE_MAX + 1) {
			p->skips = true;
			p->in.len = 0;
		}
		if (p->skips && whole) {
			p->skips = false;
			bytes_clear(&p->in);
			return -EBADMSG;
		}
		if (p->skips || (whole && p->in.len == 1))
			p->in.len = 0;
		else if (whole)
			break;
	}
	p->in_shown = true;
	p->topic[0] = '\0';
	out->flags = CLUSTER_SEND_JSON;
	out->data = p->in.at;
	out->len = p->in.len - 1;
	return (ssize_t)out->len;
}

ssize_t
cluster_peer_receive(struct cluster_peer *p, struct cluster_message *out)
{
	struct cluster_message m = { .size = sizeof(m), .topic = p->topic,
	    .from = "parent" };
	ssize_t n;

	if (p->lines)
		flush_line(p);
	n = (p->lines ? receive_line : receive_packet)(p, &m);
	if (n >= 0)
		*out = m;
	return n;
}

int
cluster_peer_take_fd(struct cluster_peer *p, unsigned index)
{
	int fd;

	if (index >= p->fd_count - p->fd_first)
		return -EBADF;
	fd = p->fds[p->fd_first + index];
	if (fd < 0)
		return -EBADF;
	p->fds[p->fd_first + index] = -1;
	return fd;
}

/* ---- the end ------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What waits leaves, as long as there is time. */
static int
flush_for_a_while(struct cluster_peer *p)
{
	int64_t end_ms = now_ms() + CLOSE_MS, left_ms;
	int rc;

	fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) | O_NONBLOCK);
	while ((rc = flush_line(p)) == -EAGAIN) {
		struct pollfd ready = { .fd = p->fd, .events = POLLOUT };

		left_ms = end_ms - now_ms();
		if (left_ms <= 0)
			return -ETIMEDOUT;
		poll(&ready, 1, (int)left_ms);
	}
	return rc;
}

int
cluster_peer_close(struct cluster_peer *p)
{
	int rc = 0;

	if (p == NULL)
		return 0;
	forget(p);
	if (p->out.len > p->sent)
		rc = flush_for_a_while(p);
	close(p->fd);
	free(p->in.at);
	free(p->out.at);
	free(p);
	return rc;
}
