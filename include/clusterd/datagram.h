/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * datagram.h: what comes to a pool whose protocol is udp.  .on_datagram of the
 * plugin that its route names is called for each.  All functions run in the
 * loop's thread and do not block.  Since 1.3.
 */
#ifndef CLUSTERD_DATAGRAM_H
#define CLUSTERD_DATAGRAM_H

#include <clusterd/api.h>

/* Who sent it, and to which of our addresses.  A value: copy it to answer later,
 * from any callback of this worker. */
struct cluster_datagram_peer {
	uint64_t words[8];
};

/* Borrowed for the call of .on_datagram, as all that it points to. */
struct cluster_datagram {
	size_t size;			/* of this struct, as the host has it */
	const void *data;		/* not terminated */
	size_t len;			/* may be 0 */
	const char *peer;		/* "192.0.2.1:4711", "[2001:db8::1]:4711" */
	const char *local;		/* where it was sent to, the same way */
	struct cluster_datagram_peer from;
};

/*
 * Answer, at once or another time, from the address that it was sent to.  0:
 * the kernel has it, which promises no more than that.  -EAGAIN: it has no
 * room; -EMSGSIZE: more than a datagram may have; -ENOENT: that socket is not
 * ours any more, as its address has left the configuration; -EINVAL: no peer,
 * or one that is none, or no data; and what else sendmsg(2) says.
 */
static inline int
cluster_datagram_send(const struct cluster_datagram_peer *to,
    const void *data, size_t len)
{
	return cluster_has(datagram_send) ?
	    cluster_host->datagram_send(to, data, len) : -ENOSYS;
}

/* The same for the one that is being handled.  -ESTALE: it is another. */
static inline int
cluster_datagram_reply(struct cluster_datagram *datagram, const void *data,
    size_t len)
{
	return cluster_has(datagram_reply) ?
	    cluster_host->datagram_reply(datagram, data, len) : -ENOSYS;
}

#endif
