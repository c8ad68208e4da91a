/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_verdict.c: verdict: the result of a command by its id, waited for while it
 * runs, remembered while this master lives, else from the state database.
 */
#include "daemon/control/cmd_verdict.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"
#include "daemon/control/verdicts.h"
#include "daemon/store/store.h"

/* A row of `commands' as an answer: ok and result, or error. */
struct past {
	json_t *root;
	const char *id, *state, *code, *text;
	json_t *args, *result;
	const struct command *command;
};

static bool
past_read(struct past *past, const struct store_text *row)
{
	const char *name;

	memset(past, 0, sizeof(*past));
	past->root = json_loadb(row->json, row->len, 0, NULL);
	past->id = json_string_value(json_object_get(past->root, "command_id"));
	past->state = json_string_value(json_object_get(past->root, "state"));
	past->code = json_string_value(json_object_get(past->root, "code"));
	past->text = json_string_value(json_object_get(past->root, "text"));
	past->args = json_object_get(past->root, "args");
	past->result = json_object_get(past->root, "result");
	name = json_string_value(json_object_get(past->root, "command"));
	past->command = name != NULL ? command_by_name(name) : NULL;
	if (past->id != NULL && strlen(past->id) <= COMMAND_ID_MAX &&
	    past->state != NULL && past->command != NULL)
		return true;
	json_decref(past->root);
	return false;
}

static bool
is_waiting(const struct past *past)
{
	return strcmp(past->state, "waiting") == 0;
}

static int
past_code(const struct past *past)
{
	static const int codes[] = { ERR_BAD_REQUEST, ERR_BAD_ARGUMENT,
	    ERR_NOT_FOUND, ERR_DENIED, ERR_BUSY, ERR_CONFLICT, ERR_TIMEOUT,
	    ERR_INTERNAL };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (past->code != NULL &&
		    strcmp(err_name(codes[i]), past->code) == 0)
			return codes[i];
	}
	return ERR_FAILED;
}

/* Answer call as the command was answered then. */
static void
past_answer(struct control_call *call, const struct past *past)
{
	char *result = json_is_null(past->result) || past->result == NULL ?
	    NULL : json_dumps(past->result, JSON_COMPACT | JSON_ENCODE_ANY);
	struct errmsg err;

	/* The answer carries its id, as it did then. */
	memcpy(call->answers, past->id, strlen(past->id) + 1);
	if (strcmp(past->state, "done") == 0) {
		call_done(call, result);
	} else if (strcmp(past->state, "running") == 0) {
		call_fail_with(call, ERR_FAILED, "`%s' began, and its end was "
		    "not recorded: look at status", past->command->name);
	} else if (is_waiting(past)) {
		call_fail_with(call, ERR_FAILED, "`%s' waited in line when its "
		    "master was replaced, and did not begin",
		    past->command->name);
	} else {
		errmsg_set(&err, past_code(past), "%s",
		    past->text != NULL ? past->text : "failed");
		call_fail(call, &err, result);
	}
	memory_free(result);
}

static void
on_found(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;
	struct past past;

	call->job = 0;
	if (!call_is_heard(call))
		return;
	/* It may have been adopted, or begun anew, in the meantime. */
	if (call_join(call, call->wanted_id))
		return;
	if (answer->rc != 0) {
		call_fail(call, &answer->err, NULL);
		return;
	}
	if (answer->count == 0 || !past_read(&past, &answer->rows[0])) {
		call_fail_with(call, ERR_NOT_FOUND,
		    "no command with id %s has begun", call->wanted_id);
		return;
	}
	past_answer(call, &past);
	json_decref(past.root);
}

int
verdict_look_up(struct control_call *call, store_done done)
{
	struct store_query query = { .table = STORE_COMMANDS, .limit = 1,
	    .last = 1 };
	struct store_status status;

	if (call->control->store == NULL)
		return ERR_FAILED;
	store_status(call->control->store, &status);
	if (status.state != STORE_OK)
		return ERR_FAILED;
	memcpy(query.command_id, call->wanted_id, sizeof(call->wanted_id));
	return store_query(call->control->store, &query, done, call);
}

bool
verdict_answer(struct control_call *call, const struct store_text *row)
{
	struct past past;

	if (!past_read(&past, row))
		return false;
	if (past.command == call->command && is_waiting(&past)) {
		json_decref(past.root);
		return false;		/* it may begin now */
	}
	if (past.command == call->command)
		past_answer(call, &past);
	else
		call_fail_with(call, ERR_CONFLICT,
		    "command id %s belongs to `%s'", past.id,
		    past.command->name);
	json_decref(past.root);
	return true;
}

void
command_verdict(struct control_call *call, const struct arguments *arguments)
{
	const char *id = arguments_get(arguments, "command_id")->text;
	struct store_query query = { .table = STORE_COMMANDS, .limit = 1,
	    .last = 1 };
	int job;

	if (call_join(call, id))
		return;
	memcpy(call->wanted_id, id, strlen(id) + 1);
	memcpy(query.command_id, id, strlen(id) + 1);
	job = call->control->store != NULL ? store_query(call->control->store,
	    &query, on_found, call) : ERR_FAILED;
	/* a plugin's command is never lost unread: to call it unknown would have it
	 * run twice */
	if (job == ERR_FULL && call->reader != NULL)
		call_fail_with(call, ERR_BUSY,
		    "what became of %s cannot be looked up now", id);
	else if (job < 0)
		call_fail_with(call, ERR_NOT_FOUND,
		    "this master knows no command with id %s", id);
	else
		call->job = job;
}

