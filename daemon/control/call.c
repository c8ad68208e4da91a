/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * call.c: one command while it runs, and who waits for whose.  Ends every call
 * exactly once: the client hears it, the audit keeps it, and the verdict of a
 * change is remembered (verdicts.c), so that asking twice runs it once.
 */
#include "daemon/control/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/control/ask.h"
#include "daemon/control/audit.h"
#include "daemon/control/client.h"
#include "daemon/control/server.h"
#include "daemon/control/verdicts.h"
#include "daemon/journal/journal.h"
#include "daemon/store/store.h"

static unsigned
call_count_plugins(const struct control *control)
{
	unsigned count = 0;

	for (struct control_call *call = control->calls; call != NULL;
	    call = call->next)
		count += call->of_plugin;
	return count;
}

bool
call_has_room(const struct control *control, const struct command *command,
    bool of_plugin)
{
	bool may_last = command->change && command->id != COMMAND_STOP;

	if (of_plugin && call_count_plugins(control) >= CALLS_PLUGINS)
		return false;
	return control->call_count < CALLS_MAX - (may_last ? CALLS_KEPT : 0);
}

struct control_call *
call_new(struct control *control, struct client *client,
    const struct command *command)
{
	struct control_call *call;

	if (control->call_count >= CALLS_MAX)
		return NULL;
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->control = control;
	call->command = command;
	call->time_ms = clock_wall_ms();
	memcpy(call->request_id, "null", sizeof("null"));
	if (client != NULL) {
		call->client = client;
		call->peer = client->peer;
		client->call = call;
	}
	call->next = control->calls;
	control->calls = call;
	control->call_count++;
	return call;
}

static void
call_free(struct control_call *call)
{
	struct control_call **at = &call->control->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->control->call_count--;
	if (call->job > 0)
		store_cancel(call->control->store, call->job);
	journal_unfollow(call->follower);
	if (call->reader != NULL)
		call->reader->call = NULL;
	buf_done(&call->body);
	free(call->context);
	memory_free(call->args);
	free(call->message);
	free(call);
}

void
call_free_all(struct control *control)
{
	while (control->calls != NULL)
		call_free(control->calls);
	verdicts_free_all(control);
}

/* ---- answering ---------------------------------------------------------------- */

/* {"id":…,NAME:JSON} and a newline. */
static void
call_send(struct control_call *call, enum control_said said, const char *json,
    size_t len)
{
	const char *name = said == CONTROL_ROW ? "row" : "progress";
	struct buf buf;

	if (call->reader != NULL)
		call->reader->hear(call->reader, said, json, len, 0);
	if (call->client == NULL)
		return;
	buf_init(&buf, 0);
	buf_printf(&buf, "{\"id\":%s,\"%s\":", call->request_id, name);
	buf_add(&buf, json, len);
	buf_add(&buf, "}\n", 2);
	if (buf.failed)
		client_close(call->client);
	else
		client_write(call->client, buf_at(&buf), buf_len(&buf));
	buf_done(&buf);
}

void
call_progress(struct control_call *call, const char *json, size_t len)
{
	call_send(call, CONTROL_PROGRESS, json, len);
}

void
call_row(struct control_call *call, const char *json, size_t len)
{
	call_send(call, CONTROL_ROW, json, len);
}

/* A list that is not whole is none. */
static void
call_break(struct control_call *call)
{
	struct control_reader *reader = call->reader;

	if (call->client != NULL)
		client_close(call->client);
	if (reader == NULL)
		return;
	call_lose(call);
	ask_hear_lost(reader);
}

bool
call_row_with(struct control_call *call, struct buf *buf)
{
	if (!buf->failed)
		call_row(call, buf_at(buf), buf_len(buf));
	else
		call_break(call);
	buf_clear(buf);
	return call_is_heard(call);
}

static const char *
call_answered_id(const struct control_call *call)
{
	return call->answers[0] != '\0' ? call->answers : call->id;
}

/* The final answer without its id: "\"ok\":true,\"result\":…".  An object gets
 * "api" and, of a change, its id as first members. */
static void
call_write_ok(const struct control_call *call, const char *result,
    struct buf *body)
{
	buf_add_text(body, "\"ok\":true,\"result\":");
	if (result == NULL || *result != '{') {
		buf_add_text(body, result != NULL ? result : "null");
		return;
	}
	buf_printf(body, "{\"api\":%d", REQUEST_API);
	if (*call_answered_id(call) != '\0') {
		buf_add_text(body, ",\"command_id\":");
		buf_add_json(body, call_answered_id(call),
		    strlen(call_answered_id(call)));
	}
	result += strspn(result + 1, " \t\n") + 1;
	if (*result != '}')
		buf_add(body, ",", 1);
	buf_add_text(body, result);
}

