/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* conf.c: life and parts of a configuration; see conf.h. */
#include "daemon/conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/proto/keeper.h"

/* Texts live in chunks, freed with the configuration. */
struct conf_chunk {
	struct conf_chunk *next;
	char text[];
};

#define PLACE_NUMBER(type, name)	offsetof(type, name)
#define PLACE_SIGNED PLACE_NUMBER
#define PLACE_SIZE PLACE_NUMBER
#define PLACE_DURATION(type, name)	offsetof(type, name##_ms)
#define PLACE_PERCENT PLACE_NUMBER
#define PLACE_OCTAL PLACE_NUMBER
#define PLACE_WORD PLACE_NUMBER
#define PLACE_SHARE PLACE_NUMBER
#define PLACE_DERIVED PLACE_NUMBER
#define PLACE_TEXT PLACE_NUMBER
#define PLACE_PATH PLACE_NUMBER
#define PLACE_PATHS PLACE_NUMBER
#define PLACE_FILE PLACE_NUMBER
#define PLACE_ACCOUNT PLACE_NUMBER
#define PLACE_GROUP PLACE_NUMBER
#define PLACE_RANGE PLACE_NUMBER
#define PLACE_CPUS PLACE_NUMBER
#define PLACE_MODULE PLACE_NUMBER
#define PLACE_DERIVED_TEXT PLACE_NUMBER
#define PLACE_LIST(type, name)		0
#define TYPE_DAEMON struct conf_daemon
#define TYPE_POOL struct conf_pool
#define TYPE_PLUGIN struct conf_plugin

static const uint16_t places[KEY__COUNT] = {
#define KEY_ROW(scope, id, number, member, name, kind, ...)		\
	[KEY_##scope##_##id] = PLACE_##kind(TYPE_##scope, member),
#include "common/table/keys.def"
};

int64_t
conf_number(const struct key *key, const void *section)
{
	CHECK(key_is_number(key));
	return *(const int64_t *)((const char *)section + places[key - keys]);
}

const char *
conf_string(const struct key *key, const void *section)
{
	CHECK(!key_is_number(key) && key->kind != KIND_LIST);
	return *(const char *const *)
	    ((const char *)section + places[key - keys]);
}

void
conf_set_number(const struct key *key, void *section, int64_t value)
{
	CHECK(key_is_number(key));
	*(int64_t *)((char *)section + places[key - keys]) = value;
}

void
conf_set_string(const struct key *key, void *section, const char *text)
{
	CHECK(!key_is_number(key) && key->kind != KIND_LIST);
	*(const char **)((char *)section + places[key - keys]) = text;
}

/* Every member of a section as the row's preset says. */
static void
set_presets(void *section, enum key_scope scope)
{
	int64_t value;

	for (const struct key *key = keys; key < keys + KEY__COUNT; key++) {
		if (key->scope != scope || key->kind == KIND_LIST)
			continue;
		if (!key_is_number(key)) {
			conf_set_string(key, section,
			    key->preset != NULL ? key->preset : "");
			continue;
		}
		value = key->min;	/* DERIVED rows */
		if (key->preset != NULL)
			CHECK(key_parse(key, key->preset, &value, NULL) == 0);
		conf_set_number(key, section, value);
	}
}

struct conf *
conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->refs = 1;
	set_presets(&conf->daemon, SCOPE_DAEMON);
	return conf;
}

struct conf *
conf_ref(const struct conf *conf)
{
	struct conf *counted = (struct conf *)(uintptr_t)conf;

	counted->refs++;
	return counted;
}

