/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* control.c: commands of plugins; see control.h. */
#include "daemon/plugin/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/table/grants.h"
#include "common/table/table.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/json.h"

enum { MASTER_MS = 5000 };		/* that a new one has to take it up */

/* ---- to the master ------------------------------------------------------------- */

static bool
take_token(struct asking *asking)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t more = (now_ns - asking->tokens_ns) /
	    (NS_PER_S / CHANNEL_COMMANDS_A_SECOND);

	if (more > 0) {
		asking->tokens = more > CHANNEL_COMMANDS_A_SECOND -
		    asking->tokens ? CHANNEL_COMMANDS_A_SECOND :
		    asking->tokens + (uint32_t)more;
		asking->tokens_ns = now_ns;
	}
	if (asking->tokens == 0)
		return false;
	asking->tokens--;
	return true;
}

int
control_post(struct host *host, struct channel_packet *packet, size_t tail)
{
	struct channel *channel = host->outbox.channel;
	struct errmsg err;
	int rc;

	if (channel == NULL || host->asking.shut)
		return -ESHUTDOWN;
	if (channel->queued >= CHANNEL_QUEUE_MESSAGES ||
	    !take_token(&host->asking))
		return -EAGAIN;
	rc = channel_send(channel, packet, channel_end(packet, tail), NULL, 0,
	    &err);
	if (rc == ERR_FULL || rc == ERR_MEMORY)
		return -EAGAIN;
	/* The other end gone is no news here: the lifeline tells. */
	if (channel->queued > 0)
		host->ops->waits();
	return 0;
}

static int
post_command(struct host *host, const struct asked *asked, const char *name,
    const char *args)
{
	static _Alignas(8) struct channel_packet packet;
	size_t len = strlen(args);

	channel_begin(&packet, CHANNEL_COMMAND, asked->ref);
	packet.body.command.instance = asked->plugin;
	record_put_text(packet.body.command.name,
	    sizeof(packet.body.command.name), name);
	memcpy(channel_tail(&packet, NULL), args, len);
	return control_post(host, &packet, len);
}

/* ---- the end --------------------------------------------------------------------- */

static void
finish(struct host *host, struct asked *asked, int error, const char *json)
{
	struct asked gone = *asked;
	struct host_frame frame;

	free(asked->args);
	*asked = (struct asked){ .ref = 0 };
	frame = host_enter(host, DOING_MESSAGE, gone.plugin);
	gone.done(error, json, gone.arg);
	host_leave(host, frame);
}

static void
tell_row(struct host *host, struct asked *asked, const char *json)
{
	struct host_frame frame;

	asked->told = true;
	if (asked->row == NULL)
		return;
	frame = host_enter(host, DOING_MESSAGE, asked->plugin);
	asked->row(json, asked->arg);
	host_leave(host, frame);
}

void
control_stop(struct host *host)
{
	struct asking *asking = &host->asking;

	asking->shut = true;
	for (size_t i = 0; i < COMMANDS_AT_ONCE; i++)
		if (asking->rows[i].ref != 0)
			finish(host, &asking->rows[i], -ESHUTDOWN, NULL);
}

/* ---- after the loss of a master ---------------------------------------------------- */

static void
set_deadline(struct asked *asked)
{
	if (asked->deadline_ns == 0)
		asked->deadline_ns = clock_now_ns() +
		    clock_scaled_ms(MASTER_MS) * NS_PER_MS;
}

void
control_master_lost(struct host *host, uint32_t master)
{
	if (master != host->asking.master)
		return;			/* heard late: there is another already */
	for (size_t i = 0; i < COMMANDS_AT_ONCE; i++)
		if (host->asking.rows[i].ref != 0)
			set_deadline(&host->asking.rows[i]);
}

/* What changes something may have begun: its verdict is asked for, by its id. */
static void
send_again(struct host *host, struct asked *asked)
{
	char id[CHANNEL_COMMAND_ID], args[64];

	if (asked->asks_verdict)
		snprintf(args, sizeof(args), "{\"command_id\":\"%s\"}",
		    channel_command_id(host->worker_id, asked->first_ref, id));
	asked->unsent = (asked->asks_verdict ?
	    post_command(host, asked, "verdict", args) :
	    post_command(host, asked, asked->command->name, asked->args)) != 0;
}

/* A read whose rows were told in part cannot be told anew.  Should they be of the
 * new master, which has found the question in the channel, the end comes soon. */
static void
ask_again(struct host *host, struct asked *asked)
{
	if (!asked->command->change && asked->told) {
		asked->in_doubt = true;
		set_deadline(asked);
		return;
	}
	set_deadline(asked);
	asked->asks_verdict = asked->command->change;
	asked->ref = ++host->asking.number;
	send_again(host, asked);
}

/* It never began, so it begins now: under its first number, of which its id is
 * made. */
static void
begin_again(struct host *host, struct asked *asked)
{
	asked->asks_verdict = false;
	asked->ref = asked->first_ref;
	set_deadline(asked);
	send_again(host, asked);
}

