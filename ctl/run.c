/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * run.c: sends a command, shows what comes back, and does not lose a verdict
 * when the master is replaced meanwhile: the keeper holds the socket, so one
 * connects again and asks by command id.
 */
#include "ctl/run.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/wire/request.h"
#include "ctl/connection.h"
#include "ctl/show.h"

enum {
	RUN_ANSWER_MS = 10000,	/* a read that takes longer is given up */
	RUN_AGAIN_MS = 5000,	/* so long a lost master is waited for */
	RUN_PAUSE_MS = 50,	/* between two tries */
};

struct run {
	struct ctl *ctl;
	struct connection connection;
	char id[17];		/* command id of a change, or "" */
	bool begun;		/* the daemon has it */
	bool heard;		/* something came since the last loss */
	json_t *rows;		/* of a table */
	uint64_t last_seq;	/* of a stream, 0: none */
	json_t *final;
};

/* ---- requests ---------------------------------------------------------------- */

static void
run_make_id(struct run *run)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = clock_now_ns();
	snprintf(run->id, sizeof(run->id), "%016llx",
	    (unsigned long long)random);
}

static json_t *
run_request(const struct run *run)
{
	json_t *args = json_deep_copy(run->ctl->args), *request;
	char since[32];

	if (run->last_seq != 0) {
		snprintf(since, sizeof(since), "%llu",
		    (unsigned long long)run->last_seq + 1);
		json_object_set_new(args, "since", json_string(since));
	}
	request = json_pack("{s:i, s:s, s:o}", "id", 1, "command",
	    run->ctl->command->name, "args", args);
	if (run->id[0] != '\0')
		json_object_set_new(request, "command_id",
		    json_string(run->id));
	return request;
}

static json_t *
run_verdict_request(const struct run *run)
{
	return json_pack("{s:i, s:s, s:{s:s}}", "id", 1, "command", "verdict",
	    "args", "command_id", run->id);
}

/* ---- answers ------------------------------------------------------------------ */

static void
print_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text != NULL)
		puts(text);
	free(text);
}

/* An object gets "api" as its first member, if it is not there. */
static json_t *
with_api(const json_t *document)
{
	json_t *whole;

	if (!json_is_object(document) ||
	    json_object_get(document, "api") != NULL)
		return json_deep_copy(document);
	whole = json_pack("{s:i}", "api", REQUEST_API);
	json_object_update(whole, (json_t *)document);
	return whole;
}

static void
run_take_row(struct run *run, json_t *row)
{
	const json_t *seq = json_object_get(row, "seq");

	if (json_is_integer(seq))
		run->last_seq = (uint64_t)json_integer_value(seq);
	if (run->ctl->command->output != OUTPUT_STREAM) {
		json_array_append(run->rows, row);
		return;
	}
	if (run->ctl->json) {
		json_t *whole = with_api(row);

		print_json(whole);
		json_decref(whole);
	} else {
		show_event(run->ctl, row);
	}
	fflush(stdout);
}

/* What a stream says besides its rows is for people, whatever the format. */
static void
run_take_progress(struct run *run, const json_t *progress)
{
	const char *words = json_string_value(json_object_get(progress,
	    "text"));

	run->begun = true;
	if (run->ctl->command->output == OUTPUT_STREAM && words != NULL)
		ctl_complain(run->ctl, "%s", words);
	else if (!run->ctl->json)
		show_progress(run->ctl, progress);
}

/* One answer; true when it was the last. */
static bool
run_take_answer(struct run *run, json_t *answer)
{
	json_t *row = json_object_get(answer, "row");
	json_t *progress = json_object_get(answer, "progress");

	run->heard = true;
	if (row != NULL) {
		run_take_row(run, row);
	} else if (progress != NULL) {
		run_take_progress(run, progress);
	} else if (json_object_get(answer, "ok") != NULL) {
		run->final = json_incref(answer);
		return true;
	}
	return false;
}

static const char *
error_code(const json_t *answer)
{
	const char *code = json_string_value(json_object_get(
	    json_object_get(answer, "error"), "code"));

	return code != NULL ? code : "";
}

/* ---- one connection -------------------------------------------------------------- */

enum outcome {
	OUTCOME_FINAL,		/* run->final is set */
	OUTCOME_NOT_THERE,	/* nobody listens, or we may not */
	OUTCOME_LOST,		/* closed before the end */
	OUTCOME_FULL,		/* no place at the moment */
	OUTCOME_TIMEOUT,
	OUTCOME_NONSENSE,
};

