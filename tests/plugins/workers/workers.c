/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * workers.c: a plugin that says what it knows of workers and pools, as JSON, for
 * tests only; driven by paths.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <clusterd/plugin.h>

enum { TEXT_MAX = 1 << 20 };

struct text {
	char *at;
	size_t len;
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *text, const char *fmt, ...)
{
	size_t room = TEXT_MAX - text->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->at + text->len, room, fmt, args);
	va_end(args);
	text->len += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static enum cluster_verdict
reply(struct cluster_request *req, struct text *text)
{
	enum cluster_verdict verdict = cluster_reply_text(req, 200, text->at);

	free(text->at);
	return verdict;
}

/* ---- workers and pools ---------------------------------------------------------- */

static void
add_worker(struct text *text, const struct cluster_worker_info *w)
{
	add(text, "{\"size\": %zu, \"id\": %llu, \"generation\": %llu, "
	    "\"uptime_ms\": %llu, \"restarts\": %llu, \"requests\": %llu, "
	    "\"worker\": \"%s\", \"pool\": \"%s\", \"slot\": %u, "
	    "\"connections\": %u, \"age_ms\": %u, \"pid\": %d, \"role\": %d, "
	    "\"state\": %d, \"connected\": %d, \"leader\": %d}",
	    w->size, (unsigned long long)w->id,
	    (unsigned long long)w->generation,
	    (unsigned long long)w->uptime_ms, (unsigned long long)w->restarts,
	    (unsigned long long)w->requests, w->name, w->pool, w->slot,
	    w->connections, w->age_ms, (int)w->pid, (int)w->role,
	    (int)w->state, w->connected, w->leader);
}

static void
do_self(struct text *text, const char *query)
{
	(void)query;
	add_worker(text, cluster_self());
}

static int
add_row(const struct cluster_worker_info *info, void *arg)
{
	struct text *text = arg;

	add(text, "%s", text->len > 1 ? ", " : "");
	add_worker(text, info);
	return 0;
}

/* What it returns if it is no list. */
static void
do_each(struct text *text, const char *query)
{
	int rc;

	add(text, "[");
	rc = cluster_workers_each(query, add_row, text);
	add(text, "]");
	if (rc != 0) {
		text->len = 0;
		add(text, "%d", rc);
	}
}

static int
stop_at_once(const struct cluster_worker_info *info, void *arg)
{
	unsigned *called = arg;

	(void)info;
	++*called;
	return 17;
}

static void
do_stop(struct text *text, const char *query)
{
	unsigned called = 0;
	int rc = cluster_workers_each(query, stop_at_once, &called);

	add(text, "[%d, %u]", rc, called);
}

static void
do_pool(struct text *text, const char *query)
{
	struct cluster_pool_info p = { .size = sizeof(p) }, small = { 1 };
	int rc = cluster_pool_info(query[0] != '\0' ? query : NULL, &p);

	if (rc != 0) {
		add(text, "[%d, %d]", rc, cluster_pool_info(query, &small));
		return;
	}
	add(text, "{\"size\": %zu, \"pool\": \"%s\", \"protocol\": \"%s\", "
	    "\"schedule\": \"%s\", \"desired\": %u, \"ready\": %u, "
	    "\"age_ms\": %u, \"generation\": %llu, \"restarts\": %llu, "
	    "\"requests\": %llu, \"connections\": %llu, \"listen\": [",
	    p.size, p.name, p.protocol, p.schedule, p.desired, p.ready,
	    p.age_ms, (unsigned long long)p.generation,
	    (unsigned long long)p.restarts, (unsigned long long)p.requests,
	    (unsigned long long)p.connections);
	for (unsigned i = 0; i < p.listen_count; i++)
		add(text, "%s\"%s\"", i > 0 ? ", " : "", p.listen[i]);
	add(text, "]}");
}

/* ---- the plugin ---------------------------------------------------------------- */

static const struct {
	const char *path;
	void (*run)(struct text *text, const char *query);
} paths[] = {
	{ "/who", do_self }, { "/self", do_self }, { "/each", do_each },
	{ "/stop", do_stop }, { "/pool", do_pool },
};

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);
	struct text text = { calloc(1, TEXT_MAX), 0 };

	(void)self;
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (text.at != NULL && strcmp(path, paths[i].path) == 0) {
			paths[i].run(&text, cluster_query(req));
			return reply(req, &text);
		}
	free(text.at);
	return CLUSTER_PASS;
}

CLUSTER_PLUGIN(workers,
	.summary = "Says what it knows of workers and pools",
	.handle = handle);