void
control_tick(struct host *host, uint32_t master)
{
	struct asking *asking = &host->asking;
	bool is_new = master != asking->master;
	uint64_t now_ns = clock_now_ns();

	asking->master = master;
	for (size_t i = 0; i < COMMANDS_AT_ONCE; i++) {
		struct asked *asked = &asking->rows[i];

		if (asked->ref != 0 && is_new)
			ask_again(host, asked);
		else if (asked->ref != 0 && asked->unsent)
			send_again(host, asked);
		if (asked->ref != 0 && asked->deadline_ns != 0 &&
		    now_ns >= asked->deadline_ns)
			finish(host, asked, -EPIPE, NULL);
	}
}

/* ---- the answer --------------------------------------------------------------------- */

/* By the number it has now; a master that is lost may have said the end of a
 * change under its first one. */
static struct asked *
find(struct asking *asking, uint64_t ref)
{
	for (size_t i = 0; ref != 0 && i < COMMANDS_AT_ONCE; i++) {
		struct asked *asked = &asking->rows[i];

		if (asked->ref != 0 && (asked->ref == ref ||
		    (asked->first_ref == ref && asked->command->change)))
			return asked;
	}
	return NULL;
}

static void
take_done(struct host *host, struct asked *asked, uint64_t ref, int error,
    const char *json)
{
	bool of_verdict = asked->asks_verdict && asked->ref == ref;

	if (of_verdict && error == ENOENT) {
		begin_again(host, asked);
	} else if (of_verdict && error == EAGAIN) {
		asked->unsent = true;
		set_deadline(asked);
	} else {
		finish(host, asked, -error, json[0] != '\0' ? json : NULL);
	}
}

void
control_take(struct host *host, struct channel_packet *packet, const int *fds,
    size_t count)
{
	struct asked *asked = find(&host->asking, packet->header.ref);
	int error = (int)packet->body.result.error;
	struct json_text json;
	int rc;

	if (asked == NULL)		/* asked again under another number */
		return;
	rc = json_open(&json, packet, fds, count);
	if (rc != 0) {
		finish(host, asked, -rc, NULL);
		return;
	}
	if (!asked->in_doubt)
		asked->deadline_ns = 0;
	switch ((enum result_kind)packet->body.result.kind) {
	case RESULT_ROW:
		tell_row(host, asked, json.text);
		break;
	case RESULT_PROGRESS:
		break;
	case RESULT_DONE:
		take_done(host, asked, packet->header.ref, error, json.text);
		break;
	}
	json_close(&json);
}

/* ---- what plugins ask ----------------------------------------------------------------- */

static struct asked *
free_row(struct asking *asking)
{
	for (size_t i = 0; i < COMMANDS_AT_ONCE; i++)
		if (asking->rows[i].ref == 0)
			return &asking->rows[i];
	return NULL;
}

static int
check(const struct host *host, const char *name, const char *args,
    const struct command **out)
{
	const struct command *command = command_by_name(name);

	if (command == NULL)
		return -ENOENT;
	if (host->current >= host->plugin_count ||
	    !command_is_granted(command, host->plugins[host->current].may))
		return -EACCES;
	if (strlen(args) > COMMAND_ARGS_MAX)
		return -EMSGSIZE;
	*out = command;
	return 0;
}

int
control_command(struct host *host, const char *name, const char *args,
    cluster_row_fn *row, cluster_done_fn *done, void *arg)
{
	struct asking *asking = &host->asking;
	struct asked *asked = free_row(asking);
	const struct command *command;
	int rc;

	if (name == NULL || done == NULL)
		return -EINVAL;
	if (args == NULL)
		args = "";
	rc = check(host, name, args, &command);
	if (rc != 0)
		return rc;
	if (asked == NULL)
		return -EAGAIN;
	*asked = (struct asked){
		.ref = asking->number + 1, .first_ref = asking->number + 1,
		.command = command, .args = strdup(args),
		.plugin = host->current, .row = row, .done = done, .arg = arg,
	};
	rc = asked->args == NULL ? -ENOMEM :
	    post_command(host, asked, name, args);
	if (rc != 0) {
		free(asked->args);
		*asked = (struct asked){ .ref = 0 };
		return rc;
	}
	asking->number++;
	return 0;
}

/* A text of a plugin within quotes; false: it is too long for what it says. */
static bool
quote(char *out, size_t size, const char *text)
{
	size_t len = strlen(text), used;

	if (6 * len + 3 > size)
		return false;
	out[0] = '"';
	used = 1 + escape_json(out + 1, size - 3, text, len);
	out[used] = '"';
	out[used + 1] = '\0';
	return true;
}

int
control_scale(struct host *host, const char *pool, const char *workers,
    cluster_done_fn *done, void *arg)
{
	char name[256], size[128], args[512];

	if (pool == NULL || workers == NULL ||
	    !quote(name, sizeof(name), pool) ||
	    !quote(size, sizeof(size), workers))
		return -EINVAL;
	snprintf(args, sizeof(args), "{\"pool\":%s,\"workers\":%s}", name,
	    size);
	return control_command(host, "scale", args, NULL, done, arg);
}

void
control_init(struct host *host, uint32_t master)
{
	host->asking.master = master;
	host->asking.tokens = CHANNEL_COMMANDS_A_SECOND;
	host->asking.tokens_ns = clock_now_ns();
}