/* What another version says may mean something else. */
static int
run_check_version(const struct run *run, struct errmsg *err)
{
	const json_t *api = json_object_get(json_object_get(run->final,
	    "result"), "api");

	if (!json_is_integer(api) || json_integer_value(api) == REQUEST_API)
		return 0;
	return errmsg_set(err, ERR_VERSION, "the daemon speaks version %lld of "
	    "the control protocol, this clusterctl version %d",
	    (long long)json_integer_value(api), REQUEST_API);
}

static enum outcome
run_receive(struct run *run, struct errmsg *err)
{
	const struct command *command = run->ctl->command;
	bool patient = command->change || command->checks ||
	    command->output == OUTPUT_STREAM ||
	    command->id == COMMAND_VERDICT;
	json_t *answer;
	bool last;

	for (;;) {
		int rc = connection_receive(&run->connection,
		    patient ? -1 : RUN_ANSWER_MS, &answer, err);

		if (rc == ERR_TIMEOUT)
			return OUTCOME_TIMEOUT;
		if (rc == ERR_FORMAT)
			return OUTCOME_NONSENSE;
		if (rc != 0)
			return OUTCOME_LOST;
		last = run_take_answer(run, answer);
		json_decref(answer);
		if (!last)
			continue;
		/* Not about our request: the daemon had no place for us. */
		if (json_is_null(json_object_get(run->final, "id")) &&
		    strcmp(error_code(run->final), "busy") == 0) {
			errmsg_set(err, ERR_BUSY,
			    "the daemon has too many clients");
			json_decref(run->final);
			run->final = NULL;
			return OUTCOME_FULL;
		}
		return run_check_version(run, err) == 0 ? OUTCOME_FINAL :
		    OUTCOME_NONSENSE;
	}
}

static enum outcome
run_once(struct run *run, json_t *request, struct errmsg *err)
{
	enum outcome outcome;
	int rc = connection_open(&run->connection, run->ctl->socket, err);

	if (rc != 0) {
		json_decref(request);
		return rc == ERR_SYSTEM ? OUTCOME_LOST : OUTCOME_NOT_THERE;
	}
	/* A send that fails may still have an answer to read: `busy'. */
	connection_send(&run->connection, request, err);
	json_decref(request);
	outcome = run_receive(run, err);
	connection_close(&run->connection);
	return outcome;
}

/* The verdict said that the command never began. */
static bool
run_never_began(const struct run *run)
{
	return strcmp(error_code(run->final), "not_found") == 0;
}

/* It has yet to be found: the database does not answer at this moment. */
static bool
run_is_not_known(const struct run *run)
{
	return strcmp(error_code(run->final), "timeout") == 0;
}

static void
run_forget_final(struct run *run)
{
	json_decref(run->final);
	run->final = NULL;
	run->heard = false;
}

/*
 * Ask until there is a final answer, at most RUN_AGAIN_MS after a loss.  What
 * was read in part is read again from the start; a change is asked for by its
 * id, and sent again only when it never began.
 */
static enum outcome
run_until_final(struct run *run, struct errmsg *err)
{
	uint64_t lost_ms = 0;
	bool ask = false;

	for (;;) {
		enum outcome outcome;

		json_array_clear(run->rows);
		outcome = run_once(run, ask ? run_verdict_request(run) :
		    run_request(run), err);
		if (ask && outcome == OUTCOME_FINAL && run_never_began(run)) {
			run_forget_final(run);
			ask = false;
			continue;
		}
		if (ask && outcome == OUTCOME_FINAL && run_is_not_known(run) &&
		    clock_now_ms() - lost_ms < RUN_AGAIN_MS) {
			run_forget_final(run);
			poll(NULL, 0, RUN_PAUSE_MS);
			continue;
		}
		if (outcome == OUTCOME_LOST || outcome == OUTCOME_FULL) {
			if (lost_ms == 0 || run->heard)
				lost_ms = clock_now_ms();
			run->heard = false;
			if (outcome == OUTCOME_LOST && run->id[0] != '\0')
				ask = true;
			if (clock_now_ms() - lost_ms < RUN_AGAIN_MS) {
				poll(NULL, 0, RUN_PAUSE_MS);
				continue;
			}
		}
		return outcome;
	}
}

/* ---- the end ------------------------------------------------------------------------ */

