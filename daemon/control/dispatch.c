/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch.c: decodes a line, finds its command, checks permission and
 * arguments, calls the handler.  Whatever comes is answered: by a command or
 * by one typed error.
 */
#include "daemon/control/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/table/grants.h"
#include "daemon/control/audit.h"
#include "daemon/control/client.h"
#include "daemon/control/server.h"

static command_handler *const handlers[COMMAND__COUNT] = {
#define COMMAND(id, function, ...) [COMMAND_##id] = command_##function,
#include "common/table/commands.def"
};

/* An error about a line that began no command.  Without memory for it the client
 * learns by the end of its connection that nothing will come. */
static void
dispatch_refuse(struct client *client, const char *request_id,
    const struct errmsg *err)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_json(&w, "id", request_id);
	writer_add_bool(&w, "ok", false);
	writer_open(&w, "error", '{');
	writer_add_text(&w, "code", err_name(err->code));
	writer_add_text(&w, "text", err->text);
	writer_close(&w, '}');
	writer_close(&w, '}');
	buf_add(&buf, "\n", 1);
	if (buf.failed)
		client_close(client);
	else
		client_write(client, buf_at(&buf), buf_len(&buf));
	buf_done(&buf);
}

static const struct command *
dispatch_find(const char *name, struct errmsg *err)
{
	const struct command *command = command_by_name(name), *like;

	if (command != NULL)
		return command;
	like = command_like(name);
	errmsg_set(err, ERR_UNKNOWN_COMMAND, "there is no command \"%.64s\"%s%s%s",
	    name, like != NULL ? ", did you mean `" : "",
	    like != NULL ? like->name : "", like != NULL ? "'?" : "");
	return NULL;
}

static int
dispatch_permit(const struct asker *asker, const struct command *command,
    const json_t *args, struct errmsg *err)
{
	const struct control_ask *ask = asker->ask;

	if (ask != NULL ? command_is_granted(command, ask->grants) :
	    asker->peer->access >= command->access)
		return 0;
	audit_denied(asker->control, asker->peer, ask != NULL ? ask->who : NULL,
	    command, args);
	if (ask != NULL)
		return errmsg_set(err, ERR_DENIED,
		    "`%s' is not among what the plugin may", command->name);
	return errmsg_set(err, ERR_DENIED,
	    "`%s' needs the right to %s, and you may only %s", command->name,
	    access_name(command->access), access_name(asker->peer->access));
}

static struct control_call *
dispatch_new_call(const struct asker *asker, const struct command *command)
{
	struct control_call *call;

	if (!call_has_room(asker->control, command, asker->reader != NULL))
		return NULL;
	call = call_new(asker->control, asker->client, command);
	if (call == NULL || asker->reader == NULL)
		return call;
	call->reader = asker->reader;
	call->reader->call = call;
	call->of_plugin = true;
	call->peer = *asker->peer;
	snprintf(call->who, sizeof(call->who), "%s", asker->ask->who);
	return call;
}

int
dispatch_request(const struct asker *asker, const struct request *request,
    struct errmsg *err)
{
	const struct command *command = dispatch_find(request->command, err);
	struct arguments arguments;
	struct control_call *call;
	int rc;

	if (command == NULL)
		return err->code;
	rc = dispatch_permit(asker, command, request->args, err);
	if (rc != 0)
		return rc;
	rc = arguments_parse(command, request->args, clock_wall_ms(),
	    &arguments, err);
	if (rc == 0 && request->command_id != NULL &&
	    (rc = arguments_check_id(request->command_id, err)) != 0)
		errmsg_prefix(err, "command_id: ");
	if (rc != 0)
		return rc;
	call = dispatch_new_call(asker, command);
	if (call == NULL)
		return errmsg_set(err, ERR_BUSY, "too many commands at once");
	memcpy(call->request_id, request->id, sizeof(call->request_id));
	if (request->args != NULL)
		call->args = json_dumps(request->args, JSON_COMPACT);
	if (request->command_id != NULL)
		snprintf(call->wanted_id, sizeof(call->wanted_id), "%s",
		    request->command_id);
	call->control->blind = false;
	handlers[command->id](call, &arguments);
	return 0;
}

void
dispatch_again(struct control_call *call, const json_t *args)
{
	struct arguments arguments;
	struct errmsg err;

	if (arguments_parse(call->command, args, clock_wall_ms(), &arguments,
	    &err) != 0)
		call_fail(call, &err, NULL);
	else
		handlers[call->command->id](call, &arguments);
}

void
dispatch_line(struct client *client, const char *line, size_t len)
{
	const struct asker asker = { .control = client->control,
	    .peer = &client->peer, .client = client };
	struct request request;
	struct errmsg err = { 0 };
	int rc = request_decode(line, len, &request, &err);

	if (rc == 0) {
		rc = dispatch_request(&asker, &request, &err);
		if (rc != 0)
			dispatch_refuse(client, request.id, &err);
		request_done(&request);
		return;
	}
	dispatch_refuse(client, request.id, &err);
}

void
dispatch_overlong(struct client *client)
{
	struct errmsg err;

	errmsg_set(&err, ERR_TOO_LARGE, "a request has at most %d bytes",
	    LINES_REQUEST_MAX);
	dispatch_refuse(client, "null", &err);
	client_close_later(client);
}

static const struct view_pool *
find_pool(const struct view *view, const char *name)
{
	for (size_t i = 0; i < view->pool_count; i++) {
		if (strcmp(view->pools[i].pool, name) == 0)
			return &view->pools[i];
	}
	return NULL;
}

int
dispatch_find_target(struct control_call *call, const struct target *target,
    struct errmsg *err)
{
	const struct view *view;

	if (target->kind == TARGET_NONE || target->kind == TARGET_ALL)
		return 0;
	view = server_view(call->control);
	if (find_pool(view, target->pool) == NULL)
		return errmsg_set(err, ERR_NOT_FOUND, "there is no pool \"%s\"",
		    target->pool);
	if (target->kind == TARGET_POOL)
		return 0;
	for (size_t i = 0; i < view->worker_count; i++) {
		if (view->workers[i].slot == (int64_t)target->slot &&
		    strcmp(view->workers[i].pool, target->pool) == 0)
			return 0;
	}
	return errmsg_set(err, ERR_NOT_FOUND, "pool \"%s\" has no worker %u",
	    target->pool, target->slot);
}

bool
dispatch_is_meant(const struct target *target, const struct view_worker *worker)
{
	if (target->kind == TARGET_NONE || target->kind == TARGET_ALL)
		return true;
	return strcmp(worker->pool, target->pool) == 0 &&
	    (target->kind == TARGET_POOL ||
	    worker->slot == (int64_t)target->slot);
}
