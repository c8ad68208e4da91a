/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_db.c: a copy of the state database.  The store thread makes it; the file
 * belongs to the daemon's account and must not exist yet.
 */
#include <stdio.h>

#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"
#include "daemon/store/store.h"

static void
on_copied(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;

	call->job = 0;
	if (answer->rc == 0)
		call_done(call, NULL);
	else
		call_fail(call, &answer->err, NULL);
}

void
command_db_backup(struct control_call *call, const struct arguments *arguments)
{
	const char *file = arguments_get(arguments, "file")->text;
	int job;

	if (file[0] != '/') {
		call_fail_with(call, ERR_BAD_ARGUMENT,
		    "%s: the daemon needs an absolute path", file);
		return;
	}
	if (call->control->store == NULL) {
		call_fail_with(call, ERR_FAILED, "there is no state database");
		return;
	}
	/* The same id sent twice runs once. */
	if (call->wanted_id[0] != '\0' && call_join(call, call->wanted_id))
		return;
	call_begin_change(call);
	call->held = true;
	job = store_backup(call->control->store, file, on_copied, call);
	if (job < 0)
		call_fail_with(call, job, job == ERR_FULL ?
		    "too many questions to the state database at once" :
		    "there is no state database");
	else
		call->job = job;
}