void
conf_unref(const struct conf *conf)
{
	struct conf *counted = (struct conf *)(uintptr_t)conf;
	struct conf_chunk *next;

	if (conf == NULL || --counted->refs > 0)
		return;
	for (size_t i = 0; i < conf->pool_count; i++) {
		free(conf->pools[i].listens);
		free(conf->pools[i].routes);
		free(conf->pools[i].filters);
		free(conf->pools[i].pages);
		free(conf->pools[i].env);
	}
	for (size_t i = 0; i < conf->plugin_count; i++)
		free(conf->plugins[i].options);
	free(conf->pools);
	free(conf->plugins);
	free(conf->accounts);
	for (struct conf_chunk *chunk = conf->texts; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(counted);
}

const char *
conf_text(struct conf *conf, const char *text, size_t len)
{
	struct conf_chunk *chunk = malloc(sizeof(*chunk) + len + 1);

	if (chunk == NULL)
		return NULL;
	memcpy(chunk->text, text, len);
	chunk->text[len] = '\0';
	chunk->next = conf->texts;
	conf->texts = chunk;
	return chunk->text;
}

/* One more, zeroed, at the end of a list that doubles; NULL: full (ENOSPC), no memory
 * (ENOMEM). */
static void *
list_grow(void *list_at, size_t *count, size_t size, size_t max)
{
	void *list, *new;

	memcpy(&list, list_at, sizeof(list));
	if (*count >= max) {
		errno = ENOSPC;
		return NULL;
	}
	if ((*count & (*count - 1)) == 0) {	/* 0, 1, 2, 4, 8 … are full */
		new = realloc(list, (*count > 0 ? 2 * *count : 1) * size);
		if (new == NULL)
			return NULL;
		list = new;
		memcpy(list_at, &list, sizeof(list));
	}
	return memset((char *)list + size * (*count)++, 0, size);
}

struct conf_pool *
conf_add_pool(struct conf *conf, const char *name)
{
	const char *copy = conf_text(conf, name, strlen(name));
	struct conf_pool *pool;

	if (copy == NULL)
		return NULL;
	pool = list_grow(&conf->pools, &conf->pool_count, sizeof(*pool),
	    CONF_POOLS_MAX);
	if (pool == NULL)
		return NULL;
	set_presets(pool, SCOPE_POOL);
	pool->name = copy;
	pool->index = (uint32_t)(conf->pool_count - 1);
	return pool;
}

struct conf_plugin *
conf_add_plugin(struct conf *conf, const char *name)
{
	const char *copy = conf_text(conf, name, strlen(name));
	struct conf_plugin *plugin;

	if (copy == NULL)
		return NULL;
	plugin = list_grow(&conf->plugins, &conf->plugin_count,
	    sizeof(*plugin), CONF_PLUGINS_MAX);
	if (plugin == NULL)
		return NULL;
	set_presets(plugin, SCOPE_PLUGIN);
	plugin->name = copy;
	plugin->index = (uint32_t)(conf->plugin_count - 1);
	return plugin;
}

struct conf_listen *
conf_add_listen(struct conf_pool *pool)
{
	return list_grow(&pool->listens, &pool->listen_count,
	    sizeof(struct conf_listen), CONF_LISTENS_MAX);
}

struct conf_route *
conf_add_route(struct conf_pool *pool)
{
	return list_grow(&pool->routes, &pool->route_count,
	    sizeof(struct conf_route), CONF_ROUTES_MAX);
}

struct conf_route *
conf_add_filter(struct conf_pool *pool)
{
	return list_grow(&pool->filters, &pool->filter_count,
	    sizeof(struct conf_route), CONF_FILTERS_MAX);
}

struct conf_page *
conf_add_page(struct conf_pool *pool)
{
	struct conf_page *page = list_grow(&pool->pages, &pool->page_count,
	    sizeof(*page), CONF_PAGES_MAX);

	if (page != NULL)
		*page = (struct conf_page){ "", "", 0 };
	return page;
}

const char **
conf_add_env(struct conf *conf, struct conf_pool *pool, const char *text)
{
	const char *copy = conf_text(conf, text, strlen(text)), **slot;

	if (copy == NULL)
		return NULL;
	slot = list_grow(&pool->env, &pool->env_count, sizeof(*slot),
	    CONF_ENV_MAX);
	if (slot != NULL)
		*slot = copy;
	return slot;
}

struct conf_option *
conf_add_option(struct conf_plugin *plugin)
{
	return list_grow(&plugin->options, &plugin->option_count,
	    sizeof(struct conf_option), CONF_OPTIONS_MAX);
}

struct conf_account *
conf_add_account(struct conf *conf)
{
	return list_grow(&conf->accounts, &conf->account_count,
	    sizeof(struct conf_account), CONF_ACCOUNTS_MAX);
}

/* ---- questions -------------------------------------------------------------- */

const struct conf_route *
conf_pool_route(const struct conf_pool *pool, unsigned number)
{
	if (number == 0 || number > pool->route_count + pool->filter_count)
		return NULL;
	return number <= pool->route_count ? &pool->routes[number - 1] :
	    &pool->filters[number - 1 - pool->route_count];
}

int
conf_page_status(const char **at)
{
	const char *text = *at;
	int status = 0;

	for (int i = 0; i < 3; i++, text++) {
		if (*text < '0' || *text > '9')
			return 0;
		status = status * 10 + *text - '0';
	}
	*at = *text == ',' ? text + 1 : text;
	return status;
}

const char *
conf_page_path(const struct conf_page *page)
{
	const char *blank = strchr(page->text, ' ');

	return blank == NULL ? "" : blank + 1;
}

const struct conf_page *
conf_pool_page(const struct conf_pool *pool, int status)
{
	for (size_t i = 0; i < pool->page_count; i++) {
		const char *at = pool->pages[i].text;
		int one;

		while ((one = conf_page_status(&at)) != 0)
			if (one == status)
				return &pool->pages[i];
	}
	return NULL;
}

const char *
conf_page_type(const char *path)
{
	static const struct { const char *end, *type; } types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".txt", "text/plain; charset=utf-8" },
	};
	size_t len = strlen(path);

	for (size_t i = 0; i < COUNT(types); i++) {
		size_t end = strlen(types[i].end);

		if (len > end && strcmp(path + len - end, types[i].end) == 0)
			return types[i].type;
	}
	return NULL;
}

