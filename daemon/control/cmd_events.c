/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_events.c: events, history and live.  The journal calls; a client that
 * reads slowly makes it wait, and one that falls too far behind is told where
 * it was and closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/client.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"
#include "daemon/journal/journal.h"

struct following {
	uint64_t seq;		/* last one sent */
	bool starting;		/* inside journal_follow(): the call must live */
	bool gone;		/* the follower is; it may not be ended again */
	bool lagged;
};

static void
events_end(struct control_call *call)
{
	const struct following *following = call->context;
	unsigned long long seq = following->seq;
	struct client *client = call->client;
	struct errmsg err;
	char result[64];

	call->follower = NULL;
	if (!call_is_heard(call))
		return;
	if (!following->lagged) {
		call_done(call, NULL);
		return;
	}
	errmsg_set(&err, ERR_LAGGED, "too far behind: the last event sent was "
	    "%llu; go on with --since", seq);
	snprintf(result, sizeof(result), "{\"seq\":%llu}", seq);
	call_fail(call, &err, result);
	if (client != NULL)
		client_close_later(client);
}

static enum journal_reply
events_stop(struct control_call *call, bool lagged)
{
	struct following *following = call->context;

	following->gone = true;
	following->lagged = lagged;
	call->follower = NULL;
	if (!following->starting)
		events_end(call);
	return JOURNAL_STOP;
}

static enum journal_reply
events_send(struct control_call *call, const struct journal_event *event)
{
	struct following *following = call->context;

	following->seq = event->seq;
	call_row(call, event->json, event->len);
	if (!call_is_heard(call))
		return events_stop(call, false);
	return call_is_full(call) ? JOURNAL_WAIT : JOURNAL_MORE;
}

/* What is older than the memory of the master is not to be had now. */
static void
events_tell_gap(struct control_call *call)
{
	control_progress(call, "{\"gap\":true,\"text\":\"the database cannot "
	    "be read now: older events are missing here\"}");
}

static int
on_news(void *arg, enum journal_news news, const struct journal_event *event)
{
	struct control_call *call = arg;

	if (!call_is_heard(call))
		return events_stop(call, false);
	switch (news) {
	case JOURNAL_EVENT:
		return events_send(call, event);
	case JOURNAL_CURRENT:
	case JOURNAL_LOST:		/* of those who asked for it */
		return JOURNAL_MORE;
	case JOURNAL_GAP:
		events_tell_gap(call);
		return call_is_heard(call) ? JOURNAL_MORE :
		    events_stop(call, false);
	case JOURNAL_DONE:
		return events_stop(call, false);
	case JOURNAL_LAGGED:
		return events_stop(call, true);
	}
	return JOURNAL_STOP;
}

static void
events_go_on(struct control_call *call)
{
	if (call->follower != NULL)
		journal_resume(call->follower);
}

void
command_events(struct control_call *call, const struct arguments *arguments)
{
	const struct value *since = arguments_get(arguments, "since");
	const struct value *until = arguments_get(arguments, "until");
	bool follow = arguments_get(arguments, "follow")->flag || until->given;
	const struct journal_range range = {
		.since_seq = since->seq, .since_ms = since->time_ms,
		.live_only = follow && !since->given,
		.until = until->given ? until->event : -1, .follow = follow,
	};
	struct following *following = calloc(1, sizeof(*following));
	struct journal_follower *follower = NULL;
	struct errmsg err;
	int rc;

	if (following == NULL) {
		call_fail_with(call, ERR_MEMORY, "out of memory");
		return;
	}
	call->context = following;
	following->starting = true;
	rc = journal_follow(call->control->journal, &range, on_news, call,
	    &follower, &err);
	following->starting = false;
	if (rc != 0) {
		call_fail(call, &err, NULL);
		return;
	}
	if (following->gone) {
		events_end(call);
		return;
	}
	call->follower = follower;
	call->go_on = events_go_on;
}
