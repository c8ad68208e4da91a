/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * workers.c: a plugin that says what it knows of workers, for tests only;
 * driven by paths.
 */
#include <stdio.h>
#include <string.h>

#include <clusterd/plugin.h>

static size_t
print_worker(char *out, size_t size, const struct cluster_worker_info *w)
{
	return (size_t)snprintf(out, size, "{\"size\": %zu, \"id\": %llu, "
	    "\"generation\": %llu, \"uptime_ms\": %llu, \"restarts\": %llu, "
	    "\"requests\": %llu, \"worker\": \"%s\", \"pool\": \"%s\", "
	    "\"slot\": %u, \"connections\": %u, \"age_ms\": %u, \"pid\": %d, "
	    "\"role\": %d, \"state\": %d, \"connected\": %d, \"leader\": %d}",
	    w->size, (unsigned long long)w->id,
	    (unsigned long long)w->generation,
	    (unsigned long long)w->uptime_ms, (unsigned long long)w->restarts,
	    (unsigned long long)w->requests, w->name, w->pool, w->slot,
	    w->connections, w->age_ms, (int)w->pid, (int)w->role,
	    (int)w->state, w->connected, w->leader);
}

static enum cluster_verdict
do_self(struct cluster_request *req)
{
	char text[1024];

	print_worker(text, sizeof(text), cluster_self());
	return cluster_reply_text(req, 200, text);
}

/* ---- the plugin ---------------------------------------------------------------- */

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req);
} paths[] = {
	{ "/self", do_self }, { "/who", do_self },
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

CLUSTER_PLUGIN(workers,
	.summary = "Says what it knows of workers",
	.handle = handle);