static void
call_write_error(const struct control_call *call, const struct errmsg *err,
    const char *result, struct buf *body)
{
	struct writer w = { .buf = body };

	writer_add_bool(&w, "ok", false);
	writer_open(&w, "error", '{');
	writer_add_text(&w, "code", err_name(err->code));
	writer_add_text(&w, "text", err->text);
	writer_close(&w, '}');
	if (*call_answered_id(call) != '\0')
		writer_add_text(&w, "command_id", call_answered_id(call));
	if (result != NULL)
		writer_add_json(&w, "result", result);
}

static void
call_send_body(struct control_call *call, const char *body)
{
	struct control_reader *reader = call->reader;
	struct buf buf;

	if (reader != NULL) {
		call->reader = NULL;
		ask_hear_done(reader, body);
	}
	if (call->client == NULL)
		return;
	buf_init(&buf, 0);
	buf_printf(&buf, "{\"id\":%s,%s}\n", call->request_id, body);
	if (buf.failed)
		client_close(call->client);
	else
		client_write(call->client, buf_at(&buf), buf_len(&buf));
	buf_done(&buf);
}

/* The end of a call that needs no record of its own. */
static void
call_end(struct control_call *call, const char *body)
{
	struct client *client;

	call_send_body(call, body);
	client = call->client;
	if (client != NULL) {
		client->call = NULL;
		call->client = NULL;
	}
	call_free(call);
	if (client != NULL)
		client_go_on(client);
}

static struct control_call *
call_waiting_for(const struct control *control, const char *id)
{
	struct control_call *call = control->calls;

	while (call != NULL && strcmp(call->waits_for, id) != 0)
		call = call->next;
	return call;
}

static void
call_finish(struct control_call *call, struct buf *buf)
{
	struct control *control = call->control;
	struct control_call *other;
	char id[sizeof(call->id)];
	const char *body;

	buf_add(buf, "", 1);
	body = !buf->failed ? buf_at(buf) : "\"ok\":false,\"error\":"
	    "{\"code\":\"internal\",\"text\":\"out of memory\"}";
	memcpy(id, call->id, sizeof(id));
	if (id[0] != '\0')
		verdicts_remember(control, call->id, call->command, body);
	call_end(call, body);
	/* Each end may change the list: look from its head again. */
	while (id[0] != '\0' &&
	    (other = call_waiting_for(control, id)) != NULL)
		call_end(other, body);
	buf_done(buf);
}

static void
on_recorded(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;
	struct buf body = call->body;

	/* Late or in vain: the change is in force all the same. */
	(void)answer;
	call->job = 0;
	buf_init(&call->body, 0);
	call_finish(call, &body);
}

void
call_finish_all(struct control *control)
{
	struct control_call *call = control->calls;

	while (call != NULL) {
		struct buf body = call->body;

		if (buf_len(&body) == 0) {
			call = call->next;
			continue;
		}
		store_cancel(control->store, call->job);
		call->job = 0;
		buf_init(&call->body, 0);
		call_finish(call, &body);
		call = control->calls;	/* it may have taken others along */
	}
}

/*
 * End a call, a recorded one when its record is on the disk: who has lost the
 * answer asks the next master, and must not hear "it never began".  A store
 * that is behind is not waited for, nor is one that closes anyway.
 */
static void
call_end_recorded(struct control_call *call, struct buf *body)
{
	struct store *store = call->control->store;
	struct store_status status;
	int job;

	if (call->recorded && store != NULL &&
	    call->command->id != COMMAND_STOP) {
		store_status(store, &status);
		job = status.state != STORE_OK ? ERR_FAILED : store_sync(store,
		    clock_scaled_ms(CALL_DISK_MS), on_recorded, call);
		if (job > 0) {
			call->body = *body;
			call->job = job;
			return;
		}
	}
	call_finish(call, body);
}

/* Those that share the end of this one.  Each has its own record. */
static void
call_end_joined(struct control_call *call, const struct errmsg *err,
    const char *result)
{
	struct control_call *other = call->control->calls;

	while (other != NULL) {
		if (other->joins != call) {
			other = other->next;
			continue;
		}
		other->joins = NULL;
		if (err != NULL)
			call_fail(other, err, result);
		else
			call_done(other, result);
		other = call->control->calls;	/* each end may change it */
	}
}

/* What was made of a view that is not there says nothing. */
static bool
call_was_blind(struct control_call *call)
{
	bool blind = call->control->blind;

	call->control->blind = false;
	return blind;
}

void
call_done(struct control_call *call, const char *result)
{
	struct buf body;

	if (call_was_blind(call)) {
		call_fail_with(call, ERR_MEMORY, "out of memory");
		return;
	}
	call_end_joined(call, NULL, result);
	buf_init(&body, 0);
	call_write_ok(call, result, &body);
	if (call->recorded)
		audit_ended(call, NULL, result);
	call_end_recorded(call, &body);
}

