/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* present.c: parts of the view as JSON; see present.h. */
#include "daemon/control/present.h"

const char *
present_state(enum view_state state)
{
	switch (state) {
	case VIEW_OK:		return "ok";
	case VIEW_DEGRADED:	return "degraded";
	case VIEW_FAILED:	return "failed";
	}
	return "failed";
}

static void
add_texts(struct writer *w, const char *name, const char *const *texts,
    size_t count)
{
	writer_open(w, name, '[');
	for (size_t i = 0; i < count; i++)
		writer_add_text(w, NULL, texts[i]);
	writer_close(w, ']');
}

void
present_add_doing(struct writer *w, const struct view_doing *doing)
{
	writer_add_text(w, "plugin", doing->plugin);
	writer_add_text(w, "route", doing->route);
	writer_add_text(w, "method", doing->method);
	writer_add_text(w, "path", doing->path);
	writer_add_known(w, "since_ms", doing->since_ms);
}

void
present_add_worker(struct writer *w, const struct view_worker *worker)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "worker", worker->worker);
	writer_add_text(w, "pool", worker->pool);
	writer_add_number(w, "slot", worker->slot);
	writer_add_known(w, "id", worker->id);
	writer_add_known(w, "pid", worker->pid);
	writer_add_known(w, "generation", worker->generation);
	writer_add_text(w, "state", worker->state);
	writer_add_bool(w, "current", worker->current);
	writer_add_bool(w, "wanted", worker->wanted);
	writer_add_bool(w, "paused", worker->paused);
	writer_add_bool(w, "stalled", worker->stalled);
	writer_add_known(w, "uptime_ms", worker->uptime_ms);
	writer_add_known(w, "restarts", worker->restarts);
	writer_add_known(w, "replacements", worker->replacements);
	writer_add_known(w, "connections", worker->connections);
	writer_add_known(w, "requests", worker->requests);
	writer_add_known(w, "rss_kb", worker->rss_kb);
	writer_add_known(w, "cpu_ms", worker->cpu_ms);
	writer_add_known(w, "children", worker->children);
	writer_add_known(w, "holds", worker->holds);
	writer_add_known(w, "beat_age_ms", worker->beat_age_ms);
	writer_add_known(w, "sockets", worker->sockets);
	writer_add_known(w, "next", worker->next);
	writer_add_text(w, "text", worker->text);
	if (worker->has_doing) {
		writer_open(w, "doing", '{');
		present_add_doing(w, &worker->doing);
		writer_close(w, '}');
	} else {
		writer_add_json(w, "doing", NULL);
	}
	writer_close(w, '}');
}

void
present_add_pool(struct writer *w, const struct view_pool *pool)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "pool", pool->pool);
	writer_add_text(w, "state", present_state(pool->state));
	writer_add_text(w, "protocol", pool->protocol);
	writer_add_text(w, "schedule", pool->schedule);
	add_texts(w, "listen", pool->listen, pool->listen_count);
	writer_add_known(w, "desired", pool->desired);
	writer_add_known(w, "ready", pool->ready);
	writer_add_known(w, "min", pool->min);
	writer_add_known(w, "max", pool->max);
	writer_add_known(w, "busy_percent", pool->busy_percent);
	writer_add_known(w, "next_step", pool->next_step);
	writer_add_known(w, "generation", pool->generation);
	writer_add_bool(w, "automatic", pool->automatic);
	writer_add_text(w, "drained_by", pool->drained_by);
	writer_add_known(w, "restarts", pool->restarts);
	writer_add_known(w, "replacements", pool->replacements);
	writer_add_known(w, "requests", pool->requests);
	writer_add_known(w, "connections", pool->connections);
	writer_add_known(w, "children", pool->children);
	writer_close(w, '}');
}

void
present_add_listener(struct writer *w, const struct view_listener *listener)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "address", listener->address);
	writer_add_text(w, "configured", listener->configured);
	writer_add_text(w, "pool", listener->pool);
	writer_add_text(w, "schedule", listener->schedule);
	writer_add_known(w, "socket", listener->socket);
	writer_add_text(w, "owner", listener->owner);
	writer_add_known(w, "backlog", listener->backlog);
	writer_add_known(w, "queued", listener->queued);
	writer_add_known(w, "accepted", listener->accepted);
	writer_add_known(w, "healed", listener->healed);
	writer_close(w, '}');
}

void
present_add_plugin(struct writer *w, const struct view_plugin *plugin)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "plugin", plugin->plugin);
	writer_add_text(w, "module", plugin->module);
	writer_add_text(w, "path", plugin->path);
	writer_add_text(w, "version", plugin->version);
	writer_add_text(w, "summary", plugin->summary);
	writer_add_text(w, "abi", plugin->abi);
	writer_add_text(w, "sha256", plugin->sha256);
	add_texts(w, "pools", plugin->pools, plugin->pool_count);
	writer_add_bool(w, "source_changed", plugin->source_changed);
	writer_close(w, '}');
}

void
present_add_reason(struct writer *w, const struct view_reason *reason)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "reason", reason_name(reason->id));
	writer_add_text(w, "text", reason->text != NULL ? reason->text :
	    reason_help(reason->id));
	writer_add_text(w, "pool", reason->pool);
	writer_add_text(w, "worker", reason->worker);
	writer_close(w, '}');
}

void
present_add_status(struct writer *w, const struct view *view)
{
	writer_open(w, NULL, '{');
	writer_add_text(w, "state", present_state(view->state));
	writer_open(w, "reasons", '[');
	for (size_t i = 0; i < view->reason_count; i++)
		present_add_reason(w, &view->reasons[i]);
	writer_close(w, ']');
	writer_add_text(w, "version", view->version);
	writer_add_known(w, "pid", view->keeper_pid);
	writer_add_known(w, "started", view->started);
	writer_open(w, "master", '{');
	writer_add_known(w, "pid", view->master.pid);
	writer_add_known(w, "uptime_ms", view->master.uptime_ms);
	writer_add_known(w, "restarts", view->master.restarts);
	writer_close(w, '}');
	writer_add_known(w, "generation", view->generation);
	writer_add_known(w, "previous_generation", view->previous_generation);
	writer_add_text(w, "config", view->config_file);
	writer_open(w, "pools", '[');
	for (size_t i = 0; i < view->pool_count; i++)
		present_add_pool(w, &view->pools[i]);
	writer_close(w, ']');
	writer_open(w, "workers", '[');
	for (size_t i = 0; i < view->worker_count; i++)
		present_add_worker(w, &view->workers[i]);
	writer_close(w, ']');
	writer_close(w, '}');
}
