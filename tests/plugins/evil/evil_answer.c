/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_answer.c: answers that break the rules of the SDK. */
#include "evil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the calls of the last misuse said, in order; told by /said. */
static char said[512];

static void
note(int rc)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%d\n", rc);
}

enum cluster_verdict
do_said(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say(req, said);
}

/* Answers, then does all that is possible only before. */
enum cluster_verdict
do_double(struct cluster_request *req, struct evil *evil, const char *arg)
{
	said[0] = '\0';
	say(req, "first\n");
	note(cluster_reply_copy(req, 200, "text/plain", "second\n", 7));
	note(cluster_reply_static(req, 200, "text/plain", "second\n", 7));
	note(cluster_set_header(req, "X-Second", "yes"));
	note(cluster_stream_begin(req, 200, "text/plain", 7));
	note(cluster_stream_write(req, "second\n", 7));
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* The same with an answer in pieces that is under way. */
enum cluster_verdict
do_twofold(struct cluster_request *req, struct evil *evil, const char *arg)
{
	said[0] = '\0';
	note(cluster_stream_write(req, "early\n", 6));
	note(cluster_stream_end(req));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_set_header(req, "X-Second", "yes"));
	note(cluster_reply_copy(req, 200, "text/plain", "second\n", 7));
	note(cluster_stream_write(req, "first\n", 6));
	note(cluster_stream_end(req));
	note(cluster_stream_write(req, "more\n", 5));
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* Answers later and keeps at it when it is too late. */
static void
on_too_late(void *arg)
{
	struct cluster_request *req = arg;
	const char *name;
	size_t len;

	note(cluster_reply_copy(req, 200, "text/plain", "late\n", 5));
	note(cluster_set_header(req, "X-Late", "yes"));
	note(cluster_stream_begin(req, 200, "text/plain", -1));
	note(cluster_stream_write(req, "late\n", 5));
	note(cluster_stream_end(req));
	note(cluster_deadline(req, 1000));
	note(cluster_header_at(req, 0, &name, &name));
	note(cluster_path(req) == NULL && cluster_body(req, &len) == NULL &&
	    cluster_alloc(req, 16) == NULL ? 0 : 1);
}

enum cluster_verdict
do_toolate(struct cluster_request *req, struct evil *evil, const char *arg)
{
	said[0] = '\0';
	say(req, "in time\n");
	cluster_timer(1, on_too_late, req);
	return CLUSTER_DONE;
}

static struct cluster_request *kept;

/* Answers, keeps the handle, and tries it again at the next /late. */
enum cluster_verdict
do_late(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int rc = 0;

	if (kept != NULL)
		rc = cluster_reply_copy(kept, 200, NULL, "late", 4);
	kept = req;
	return say_result(req, rc);
}

enum cluster_verdict
do_forget(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return strcmp(arg, "later") == 0 ? CLUSTER_LATER : CLUSTER_DONE;
}

enum cluster_verdict
do_fail(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return CLUSTER_FAIL;
}

enum cluster_verdict
do_pass(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return CLUSTER_PASS;
}

enum cluster_verdict
do_status(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int status = (int)strtol(arg, NULL, 10);

	sign(req);
	if (cluster_reply_copy(req, status, "text/plain", "status\n", 7) == 0)
		return CLUSTER_DONE;
	return say(req, "refused\n");
}

/* Header lines that are none; answers with what each call said. */
enum cluster_verdict
do_header(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static const struct { const char *name, *value; } lines[] = {
		{ "X-Split", "a\r\nX-Evil: yes" }, { "X-Lf", "a\nb" },
		{ "X-Fold", "a\r\n b" }, { "X-Control", "a\x01" },
		{ "X-Good\r\nX-Evil", "a" },
		{ "X Bad", "a" }, { "", "a" }, { "X-Colon:", "a" },
		{ "Content-Length", "5" }, { "transfer-encoding", "chunked" },
		{ "Connection", "close" }, { "X-Good", "yes" },
	};
	char text[256];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%d\n",
		    cluster_set_header(req, lines[i].name, lines[i].value));
	return say(req, text);
}

/* A content type that would be two lines, and statuses that are none. */
enum cluster_verdict
do_type(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static const char *const types[] = { "a/b\r\nX-Evil: yes", "a/b\n",
		"a/b\r", "\x7f", "a/b\x01" };
	static const int statuses[] = { 199, 600, 0, -1 };

	said[0] = '\0';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		note(cluster_reply_copy(req, 200, types[i], "x", 1));
	note(cluster_stream_begin(req, 200, types[0], -1));
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		note(cluster_reply_copy(req, statuses[i], "a/b", "x", 1));
	return say(req, said);
}

/* Announces 10 bytes and gives fewer ("short") or more ("long"). */
enum cluster_verdict
do_length(struct cluster_request *req, struct evil *evil, const char *arg)
{
	said[0] = '\0';
	note(cluster_stream_begin(req, 200, "text/plain", 10));
	note(cluster_stream_write(req, "12345", 5));
	if (strcmp(arg, "long") == 0) {
		note(cluster_stream_write(req, "1234567890", 10));
		note(cluster_stream_write(req, "67890", 5));
		note(cluster_stream_write(req, "1", 1));
	}
	note(cluster_stream_end(req));
	return CLUSTER_DONE;
}

/* A function that the host lacks: it is as old as that. */
enum cluster_verdict
do_absent(struct cluster_request *req, struct evil *evil, const char *arg)
{
	const struct cluster_api *real = cluster_host;
	struct cluster_api older = *real;
	int rc;

	older.size = offsetof(struct cluster_api, busy);
	cluster_host = &older;
	rc = cluster_has(busy) ? 0 : cluster_busy(1);
	cluster_host = real;
	return say_result(req, rc);
}
