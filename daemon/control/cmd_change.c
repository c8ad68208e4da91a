/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_change.c: every command that changes something, as a struct change for
 * the master, and the two that run the checker.  The master answers.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/control/client.h"
#include "daemon/control/cmd_verdict.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"
#include "daemon/control/verdicts.h"
#include "daemon/store/store.h"

static void
change_start(struct control_call *call, struct change *change)
{
	const struct control_host *host = call->control->host;

	change->command = call->command->id;
	memcpy(change->id, call->id, sizeof(change->id));
	memcpy(change->who, call->who, sizeof(change->who));
	call->held = true;
	host->start(host->context, call, change);
}

/* Who asked does not wait; the change goes on without. */
static void
change_let_go(struct control_call *call)
{
	struct control_call *receipt;
	char text[96];
	struct buf buf;
	struct writer w = { .buf = &buf };

	if (!call_is_heard(call))
		return;
	receipt = call_new(call->control, NULL, call->command);
	if (receipt == NULL) {
		if (call->client != NULL)
			client_close(call->client);
		return;
	}
	call_hand_over(call, receipt);
	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_text(&w, "command_id", call->id);
	writer_add_bool(&w, "running", true);
	snprintf(text, sizeof(text), "begun; `verdict %s' waits for the end",
	    call->id);
	writer_add_text(&w, "text", text);
	writer_close(&w, '}');
	call_done_with(receipt, &buf);
}

/* True: the id that the client wanted was seen before, and the call has what
 * the command had. */
static bool
change_is_known(struct control_call *call)
{
	const struct command *known = call->wanted_id[0] != '\0' ?
	    call_command_of(call->control, call->wanted_id) : NULL;

	if (known == NULL)
		return false;
	if (known == call->command)
		return call_join(call, call->wanted_id);
	call_fail_with(call, ERR_CONFLICT, "command id %s belongs to `%s'",
	    call->wanted_id, known->name);
	return true;
}

static void
change_begin_new(struct control_call *call, struct change *change,
    bool no_wait)
{
	call_begin_change(call);
	if (no_wait)
		change_let_go(call);
	change_start(call, change);
}

/* Of a change whose id may have been used before what is remembered.  The text
 * of a change is a constant, in those that have one. */
struct looked_up {
	struct change change;
	bool no_wait;
};

static void
change_go_on(struct control_call *call)
{
	struct looked_up *looked_up = call->context;
	struct looked_up copy = *looked_up;

	call->late = NULL;
	call->context = NULL;
	free(looked_up);
	change_begin_new(call, &copy.change, copy.no_wait);
}

static void
on_looked_up(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;

	call->job = 0;
	if (!call_is_heard(call) || change_is_known(call))
		return;		/* gone, or begun by another call meanwhile */
	if (answer->rc == 0 && answer->count > 0 &&
	    verdict_answer(call, &answer->rows[0]))
		return;
	change_go_on(call);
}

/* A database that does not answer holds up no change. */
static void
on_late(struct control_call *call)
{
	store_cancel(call->control->store, call->job);
	call->job = 0;
	if (!change_is_known(call))
		change_go_on(call);
}

static bool
change_look_up(struct control_call *call, const struct change *change,
    bool no_wait)
{
	struct control *control = call->control;
	struct looked_up *looked_up;
	int job;

	if (call->wanted_id[0] == '\0' || !call_is_heard(call) ||
	    !verdicts_may_lack(control))
		return false;
	looked_up = calloc(1, sizeof(*looked_up));
	job = looked_up != NULL ? verdict_look_up(call, on_looked_up) :
	    ERR_MEMORY;
	if (job <= 0) {
		free(looked_up);
		return false;
	}
	looked_up->change = *change;
	looked_up->no_wait = no_wait;
	call->context = looked_up;
	call->job = job;
	call->late = on_late;
	call->late_ms = clock_now_ms() + clock_scaled_ms(CALL_DISK_MS);
	return true;
}

/* Begin a change, once: an id that was seen before gets the verdict it had. */
static void
change_begin(struct control_call *call, struct change *change, bool no_wait)
{
	if (!change_is_known(call) && !change_look_up(call, change, no_wait))
		change_begin_new(call, change, no_wait);
}

/* Commands whose only argument (besides a signal) is WORKER. */
static void
change_target(struct control_call *call, const struct arguments *arguments,
    int signal_number)
{
	struct change change = {
		.target = arguments_get(arguments, "worker")->target,
		.hold_percent = -1, .signal = signal_number,
	};
	struct errmsg err;

	if (dispatch_find_target(call, &change.target, &err) != 0)
		call_fail(call, &err, NULL);
	else
		change_begin(call, &change, false);
}

void
command_restart(struct control_call *call, const struct arguments *arguments)
{
	change_target(call, arguments, 0);
}

void
command_drain(struct control_call *call, const struct arguments *arguments)
{
	change_target(call, arguments, 0);
}

void
command_pause(struct control_call *call, const struct arguments *arguments)
{
	change_target(call, arguments, 0);
}

void
command_resume(struct control_call *call, const struct arguments *arguments)
{
	change_target(call, arguments, 0);
}