static int
exit_of_error(const char *code)
{
	static const struct {
		const char *code;
		int status;
	} rows[] = {
		{ "bad_request", CTL_USAGE }, { "bad_argument", CTL_USAGE },
		{ "unknown_command", CTL_USAGE }, { "denied", CTL_DENIED },
		{ "timeout", CTL_TIMEOUT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].code, code) == 0)
			return rows[i].status;
	}
	return CTL_FAILED;
}

/* The error itself names the first of them; a bad configuration may have more,
 * and all are wanted in one run. */
static void
show_more_errors(const struct run *run)
{
	const json_t *errors = json_object_get(json_object_get(run->final,
	    "result"), "errors");

	for (size_t i = 1; i < json_array_size(errors); i++)
		ctl_complain(run->ctl, "%s: %s", run->ctl->command->name,
		    json_string_value(json_array_get(errors, i)));
}

static int
run_show_error(const struct run *run)
{
	const char *text = json_string_value(json_object_get(json_object_get(
	    run->final, "error"), "text"));
	json_t *document;

	ctl_complain(run->ctl, "%s: %s", run->ctl->command->name,
	    text != NULL ? text : "failed");
	show_more_errors(run);
	if (run->ctl->json && run->ctl->command->output != OUTPUT_STREAM) {
		document = json_pack("{s:i, s:O, s:O*, s:O*}",
		    "api", REQUEST_API,
		    "error", json_object_get(run->final, "error"),
		    "command_id", json_object_get(run->final, "command_id"),
		    "result", json_object_get(run->final, "result"));
		print_json(document);
		json_decref(document);
	}
	return exit_of_error(error_code(run->final));
}

static int
run_show_result(const struct run *run)
{
	const struct ctl *ctl = run->ctl;
	const json_t *result = json_object_get(run->final, "result");
	json_t *document;

	if (ctl->json && ctl->command->output != OUTPUT_STREAM) {
		document = ctl->command->output == OUTPUT_TABLE ?
		    json_incref(run->rows) : with_api(result);
		print_json(document);
		json_decref(document);
	} else {
		switch (ctl->command->output) {
		case OUTPUT_TABLE:
			show_table(ctl, run->rows, ctl->command->columns);
			break;
		case OUTPUT_STREAM:
			break;
		case OUTPUT_TEXT:
		case OUTPUT_VERDICT:
			show_result(ctl, result);
			break;
		case OUTPUT_SCREEN:
			break;
		}
	}
	return ctl->command->id == COMMAND_STATUS ? show_status(ctl, result) :
	    CTL_DONE;
}

/* No final answer: say what is known. */
static int
run_show_loss(const struct run *run, enum outcome outcome,
    const struct errmsg *err)
{
	const struct ctl *ctl = run->ctl;

	if (run->begun && ctl->command->id == COMMAND_STOP &&
	    outcome == OUTCOME_NOT_THERE) {
		if (ctl->json)
			printf("{\"api\":%d,\"command_id\":\"%s\"}\n",
			    REQUEST_API, run->id);
		else
			printf("stop: done\n");
		return CTL_DONE;
	}
	ctl_complain(ctl, "%s", err->text);
	if (run->begun && run->id[0] != '\0')
		ctl_complain(ctl, "`%s' had begun; `%s verdict %s' tells how "
		    "it ended", ctl->command->name, ctl->program, run->id);
	switch (outcome) {
	case OUTCOME_NOT_THERE:
		return err->code == ERR_DENIED ? CTL_DENIED : CTL_UNREACHABLE;
	case OUTCOME_TIMEOUT:
		return CTL_TIMEOUT;
	case OUTCOME_FULL:
		return CTL_FAILED;
	case OUTCOME_FINAL:
	case OUTCOME_LOST:
	case OUTCOME_NONSENSE:
		return CTL_UNREACHABLE;
	}
	return CTL_UNREACHABLE;
}

int
run_command(struct ctl *ctl)
{
	struct run run = { .ctl = ctl, .rows = json_array() };
	struct errmsg err = { 0 };
	enum outcome outcome;
	int status;

	if (ctl->command->change)
		run_make_id(&run);
	outcome = run_until_final(&run, &err);
	show_progress_end(ctl);
	if (outcome != OUTCOME_FINAL)
		status = run_show_loss(&run, outcome, &err);
	else if (json_is_true(json_object_get(run.final, "ok")))
		status = run_show_result(&run);
	else
		status = run_show_error(&run);
	json_decref(run.final);
	json_decref(run.rows);
	return status;
}
