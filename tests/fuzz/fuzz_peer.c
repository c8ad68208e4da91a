/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_peer.c: a host that sends anything to libclusterd-peer.  The first byte:
 * bit 0 lines, bit 1 a sealed memfd comes with each packet.  Then pieces, each
 * after its length (one byte, times 17).
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <clusterd/peer.h>

#include "common/base/check.h"
#include "common/base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cluster_peer *
open_peer(int *host, bool lines)
{
	struct cluster_peer *p;
	char number[16];
	int pair[2];

	CHECK(socketpair(AF_UNIX, (lines ? SOCK_STREAM : SOCK_SEQPACKET) |
	    SOCK_NONBLOCK, 0, pair) == 0);
	snprintf(number, sizeof(number), "%d", pair[1]);
	CHECK(setenv("CLUSTERD_CHANNEL_FD", number, 1) == 0);
	CHECK(setenv("CLUSTERD_CHANNEL_KIND", lines ? "lines" : "packet",
	    1) == 0);
	p = cluster_peer_open();
	CHECK(p != NULL);
	*host = pair[0];
	return p;
}

/* What it says is there: read all of it. */
static void
look_at(struct cluster_peer *p, ssize_t n, const struct cluster_message *m)
{
	volatile uint8_t sum = 0;

	CHECK((size_t)n == m->len && m->len <= CLUSTER_MESSAGE_MAX);
	CHECK(strlen(m->topic) <= CLUSTER_TOPIC_MAX);
	CHECK(m->fd_count <= CLUSTER_MESSAGE_FDS);
	CHECK((m->flags & ~(unsigned)CLUSTER_SEND_JSON) == 0);
	for (size_t i = 0; i < m->len; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)m->data)[i]);
	for (unsigned i = 0; i < m->fd_count; i++) {
		int fd = cluster_peer_take_fd(p, i);

		CHECK(fd >= 0);
		fd_close(&fd);
	}
	CHECK(cluster_peer_take_fd(p, 0) == -EBADF);
}

static void
drain(struct cluster_peer *p)
{
	struct cluster_message m;
	ssize_t n;

	while ((n = cluster_peer_receive(p, &m)) != -EAGAIN) {
		if (n == -EPIPE)	/* an empty packet is the end as well */
			break;
		CHECK(n >= 0 || n == -EBADMSG);
		if (n >= 0)
			look_at(p, n, &m);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct cluster_peer *p;
	int host, file = -1;
	bool lines;

	if (size < 2)
		return 0;
	lines = data[0] & 1;
	if (!lines && (data[0] & 2)) {
		file = fd_memfd("fuzz");
		CHECK(file >= 0 && fd_put(file, data, size) == 0);
		CHECK(fd_seal(file) == 0);
	}
	p = open_peer(&host, lines);
	for (data++; data < end;) {
		size_t len = *data++ * (size_t)17;

		if (len > (size_t)(end - data))
			len = (size_t)(end - data);
		fd_send(host, data, len, &file, file >= 0);
		data += len;
		drain(p);
	}
	fd_close(&host);
	drain(p);
	cluster_peer_close(p);
	fd_close(&file);
	return 0;
}