void
command_retry(struct control_call *call, const struct arguments *arguments)
{
	change_target(call, arguments, 0);
}

void
command_kill(struct control_call *call, const struct arguments *arguments)
{
	const struct value *number = arguments_get(arguments, "signal");

	change_target(call, arguments,
	    number->given ? (int)number->number : SIGKILL);
}

void
command_scale(struct control_call *call, const struct arguments *arguments)
{
	const struct value *size = arguments_get(arguments, "workers");
	struct change change = {
		.target = arguments_get(arguments, "pool")->target,
		.how = size->how, .number = size->number, .hold_percent = -1,
	};
	struct errmsg err;

	if (dispatch_find_target(call, &change.target, &err) != 0)
		call_fail(call, &err, NULL);
	else
		change_begin(call, &change, false);
}

void
command_reload(struct control_call *call, const struct arguments *arguments)
{
	const struct value *hold = arguments_get(arguments, "hold");
	struct change change = {
		.plan = arguments_get(arguments, "plan")->flag,
		.go_on = arguments_get(arguments, "continue")->flag,
		.hold_percent = hold->given ? (int)hold->number : -1,
	};

	if (change.plan + change.go_on + hold->given > 1) {
		call_fail_with(call, ERR_BAD_ARGUMENT,
		    "plan, hold and continue exclude each other");
		return;
	}
	change_begin(call, &change,
	    arguments_get(arguments, "no_wait")->flag && !change.plan);
}

void
command_rollback(struct control_call *call, const struct arguments *arguments)
{
	struct change change = { .hold_percent = -1 };

	(void)arguments;
	change_begin(call, &change, false);
}

void
command_stop(struct control_call *call, const struct arguments *arguments)
{
	struct change change = {
		.now = arguments_get(arguments, "now")->flag,
		.hold_percent = -1,
	};

	change_begin(call, &change, false);
}

void
command_log_level(struct control_call *call, const struct arguments *arguments)
{
	const struct value *level = arguments_get(arguments, "level");
	struct change change = {
		.text = log_level_name((enum log_level)level->number),
		.hold_percent = -1,
	};

	change_begin(call, &change, false);
}

void
command_log_reopen(struct control_call *call,
    const struct arguments *arguments)
{
	struct change change = { .hold_percent = -1 };

	(void)arguments;
	change_begin(call, &change, false);
}

/* Topic and message are needed beyond this request, as its id may be looked up. */
void
command_send(struct control_call *call, const struct arguments *arguments)
{
	const struct value *topic = arguments_get(arguments, "topic");
	const char *message = arguments_get(arguments, "message")->text;
	struct change change = {
		.mail = arguments_get(arguments, "worker")->mail,
		.json = arguments_get(arguments, "json")->flag,
		.hold_percent = -1,
	};
	size_t len = topic->given ? strlen(topic->text) + 1 : 1;
	size_t message_len = strlen(message) + 1;

	call->message = malloc(len + message_len);
	if (call->message == NULL) {
		call_fail_with(call, ERR_BUSY, "out of memory");
		return;
	}
	memcpy(call->message, topic->given ? topic->text : "", len);
	memcpy(call->message + len, message, message_len);
	change.topic = call->message;
	change.text = call->message + len;
	change_begin(call, &change, false);
}

void
command_config_check(struct control_call *call,
    const struct arguments *arguments)
{
	struct change change = { .hold_percent = -1 };

	(void)arguments;
	change_start(call, &change);
}

void
command_config_diff(struct control_call *call,
    const struct arguments *arguments)
{
	struct change change = { .hold_percent = -1 };

	(void)arguments;
	change_start(call, &change);
}

/* ---- changes without a client ------------------------------------------------- */

/* As a client would have said it. */
static char *
scale_arguments(const struct change *change)
{
	const char *sign = change->how == SCALE_UP ? "+" :
	    change->how == SCALE_DOWN ? "-" : "";
	char size[16];
	json_t *args;
	char *text;

	snprintf(size, sizeof(size), "%s%u", sign, change->number);
	args = json_pack("{s:s,s:s}", "pool", change->target.pool,
	    "workers", size);
	text = args != NULL ? json_dumps(args, JSON_COMPACT) : NULL;
	json_decref(args);
	return text;
}

void
control_submit(struct control *control, const struct change *change)
{
	struct control_call *call = call_new(control, NULL,
	    &commands[change->command]);
	struct change copy = *change;

	if (call == NULL) {
		log_warn("control: %s, by %s: too many commands at once",
		    commands[change->command].name, change->who);
		return;
	}
	memcpy(call->who, change->who, sizeof(call->who));
	memcpy(call->wanted_id, change->id, sizeof(call->wanted_id));
	if (change->command == COMMAND_SCALE)
		call->args = scale_arguments(change);
	change_begin(call, &copy, false);
}

struct control_call *
control_adopt(struct control *control, enum command_id command,
    const char *id, const char *who)
{
	struct control_call *call = call_new(control, NULL, &commands[command]);

	if (call == NULL)
		return NULL;
	memcpy(call->id, id, strnlen(id, COMMAND_ID_MAX));
	memcpy(call->who, who, strnlen(who, sizeof(call->who) - 1));
	call->recorded = call->held = true;
	return call;
}
