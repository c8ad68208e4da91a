/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * api.c: the table of what a plugin may call.  The functions are in api_*.c,
 * each group with the section of the header that it serves.
 */
#include <errno.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/forked.h"
#include "common/base/log.h"
#include "daemon/http/request.h"
#include "daemon/plugin/api_parts.h"

enum { ELSEWHERE_EVERY_MS = 60000 };	/* a line of log */

/* Set once, before any plugin is opened. */
static struct host *serving;

void
api_set_host(struct host *host)
{
	serving = host;
	api_in_loop = true;
}

struct host *
api_here(void)
{
	if (forked_is_copy())
		serving->ops->copied();
	return serving;
}

/* ---- threads of plugins ------------------------------------------------------- */

_Thread_local bool api_in_loop;

/* What other threads did: words of them all, until the loop has its next beat. */
static struct {
	uint64_t misused;		/* to be counted */
	uint64_t refused;		/* to be logged */
	const char *name;		/* of the last of those */
} elsewhere;
static uint64_t said_ns;

static void
count_elsewhere(uint64_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
}

bool
api_refuse_elsewhere(const char *name)
{
	if (forked_is_copy())
		serving->ops->copied();
	__atomic_store_n(&elsewhere.name, name, __ATOMIC_RELEASE);
	count_elsewhere(&elsewhere.misused);
	count_elsewhere(&elsewhere.refused);
	return true;
}

void
api_tick(uint64_t now_ns)
{
	uint64_t misused = __atomic_exchange_n(&elsewhere.misused, 0,
	    __ATOMIC_RELAXED);
	uint64_t every_ns = clock_scaled_ms(ELSEWHERE_EVERY_MS) * NS_PER_MS;
	char text[160];

	if (misused > 0)
		board_add(serving->board, METRIC_MISUSED, misused);
	if (__atomic_load_n(&elsewhere.refused, __ATOMIC_ACQUIRE) == 0 ||
	    (said_ns != 0 && now_ns - said_ns < every_ns))
		return;
	said_ns = now_ns;
	snprintf(text, sizeof(text), "a thread that is not the worker's called"
	    " `%s' of the SDK: refused (%llu such calls since the last word"
	    " of them)", WORD_GET(elsewhere.name), (unsigned long long)
	    __atomic_exchange_n(&elsewhere.refused, 0, __ATOMIC_RELAXED));
	serving->ops->log(LL_WARNING, "", text);
}

/* ---- for the files api_*.c ---------------------------------------------------- */

const char *
api_caller(void)
{
	const struct host *host = api_here();

	return host->current < host->plugin_count ?
	    host->plugins[host->current].instance : "";
}

struct conn *
api_find(struct cluster_request *req)
{
	return request_by_handle(&api_here()->http, (uint64_t)(uintptr_t)req);
}

int
api_answered(int rc)
{
	if (rc >= 0 || rc == -EAGAIN)
		return rc;
	if (api_in_loop)
		board_add(api_here()->board, METRIC_MISUSED, 1);
	else
		count_elsewhere(&elsewhere.misused);
	return rc;
}

/* ---- the table ---------------------------------------------------------------- */

enum {
	MEMBERS = (sizeof(struct cluster_api) -
	    offsetof(struct cluster_api, method)) / sizeof(void (*)(void)),
	ROWS = 0
#define API(type, name, ...) + 1
#define API_VOID(name, ...) + 1
#define API_OWN(name) + 1
#define API_ANYWHERE(name) + 1
#include "daemon/plugin/api.def"
};
_Static_assert((int)MEMBERS == (int)ROWS, "a member of the table has no row");

/* What is refused: an error, or nothing. */
#define REFUSAL(type) \
	_Generic((type)0, int: -EPERM, int64_t: -EPERM, default: (type)0)

/* What plugins call in the place of each function. */
#define API(type, name, params, args)					\
static type								\
guard_##name params							\
{									\
	return api_is_elsewhere(#name) ? REFUSAL(type) : api_##name args; \
}
#define API_VOID(name, params, args)					\
static void								\
guard_##name params							\
{									\
	if (!api_is_elsewhere(#name))					\
		api_##name args;					\
}
#define API_OWN(name)
#define API_ANYWHERE(name)
#include "daemon/plugin/api.def"

const struct cluster_api host_api = {
	.size = sizeof(struct cluster_api),
	.major = CLUSTER_ABI_MAJOR, .minor = CLUSTER_ABI_MINOR,
#define API(type, name, ...) .name = guard_##name,
#define API_VOID(name, ...) .name = guard_##name,
#define API_OWN(name) .name = api_##name,
#define API_ANYWHERE(name) .name = api_##name,
#include "daemon/plugin/api.def"
};
