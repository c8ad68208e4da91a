/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * control.c: a plugin that gives the daemon commands and watches events, for tests
 * only; driven by paths.  Answers are JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <clusterd/plugin.h>

enum { OBSERVERS = 20 };

/* ---- texts that grow ------------------------------------------------------------- */

struct text {
	char *at;
	size_t len, size;
};

static void
add(struct text *text, const char *more)
{
	size_t len = strlen(more);

	if (text->len + len + 1 > text->size) {
		text->size = 2 * (text->len + len + 1);
		text->at = realloc(text->at, text->size);
		if (text->at == NULL)
			abort();
	}
	memcpy(text->at + text->len, more, len + 1);
	text->len += len;
}

static enum cluster_verdict
reply(struct cluster_request *req, const struct text *text)
{
	return cluster_reply_copy(req, 200, "application/json", text->at,
	    text->len) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

static enum cluster_verdict
reply_number(struct cluster_request *req, const char *name, long long number)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"%s\": %lld}", name, number);
	return cluster_reply_text(req, 200, text);
}

/* The body, its lines apart: the first, and what follows it. */
static char *
body_of(struct cluster_request *req, char **rest)
{
	size_t len;
	const char *body = cluster_body(req, &len);
	char *copy = cluster_alloc(req, len + 1), *end;

	if (copy == NULL)
		abort();
	memcpy(copy, body, len);
	copy[len] = '\0';
	end = strchr(copy, '\n');
	*rest = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	return copy;
}

/* ---- commands ---------------------------------------------------------------------- */

struct run {
	struct cluster_request *req;	/* NULL: nobody waits */
	struct text rows;
};

static struct text ended;		/* of those that nobody waits for */
static unsigned ends;

static void
on_row(const char *json, void *arg)
{
	struct run *run = arg;

	add(&run->rows, run->rows.len > 0 ? ", " : "");
	add(&run->rows, json);
}

static void
on_done(int error, const char *json, void *arg)
{
	struct run *run = arg;
	struct text text = { 0 };
	char number[64];

	ends++;
	snprintf(number, sizeof(number), "{\"error\": %d, \"rows\": [", error);
	add(&text, number);
	add(&text, run->rows.len > 0 ? run->rows.at : "");
	add(&text, "], \"answer\": ");
	add(&text, json != NULL ? json : "null");
	add(&text, "}");
	if (run->req != NULL) {
		reply(run->req, &text);
	} else {
		add(&ended, ended.len > 0 ? ", " : "");
		add(&ended, text.at);
	}
	if (error == -ESHUTDOWN)
		cluster_log(CLUSTER_NOTICE, "ended as we stop");
	free(text.at);
	free(run->rows.at);
	free(run);
}

/* 0 and the request is answered by on_done(); or the words of a refusal. */
static enum cluster_verdict
begin(struct cluster_request *req, int is_scale)
{
	int quiet = cluster_query(req)[0] != '\0', rc;
	struct run *run = calloc(1, sizeof(*run));
	char *rest, *first = body_of(req, &rest);

	if (run == NULL)
		return CLUSTER_FAIL;
	run->req = quiet ? NULL : req;
	rc = is_scale ? cluster_scale(first, rest, on_done, run) :
	    cluster_command(first, rest, on_row, on_done, run);
	if (rc != 0)
		free(run);
	return rc != 0 || quiet ? reply_number(req, "rc", rc) : CLUSTER_LATER;
}

static enum cluster_verdict
do_command(struct cluster_request *req)
{
	return begin(req, 0);
}

static enum cluster_verdict
do_scale(struct cluster_request *req)
{
	return begin(req, 1);
}

static enum cluster_verdict
do_ended(struct cluster_request *req)
{
	struct text text = { 0 };
	enum cluster_verdict verdict;

	add(&text, "[");
	add(&text, ended.len > 0 ? ended.at : "");
	add(&text, "]");
	verdict = reply(req, &text);
	free(text.at);
	return verdict;
}

/* ---- events ------------------------------------------------------------------------- */

static struct observer {
	struct cluster_observer *handle;
	unsigned free_after;		/* so many; 0: never */
	unsigned count;
	struct text seen;
} observers[OBSERVERS];

