/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_why.c: why did it die: the last death of each worker named, in words, and
 * what happens next.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/parse.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/present.h"
#include "daemon/control/server.h"
#include "daemon/store/store.h"

enum { WHY_DEATHS = 500 };	/* looked through for a pool or all */

static const char *
text_of(const json_t *death, const char *name)
{
	const char *text = json_string_value(json_object_get(death, name));

	return text != NULL ? text : "";
}

static int64_t
number_of(const json_t *death, const char *name)
{
	const json_t *number = json_object_get(death, name);

	return json_is_integer(number) ? json_integer_value(number) : -1;
}

static void
add_duration(struct buf *buf, int64_t ms)
{
	if (ms < 0)
		buf_add_text(buf, "?");
	else if (ms < 1000)
		buf_printf(buf, "%lld ms", (long long)ms);
	else if (ms < 120000)
		buf_printf(buf, "%lld.%lld s", (long long)ms / 1000,
		    (long long)ms / 100 % 10);
	else if (ms < 7200000)
		buf_printf(buf, "%lld min", (long long)ms / 60000);
	else
		buf_printf(buf, "%lld h", (long long)ms / 3600000);
}

static void
add_time(struct buf *buf, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32] = "?";
	struct tm tm;

	if (localtime_r(&seconds, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_add_text(buf, text);
}

static void
add_request(struct buf *buf, const json_t *death)
{
	if (*text_of(death, "plugin") == '\0' && *text_of(death, "path") == '\0') {
		buf_add_text(buf, "  request      none was being served\n");
		return;
	}
	buf_printf(buf, "  request      %s %s", text_of(death, "method"),
	    text_of(death, "path"));
	if (number_of(death, "request_ms") >= 0) {
		buf_add_text(buf, ", for ");
		add_duration(buf, number_of(death, "request_ms"));
	}
	buf_printf(buf, "\n  plugin       %s", text_of(death, "plugin"));
	if (*text_of(death, "route") != '\0')
		buf_printf(buf, ", route %s", text_of(death, "route"));
	buf_add_text(buf, "\n");
}

static void
add_cause(struct buf *buf, const json_t *death)
{
	buf_printf(buf, "  cause        %s", text_of(death, "cause"));
	if (*text_of(death, "signal") != '\0')
		buf_printf(buf, ", signal %s%s", text_of(death, "signal"),
		    json_is_true(json_object_get(death, "core")) ||
		    number_of(death, "core") > 0 ? ", core dumped" : "");
	else if (number_of(death, "code") >= 0)
		buf_printf(buf, ", exit status %lld",
		    (long long)number_of(death, "code"));
	if (*text_of(death, "reason") != '\0')
		buf_printf(buf, "; it was to go: %s", text_of(death, "reason"));
	buf_add_text(buf, "\n");
}

/* The last output, each line set in.  It is on record as escaped text. */
static void
add_output(struct buf *buf, const char *text)
{
	static const char newline[] = "\\x0a";

	if (*text == '\0')
		return;
	buf_add_text(buf, "  last output\n");
	while (*text != '\0') {
		const char *end = strcasestr(text, newline);
		size_t len = end != NULL ? (size_t)(end - text) : strlen(text);

		buf_printf(buf, "    %.*s\n", (int)len, text);
		text += len + (end != NULL ? sizeof(newline) - 1 : 0);
	}
}

static void
add_death(struct buf *buf, const json_t *death)
{
	buf_add_text(buf, "  died         ");
	add_time(buf, number_of(death, "time"));
	if (*text_of(death, "text") != '\0')
		buf_printf(buf, ": %s", text_of(death, "text"));
	buf_add_text(buf, "\n");
	add_cause(buf, death);
	add_request(buf, death);
	buf_printf(buf, "  process      worker %lld, pid %lld, generation %lld, "
	    "lived ", (long long)number_of(death, "id"),
	    (long long)number_of(death, "pid"),
	    (long long)number_of(death, "generation"));
	add_duration(buf, number_of(death, "uptime_ms"));
	buf_printf(buf, "\n  connections  %lld lost, %lld given to others\n",
	    (long long)number_of(death, "connections_lost"),
	    (long long)number_of(death, "connections_recovered"));
	if (*text_of(death, "evidence") != '\0')
		buf_printf(buf, "  evidence     %s\n",
		    text_of(death, "evidence"));
	add_output(buf, text_of(death, "output_tail"));
}

static void
add_present(struct buf *buf, const struct view_worker *worker)
{
	buf_printf(buf, "%s: %s", worker->worker, worker->state);
	if (worker->pid >= 0)
		buf_printf(buf, ", pid %lld", (long long)worker->pid);
	if (worker->uptime_ms >= 0 && worker->pid >= 0) {
		buf_add_text(buf, ", for ");
		add_duration(buf, worker->uptime_ms);
	}
	if (worker->restarts >= 0)
		buf_printf(buf, "; %lld restart%s", (long long)worker->restarts,
		    worker->restarts == 1 ? "" : "s");
	buf_add_text(buf, "\n");
	if (worker->text != NULL)
		buf_printf(buf, "  now          %s\n", worker->text);
	if (worker->next >= 0) {
		int64_t left = worker->next - clock_wall_ms();

		buf_add_text(buf, "  next try     in ");
		add_duration(buf, left > 0 ? left : 0);
		buf_add_text(buf, "\n");
	}
}

/* Routes of its pool that end workers. */
static void
add_routes(struct buf *buf, struct writer *w, const struct view *view,
    const char *pool)
{
	writer_open(w, "quarantine", '[');
	for (size_t i = 0; i < view->reason_count; i++) {
		const struct view_reason *reason = &view->reasons[i];

		if (reason->id != REASON_QUARANTINE || reason->pool == NULL ||
		    strcmp(reason->pool, pool) != 0)
			continue;
		buf_printf(buf, "  quarantine   %s\n", reason->text);
		writer_add_text(w, NULL, reason->text);
	}
	writer_close(w, ']');
}

/* The newest death of a slot in an array that is sorted by age. */
static const json_t *
find_death(const json_t *deaths, const struct view_worker *worker)
{
	for (size_t i = json_array_size(deaths); i-- > 0;) {
		const json_t *death = json_array_get(deaths, i);

		if (number_of(death, "slot") == worker->slot &&
		    strcmp(text_of(death, "pool"), worker->pool) == 0)
			return death;
	}
	return NULL;
}

static void
why_answer(struct control_call *call, const struct target *target,
    const json_t *deaths, const char *trouble)
{
	const struct view *view = server_view(call->control);
	struct buf text, buf;
	struct writer w = { .buf = &buf };

	buf_init(&text, 0);
	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_open(&w, "workers", '[');
	for (size_t i = 0; i < view->worker_count; i++) {
		const struct view_worker *worker = &view->workers[i];
		const json_t *death;
		char *json;

		if (!worker->current || !dispatch_is_meant(target, worker))
			continue;
		death = find_death(deaths, worker);
		add_present(&text, worker);
		if (death != NULL)
			add_death(&text, death);
		else
			buf_printf(&text, "  %s\n", trouble != NULL ? trouble :
			    "no death is on record");
		json = death != NULL ? json_dumps(death, JSON_COMPACT) : NULL;
		writer_open(&w, NULL, '{');
		writer_add_text(&w, "worker", worker->worker);
		writer_add_text(&w, "state", worker->state);
		writer_add_known(&w, "next", worker->next);
		writer_add_json(&w, "death", json);
		add_routes(&text, &w, view, worker->pool);
		writer_close(&w, '}');
		memory_free(json);
	}
	writer_close(&w, ']');
	if (buf_add(&text, "", 1) == 0)
		writer_add_text(&w, "text", buf_at(&text));
	writer_close(&w, '}');
	buf_done(&text);
	call_done_with(call, &buf);
}

static void
on_deaths(void *arg, const struct store_answer *answer)
{
	struct control_call *call = arg;
	const struct target *target = call->context;
	json_t *deaths;

	call->job = 0;
	if (!call_is_heard(call))
		return;
	deaths = json_array();
	for (size_t i = 0; answer->rc == 0 && i < answer->count; i++)
		json_array_append_new(deaths, json_loadb(answer->rows[i].json,
		    answer->rows[i].len, 0, NULL));
	why_answer(call, target, deaths,
	    answer->rc == 0 ? NULL : answer->err.text);
	json_decref(deaths);
}

void
command_why(struct control_call *call, const struct arguments *arguments)
{
	const struct value *worker = arguments_get(arguments, "worker");
	struct store_query query = { .table = STORE_DEATHS, .last = 1,
	    .limit = worker->target.kind == TARGET_WORKER ? 1 : WHY_DEATHS };
	struct target *target;
	struct errmsg err;
	int job;

	if (dispatch_find_target(call, &worker->target, &err) != 0) {
		call_fail(call, &err, NULL);
		return;
	}
	target = malloc(sizeof(*target));
	if (target == NULL) {
		call_fail_with(call, ERR_MEMORY, "out of memory");
		return;
	}
	*target = worker->target;
	call->context = target;
	if (target->kind != TARGET_ALL)
		arguments_format_target(target, query.worker,
		    sizeof(query.worker));
	job = call->control->store != NULL ? store_query(call->control->store,
	    &query, on_deaths, call) : ERR_FAILED;
	if (job < 0)
		why_answer(call, target, NULL,
		    "the state database cannot be asked");
	else
		call->job = job;
}
