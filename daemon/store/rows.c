/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* rows.c: rows of the state database as JSON; see rows.h. */
#include "daemon/store/rows.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"

static const char *const signals[] = {
	[SIGHUP] = "SIGHUP", [SIGINT] = "SIGINT", [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL", [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS", [SIGFPE] = "SIGFPE", [SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
	[SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT", [SIGSTOP] = "SIGSTOP",
	[SIGTSTP] = "SIGTSTP", [SIGTTIN] = "SIGTTIN", [SIGTTOU] = "SIGTTOU",
	[SIGURG] = "SIGURG", [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ",
	[SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH", [SIGIO] = "SIGIO", [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

const char *
rows_signal_name(int signal, char out[16])
{
	if (signal < 1)
		return NULL;
	if ((size_t)signal < COUNT(signals) && signals[signal] != NULL)
		return signals[signal];
	if (signal >= SIGRTMIN)
		snprintf(out, 16, "SIGRTMIN+%u",
		    (unsigned)(signal - SIGRTMIN) % 100);
	else
		snprintf(out, 16, "SIG%u", (unsigned)signal % 1000);
	return out;
}

static void
add_text(struct buf *buf, const char *name, const char *text)
{
	buf_printf(buf, ",\"%s\":", name);
	if (text != NULL)
		buf_add_json(buf, text, strlen(text));
	else
		buf_add_text(buf, "null");
}

static void
add_number(struct buf *buf, const char *name, int64_t number)
{
	buf_printf(buf, ",\"%s\":%lld", name, (long long)number);
}

static void
add_null(struct buf *buf, const char *name)
{
	buf_printf(buf, ",\"%s\":null", name);
}

/* Text that is JSON already. */
static void
add_json(struct buf *buf, const char *name, const char *json)
{
	buf_printf(buf, ",\"%s\":", name);
	buf_add_text(buf, json != NULL ? json : "null");
}

static void
add_text_column(struct buf *buf, const char *name, const char *text)
{
	add_text(buf, name, text[0] != '\0' ? text : NULL);
}

static void
add_zero_column(struct buf *buf, const char *name, int64_t number)
{
	if (number != 0)
		add_number(buf, name, number);
	else
		add_null(buf, name);
}

static void
add_negative_column(struct buf *buf, const char *name, int64_t number)
{
	char word[16];

	if (number < 0)
		add_null(buf, name);
	else if (strcmp(name, "signal") == 0)
		add_text(buf, name, rows_signal_name((int)number, word));
	else
		add_number(buf, name, number);
}

static void
add_truth_column(struct buf *buf, const char *name, int truth)
{
	add_json(buf, name, truth < 0 ? NULL : truth ? "true" : "false");
}

#define add_number_column(buf, name, value)				\
	add_number(buf, strcmp(name, "worker_id") == 0 ? "id" : name,	\
	    (int64_t)(value))

void
rows_add_death(struct buf *buf, const struct store_death *death)
{
	buf_printf(buf, "{\"worker\":\"%s/%u\"", death->pool, death->slot);
#define DEATH(kind, name) add_##kind##_column(buf, #name, death->name);
#include "daemon/store/rows.def"
	buf_add_text(buf, "}");
}

void
rows_add_generation(struct buf *buf, const struct store_generation *generation)
{
	buf_printf(buf, "{\"generation\":%llu",
	    (unsigned long long)generation->number);
	add_number(buf, "time", generation->time);
	add_zero_column(buf, "previous", (int64_t)generation->previous);
	add_text(buf, "state", generation->state);
	add_text(buf, "sha256", generation->sha256);
	add_text(buf, "image", generation->image);
	add_text(buf, "who", generation->who);
	add_json(buf, "plugins", generation->plugins);
	add_text(buf, "verdict", generation->verdict);
	add_text(buf, "text", generation->text);
	buf_add_text(buf, "}");
}

void
rows_add_command(struct buf *buf, const struct store_command *command)
{
	buf_add_text(buf, "{\"command_id\":");
	buf_add_json(buf, command->command_id, strlen(command->command_id));
	add_number(buf, "time", command->time);
	add_zero_column(buf, "ended", command->ended);
	add_text(buf, "command", command->command);
	add_json(buf, "args", command->args);
	add_negative_column(buf, "uid", command->uid);
	add_negative_column(buf, "gid", command->gid);
	add_negative_column(buf, "pid", command->pid);
	add_text(buf, "exe", command->exe);
	add_text(buf, "state", command->state);
	add_text(buf, "code", command->code);
	add_text(buf, "text", command->text);
	add_json(buf, "result", command->result);
	buf_add_text(buf, "}");
}
