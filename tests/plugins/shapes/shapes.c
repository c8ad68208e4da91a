/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * shapes.c: answers of the shape that the query asks for: status, type, size,
 * any number of field=NAME:VALUE, how: whole (as it is where there is none),
 * pieces (size unknown), steps (/step writes one piece, /end ends it); for tests
 * only.
 */
#include <clusterd/plugin.h>

#include <stdio.h>
#include <stdlib.h>

enum { LINE = 10, STEP = 1000 };

/* The one answer in steps. */
static struct cluster_request *open_one;
static unsigned steps;

/* "         1\n" and so on: all differ a little. */
static char *
make_text(size_t size)
{
	char *text = malloc(size + LINE + 2);

	for (size_t at = 0; text != NULL && at < size; at += LINE + 1)
		snprintf(text + at, LINE + 2, "%10u\n",
		    (unsigned)(at % 1000000000));
	return text;
}

static int
set_field(const char *name, const char *value, void *req)
{
	char field[64];
	const char *colon = strchr(value, ':');

	if (strcmp(name, "field") != 0)
		return 0;
	snprintf(field, sizeof(field), "%.*s", (int)(colon - value), value);
	return cluster_set_header(req, field, colon + 1);
}

static enum cluster_verdict
reply_in_pieces(struct cluster_request *req, int status, const char *type,
    const char *text, size_t size)
{
	int rc = cluster_stream_begin(req, status, type, -1);

	for (size_t at = 0; rc == 0 && at < size; at += STEP)
		rc = cluster_stream_write(req, text + at,
		    size - at < STEP ? size - at : STEP);
	if (rc == 0)
		rc = cluster_stream_end(req);
	return rc == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

static enum cluster_verdict
next_step(struct cluster_request *req, bool end)
{
	char text[32];
	int rc;

	snprintf(text, sizeof(text), "step %u\n", steps++);
	rc = end ? cluster_stream_end(open_one) :
	    cluster_stream_write(open_one, text, strlen(text));
	return cluster_reply_text(req, rc == 0 ? 200 : 500, text);
}

static enum cluster_verdict
begin_steps(struct cluster_request *req, int status, const char *type)
{
	open_one = req;
	steps = 0;
	return cluster_stream_begin(req, status, type, -1) == 0 ?
	    CLUSTER_LATER : CLUSTER_FAIL;
}

static const char *
asked(struct cluster_request *req, const char *name, const char *otherwise)
{
	const char *value = cluster_query_get(req, name);

	return value == NULL ? otherwise : value;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *how = asked(req, "how", "whole");
	const char *type = asked(req, "type", "text/plain");
	int status = (int)strtol(asked(req, "status", "200"), NULL, 10), rc;
	size_t size = strtoul(asked(req, "size", "2000"), NULL, 10);
	enum cluster_verdict verdict;
	char *text;

	(void)self;
	if (strcmp(cluster_path(req), "/step") == 0)
		return next_step(req, false);
	if (strcmp(cluster_path(req), "/end") == 0)
		return next_step(req, true);
	if (cluster_query_each(req, set_field, req) != 0)
		return CLUSTER_FAIL;
	if (type[0] == '\0')
		type = NULL;
	if (strcmp(how, "steps") == 0)
		return begin_steps(req, status, type);
	text = make_text(size);
	if (text == NULL)
		return CLUSTER_FAIL;
	if (strcmp(how, "pieces") == 0) {
		verdict = reply_in_pieces(req, status, type, text, size);
	} else {
		rc = cluster_reply_copy(req, status, type, text, size);
		verdict = rc == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
	}
	free(text);
	return verdict;
}

CLUSTER_PLUGIN(shapes,
	.summary = "Answers of any shape",
	.handle = handle);
