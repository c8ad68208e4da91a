/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * answers.c: a plugin that answers in all ways there are, for tests only; driven
 * by paths, with arguments behind the '?'.
 */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char pattern[PATTERN + PERIOD];
struct counts counts;

static long said[32];
static unsigned said_count;

uint64_t
number(struct cluster_request *req, const char *name)
{
	const char *at = cluster_query(req);
	size_t len = strlen(name);

	while (at != NULL && (strncmp(at, name, len) != 0 || at[len] != '=')) {
		at = strchr(at, '&');
		at = at == NULL ? NULL : at + 1;
	}
	return at == NULL ? 0 : strtoull(at + len + 1, NULL, 10);
}

int
is(struct cluster_request *req, const char *what)
{
	return strstr(cluster_query(req), what) != NULL;
}

enum cluster_verdict
say(struct cluster_request *req, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return cluster_reply_text(req, 200, text);
}

void
note(long value)
{
	if (said_count < sizeof(said) / sizeof(said[0]))
		said[said_count++] = value;
}

enum cluster_verdict
do_said(struct cluster_request *req)
{
	char text[1024] = "";
	size_t len = 0;

	for (unsigned i = 0; i < said_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%ld ",
		    said[i]);
	said_count = 0;
	return cluster_reply_text(req, 200, text);
}

enum cluster_verdict
do_counts(struct cluster_request *req)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"given\": %u, \"released\": %u, "
	    "\"drained\": %u, \"undrained\": %u, \"left\": %u, \"lost\": %u, "
	    "\"timeout\": %u, \"answered\": %u}", counts.given,
	    counts.released, counts.drained, counts.undrained, counts.gone[1],
	    counts.gone[2], counts.gone[3], counts.answered);
	return cluster_reply_copy(req, 200, "application/json", text,
	    strlen(text));
}

void *
give(uint64_t from, size_t len)
{
	char *data = malloc(len + 1);

	if (data == NULL)
		abort();
	for (size_t at = 0; at < len; at += PATTERN) {
		size_t rest = len - at < PATTERN ? len - at : PATTERN;

		memcpy(data + at, pattern + (from + at) % PERIOD, rest);
	}
	counts.given++;
	return data;
}

void
release(void *data, void *arg)
{
	(void)arg;
	free(data);
	counts.released++;
}

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req);
} paths[] = {
#define PATH(name) { "/" #name, do_##name },
#include "paths.def"
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	(void)self;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(cluster_path(req), paths[i].path) == 0)
			return paths[i].run(req);
	return CLUSTER_PASS;
}

static int
start(void *self)
{
	(void)self;
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i % PERIOD);
	return 0;
}

static void
stop(void *self)
{
	(void)self;
	cluster_log(CLUSTER_NOTICE, "at the end: given %u, released %u, "
	    "undrained %u, lost %u", counts.given, counts.released,
	    counts.undrained, counts.gone[CLUSTER_GONE_LOST]);
}

CLUSTER_PLUGIN(answers,
	.summary = "Answers in all ways there are, for tests",
	.start = start, .stop = stop, .handle = handle, .on_room = on_room,
	.on_message = on_message);
