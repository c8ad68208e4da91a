/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * message_types.h: what a message is, for plugins (message.h, process.h) and for
 * the programs they start (peer.h).  No functions.
 */
#ifndef CLUSTERD_MESSAGE_TYPES_H
#define CLUSTERD_MESSAGE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLUSTER_MESSAGE_MAX = 16 << 20,	/* bytes of data */
	CLUSTER_MESSAGE_FDS = 16,	/* 15 with more than 15 KiB of data */
	CLUSTER_EVENT_MAX = 4096,	/* bytes of data for "master" */
	CLUSTER_TOPIC_MAX = 63,
};

enum cluster_fd_mode {
	CLUSTER_FD_MOVE,		/* closed here once the receiver has it */
	CLUSTER_FD_DUP,			/* stays open here */
};

enum cluster_send_flag {
	CLUSTER_SEND_JSON = 1,		/* the data is a JSON text; not looked at */
	CLUSTER_SEND_NOT_SELF = 2,	/* a broadcast leaves this worker out */
};

/* What travels with a message.  A broadcast takes CLUSTER_FD_DUP only.  What was
 * read of a socket already is best the message's data. */
struct cluster_fds {
	const int *fd;
	unsigned count;
	enum cluster_fd_mode mode;
};

/* One that has arrived; valid until .on_message returns, or answer(). */
struct cluster_message {
	size_t size;
	const char *topic;		/* "": none */
	const char *from;		/* "web/0", "operator"; "child", "parent" */
	uint64_t from_id;		/* of that process; a child's pid; or 0 */
	const void *data;		/* aligned to 8; not terminated */
	size_t len;
	unsigned fd_count;
	unsigned flags;			/* CLUSTER_SEND_JSON */
	bool wants_answer;
};

#endif