/* ---- after a restart of the master -------------------------------------------- */

/* What only the memo knows. */
static void
take_ended(struct control *control)
{
	const struct control_ended *ended = &control->ended;
	const char *result = ended->result[0] != '\0' ? ended->result : NULL;
	struct control_call *call;

	if (ended->id[0] == '\0' ||
	    call_command_of(control, ended->id) != NULL)
		return;
	call = control_adopt(control, ended->command, ended->id, ended->who);
	if (call != NULL && ended->err.code == 0)
		control_done(call, result);
	else if (call != NULL)
		control_fail(call, &ended->err, result);
}

void
control_set_ended(struct control *control, const struct control_ended *ended)
{
	control->ended = *ended;
	if (control->verdict_job == 0)
		take_ended(control);
}

void
control_resume_waiting(struct control *control, int64_t reload_ms,
    int64_t change_ms)
{
	control->resumes = true;
	control->reload_begun_ms = reload_ms;
	control->change_begun_ms = change_ms;
}

/* Twice is as once: should the master have died between its turn and the record
 * of that, nothing is lost. */
static bool
may_run_twice(const struct past *past)
{
	const char *size = json_string_value(json_object_get(past->args,
	    "workers"));

	switch ((unsigned)past->command->id) {
	case COMMAND_RELOAD:
	case COMMAND_RESTART:
		return true;
	case COMMAND_SCALE:
		return size != NULL && strpbrk(size, "+-") == NULL;
	}
	return false;
}

static int64_t
number_of(const struct past *past, const char *name)
{
	return json_integer_value(json_object_get(past->root, name));
}

/* Changes begin in the order in which they were asked for, so one that is older
 * than the last that began did not wait any more. */
static bool
has_begun(const struct control *control, const struct past *past)
{
	return number_of(past, "time") <= (past->command->id == COMMAND_RELOAD ?
	    control->reload_begun_ms : control->change_begun_ms);
}

/* It waited in line for the master before us: for us it does so as well, under
 * its own id, by which whoever gave it asks. */
static void
resume(struct control *control, const struct past *past)
{
	struct control_call *call = call_new(control, NULL, past->command);
	const char *exe = json_string_value(json_object_get(past->root,
	    "exe"));

	if (call == NULL)
		return;
	snprintf(call->who, sizeof(call->who), "%s", past->text != NULL ?
	    past->text : "the master before");
	call->time_ms = number_of(past, "time");
	call->peer = (struct peer){
		.uid = (uid_t)number_of(past, "uid"),
		.gid = (gid_t)number_of(past, "gid"),
		.pid = (pid_t)number_of(past, "pid"),
	};
	if (exe != NULL)
		snprintf(call->peer.exe, sizeof(call->peer.exe), "%s", exe);
	if (is_waiting(past) && may_run_twice(past)) {
		memcpy(call->wanted_id, past->id, strlen(past->id) + 1);
		call->args = json_is_object(past->args) ?
		    json_dumps(past->args, JSON_COMPACT) : NULL;
		dispatch_again(call, json_is_object(past->args) ? past->args :
		    NULL);
		return;
	}
	memcpy(call->id, past->id, strlen(past->id) + 1);
	call->recorded = call->held = true;
	past_answer(call, past);
}

/* Is there a better word on it than that of the database? */
static bool
is_known(const struct control *control, const struct past *past)
{
	return call_command_of(control, past->id) != NULL ||
	    strcmp(control->ended.id, past->id) == 0;
}

static void
on_loaded(void *arg, const struct store_answer *answer)
{
	struct control *control = arg;

	control->verdict_job = 0;
	control->forgot = answer->rc != 0 || answer->count == VERDICTS;
	for (size_t i = 0; answer->rc == 0 && i < answer->count; i++) {
		struct control_call *call;
		struct past past;

		if (!past_read(&past, &answer->rows[i]))
			continue;
		if (control->resumes && is_waiting(&past) &&
		    !is_known(control, &past)) {
			if (has_begun(control, &past))
				past.state = "running";
			resume(control, &past);
			json_decref(past.root);
			continue;
		}
		/* Denied ones have ids of ours; running ones have no end. */
		call = strcmp(past.state, "done") == 0 ||
		    strcmp(past.state, "failed") == 0 ?
		    call_new(control, NULL, past.command) : NULL;
		if (call != NULL && call_command_of(control, past.id) == NULL) {
			memcpy(call->id, past.id, strlen(past.id) + 1);
			past_answer(call, &past);
		} else if (call != NULL) {
			call_done(call, NULL);
		}
		json_decref(past.root);
	}
	take_ended(control);
}

void
verdict_load(struct control *control)
{
	const struct store_query query = {
		.table = STORE_COMMANDS, .limit = VERDICTS, .last = 1,
	};
	int job;

	if (control->store == NULL)
		return;
	job = store_query(control->store, &query, on_loaded, control);
	control->verdict_job = job > 0 ? job : 0;
}

void
verdict_load_cancel(struct control *control)
{
	if (control->verdict_job != 0)
		store_cancel(control->store, control->verdict_job);
	control->verdict_job = 0;
}
