/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* checks.c: rules between keys; see checks.h. */
#include "daemon/checker/checks.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/checker/address.h"
#include "daemon/checker/text_key.h"
#include "daemon/proto/keeper.h"

struct pool_check {
	struct schema *schema;
	struct conf_pool *pool;
	size_t index;
	const struct machine *machine;
};

static struct place
place_of(const struct pool_check *check, enum key_id key)
{
	return schema_pool_place(check->schema, check->index, key);
}

static int
is_written(const struct pool_check *check, enum key_id key)
{
	const struct place section = place_of(check, KEY_POOL_WORKERS_AUTO);
	const struct place place = place_of(check, key);

	return place.line != section.line || place.file != section.file;
}

#define FAULT_AT(check, key_, place, ...)				\
	report_error((check)->schema->report, place,			\
	    schema_pool_title((check)->schema, (check)->index),		\
	    keys[key_].name, __VA_ARGS__)
#define FAULT(check, key_, ...)						\
	FAULT_AT(check, key_, place_of(check, key_), __VA_ARGS__)
#define LISTEN_FAULT(check, nth, ...)					\
	FAULT_AT(check, KEY_POOL_LISTEN, schema_listen_place(		\
	    (check)->schema, (check)->index, nth), __VA_ARGS__)

/* "stop_timeout (5s)" style values for the words. */
struct shown { char text[32]; };

static struct shown
shown(enum key_id key, int64_t value)
{
	struct shown shown;

	key_format(&keys[key], value, shown.text, sizeof(shown.text));
	return shown;
}

/* ---- what follows ------------------------------------------------------------ */

static void
derive_workers(struct pool_check *check)
{
	struct conf_pool *pool = check->pool;

	if (strcmp(pool->workers, "auto") == 0) {
		pool->workers_auto = 1;
		pool->workers_min = pool->workers_max =
		    check->machine->cpus < 1024 ? check->machine->cpus : 1024;
		return;
	}
	CHECK(text_parse_range(&keys[KEY_POOL_WORKERS], pool->workers,
	    &pool->workers_min, &pool->workers_max, NULL) == 0);
}

static void
derive_pool(struct pool_check *check)
{
	struct conf_pool *pool = check->pool;
	int udp = pool->protocol == PROTOCOL_UDP;

	derive_workers(check);
	if (udp && !is_written(check, KEY_POOL_SCHEDULE))
		pool->schedule = SCHEDULE_SHARED;
	for (size_t i = 0; i < pool->listen_count; i++)
		pool->listens[i].type = udp ? LISTEN_DGRAM : LISTEN_STREAM;
}

/* ---- rules of one pool --------------------------------------------------------- */

static void
check_scaling(struct pool_check *check)
{
	const struct conf_pool *pool = check->pool;

	if (pool->scale_down_busy >= pool->scale_up_busy)
		FAULT(check, is_written(check, KEY_POOL_SCALE_DOWN_BUSY) ?
		    KEY_POOL_SCALE_DOWN_BUSY : KEY_POOL_SCALE_UP_BUSY,
		    "scale_down_busy (%" PRId64 "%%) must be less than "
		    "scale_up_busy (%" PRId64 "%%)", pool->scale_down_busy,
		    pool->scale_up_busy);
}

static void
check_times(struct pool_check *check)
{
	const struct conf_pool *pool = check->pool;

	if (pool->backoff_min_ms > pool->backoff_max_ms)
		FAULT(check, is_written(check, KEY_POOL_BACKOFF_MIN) ?
		    KEY_POOL_BACKOFF_MIN : KEY_POOL_BACKOFF_MAX,
		    "backoff_min (%s) must not be more than backoff_max (%s)",
		    shown(KEY_POOL_BACKOFF_MIN, pool->backoff_min_ms).text,
		    shown(KEY_POOL_BACKOFF_MAX, pool->backoff_max_ms).text);
	if (pool->stop_timeout_ms + pool->drain_timeout_ms > 24 * 3600 * 1000)
		FAULT(check, KEY_POOL_DRAIN_TIMEOUT, "drain_timeout (%s) and "
		    "stop_timeout (%s) together must not be more than 24h",
		    shown(KEY_POOL_DRAIN_TIMEOUT, pool->drain_timeout_ms).text,
		    shown(KEY_POOL_STOP_TIMEOUT, pool->stop_timeout_ms).text);
}

