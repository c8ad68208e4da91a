/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * snapshot.c: a configuration becomes bytes.  The way back is in decode.c.
 * Nothing here depends on time, addresses or the order of a hash: equal
 * configurations are equal bytes.
 */
#include "daemon/conf/snapshot.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/proto/snapshot.h"

struct writer {
	struct buf *out;
	uint32_t records;
};

/* One record of up to two parts. */
static void
write_record(struct writer *writer, enum snapshot_kind kind, unsigned key,
    const void *head, size_t head_len, const void *tail, size_t tail_len)
{
	static const char zeros[8];
	struct snapshot_record record = {
		.kind = (uint16_t)kind, .key = (uint16_t)key,
		.length = (uint32_t)(head_len + tail_len),
	};

	buf_add(writer->out, &record, sizeof(record));
	buf_add(writer->out, head, head_len);
	buf_add(writer->out, tail, tail_len);
	buf_add(writer->out, zeros, -(head_len + tail_len) % 8);
	writer->records++;
}

static void
write_text(struct writer *writer, enum snapshot_kind kind, unsigned key,
    const void *head, size_t head_len, const char *text)
{
	write_record(writer, kind, key, head, head_len, text,
	    strlen(text) + 1);
}

/* All rows of a scope; keys.def is in the order of the numbers. */
static void
write_rows(struct writer *writer, enum snapshot_kind kind,
    enum key_scope scope, const void *section, int worker)
{
	for (const struct key *key = keys; key < keys + KEY__COUNT; key++) {
		int64_t value;

		if (key->scope != scope || key->kind == KIND_LIST)
			continue;
		if (worker && scope == SCOPE_DAEMON && !key->to_worker)
			continue;
		if (!key_is_number(key)) {
			write_text(writer, kind, key->number, NULL, 0,
			    conf_string(key, section));
			continue;
		}
		value = conf_number(key, section);
		write_record(writer, kind, key->number, &value, sizeof(value),
		    NULL, 0);
	}
}

static void
write_account(struct writer *writer, const struct conf_account *account)
{
	struct snapshot_account head = {
		.uid = account->uid, .gid = account->gid,
		.group_count = account->group_count,
	};

	CHECK(account->group_count <= CONF_GROUPS_MAX);
	memcpy(head.groups, account->groups,
	    account->group_count * sizeof(head.groups[0]));
	write_text(writer, SNAPSHOT_ACCOUNT, 0, &head, sizeof(head),
	    account->name);
}

static void
write_plugin(struct writer *writer, const struct conf_plugin *plugin)
{
	struct snapshot_opener opener = { .index = plugin->index };

	write_text(writer, SNAPSHOT_PLUGIN, SNAPSHOT_OPENER, &opener,
	    sizeof(opener), plugin->name);
	write_rows(writer, SNAPSHOT_PLUGIN, SCOPE_PLUGIN, plugin, 0);
	for (size_t i = 0; i < plugin->option_count; i++) {
		const struct conf_option *option = &plugin->options[i];

		write_text(writer, SNAPSHOT_OPTION, option->secret ? 1 : 0,
		    option->name, strlen(option->name) + 1, option->value);
	}
}

static void
write_listen(struct writer *writer, const struct conf_listen *listen)
{
	struct snapshot_listen head = {
		.type = listen->type, .family = listen->family,
		.len = listen->len, .inherited = listen->inherited != NULL,
	};

	memcpy(head.address, listen->address, sizeof(head.address));
	write_text(writer, SNAPSHOT_LISTEN, 0, &head, sizeof(head),
	    listen->text);
}

static void
write_route(struct writer *writer, enum snapshot_kind kind,
    const struct conf_route *route, const uint32_t *places)
{
	struct snapshot_route head = { .plugin = places[route->plugin] };

	write_text(writer, kind, 0, &head, sizeof(head), route->pattern);
}

/* places: what each plugin of conf is in the snapshot. */
static void
write_pool(struct writer *writer, const struct conf_pool *pool,
    const uint32_t *places, int worker)
{
	struct snapshot_opener opener = { .index = pool->index };

	write_text(writer, SNAPSHOT_POOL, SNAPSHOT_OPENER, &opener,
	    sizeof(opener), pool->name);
	write_rows(writer, SNAPSHOT_POOL, SCOPE_POOL, pool, worker);
	for (size_t i = 0; i < pool->env_count; i++)
		write_text(writer, SNAPSHOT_POOL, keys[KEY_POOL_ENV].number,
		    NULL, 0, pool->env[i]);
	for (size_t i = 0; i < pool->listen_count; i++)
		write_listen(writer, &pool->listens[i]);
	for (size_t i = 0; i < pool->route_count; i++)
		write_route(writer, SNAPSHOT_ROUTE, &pool->routes[i], places);
	for (size_t i = 0; i < pool->filter_count; i++)
		write_route(writer, SNAPSHOT_FILTER, &pool->filters[i],
		    places);
	for (size_t i = 0; i < pool->page_count; i++)
		write_record(writer, SNAPSHOT_PAGE, 0, pool->pages[i].text,
		    strlen(pool->pages[i].text) + 1, pool->pages[i].data,
		    pool->pages[i].len);
}

/* Which plugins go in, numbered in their order. */
static void
choose_plugins(const struct conf *conf, int pool, uint32_t *places)
{
	uint32_t next = 0;

	for (size_t i = 0; i < conf->plugin_count; i++)
		places[i] = pool < 0 || conf_pool_names(&conf->pools[pool],
		    i) ? next++ : UINT32_MAX;
}

int
snapshot_encode(const struct conf *conf, int pool, struct buf *out)
{
	struct snapshot_header header = {
		.magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION,
		.head_size = sizeof(header), .generation = conf->generation,
	};
	struct writer writer = { .out = out };
	uint32_t places[CONF_PLUGINS_MAX];
	struct sha256 sha;

	CHECK(buf_len(out) == 0);
	CHECK(pool == SNAPSHOT_ALL || (size_t)pool < conf->pool_count);
	choose_plugins(conf, pool, places);
	buf_add(out, &header, sizeof(header));
	write_rows(&writer, SNAPSHOT_DAEMON, SCOPE_DAEMON, &conf->daemon,
	    pool >= 0);
	for (size_t i = 0; pool < 0 && i < conf->account_count; i++)
		write_account(&writer, &conf->accounts[i]);
	for (size_t i = 0; i < conf->plugin_count; i++)
		if (places[i] != UINT32_MAX)
			write_plugin(&writer, &conf->plugins[i]);
	for (size_t i = 0; i < conf->pool_count; i++)
		if (pool < 0 || (size_t)pool == i)
			write_pool(&writer, &conf->pools[i], places, pool >= 0);
	if (out->failed)
		return ERR_MEMORY;
	if (buf_len(out) > SNAPSHOT_SIZE_MAX)
		return ERR_TOO_LARGE;
	header.size = (uint32_t)buf_len(out);
	header.records = writer.records;
	sha256_init(&sha);
	sha256_add(&sha, buf_at(out) + sizeof(header),
	    buf_len(out) - sizeof(header));
	sha256_end(&sha, header.sha256);
	memcpy(buf_at(out), &header, sizeof(header));
	return 0;
}
