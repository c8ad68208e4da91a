/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * ask.c: commands of plugins.  Their path is that of all others, from the
 * checks of dispatch.c on; the answer goes to a reader and no client.
 */
#include "daemon/control/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/control/dispatch.h"
#include "daemon/control/server.h"

/* What the words of errors.def are to a plugin. */
static const struct { const char *word; int error; } errors[] = {
	{ "bad_request", EINVAL }, { "bad_argument", EINVAL },
	{ "unknown_command", ENOENT }, { "not_found", ENOENT },
	{ "denied", EACCES }, { "busy", EAGAIN }, { "conflict", EEXIST },
	{ "timeout", ETIMEDOUT }, { "too_large", EMSGSIZE },
	{ "lagged", EOVERFLOW }, { "failed", ECANCELED }, { "internal", EIO },
};

/* The word is at its one place: see call_write_error(). */
static int
error_of(const char *body)
{
	static const char before[] = "\"ok\":false,\"error\":{\"code\":\"";

	if (strncmp(body, before, sizeof(before) - 1) != 0)
		return 0;
	body += sizeof(before) - 1;
	for (size_t i = 0; i < COUNT(errors); i++) {
		size_t len = strlen(errors[i].word);

		if (strncmp(body, errors[i].word, len) == 0 &&
		    body[len] == '"')
			return errors[i].error;
	}
	return EIO;
}

void
ask_hear_done(struct control_reader *reader, const char *body)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_printf(&buf, "{%s}", body);
	reader->call = NULL;
	if (buf.failed)
		ask_hear_lost(reader);
	else
		reader->hear(reader, CONTROL_DONE, buf_at(&buf), buf_len(&buf),
		    error_of(body));
	buf_done(&buf);
}

void
ask_hear_lost(struct control_reader *reader)
{
	reader->call = NULL;
	reader->hear(reader, CONTROL_DONE, "", 0, EPIPE);
}

/* An error before anything has begun. */
static void
refuse(struct control_reader *reader, const struct errmsg *err)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	buf_init(&buf, 0);
	writer_add_bool(&w, "ok", false);
	writer_open(&w, "error", '{');
	writer_add_text(&w, "code", err_name(err->code));
	writer_add_text(&w, "text", err->text);
	writer_close(&w, '}');
	buf_add(&buf, "", 1);
	if (buf.failed)
		ask_hear_lost(reader);
	else
		ask_hear_done(reader, buf_at(&buf));
	buf_done(&buf);
}

int
control_ask(struct control *control, struct control_reader *reader,
    const struct control_ask *ask)
{
	struct peer peer = { .uid = ask->uid, .gid = ask->gid,
	    .pid = ask->pid, .access = ACCESS_READ };
	const struct asker asker = { .control = control, .peer = &peer,
	    .reader = reader, .ask = ask };
	struct request request = { .id = "null", .command = ask->command,
	    .command_id = ask->id };
	struct errmsg err = { 0 };
	int rc = 0;

	snprintf(peer.exe, sizeof(peer.exe), "%s", ask->who);
	if (ask->args[0] != '\0')
		rc = request_parse_object(ask->args, strlen(ask->args),
		    &request.args, &err);
	if (rc == 0)
		rc = dispatch_request(&asker, &request, &err);
	json_decref(request.args);
	if (rc != 0)
		refuse(reader, &err);
	return rc == ERR_DENIED ? rc : 0;
}

void
control_lose(struct control_reader *reader)
{
	if (reader->call != NULL)
		call_lose(reader->call);
}

void
control_go_on(struct control_reader *reader)
{
	if (reader->call != NULL)
		call_go_on(reader->call);
}