static void
check_sizes(struct pool_check *check)
{
	const struct conf_pool *pool = check->pool;
	int64_t least = conf_least_nofile(pool);

	if (pool->max_uri_size > pool->max_header_size)
		FAULT(check, is_written(check, KEY_POOL_MAX_URI_SIZE) ?
		    KEY_POOL_MAX_URI_SIZE : KEY_POOL_MAX_HEADER_SIZE,
		    "max_uri_size (%s) must not be more than max_header_size "
		    "(%s)", shown(KEY_POOL_MAX_URI_SIZE,
		    pool->max_uri_size).text, shown(KEY_POOL_MAX_HEADER_SIZE,
		    pool->max_header_size).text);
	if (pool->rlimit_nofile != CONF_AUTO && pool->rlimit_nofile < least)
		FAULT(check, KEY_POOL_RLIMIT_NOFILE, "must be at least "
		    "max_connections + %" PRId64 " = %" PRId64 ", not %" PRId64,
		    least - pool->max_connections, least, pool->rlimit_nofile);
	else if (conf_rlimit_nofile(pool) > check->machine->nofile)
		FAULT(check, is_written(check, KEY_POOL_RLIMIT_NOFILE) ?
		    KEY_POOL_RLIMIT_NOFILE : KEY_POOL_MAX_CONNECTIONS,
		    "needs rlimit_nofile = %" PRId64 ", more than the hard "
		    "limit %" PRId64 " of this process",
		    conf_rlimit_nofile(pool), check->machine->nofile);
	if (pool->workers_max * pool->dispatch_window >
	    check->machine->nofile / 2)
		FAULT(check, KEY_POOL_DISPATCH_WINDOW, "workers (%" PRId64
		    ") x dispatch_window (%" PRId64 ") is more than half the "
		    "hard limit of descriptors (%" PRId64 ")",
		    pool->workers_max, pool->dispatch_window,
		    check->machine->nofile);
}

/* Of protocol tcp or udp: one plugin has it all, and much means nothing. */
static void
check_plain(struct pool_check *check)
{
	const struct conf_pool *pool = check->pool;
	const char *protocol = keys[KEY_POOL_PROTOCOL].list[pool->protocol];
	enum key_only least = pool->protocol == PROTOCOL_UDP ?
	    ONLY_CONNECTIONS : ONLY_HTTP;

	if (pool->route_count > 1 || !is_written(check, KEY_POOL_ROUTE))
		FAULT(check, KEY_POOL_ROUTE, "a pool of protocol %s has one "
		    "route, not %zu", protocol, pool->route_count);
	for (size_t i = 0; i < KEY__COUNT; i++)
		if (keys[i].scope == SCOPE_POOL && keys[i].only >= least &&
		    is_written(check, (enum key_id)i))
			report_warning(check->schema->report, place_of(check,
			    (enum key_id)i), schema_pool_title(check->schema,
			    check->index), keys[i].name,
			    "means nothing with protocol = %s", protocol);
}

