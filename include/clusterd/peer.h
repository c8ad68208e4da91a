/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * peer.h: for programs that a plugin starts with a channel: the other end of
 * cluster_child_send() and .on_message.  libclusterd-peer is one C file that
 * needs the C library and nothing else; clusterd-channel(7) tells what is on the
 * channel, for who would rather write it in another language.
 *
 *	struct cluster_peer *peer = cluster_peer_open();
 *	struct cluster_message m;
 *
 *	while (peer != NULL && cluster_peer_receive(peer, &m) >= 0)
 *		cluster_peer_send(peer, m.topic, m.data, m.len, NULL);
 *	cluster_peer_close(peer);
 *
 * Two kinds of channel, the plugin chooses:
 *
 * PACKET  SOCK_SEQPACKET, one packet a message: the length of the topic and
 *         flags (each 32 bits, little endian), topic, data.  Flags are
 *         CLUSTER_SEND_JSON and CLUSTER_PEER_LARGE.  Descriptors come with it
 *         (SCM_RIGHTS).  A packet has at most 64 KiB; a message that needs more
 *         is LARGE: its data is the first descriptor, a sealed memfd.
 * LINES   a stream, one JSON text a line, at most 16 MiB; no topic and no
 *         descriptors.
 *
 * Not for several threads at once.  Numbers below zero are -errno.
 */
#ifndef CLUSTERD_PEER_H
#define CLUSTERD_PEER_H

#include <sys/types.h>

#include <clusterd/message_types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	CLUSTER_PEER_PACKET_MAX = 64 << 10,	/* bytes, with all before data */
	CLUSTER_PEER_LARGE = 256,		/* flag: data is a descriptor */
};

struct cluster_peer;

/*
 * Open the channel, once: reads and unsets CLUSTERD_CHANNEL_FD and _KIND (and
 * what they are called for Node), sets close-on-exec.  NULL: there is none, or
 * no memory.
 */
struct cluster_peer *cluster_peer_open(void);

/* To poll for reading.  It blocks until you make it otherwise. */
int cluster_peer_fd(const struct cluster_peer *p);

/*
 * Send; topic and fds may be NULL.  The data is copied; descriptors that move
 * are closed here once it is sent.  0: it is on its way, and comes to the plugin
 * also when this program ends now.  -EAGAIN: the channel is full (and does not
 * block), nothing was taken; -EPIPE: it is closed; -EINVAL: a topic with control
 * characters, over 63 bytes or "clusterd.…"; with LINES any topic or descriptor,
 * no data or a line feed in it; -EMSGSIZE: over 16 MiB; -E2BIG: over 16
 * descriptors, 15 where the message is LARGE; -EBADF, -ENOMEM, -EMFILE.
 *
 * Where the channel does not block it may take the beginning of a line only: the
 * rest leaves with the next send, receive or close.
 */
int cluster_peer_send(struct cluster_peer *p, const char *topic,
    const void *data, size_t len, const struct cluster_fds *fds);

/*
 * Receive one message: the number of its bytes; *out is valid until the next
 * receive or close.  It is from "parent", 0.  -EAGAIN: there is none (and the
 * channel does not block); -EPIPE: the channel is closed, all that was sent has
 * been received; -EINTR: a signal came.  One message is lost, and the next may
 * be good: -EBADMSG it was none, -EMFILE no room for its descriptors, -ENOMEM.
 */
ssize_t cluster_peer_receive(struct cluster_peer *p,
    struct cluster_message *out);

/* Descriptor number index of the message received last: yours from now on, and
 * close-on-exec.  Those that are not taken are closed with the message.  -EBADF:
 * there is none, or it was taken. */
int cluster_peer_take_fd(struct cluster_peer *p, unsigned index);

/* Close, after what was sent, for which it waits up to 1 s.  p is no more.
 * -EPIPE, -ETIMEDOUT: a part of it is lost. */
int cluster_peer_close(struct cluster_peer *p);

#ifdef __cplusplus
}
#endif

#endif
