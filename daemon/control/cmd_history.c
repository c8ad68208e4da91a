/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_history.c: deaths, generations, audit: rows of the state database, page
 * by page, at the pace of the client.
 */
#include <stdlib.h>

#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"
#include "daemon/store/store.h"

enum { HISTORY_PAGE = 200 };

struct history {
	struct store_query query;
	bool more;		/* there is a page after this one */
};

static void history_page(struct control_call *call);

static void
on_page(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;
	struct history *history = call->context;

	call->job = 0;
	if (!call_is_heard(call))
		return;
	if (answer->rc != 0) {
		call_fail(call, &answer->err, NULL);
		return;
	}
	for (size_t i = 0; i < answer->count; i++) {
		call_row(call, answer->rows[i].json, answer->rows[i].len);
		history->query.since = answer->rows[i].key + 1;
	}
	if (!call_is_heard(call))
		return;
	history->more = answer->more;
	if (!history->more)
		call_done(call, NULL);
	else if (!call_is_full(call))
		history_page(call);
}

static void
history_page(struct control_call *call)
{
	struct history *history = call->context;
	struct errmsg err;
	int job;

	if (call->job != 0 || !history->more)
		return;
	job = store_query(call->control->store, &history->query, on_page, call);
	if (job < 0) {
		errmsg_set(&err, job, job == ERR_FULL ?
		    "too many questions to the state database at once" :
		    "there is no state database");
		call_fail(call, &err, NULL);
		return;
	}
	call->job = job;
}

static void
history_start(struct control_call *call, enum store_table table,
    const struct target *target)
{
	struct history *history = calloc(1, sizeof(*history));

	if (history == NULL || call->control->store == NULL) {
		free(history);
		call_fail_with(call, ERR_FAILED, "there is no state database");
		return;
	}
	history->query.table = table;
	history->query.limit = HISTORY_PAGE;
	history->more = true;
	if (target != NULL && target->kind != TARGET_ALL)
		arguments_format_target(target, history->query.worker,
		    sizeof(history->query.worker));
	call->context = history;
	call->go_on = history_page;
	history_page(call);
}

void
command_deaths(struct control_call *call, const struct arguments *arguments)
{
	/* Of a pool that has left the configuration, too: no look-up. */
	history_start(call, STORE_DEATHS,
	    &arguments_get(arguments, "worker")->target);
}

void
command_generations(struct control_call *call,
    const struct arguments *arguments)
{
	(void)arguments;
	history_start(call, STORE_GENERATIONS, NULL);
}

void
command_audit(struct control_call *call, const struct arguments *arguments)
{
	(void)arguments;
	history_start(call, STORE_COMMANDS, NULL);
}