static void
check_protocol(struct pool_check *check)
{
	const struct conf_pool *pool = check->pool;

	if (pool->protocol == PROTOCOL_UDP &&
	    pool->schedule != SCHEDULE_SHARED &&
	    pool->schedule != SCHEDULE_REUSEPORT)
		FAULT(check, KEY_POOL_SCHEDULE, "%s is not possible with "
		    "protocol = udp; use shared or reuseport",
		    keys[KEY_POOL_SCHEDULE].list[pool->schedule]);
	for (size_t i = 0; i < pool->listen_count; i++)
		if (pool->protocol == PROTOCOL_UDP &&
		    pool->listens[i].family == AF_UNIX)
			LISTEN_FAULT(check, i, "%s is not possible with "
			    "protocol = udp", pool->listens[i].text);
		else if (pool->schedule == SCHEDULE_REUSEPORT &&
		    pool->listens[i].family != AF_INET &&
		    pool->listens[i].family != AF_INET6)
			LISTEN_FAULT(check, i, "%s is not possible with "
			    "schedule = reuseport", pool->listens[i].text);
	if (conf_sockets(pool, pool->workers_max) > KEEPER_SPAWN_LISTENERS)
		FAULT(check, KEY_POOL_SCHEDULE, "%" PRId64 " slots x %zu "
		    "addresses are %" PRId64 " sockets with reuseport, more "
		    "than %d", pool->workers_max, pool->listen_count,
		    conf_sockets(pool, pool->workers_max),
		    KEEPER_SPAWN_LISTENERS);
	if (pool->protocol != PROTOCOL_HTTP && pool->filter_count > 0)
		FAULT(check, KEY_POOL_FILTER, "needs protocol = http");
	if (pool->protocol != PROTOCOL_HTTP)
		check_plain(check);
#if !defined(HAVE_LIBSECCOMP)
	if (pool->sandbox != SANDBOX_OFF)
		FAULT(check, KEY_POOL_SANDBOX, "%s is not in this build, which "
		    "is without libseccomp",
		    keys[KEY_POOL_SANDBOX].list[pool->sandbox]);
#endif
}

static void
check_listens(struct pool_check *check)
{
	const struct conf *conf = check->schema->conf;
	const struct conf_pool *pool = check->pool;

	if (!is_written(check, KEY_POOL_LISTEN))
		FAULT(check, KEY_POOL_LISTEN, "is required");
	for (size_t i = 0; i < pool->listen_count; i++) {
		for (size_t j = 0; j < i; j++)
			if (address_is_same(&pool->listens[i],
			    &pool->listens[j]))
				LISTEN_FAULT(check, i, "%s is there twice",
				    pool->listens[i].text);
		for (size_t p = 0; p < check->index; p++)
			for (size_t j = 0; j < conf->pools[p].listen_count; j++)
				if (address_is_same(&pool->listens[i],
				    &conf->pools[p].listens[j]))
					LISTEN_FAULT(check, i,
					    "%s is also in [pool %s]",
					    pool->listens[i].text,
					    conf->pools[p].name);
	}
}

/* ---- rules of all --------------------------------------------------------------- */

static void
check_all_workers(struct schema *schema)
{
	const struct conf *conf = schema->conf;
	int64_t sum = 0, most = conf_max_workers(conf);

	for (size_t i = 0; i < conf->pool_count; i++)
		if (!conf->pools[i].workers_auto)
			sum += conf->pools[i].workers_min;
	if (sum > most)
		report_error(schema->report, schema_daemon_place(schema,
		    KEY_DAEMON_MAX_WORKERS), "daemon", "max_workers", "the "
		    "pools' workers are %" PRId64 ", more than max_workers "
		    "(%" PRId64 ")", sum, most);
}

void
checks_run(struct schema *schema, const struct machine *machine)
{
	struct conf *conf = schema->conf;

	conf->daemon.cpus = machine->cpus;
	if (conf->pool_count == 0)
		report_error(schema->report, (struct place){
		    schema->source->name, 0 }, NULL, NULL,
		    "there is no [pool NAME]");
	for (size_t i = 0; i < conf->pool_count; i++) {
		struct pool_check check = { schema, &conf->pools[i], i,
		    machine };

		derive_pool(&check);
		check_scaling(&check);
		check_times(&check);
		check_sizes(&check);
		check_protocol(&check);
		check_listens(&check);
	}
	check_all_workers(schema);
}
