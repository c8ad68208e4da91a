/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * audit.c: the record of commands.  A row is put when a change begins, when it
 * has to wait in line and when its turn comes, and when it ends: one that stays
 * "running" tells that the master was lost.
 */
#include "daemon/control/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/control/server.h"
#include "daemon/journal/journal.h"
#include "daemon/store/store.h"

enum { AUDIT_DENIED_MAX = 10 };	/* recorded in a second */

static void
audit_put(const struct control_call *call, const char *state, int64_t ended,
    const char *code, const char *text, const char *result)
{
	char whose[sizeof(call->who) + 2];
	const struct store_command row = {
		.command_id = call->id, .time = call->time_ms, .ended = ended,
		.command = call->command->name, .args = call->args,
		.uid = call->peer.pid != 0 ? (int64_t)call->peer.uid : -1,
		.gid = call->peer.pid != 0 ? (int64_t)call->peer.gid : -1,
		.pid = call->peer.pid != 0 ? (int64_t)call->peer.pid : -1,
		.exe = call->peer.exe[0] != '\0' ? call->peer.exe :
		    call->peer.pid == 0 && call->who[0] != '\0' ? whose : NULL,
		.state = state, .code = code, .text = text, .result = result,
	};

	snprintf(whose, sizeof(whose), "[%s]", call->who);
	if (call->control->store != NULL)
		store_put_command(call->control->store, &row);
}

static void
audit_publish(struct control *control, enum event_id event,
    const struct command *command, const char *command_id, const char *who,
    const char *text)
{
	const struct event_member more[] = {
		EVENT_TEXT("command", command->name),
		EVENT_TEXT("command_id", command_id),
		EVENT_TEXT("who", who),
		EVENT_END
	};
	const struct event_fields fields = { .text = text, .more = more };

	if (control->journal != NULL)
		journal_publish(control->journal, event, &fields);
}

void
audit_started(const struct control_call *call)
{
	char text[256];

	audit_put(call, "running", 0, NULL, NULL, NULL);
	snprintf(text, sizeof(text), "%s, by %s", call->command->name,
	    call->who);
	audit_publish(call->control, EVENT_COMMAND_STARTED, call->command,
	    call->id, call->who, text);
}

void
audit_waits(const struct control_call *call, bool waits)
{
	audit_put(call, waits ? "waiting" : "running", 0, NULL,
	    waits ? call->who : NULL, NULL);
}

void
audit_ended(const struct control_call *call, const struct errmsg *err,
    const char *result)
{
	char text[700];

	audit_put(call, err != NULL ? "failed" : "done", clock_wall_ms(),
	    err != NULL ? err_name(err->code) : NULL,
	    err != NULL ? err->text : NULL, result);
	snprintf(text, sizeof(text), "%s, by %s%s%s", call->command->name,
	    call->who, err != NULL ? ": " : "", err != NULL ? err->text : "");
	audit_publish(call->control,
	    err != NULL ? EVENT_COMMAND_FAILED : EVENT_COMMAND_DONE,
	    call->command, call->id, call->who, text);
}

/* A reader that asks for what it may not as fast as it can must not push
 * everybody else's rows out of the table. */
static bool
audit_may_record_denied(struct control *control)
{
	uint64_t now = clock_now_ms();

	if (now - control->denied_ms >= 1000) {
		control->denied_ms = now;
		control->denied = 0;
	}
	return control->denied++ < AUDIT_DENIED_MAX;
}

void
audit_denied(struct control *control, const struct peer *peer,
    const char *who, const struct command *command, const json_t *args)
{
	struct control_call call = {
		.control = control, .command = command, .peer = *peer,
		.time_ms = clock_wall_ms(),
	};
	struct errmsg err;
	char text[256];
	uint64_t random = 0;

	if (!audit_may_record_denied(control))
		return;
	if (peer->access == ACCESS_NONE)
		errmsg_set(&err, ERR_DENIED, "may not connect");
	else
		errmsg_set(&err, ERR_DENIED, "may only %s",
		    access_name(peer->access));
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = clock_now_ns();
	snprintf(call.id, sizeof(call.id), "denied-%016llx",
	    (unsigned long long)random);
	if (who != NULL)
		snprintf(call.who, sizeof(call.who), "%s", who);
	else
		permission_name(peer->uid, call.who, sizeof(call.who));
	call.args = args != NULL ? json_dumps(args, JSON_COMPACT) : NULL;
	audit_put(&call, "denied", call.time_ms, err_name(err.code), err.text,
	    NULL);
	snprintf(text, sizeof(text), "%s, by %s", command->name, call.who);
	audit_publish(control, EVENT_COMMAND_DENIED, command, NULL, call.who,
	    text);
	memory_free(call.args);
}

void
audit_turned_away(struct control *control, const struct peer *peer)
{
	static const struct command connect = { .name = "connect" };

	audit_denied(control, peer, NULL, &connect, NULL);
}
