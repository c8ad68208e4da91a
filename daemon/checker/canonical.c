/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* canonical.c: the configuration in effect as text; see canonical.h. */
#include "daemon/checker/canonical.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "daemon/checker/modules.h"
#include "daemon/checker/value.h"

static void
write_entry(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s =", name);
	if (value[0] != '\0')
		buf_add(out, " ", 1);
	value_quote(out, value);
	buf_add(out, "\n", 1);
}

static void
write_routes(struct buf *out, const struct conf *conf, const char *name,
    const struct conf_route *routes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s = %s%s%s\n", name, routes[i].pattern,
		    routes[i].pattern[0] != '\0' ? " " : "",
		    conf->plugins[routes[i].plugin].name);
}

static void
write_list(struct buf *out, const struct conf *conf, const struct key *key,
    const void *section)
{
	const struct conf_pool *pool = section;
	size_t before = buf_len(out);

	if (key == &keys[KEY_POOL_LISTEN])
		for (size_t i = 0; i < pool->listen_count; i++)
			write_entry(out, key->name, pool->listens[i].text);
	else if (key == &keys[KEY_POOL_ROUTE])
		write_routes(out, conf, key->name, pool->routes,
		    pool->route_count);
	else if (key == &keys[KEY_POOL_FILTER])
		write_routes(out, conf, key->name, pool->filters,
		    pool->filter_count);
	else if (key == &keys[KEY_POOL_ERROR_PAGE])
		for (size_t i = 0; i < pool->page_count; i++)
			write_entry(out, key->name, pool->pages[i].text);
	else if (key == &keys[KEY_POOL_ENV])
		for (size_t i = 0; i < pool->env_count; i++)
			write_entry(out, key->name, pool->env[i]);
	if (buf_len(out) == before)
		buf_printf(out, "; %s =\n", key->name);
}

static void
write_rows(struct buf *out, const struct conf *conf, enum key_scope scope,
    const void *section)
{
	char text[64];

	for (const struct key *key = keys; key < keys + KEY__COUNT; key++) {
		if (key->scope != scope || !key_is_written(key))
			continue;
		if (key->kind == KIND_LIST)
			write_list(out, conf, key, section);
		else if (key_is_number(key))
			write_entry(out, key->name, key_format(key,
			    conf_number(key, section), text, sizeof(text)));
		else
			write_entry(out, key->name, conf_string(key, section));
	}
}

static const char *
option_value(const struct conf_plugin *plugin,
    const struct cluster_option *row)
{
	const char *value = row->fallback != NULL ? row->fallback : "";

	for (size_t i = 0; i < plugin->option_count; i++)
		if (strcmp(plugin->options[i].name, row->name) == 0)
			value = plugin->options[i].value;
	return row->type == CLUSTER_TYPE_SECRET ? "***" : value;
}

static void
write_options(struct buf *out, const struct conf_plugin *plugin,
    const struct cluster_option *row)
{
	for (; row != NULL && row->type != CLUSTER_TYPE_END; row++)
		write_entry(out, row->name, option_value(plugin, row));
}

void
canonical_write(struct buf *out, const struct conf *conf,
    const struct modules *modules)
{
	buf_add_text(out, "[daemon]\n");
	write_rows(out, conf, SCOPE_DAEMON, &conf->daemon);
	for (size_t i = 0; i < conf->pool_count; i++) {
		buf_printf(out, "\n[pool %s]\n", conf->pools[i].name);
		write_rows(out, conf, SCOPE_POOL, &conf->pools[i]);
	}
	for (size_t i = 0; i < conf->plugin_count; i++) {
		const struct conf_plugin *plugin = &conf->plugins[i];

		buf_printf(out, "\n[plugin %s]\n", plugin->name);
		write_rows(out, conf, SCOPE_PLUGIN, plugin);
		if (plugin->sha256[0] != '\0')
			buf_printf(out, "; sha256 = %s\n", plugin->sha256);
		if (modules->opened[i])
			write_options(out, plugin,
			    modules->plugins[i].desc.options);
	}
}
