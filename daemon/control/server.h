/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * server.h: the control server as the files of this folder see it.
 */
#ifndef CLUSTERD_CONTROL_SERVER_H
#define CLUSTERD_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/control/call.h"
#include "daemon/control/client.h"
#include "daemon/control/control.h"
#include "daemon/control/verdicts.h"

enum {
	SERVER_CLIENTS = 32,
	SERVER_KEPT = 2,	/* places for root and the daemon's own account */
	SERVER_PER_UID = 8,
};

struct event;

struct control {
	struct event_base *base;
	struct event *listener;		/* NULL: none at the moment */
	struct event *tick;
	struct event *again;		/* a timer of no time: the next turn */
	const struct control_host *host;
	struct journal *journal;
	struct store *store;		/* or NULL */
	struct control_access access;
	struct client clients[SERVER_CLIENTS];
	struct control_call *calls;	/* that run */
	unsigned call_count;
	struct verdict verdicts[VERDICTS];
	unsigned verdict_next;		/* the oldest, overwritten next */
	int verdict_job;		/* of the store: old verdicts; 0: none */
	bool forgot;			/* verdicts that were remembered */
	bool resumes;			/* what waited for the master before us */
	int64_t reload_begun_ms, change_begun_ms;	/* but for these */
	struct control_ended ended;	/* what the master before us knew last */
	uint64_t denied_ms;		/* the second that is being counted */
	unsigned denied;		/* refusals recorded in it */
	bool paused;			/* accept() failed: again at the next tick */
	bool blind;			/* there was no memory for the view */
};

struct event_base *server_event_base(struct control *control);
/* Some client has lines left: client_read_more() in the next turn. */
void server_read_again(struct control *control);
/* The present state, from the host.  Without memory for it an empty one, and
 * the call that asked fails, whatever is answered to it. */
const struct view *server_view(struct control *control);
/* The same with children. */
const struct view *server_view_children(struct control *control,
    enum view_children children);

#endif
