/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * filters.c: a filter that does what the query of a request says, each word by
 * the instance that it names ("a.stop", "a.upper"), and notes what it saw in a
 * header X-Filters.  What is "ITS NAME.said" tells what the calls of the last
 * misuse returned.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_PLUGIN_FLAGS CLUSTER_NEEDS_MINOR
#include <clusterd/plugin.h>

struct filters {
	const char *name;
	char said[512];
	unsigned freed, made;
};

static struct cluster_request *late;	/* of "later" */
static struct cluster_request *old;	/* of "keep" */

static void
note(struct filters *self, int rc)
{
	size_t len = strlen(self->said);

	snprintf(self->said + len, sizeof(self->said) - len, "%d\n", rc);
}

/* Does the query have "NAME.word" for us? */
static bool
wants(struct cluster_request *req, const struct filters *self,
    const char *word)
{
	const char *query = cluster_query(req);
	char whole[64], *at;

	snprintf(whole, sizeof(whole), "%s.%s", self->name, word);
	for (at = query == NULL ? NULL : strstr(query, whole); at != NULL;
	    at = strstr(at + 1, whole)) {
		char end = at[strlen(whole)];

		if ((at == query || at[-1] == '&') &&
		    (end == '\0' || end == '&'))
			return true;
	}
	return false;
}

/* ---- transforms ---------------------------------------------------------------- */

struct state {
	struct filters *self;
	size_t pieces, bytes;
	char kept[4096];
	size_t kept_len;
};

static void
state_free(void *arg)
{
	struct state *state = arg;

	state->self->freed++;
	free(state);
}

static int
upper_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	const unsigned char *from = data;
	char block[1024];
	int rc = 0;

	(void)arg;
	while (rc == 0 && len > 0) {
		size_t some = len < sizeof(block) ? len : sizeof(block);

		for (size_t i = 0; i < some; i++)
			block[i] = (char)toupper(from[i]);
		rc = cluster_filter_write(req, block, some);
		from += some;
		len -= some;
	}
	return rc;
}

/* In brackets: what is at its begin and its end. */
static int
wrap_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	struct state *state = arg;
	int rc = state->pieces++ == 0 ? cluster_filter_write(req, "[", 1) : 0;

	return rc != 0 ? rc : cluster_filter_write(req, data, len);
}

static int
wrap_end(struct cluster_request *req, void *arg)
{
	const struct state *state = arg;

	return cluster_filter_write(req, state->pieces == 0 ? "[]" : "]",
	    state->pieces == 0 ? 2 : 1);
}

/* Holds back until it is flushed, and marks where it was. */
static int
hold_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	struct state *state = arg;

	(void)req;
	if (len > sizeof(state->kept) - state->kept_len)
		return -1;
	memcpy(state->kept + state->kept_len, data, len);
	state->kept_len += len;
	return 0;
}

static int
hold_flush(struct cluster_request *req, void *arg)
{
	struct state *state = arg;
	int rc = cluster_filter_write(req, state->kept, state->kept_len);

	state->kept_len = 0;
	return rc != 0 ? rc : cluster_filter_write(req, "|", 1);
}

static int
hold_end(struct cluster_request *req, void *arg)
{
	struct state *state = arg;

	return cluster_filter_write(req, state->kept, state->kept_len);
}

static int
swallow_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	(void)req;
	(void)data;
	(void)len;
	(void)arg;
	return 0;
}

static int
broken_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	struct state *state = arg;

	state->bytes += len;
	if (state->bytes > 1000)
		return -1;
	return cluster_filter_write(req, data, len);
}

/* All that a transform must not do with its own answer. */
static int
wrong_piece(struct cluster_request *req, const void *data, size_t len,
    void *arg)
{
	struct state *state = arg;
	struct filters *self = state->self;

	if (state->pieces++ == 0) {
		note(self, cluster_stream_write(req, "x", 1));
		note(self, cluster_stream_end(req));
		note(self, cluster_reply_copy(req, 200, NULL, "x", 1));
		note(self, cluster_stream_begin(req, 200, NULL, -1));
		note(self, cluster_set_header(req, "X-Late", "yes"));
		note(self, cluster_response_status(req));
		note(self, cluster_response_set_header(req, "X-Late", "yes"));
		note(self, cluster_filter_write(req, NULL, 1));
	}
	return cluster_filter_write(req, data, len);
}

static int
die_piece(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	(void)req;
	(void)data;
	(void)len;
	(void)arg;
	abort();
}

static const struct row {
	const char *word;
	struct cluster_transform ops;
} rows[] = {
#define OPS .size = sizeof(struct cluster_transform), .free = state_free
	{ "upper", { OPS, .piece = upper_piece } },
	{ "wrap", { OPS, .piece = wrap_piece, .end = wrap_end } },
	{ "hold", { OPS, .piece = hold_piece, .flush = hold_flush,
	    .end = hold_end } },
	{ "swallow", { OPS, .piece = swallow_piece } },
	{ "broken", { OPS, .piece = broken_piece } },
	{ "wrong", { OPS, .piece = wrong_piece } },
	{ "die", { OPS, .piece = die_piece } },
	{ "plain", { OPS, .piece = NULL } },
};

static int
transform(struct cluster_request *req, struct filters *self,
    const struct cluster_transform *ops)
{
	struct state *state = calloc(1, sizeof(*state));
	int rc;

	if (state == NULL)
		return -ENOMEM;
	state->self = self;
	rc = cluster_response_transform(req, ops, state);
	if (rc != 0)
		free(state);
	else
		self->made++;
	return rc;
}