void
call_fail(struct control_call *call, const struct errmsg *err,
    const char *result)
{
	struct errmsg no_memory;
	struct buf body;

	if (call_was_blind(call)) {
		errmsg_set(&no_memory, ERR_MEMORY, "out of memory");
		err = &no_memory;
	}
	call_end_joined(call, err, result);
	buf_init(&body, 0);
	call_write_error(call, err, result, &body);
	if (call->recorded)
		audit_ended(call, err, result);
	call_end_recorded(call, &body);
}

void
call_fail_with(struct control_call *call, int code, const char *fmt, ...)
{
	struct errmsg err;
	va_list args;

	va_start(args, fmt);
	errmsg_vset(&err, code, fmt, args);
	va_end(args);
	call_fail(call, &err, NULL);
}

void
call_done_with(struct control_call *call, struct buf *buf)
{
	if (buf->failed || buf_add(buf, "", 1) != 0)
		call_fail_with(call, ERR_INTERNAL, "out of memory");
	else
		call_done(call, buf_at(buf));
	buf_done(buf);
}

/* ---- while it runs ---------------------------------------------------------------- */

void
call_go_on(struct control_call *call)
{
	if (call->go_on != NULL && !call_is_full(call))
		call->go_on(call);
}

bool
call_is_full(const struct control_call *call)
{
	if (call->reader != NULL)
		return call->reader->is_full(call->reader);
	return call->client != NULL && client_is_full(call->client);
}

bool
call_is_heard(const struct control_call *call)
{
	return call->client != NULL || call->reader != NULL;
}

void
call_hand_over(struct control_call *call, struct control_call *other)
{
	other->client = call->client;
	other->reader = call->reader;
	other->peer = call->peer;
	other->of_plugin = call->of_plugin;
	memcpy(other->request_id, call->request_id, sizeof(call->request_id));
	if (other->client != NULL)
		other->client->call = other;
	if (other->reader != NULL)
		other->reader->call = other;
	call->client = NULL;
	call->reader = NULL;
}

void
call_lose(struct control_call *call)
{
	call->client = NULL;
	if (call->reader != NULL)
		call->reader->call = NULL;
	call->reader = NULL;
	/* What the master has goes on.  A read may be on the stack at this moment, so it
	 * is freed at the next tick. */
	call->go_on = NULL;
	call->lost = !call->held;
}

void
call_sweep(struct control *control)
{
	struct control_call *call, *next;

	for (call = control->calls; call != NULL; call = next) {
		next = call->next;
		if (call->lost) {
			call_free(call);
		} else if (call->late != NULL &&
		    clock_now_ms() >= call->late_ms) {
			call->late(call);
			next = control->calls;	/* it may end others */
		}
	}
}

/* ---- command ids ------------------------------------------------------------------- */

static void
call_make_id(char *id, size_t size)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = clock_now_ns();
	snprintf(id, size, "%016llx", (unsigned long long)random);
}

static void
call_tell_id(struct control_call *call, const char *id)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_text(&w, "command_id", id);
	writer_close(&w, '}');
	if (!buf.failed)
		call_progress(call, buf_at(&buf), buf_len(&buf));
	buf_done(&buf);
}

void
call_begin_change(struct control_call *call)
{
	if (call->wanted_id[0] != '\0')
		memcpy(call->id, call->wanted_id, sizeof(call->id));
	else
		call_make_id(call->id, sizeof(call->id));
	if (call->who[0] == '\0')
		permission_name(call->peer.uid, call->who, sizeof(call->who));
	/* From here on it ends by its answer alone, also when the first
	 * progress is one byte too much for the client. */
	call->held = true;
	call->recorded = true;
	audit_started(call);
	call_tell_id(call, call->id);
}

static struct control_call *
call_running(const struct control *control, const char *id)
{
	struct control_call *call = control->calls;

	while (call != NULL && strcmp(call->id, id) != 0)
		call = call->next;
	return call;
}

const struct command *
call_command_of(const struct control *control, const char *id)
{
	const struct control_call *call = call_running(control, id);
	const struct verdict *verdict = verdicts_find(control, id);

	return call != NULL ? call->command :
	    verdict != NULL ? verdict->command : NULL;
}

bool
call_join(struct control_call *call, const char *id)
{
	const struct verdict *verdict = verdicts_find(call->control, id);

	if (verdict != NULL) {
		/* The end of a call frees nothing but itself. */
		call_end(call, verdict->body);
		return true;
	}
	if (call_running(call->control, id) == NULL)
		return false;
	if (call->reader != NULL)	/* it need not ask another master */
		call_tell_id(call, id);
	snprintf(call->waits_for, sizeof(call->waits_for), "%s", id);
	return true;
}
