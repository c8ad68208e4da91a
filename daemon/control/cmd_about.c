/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_about.c: ping, version, help, config show, metrics, and the commands
 * whose names are reserved.
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/stamp.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/metrics.h"
#include "daemon/control/server.h"
#include "daemon/control/verdicts.h"
#include "daemon/journal/journal.h"

void
command_absent(struct control_call *call, const struct arguments *arguments)
{
	(void)arguments;
	call_fail_with(call, ERR_UNKNOWN_COMMAND, "`%s' is not in this version",
	    call->command->name);
}

void
command_ping(struct control_call *call, const struct arguments *arguments)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	(void)arguments;
	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_text(&w, "text", "pong");
	writer_add_number(&w, "time", clock_wall_ms());
	writer_close(&w, '}');
	call_done_with(call, &buf);
}

void
command_version(struct control_call *call, const struct arguments *arguments)
{
	const struct view *view = server_view(call->control);
	struct buf buf;
	struct writer w = { .buf = &buf };

	(void)arguments;
	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_text(&w, "version", view->version);
	writer_add_text(&w, "build", build_stamp);
	writer_add_text(&w, "text", view->version);
	writer_close(&w, '}');
	call_done_with(call, &buf);
}

/* A result whose text is for people: {"text":…}. */
static void
done_with_text(struct control_call *call, struct buf *text)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	buf_init(&buf, 0);
	buf.failed = text->failed || buf_add(text, "", 1) != 0;
	writer_open(&w, NULL, '{');
	if (!buf.failed)
		writer_add_text(&w, "text", buf_at(text));
	writer_close(&w, '}');
	buf_done(text);
	call_done_with(call, &buf);
}

void
command_help(struct control_call *call, const struct arguments *arguments)
{
	const struct value *name = arguments_get(arguments, "command");
	const struct command *one = NULL;
	char usage[160];
	struct buf text;

	if (name->given && (one = command_by_name(name->text)) == NULL) {
		call_fail_with(call, ERR_NOT_FOUND,
		    "there is no command \"%.64s\"", name->text);
		return;
	}
	buf_init(&text, 0);
	for (size_t i = 0; i < COMMAND__COUNT; i++) {
		if (one != NULL && one != &commands[i])
			continue;
		buf_printf(&text, "%s: %s%s\n",
		    command_usage(&commands[i], usage, sizeof(usage)),
		    commands[i].help,
		    commands[i].absent ? " (not in this version)" : "");
	}
	done_with_text(call, &text);
}

void
command_config_show(struct control_call *call,
    const struct arguments *arguments)
{
	const struct control_host *host = call->control->host;
	struct errmsg err;
	struct buf text;

	(void)arguments;
	buf_init(&text, 0);
	if (host->config_text(host->context, &text, &err) != 0) {
		buf_done(&text);
		call_fail(call, &err, NULL);
		return;
	}
	done_with_text(call, &text);
}

void
command_metrics(struct control_call *call, const struct arguments *arguments)
{
	const struct control_host *host = call->control->host;
	struct errmsg err;
	struct buf text;

	(void)arguments;
	buf_init(&text, 0);
	metrics_add_view(&text, server_view(call->control));
	metrics_add_memory(&text, journal_memory(call->control->journal),
	    verdicts_memory(call->control));
	if (host->metrics != NULL &&
	    host->metrics(host->context, &text, &err) != 0) {
		buf_done(&text);
		call_fail(call, &err, NULL);
		return;
	}
	done_with_text(call, &text);
}