/* ---- the callbacks ------------------------------------------------------------- */

static int
start(void *arg)
{
	struct filters *self = arg;

	return self->name == NULL;
}

static void
answer_late(void *arg)
{
	(void)arg;
	(void)cluster_reply_text(late, 202, "late\n");
}

static enum cluster_verdict
say(struct cluster_request *req, struct filters *self)
{
	char text[600];

	snprintf(text, sizeof(text), "%u %u\n%s", self->made, self->freed,
	    self->said);
	self->said[0] = '\0';
	return cluster_reply_text(req, 200, text);
}

/* What is for on_response() alone. */
static void
misuse(struct cluster_request *req, struct filters *self)
{
	self->said[0] = '\0';
	note(self, cluster_response_status(req));
	note(self, (int)cluster_response_length(req));
	note(self, cluster_response_set_status(req, 404));
	note(self, cluster_response_set_header(req, "X-A", "b"));
	note(self, cluster_response_remove_header(req, "X-A"));
	note(self, cluster_response_transform(req, &rows[0].ops, NULL));
	note(self, cluster_filter_write(req, "x", 1));
	note(self, cluster_response_type(req) == NULL &&
	    cluster_response_header(req, "X-A") == NULL ? 0 : 1);
}

static enum cluster_verdict
on_request(struct cluster_request *req, void *arg)
{
	struct filters *self = arg;

	if (wants(req, self, "stop"))
		return cluster_reply_text(req, 401, "stopped\n");
	if (wants(req, self, "move"))
		return cluster_set_header(req, "Location", "/else") == 0 &&
		    cluster_reply_copy(req, 302, NULL, NULL, 0) == 0 ?
		    CLUSTER_DONE : CLUSTER_FAIL;
	if (wants(req, self, "said"))
		return say(req, self);
	if (wants(req, self, "fail"))
		return CLUSTER_FAIL;
	if (wants(req, self, "lie"))
		return CLUSTER_DONE;
	if (wants(req, self, "crash"))
		abort();
	if (wants(req, self, "misuse"))
		misuse(req, self);
	if (wants(req, self, "stale")) {
		misuse(old, self);
		cluster_set_header(req, "X-Stale", "yes");
	}
	if (wants(req, self, "keep"))
		old = req;
	if (wants(req, self, "later")) {
		late = req;
		return cluster_timer(10, answer_late, NULL) == NULL ?
		    CLUSTER_FAIL : CLUSTER_LATER;
	}
	return CLUSTER_PASS;
}

/* All that may not be done to a head. */
static void
misuse_head(struct cluster_request *req, struct filters *self)
{
	struct cluster_transform small = { .size = 8 };

	self->said[0] = '\0';
	note(self, cluster_reply_copy(req, 200, NULL, "x", 1));
	note(self, cluster_stream_begin(req, 200, NULL, -1));
	note(self, cluster_stream_write(req, "x", 1));
	note(self, cluster_stream_end(req));
	note(self, cluster_filter_write(req, "x", 1));
	note(self, cluster_response_set_status(req, 100));
	note(self, cluster_response_set_status(req, 600));
	note(self, cluster_response_set_header(req, "Content-Length", "1"));
	note(self, cluster_response_set_header(req, "X-Two", "a\r\nX-B: c"));
	note(self, cluster_response_set_header(req, "X Y", "a"));
	note(self, cluster_response_set_header(req, NULL, "a"));
	note(self, cluster_response_remove_header(req, "Date"));
	note(self, cluster_response_remove_header(req, "X-None"));
	note(self, cluster_response_transform(req, NULL, NULL));
	note(self, cluster_response_transform(req, &small, NULL));
	note(self, transform(req, self, &rows[0].ops));
	note(self, transform(req, self, &rows[0].ops));
	note(self, cluster_response_header(req, "") == NULL ? 0 : 1);
}

static void
on_response(struct cluster_request *req, void *arg)
{
	struct filters *self = arg;
	const char *before = cluster_response_header(req, "X-Filters");
	const char *type = cluster_response_type(req);
	char text[400];

	snprintf(text, sizeof(text), "%s%s%s(%d,%lld,%s)",
	    before == NULL ? "" : before, before == NULL ? "" : " ",
	    self->name, cluster_response_status(req),
	    (long long)cluster_response_length(req),
	    type == NULL ? "-" : type);
	cluster_response_set_header(req, "X-Filters", text);
	if (wants(req, self, "teapot"))
		cluster_response_set_status(req, 418);
	if (wants(req, self, "empty"))
		cluster_response_set_status(req, 204);
	if (wants(req, self, "type"))
		cluster_response_set_header(req, "content-type", "text/x-own");
	if (wants(req, self, "untype"))
		cluster_response_remove_header(req, "Content-Type");
	if (wants(req, self, "hide"))
		cluster_response_remove_header(req, "x-worker");
	if (wants(req, self, "bad"))
		misuse_head(req, self);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (wants(req, self, rows[i].word)) {
			self->said[0] = '\0';
			note(self, transform(req, self, &rows[i].ops));
		}
}

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct filters, name, NULL, "Name of the words"),
	CLUSTER_OPTION_END
};

CLUSTER_PLUGIN(filters, .summary = "Does as the query says",
    .options = options, .size = sizeof(struct filters), .start = start,
    .on_request = on_request, .on_response = on_response);
