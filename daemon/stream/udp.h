/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * udp.h: the datagrams of a worker whose pool is of protocol udp: its sockets,
 * and what comes and goes.  What they mean is for the function handed down.
 * Nothing is kept of a datagram, and nothing allocated for one.  One thread, the
 * loop's; never blocks.
 */
#ifndef DAEMON_STREAM_UDP_H
#define DAEMON_STREAM_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/scoreboard/write.h"
#include "daemon/stream/origin.h"

enum {
	UDP_BATCH = 16,			/* datagrams of one turn */
	UDP_SIZE = 65536,		/* of one, at most */
	UDP_SOCKETS = 256,
};

/* Who sent it and where to: enough to answer from there, at any time. */
struct udp_path {
	uint32_t socket;		/* id of the listener */
	uint16_t family, port;		/* of the peer, host order */
	uint32_t scope;			/* IPv6: of the peer */
	uint32_t known;			/* 1: local is an address of ours */
	uint8_t peer[16], local[16];
	uint8_t reserved[16];		/* zero */
};
_Static_assert(sizeof(struct udp_path) == 64, "struct cluster_datagram_peer");

struct udp_datagram {
	const void *data;
	size_t len;
	struct udp_path path;
	char peer[ORIGIN_TEXT], local[ORIGIN_TEXT];
};

struct udp_socket {
	uint32_t id;			/* 0: free row */
	int fd;				/* borrowed */
	uint16_t family, port;		/* it is bound to */
};

struct udp {
	struct board *board;
	/* One has come; borrowed for the call. */
	void (*on_datagram)(const struct udp_datagram *datagram, void *ctx);
	void *ctx;
	struct udp_socket socket[UDP_SOCKETS];
	struct udp_batch *batch;	/* NULL: not of this protocol */
};

/* 0 or ERR_MEMORY. */
int udp_init(struct udp *udp, struct board *board,
    void (*on_datagram)(const struct udp_datagram *datagram, void *ctx),
    void *ctx);

/* A socket of ours, until it is dropped.  0, or -errno: no datagrams of the
 * internet come there. */
int udp_add(struct udp *udp, uint32_t id, int fd);
void udp_drop(struct udp *udp, uint32_t id);

/* Take what waits there, one batch at most; where nothing does, a batch of what the
 * kernel tells of those sent.  False: it cannot be read any more. */
bool udp_read(struct udp *udp, uint32_t id);

/* 0; -EAGAIN: the kernel has no room; -ENOENT: that socket is gone; -EMSGSIZE;
 * -EINVAL: not a path; another of sendmsg(2). */
int udp_send(struct udp *udp, const struct udp_path *path, const void *data,
    size_t len);

#endif
