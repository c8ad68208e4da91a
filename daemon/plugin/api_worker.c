/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_worker.c: log, clocks, timers, descriptors, the worker and its life; see
 * api.h. */
#include <errno.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/plugin/api_parts.h"

/* ---- worker ---------------------------------------------------------------- */

/* Whose callback runs is the loop's to know: another thread goes by its code. */
static const char *
owner_of(const void *code)
{
	const struct host *host = api_here();
	const void *base = plugin_base_of(code);

	for (size_t i = 0; i < host->plugin_count && base != NULL; i++)
		if (host->plugins[i].base == base)
			return host->plugins[i].instance;
	return "";
}

void
api_vlog(int level, const char *fmt, va_list args)
{
	char text[4096];

	if (level < LL_ERROR || level > LL_DEBUG)
		level = LL_NOTICE;
	if (fmt == NULL) {
		api_answered(-EINVAL);
		return;
	}
	if (!api_in_loop && level > (int)log_get_level())
		return;			/* the loader is not asked for it */
	vsnprintf(text, sizeof(text), fmt, args);
	api_here()->ops->log(level, api_in_loop ? api_caller() :
	    owner_of(__builtin_return_address(0)), text);
}

struct cluster_timer *
api_timer(unsigned ms, cluster_timer_fn *fn, void *arg)
{
	struct host *host = api_here();
	struct timer_plan plan = { .plugin = host->current, .ms = ms,
	    .fn = fn, .arg = arg };
	uint64_t handle;

	if (fn == NULL || host->no_loop) {
		api_answered(fn == NULL ? -EINVAL : -EPERM);
		return NULL;
	}
	if (timers_add(&host->timers, &plan, &handle) != 0)
		return NULL;
	return (struct cluster_timer *)(uintptr_t)handle;
}

int
api_timer_cancel(struct cluster_timer *timer)
{
	return timers_cancel(&api_here()->timers, (uint64_t)(uintptr_t)timer);
}

int
api_busy(unsigned ms)
{
	struct host *host = api_here();

	if (!host->in_callback)
		return api_answered(-EINVAL);
	if ((int64_t)ms > 10 * host->handler_ms)
		return api_answered(-ERANGE);
	WORD_SET(host->board->page->beat.busy_until_ns,
	    clock_now_ns() + ms * NS_PER_MS);
	return 0;
}

int
api_disconnect(const char *reason)
{
	struct host *host = api_here();

	if (host->no_loop)
		return api_answered(-EPERM);
	if (host->self.info.state == CLUSTER_STATE_STARTING)
		return api_answered(-EAGAIN);
	if (host->replaced || host->self.info.state != CLUSTER_STATE_READY)
		return api_answered(-EALREADY);
	host->replaced = true;
	host->ops->disconnect(api_caller(), reason == NULL ? "" : reason);
	return 0;
}

int
api_fatal(int class, const char *text)
{
	struct host *host = api_here();

	if (class <= FATAL_NONE || class > FATAL__LAST ||
	    host->self.info.state != CLUSTER_STATE_STARTING)
		return api_answered(-EINVAL);
	host->fatal = (enum fatal_class)class;
	snprintf(host->fatal_text, sizeof(host->fatal_text), "%s",
	    text == NULL ? "" : text);
	return 0;
}

const char *
api_worker_name(void)
{
	return api_here()->worker_name;
}

uint64_t
api_worker_id(void)
{
	return api_here()->worker_id;
}

uint64_t
api_generation(void)
{
	return api_here()->generation;
}

uint64_t
api_now_ns(void)
{
	return clock_now_ns();
}

/* ---- timers and descriptors ------------------------------------------------ */

static int
add_timer(const struct timer_plan *plan, struct cluster_timer **out)
{
	struct timers *timers = &api_here()->timers;
	uint64_t handle;
	int rc;

	if (plan->fn == NULL || (plan->again && plan->ms == 0) ||
	    (plan->flags & ~(CLUSTER_TIMER_LEADER | CLUSTER_TIMER_HOLD)) != 0 ||
	    plan->flags == (CLUSTER_TIMER_LEADER | CLUSTER_TIMER_HOLD))
		return -EINVAL;
	if (api_here()->no_loop)
		return -EPERM;
	if (timers_of_plugin(timers, plan->plugin) >= CLUSTER_TIMERS_MAX)
		return -ENOSPC;
	if ((rc = timers_add(timers, plan, &handle)) == 0 && out != NULL)
		*out = (struct cluster_timer *)(uintptr_t)handle;
	return rc;
}

int
api_timer_after(unsigned ms, cluster_timer_fn *fire, void *arg, unsigned flags,
    struct cluster_timer **out)
{
	return api_answered(add_timer(&(struct timer_plan){ .ms = ms, .fn = fire,
	    .arg = arg, .flags = flags, .plugin = api_here()->current }, out));
}

int
api_timer_every(unsigned ms, cluster_timer_fn *fire, void *arg, unsigned flags,
    struct cluster_timer **out)
{
	return api_answered(add_timer(&(struct timer_plan){ .ms = ms, .fn = fire,
	    .arg = arg, .flags = flags, .plugin = api_here()->current,
	    .again = true }, out));
}

void
api_timer_free(struct cluster_timer *timer)
{
	(void)timers_cancel(&api_here()->timers, (uint64_t)(uintptr_t)timer);
}

int
api_watch(int fd, unsigned flags, cluster_ready_fn *ready, void *arg,
    struct cluster_watch **out)
{
	struct host *host = api_here();
	uint64_t handle;
	int rc;

	if (ready == NULL || flags == 0 ||
	    (flags & ~(CLUSTER_WATCH_READ | CLUSTER_WATCH_WRITE)) != 0)
		return api_answered(-EINVAL);
	if (host->no_loop)
		return api_answered(-EPERM);
	rc = watches_add(&host->watches, host->current, fd, flags, ready, arg,
	    &handle);
	if (rc == 0 && out != NULL)
		*out = (struct cluster_watch *)(uintptr_t)handle;
	return api_answered(rc);
}

void
api_watch_free(struct cluster_watch *watch)
{
	(void)watches_end(&api_here()->watches, (uint64_t)(uintptr_t)watch);
}

uint64_t
api_now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

/* ---- workers --------------------------------------------------------------- */

const struct cluster_worker_info *
api_self(void)
{
	return self_look(api_here());
}

int
api_workers_each(const char *which, cluster_each_fn *each, void *arg)
{
	if (each == NULL || !workers_is_word(which))
		return api_answered(-EINVAL);
	/* what each() said is its own affair */
	return workers_each(api_here(), which, each, arg);
}

int
api_pool_info(const char *pool, struct cluster_pool_info *out)
{
	return api_answered(workers_pool(api_here(), pool, out));
}

/* ---- the worker's life ----------------------------------------------------- */

void
api_ready(void)
{
	host_say_ready(api_here());
}

int
api_hold(int delta)
{
	struct host *host = api_here();

	return api_answered(host->no_loop ? -EPERM : host_hold(host, delta));
}

void
api_exit(const char *reason)
{
	api_here()->ops->exit(api_caller(), reason == NULL ? "" : reason);
}