static void
on_event(const struct cluster_event *event, void *arg)
{
	struct observer *observer = arg;
	char head[256];

	snprintf(head, sizeof(head), "%s{\"seq\": %llu, \"time_ms\": %lld, "
	    "\"event\": \"%s\", \"worker\": \"%s\", \"id\": %llu, \"json\": ",
	    observer->seen.len > 0 ? ", " : "",
	    (unsigned long long)event->seq, (long long)event->time_ms,
	    event->event, event->worker,
	    (unsigned long long)event->worker_id);
	add(&observer->seen, head);
	add(&observer->seen, event->json);
	add(&observer->seen, "}");
	if (++observer->count == observer->free_after)
		cluster_observer_free(observer->handle);
}

/* PATTERN, and how many of it are wanted. */
static enum cluster_verdict
do_observe(struct cluster_request *req)
{
	char *rest, *pattern = body_of(req, &rest);
	int at = 0, rc;

	while (at < OBSERVERS - 1 && observers[at].handle != NULL)
		at++;
	observers[at].free_after = rest == NULL ? 0 :
	    (unsigned)strtoul(rest, NULL, 10);
	rc = cluster_observe(pattern, on_event, &observers[at],
	    &observers[at].handle);
	return reply_number(req, "rc", rc != 0 ? rc : at);
}

static struct observer *
observer_of(struct cluster_request *req)
{
	return &observers[strtoul(cluster_query(req), NULL, 10) % OBSERVERS];
}

static enum cluster_verdict
do_seen(struct cluster_request *req)
{
	struct observer *observer = observer_of(req);
	struct text text = { 0 };
	enum cluster_verdict verdict;

	add(&text, "[");
	add(&text, observer->seen.len > 0 ? observer->seen.at : "");
	add(&text, "]");
	verdict = reply(req, &text);
	free(text.at);
	return verdict;
}

static enum cluster_verdict
do_free(struct cluster_request *req)
{
	return reply_number(req, "rc",
	    cluster_observer_free(observer_of(req)->handle));
}

/* ---- the rest ----------------------------------------------------------------------- */

/* Until somebody opens the fifo. */
static enum cluster_verdict
do_block(struct cluster_request *req)
{
	int fd = open(cluster_query(req), O_RDONLY);

	if (fd >= 0)
		close(fd);
	return reply_number(req, "rc", 0);
}

static enum cluster_verdict
do_misuse(struct cluster_request *req)
{
	struct cluster_observer *handle = NULL;
	const int said[] = {
		cluster_command(NULL, NULL, NULL, on_done, NULL),
		cluster_command("ping", NULL, NULL, NULL, NULL),
		cluster_scale(NULL, "1", on_done, NULL),
		cluster_scale("web", NULL, on_done, NULL),
		cluster_observe("*", NULL, NULL, &handle),
		cluster_observe("*", on_event, NULL, NULL),
		cluster_observer_free(NULL),
		cluster_observer_free((struct cluster_observer *)&handle),
	};
	char text[128] = "";

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%d ", said[i]);
	return cluster_reply_text(req, 200, text);
}

static enum cluster_verdict
do_who(struct cluster_request *req)
{
	return cluster_reply_text(req, 200, cluster_worker_name());
}

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req);
} paths[] = {
	{ "/command", do_command }, { "/scale", do_scale },
	{ "/ended", do_ended }, { "/observe", do_observe },
	{ "/seen", do_seen }, { "/free", do_free }, { "/block", do_block },
	{ "/misuse", do_misuse }, { "/who", do_who },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);

	(void)self;
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(path, paths[i].path) == 0)
			return paths[i].run(req);
	return CLUSTER_PASS;
}

struct control {
	const char *watches;		/* from its start on */
};

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct control, watches, "", "A pattern"),
	CLUSTER_OPTION_END
};

static int
start(void *self)
{
	const struct control *control = self;

	return control->watches[0] == '\0' ? 0 : cluster_observe(
	    control->watches, on_event, &observers[0], &observers[0].handle);
}

CLUSTER_PLUGIN(control,
    .summary = "Gives the daemon commands and watches events",
    .options = options, .size = sizeof(struct control),
    .start = start, .handle = handle);