int
conf_pool_names(const struct conf_pool *pool, size_t plugin)
{
	for (size_t i = 0; i < pool->route_count; i++)
		if (pool->routes[i].plugin == plugin)
			return 1;
	for (size_t i = 0; i < pool->filter_count; i++)
		if (pool->filters[i].plugin == plugin)
			return 1;
	return 0;
}

const struct conf_pool *
conf_pool_by_name(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		if (strcmp(conf->pools[i].name, name) == 0)
			return &conf->pools[i];
	return NULL;
}

int
conf_plugin_index(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->plugin_count; i++)
		if (strcmp(conf->plugins[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
conf_max_workers(const struct conf *conf)
{
	int64_t most = 4 * conf->daemon.cpus + 4;

	if (conf->daemon.max_workers != CONF_AUTO)
		return conf->daemon.max_workers;
	return most < 1024 ? most : 1024;
}

int64_t
conf_rlimit_nofile(const struct conf_pool *pool)
{
	if (pool->rlimit_nofile != CONF_AUTO)
		return pool->rlimit_nofile;
	return larger(1024, conf_least_nofile(pool) + 64);
}

int64_t
conf_least_nofile(const struct conf_pool *pool)
{
	return pool->max_connections + 192 +
	    (pool->schedule == SCHEDULE_REUSEPORT ? KEEPER_SPAWN_LISTENERS : 0);
}

int64_t
conf_sockets(const struct conf_pool *pool, int64_t slots)
{
	return (int64_t)pool->listen_count *
	    (pool->schedule == SCHEDULE_REUSEPORT ? larger(1, slots) : 1);
}

int64_t
conf_max_fds(const struct conf_pool *pool)
{
	if (pool->max_fds != CONF_AUTO)
		return pool->max_fds;
	return conf_rlimit_nofile(pool) * 8 / 10;
}

int64_t
conf_offload_threads(const struct conf *conf, const struct conf_pool *pool)
{
	if (pool->offload_threads != CONF_AUTO)
		return pool->offload_threads;
	return conf->daemon.cpus < 4 ? conf->daemon.cpus : 4;
}

int64_t
conf_restart_burst(const struct conf_pool *pool, int64_t slots)
{
	if (pool->restart_burst != CONF_AUTO)
		return pool->restart_burst;
	return larger(6, 2 * slots);
}

int64_t
conf_restart_rate(const struct conf_pool *pool, int64_t slots)
{
	if (pool->restart_rate != CONF_AUTO)
		return pool->restart_rate;
	return larger(12, slots);
}

int64_t
conf_max_surge(const struct conf_pool *pool, int64_t slots)
{
	int64_t share = pool->max_surge;

	if (share == CONF_AUTO)
		share = slots > 8 ? CONF_SHARE_PERCENT + 25 : 1;
	if (share > CONF_SHARE_PERCENT)
		share = ((share - CONF_SHARE_PERCENT) * slots + 99) / 100;
	if (share > slots)
		share = slots;
	return larger(1, share);
}
