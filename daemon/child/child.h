/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * child.h: one child process of a plugin.  Life: child.c starts and reaps it,
 * stream.c moves its bytes, output.c says where they go, stopping.c ends it.  It is
 * freed in child_settle() only, which is the last thing an event does: nobody
 * further up the stack holds one that is gone.
 */
#ifndef DAEMON_CHILD_CHILD_H
#define DAEMON_CHILD_CHILD_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include <clusterd/process.h>

#include "common/base/buf.h"
#include "daemon/child/capture.h"
#include "daemon/child/patience.h"
#include "daemon/child/peer.h"
#include "daemon/child/scope.h"

struct children;

/* Our end of one descriptor of a child. */
struct stream {
	struct child *child;
	struct event read_event, write_event;
	int number;			/* in the child */
	int fd;				/* -1: closed */
	bool reads, writes;		/* still open that way */
	bool paused;
	bool wants_room;		/* on_room is owed */
	bool ends;			/* to be closed after what waits */
	size_t passed;			/* bytes read so far */
	struct buf out;			/* to be written */
	struct buf line;		/* of the log, not complete */
};

struct child {
	struct children *table;
	uint32_t row;
	uint64_t number;		/* used once */
	unsigned plugin;

	pid_t pid;
	int pidfd;			/* -1: reaped */
	struct event exit_event;
	struct patience patience;	/* timeout, then SIGKILL */
	struct event tick_event;	/* between its end and on_close */
	uint64_t since_ns, linger_until_ns;
	struct stream streams[CLUSTER_STDIO_COUNT];
	struct peer *peer;		/* its channel; NULL: none */
	struct capture captures[2];	/* of 1 and 2 */
	struct scope scope;

	/* as it was ordered; texts are not kept */
	struct cluster_spawn order;
	char **argv;			/* one block with its texts */
	const char *file;		/* in it */
	uint64_t request, cancel;	/* handles that it is bound to; 0: none */
	cluster_result_fn *done;	/* of cluster_exec...() */
	void *done_arg;

	bool referenced, detached;
	bool running;			/* not reaped */
	bool stopping, killed, given_up;	/* how far its end is */
	bool linger_excused;		/* it was made longer, once */
	bool closing;			/* in its last callback */
	int signal_sent;
	struct cluster_exit ended;
};

/*
 * Start one for a plugin, by an order of order_take().  done: of a result, or
 * NULL.  0, or -errno and *stage: then nothing has happened.
 */
int child_start(struct children *table, const struct cluster_spawn *order,
    unsigned plugin, struct child **out, enum cluster_stage *stage);

static inline bool
child_is_awaited(const struct child *child)
{
	return child->referenced && !child->detached;
}

/* It has ended: what remains is its output. */
void child_reap(struct child *child);
/* Nothing more will come: tell, and free it. */
void child_settle(struct child *child);
/* The same from the loop, for who may be in a callback. */
void child_settle_soon(struct child *child);
/* At the end of the worker: close what is open, so that it settles. */
void child_close_all(struct child *child);

/* ---- stopping.c ---- */

/* For that cause, unless it is stopped already. */
void child_stop(struct child *child, enum cluster_cause cause);
void child_on_deadline(evutil_socket_t fd, short what, void *arg);
void child_on_tick(evutil_socket_t fd, short what, void *arg);
void child_begin_linger(struct child *child);

void child_arm(struct event *event, unsigned ms);

#endif
