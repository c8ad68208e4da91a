/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* diff.c: what a reload would change; see diff.h. */
#include "daemon/conf/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/errmsg.h"

struct diff_text {
	struct diff_text *next;
	char bytes[];
};

/* Two configurations, and what is being compared of them. */
struct compare {
	struct diff *diff;
	const struct conf *before, *after;
	char section[CONF_NAME_MAX + 8];
	int failed;
};

static const char *
keep_text(struct compare *compare, const char *text)
{
	size_t len = strlen(text);
	struct diff_text *copy = malloc(sizeof(*copy) + len + 1);

	if (copy == NULL) {
		compare->failed = 1;
		return "";
	}
	memcpy(copy->bytes, text, len + 1);
	copy->next = compare->diff->texts;
	compare->diff->texts = copy;
	return copy->bytes;
}

static void
add_row(struct compare *compare, enum key_applies applies, const char *key,
    const char *before, const char *after)
{
	struct diff *diff = compare->diff;
	struct diff_row *row;

	if ((diff->count & (diff->count - 1)) == 0) {
		row = realloc(diff->rows, (diff->count > 0 ? 2 * diff->count :
		    1) * sizeof(*row));
		if (row == NULL) {
			compare->failed = 1;
			return;
		}
		diff->rows = row;
	}
	row = &diff->rows[diff->count++];
	row->what = before == NULL ? DIFF_ADDED : after == NULL ?
	    DIFF_REMOVED : DIFF_CHANGED;
	row->applies = applies;
	row->key = key;
	row->before = before;
	row->after = after;
	memcpy(row->section, compare->section, sizeof(row->section));
	if (applies == APPLIES_RESTART)
		diff->refused++;
}

/* ---- scalar keys ------------------------------------------------------------- */

static const char *
value_text(struct compare *compare, const struct key *key,
    const void *section)
{
	char text[64];

	if (!key_is_number(key))
		return conf_string(key, section);
	return keep_text(compare, key_format(key, conf_number(key, section),
	    text, sizeof(text)));
}

static int
is_equal(const struct key *key, const void *before, const void *after)
{
	if (key_is_number(key))
		return conf_number(key, before) == conf_number(key, after);
	return strcmp(conf_string(key, before), conf_string(key, after)) == 0;
}

/* The row's word, but for the keys that have two: other sockets are needed. */
static enum key_applies
applies_of(const struct key *key, const void *before, const void *after)
{
	if (key == &keys[KEY_POOL_SCHEDULE] &&
	    (conf_number(key, before) == SCHEDULE_REUSEPORT ||
	    conf_number(key, after) == SCHEDULE_REUSEPORT))
		return APPLIES_RESTART;
	if (key == &keys[KEY_POOL_PROTOCOL] &&
	    (conf_number(key, before) == PROTOCOL_UDP ||
	    conf_number(key, after) == PROTOCOL_UDP))
		return APPLIES_RESTART;
	return (enum key_applies)key->applies;
}

/* Rows of a section.  Returns true if one of them needs new workers. */
static int
compare_rows(struct compare *compare, enum key_scope scope,
    const void *before, const void *after)
{
	int roll = 0;

	for (const struct key *key = keys; key < keys + KEY__COUNT; key++) {
		enum key_applies applies;

		if (key->scope != scope || key->kind == KIND_LIST ||
		    key->kind == KIND_DERIVED || is_equal(key, before, after))
			continue;
		applies = key->kind == KIND_DERIVED_TEXT ? APPLIES_RELOAD :
		    applies_of(key, before, after);
		add_row(compare, applies, key->name,
		    value_text(compare, key, before),
		    value_text(compare, key, after));
		roll |= applies == APPLIES_RELOAD;
	}
	return roll;
}

/* ---- lists -------------------------------------------------------------------- */

static int
has_listen(const struct conf_pool *pool, const struct conf_listen *listen)
{
	for (size_t i = 0; i < pool->listen_count; i++)
		if (pool->listens[i].type == listen->type &&
		    strcmp(pool->listens[i].text, listen->text) == 0)
			return 1;
	return 0;
}

static void
compare_listens(struct compare *compare, const struct conf_pool *before,
    const struct conf_pool *after)
{
	for (size_t i = 0; i < after->listen_count; i++)
		if (!has_listen(before, &after->listens[i]))
			add_row(compare, APPLIES_LIVE, "listen", NULL,
			    after->listens[i].text);
	for (size_t i = 0; i < before->listen_count; i++)
		if (!has_listen(after, &before->listens[i]))
			add_row(compare, APPLIES_LIVE, "listen",
			    before->listens[i].text, NULL);
}

static const char *
route_text(struct compare *compare, const struct conf *conf,
    const struct conf_route *route)
{
	const char *plugin = conf->plugins[route->plugin].name;
	char text[4096 + CONF_NAME_MAX + 1];

	snprintf(text, sizeof(text), "%s%s%s", route->pattern,
	    route->pattern[0] != '\0' ? " " : "", plugin);
	return keep_text(compare, text);
}

/* The routes of a pool, or its filters, and whose they are. */
struct route_list {
	const struct conf *conf;
	const struct conf_route *rows;
	size_t count;
};

static int
is_same_route(const struct route_list *list, size_t i,
    const struct route_list *other, size_t j)
{
	const struct conf_route *a = &list->rows[i], *b = &other->rows[j];

	return strcmp(a->pattern, b->pattern) == 0 &&
	    strcmp(list->conf->plugins[a->plugin].name,
	    other->conf->plugins[b->plugin].name) == 0;
}

static int
has_route(const struct route_list *list, const struct route_list *other,
    size_t row)
{
	for (size_t i = 0; i < list->count; i++)
		if (is_same_route(list, i, other, row))
			return 1;
	return 0;
}

static void
compare_routes(struct compare *compare, const char *key,
    const struct route_list *before, const struct route_list *after)
{
	for (size_t i = 0; i < after->count; i++)
		if (!has_route(before, after, i))
			add_row(compare, APPLIES_RELOAD, key, NULL,
			    route_text(compare, after->conf, &after->rows[i]));
	for (size_t i = 0; i < before->count; i++)
		if (!has_route(after, before, i))
			add_row(compare, APPLIES_RELOAD, key,
			    route_text(compare, before->conf,
			    &before->rows[i]), NULL);
}

/* All filters that match see a request, in their order: that is a change, too. */
static void
compare_order(struct compare *compare, const struct route_list *before,
    const struct route_list *after)
{
	for (size_t i = 0; i < after->count; i++) {
		if (is_same_route(after, i, before, i))
			continue;
		add_row(compare, APPLIES_RELOAD, "filter",
		    route_text(compare, before->conf, &before->rows[i]),
		    route_text(compare, after->conf, &after->rows[i]));
	}
}

static int
compare_plugins_named(struct compare *compare, const struct conf_pool *before,
    const struct conf_pool *after)
{
	struct route_list old = { compare->before, before->routes,
	    before->route_count };
	struct route_list new = { compare->after, after->routes,
	    after->route_count };
	struct route_list old_filters = { compare->before, before->filters,
	    before->filter_count };
	struct route_list new_filters = { compare->after, after->filters,
	    after->filter_count };
	size_t rows = compare->diff->count, filters;

	compare_routes(compare, "route", &old, &new);
	filters = compare->diff->count;
	compare_routes(compare, "filter", &old_filters, &new_filters);
	if (compare->diff->count == filters)
		compare_order(compare, &old_filters, &new_filters);
	return compare->diff->count > rows;
}

static const struct conf_page *
find_page(const struct conf_pool *pool, const char *text)
{
	for (size_t i = 0; i < pool->page_count; i++)
		if (strcmp(pool->pages[i].text, text) == 0)
			return &pool->pages[i];
	return NULL;
}

/* Which bytes they are, of a file that has changed. */
static const char *
page_text(struct compare *compare, const struct conf_page *page)
{
	char text[4096 + 32], hex[SHA256_HEX];
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	sha256_init(&sha);
	sha256_add(&sha, page->data, page->len);
	sha256_end(&sha, digest);
	sha256_hex(digest, hex);
	snprintf(text, sizeof(text), "%s (%.12s)", page->text, hex);
	return keep_text(compare, text);
}

static int
compare_pages(struct compare *compare, const struct conf_pool *before,
    const struct conf_pool *after)
{
	size_t rows = compare->diff->count;

	for (size_t i = 0; i < after->page_count; i++) {
		const struct conf_page *new = &after->pages[i];
		const struct conf_page *old = find_page(before, new->text);

		if (old == NULL)
			add_row(compare, APPLIES_RELOAD, "error_page", NULL,
			    new->text);
		else if (old->len != new->len ||
		    memcmp(old->data, new->data, new->len) != 0)
			add_row(compare, APPLIES_RELOAD, "error_page",
			    page_text(compare, old), page_text(compare, new));
	}
	for (size_t i = 0; i < before->page_count; i++)
		if (find_page(after, before->pages[i].text) == NULL)
			add_row(compare, APPLIES_RELOAD, "error_page",
			    before->pages[i].text, NULL);
	return compare->diff->count > rows;
}

static int
has_env(const struct conf_pool *pool, const char *text)
{
	for (size_t i = 0; i < pool->env_count; i++)
		if (strcmp(pool->env[i], text) == 0)
			return 1;
	return 0;
}

static int
compare_env(struct compare *compare, const struct conf_pool *before,
    const struct conf_pool *after)
{
	size_t rows = compare->diff->count;

	for (size_t i = 0; i < after->env_count; i++)
		if (!has_env(before, after->env[i]))
			add_row(compare, APPLIES_RELOAD, "env", NULL,
			    after->env[i]);
	for (size_t i = 0; i < before->env_count; i++)
		if (!has_env(after, before->env[i]))
			add_row(compare, APPLIES_RELOAD, "env",
			    before->env[i], NULL);
	return compare->diff->count > rows;
}

/* ---- plugins ------------------------------------------------------------------- */

static const struct conf_option *
find_option(const struct conf_plugin *plugin, const char *name)
{
	for (size_t i = 0; i < plugin->option_count; i++)
		if (strcmp(plugin->options[i].name, name) == 0)
			return &plugin->options[i];
	return NULL;
}

static const char *
shown(const struct conf_option *option)
{
	if (option == NULL)
		return NULL;
	return option->secret ? "***" : option->value;
}

static int
compare_options(struct compare *compare, const struct conf_plugin *before,
    const struct conf_plugin *after)
{
	size_t rows = compare->diff->count;

	for (size_t i = 0; i < after->option_count; i++) {
		const struct conf_option *new = &after->options[i];
		const struct conf_option *old = find_option(before, new->name);

		if (old == NULL || strcmp(old->value, new->value) != 0)
			add_row(compare, APPLIES_RELOAD, new->name,
			    shown(old), shown(new));
	}
	for (size_t i = 0; i < before->option_count; i++)
		if (find_option(after, before->options[i].name) == NULL)
			add_row(compare, APPLIES_RELOAD,
			    before->options[i].name,
			    shown(&before->options[i]), NULL);
	return compare->diff->count > rows;
}

static void
roll_users(struct compare *compare, size_t plugin)
{
	const struct conf *conf = compare->after;

	for (size_t p = 0; p < conf->pool_count; p++)
		if (conf_pool_names(&conf->pools[p], plugin))
			compare->diff->roll[p] = 1;
}

static void
set_section(struct compare *compare, const char *word, const char *name)
{
	snprintf(compare->section, sizeof(compare->section), "%s %.31s", word,
	    name);
}

static void
compare_plugins(struct compare *compare)
{
	const struct conf *before = compare->before, *after = compare->after;

	for (size_t i = 0; i < after->plugin_count; i++) {
		const struct conf_plugin *new = &after->plugins[i];
		int old = conf_plugin_index(before, new->name);
		int roll;

		set_section(compare, "plugin", new->name);
		if (old < 0) {
			add_row(compare, APPLIES_RELOAD, "", NULL, new->module);
			continue;
		}
		roll = compare_rows(compare, SCOPE_PLUGIN,
		    &before->plugins[old], new);
		roll |= compare_options(compare, &before->plugins[old], new);
		if (roll)
			roll_users(compare, i);
	}
	for (size_t i = 0; i < before->plugin_count; i++) {
		const struct conf_plugin *old = &before->plugins[i];

		set_section(compare, "plugin", old->name);
		if (conf_plugin_index(after, old->name) < 0)
			add_row(compare, APPLIES_RELOAD, "", old->module, NULL);
	}
}

/* ---- pools ---------------------------------------------------------------------- */

static void
compare_pool(struct compare *compare, const struct conf_pool *before,
    const struct conf_pool *after, size_t index)
{
	int roll = compare_rows(compare, SCOPE_POOL, before, after);

	compare_listens(compare, before, after);
	roll |= compare_plugins_named(compare, before, after);
	roll |= compare_pages(compare, before, after);
	roll |= compare_env(compare, before, after);
	if (roll)
		compare->diff->roll[index] = 1;
}

static void
compare_pools(struct compare *compare)
{
	const struct conf *before = compare->before, *after = compare->after;

	for (size_t i = 0; i < after->pool_count; i++) {
		const struct conf_pool *new = &after->pools[i];
		const struct conf_pool *old = conf_pool_by_name(before,
		    new->name);

		set_section(compare, "pool", new->name);
		if (old != NULL) {
			compare_pool(compare, old, new, i);
			continue;
		}
		compare->diff->added[i] = 1;
		add_row(compare, APPLIES_LIVE, "", NULL, new->workers);
	}
	for (size_t i = 0; i < before->pool_count; i++) {
		if (conf_pool_by_name(after, before->pools[i].name) != NULL)
			continue;
		compare->diff->removed[i] = 1;
		set_section(compare, "pool", before->pools[i].name);
		add_row(compare, APPLIES_LIVE, "", before->pools[i].workers,
		    NULL);
	}
}

/* Workers name a route by its place, a plugin by its place among the pool's. */
static int
names_same_plugins(const struct conf *before, const struct conf_pool *old,
    const struct conf *after, const struct conf_pool *new)
{
	size_t at = 0;

	for (size_t i = 0; i < after->plugin_count; i++) {
		if (!conf_pool_names(new, i))
			continue;
		while (at < before->plugin_count && !conf_pool_names(old, at))
			at++;
		if (at == before->plugin_count ||
		    strcmp(before->plugins[at++].name,
		    after->plugins[i].name) != 0)
			return 0;
	}
	return 1;
}

static int
has_same_numbers(const struct compare *compare,
    const struct conf_pool *before, const struct conf_pool *after)
{
	const struct conf_route *old = before->routes, *new = after->routes;

	if (before->route_count != after->route_count)
		return 0;
	for (size_t i = 0; i < after->route_count; i++)
		if (strcmp(old[i].pattern, new[i].pattern) != 0 ||
		    strcmp(compare->before->plugins[old[i].plugin].name,
		    compare->after->plugins[new[i].plugin].name) != 0)
			return 0;
	return names_same_plugins(compare->before, before, compare->after,
	    after);
}

static void
find_alike(struct compare *compare)
{
	const struct conf *before = compare->before, *after = compare->after;

	for (size_t i = 0; i < after->pool_count; i++) {
		const struct conf_pool *old = conf_pool_by_name(before,
		    after->pools[i].name);

		compare->diff->alike[i] = old != NULL &&
		    !compare->diff->roll[i] &&
		    has_same_numbers(compare, old, &after->pools[i]);
	}
}

int
diff_make(const struct conf *before, const struct conf *after,
    struct diff *diff)
{
	struct compare compare = { diff, before, after, "daemon", 0 };

	memset(diff, 0, sizeof(*diff));
	(void)compare_rows(&compare, SCOPE_DAEMON, &before->daemon,
	    &after->daemon);
	compare_pools(&compare);
	compare_plugins(&compare);
	find_alike(&compare);
	return compare.failed ? ERR_MEMORY : 0;
}

void
diff_done(struct diff *diff)
{
	struct diff_text *next;

	for (struct diff_text *text = diff->texts; text; text = next) {
		next = text->next;
		free(text);
	}
	free(diff->rows);
	memset(diff, 0, sizeof(*diff));
}

/* ---- accounts ---------------------------------------------------------------------- */

/* Place of the account with that number in the new list, or -1. */
static int64_t
find_account(const struct conf_account *list, size_t count,
    const struct conf_account *account)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].uid == account->uid && list[i].gid == account->gid)
			return (int64_t)i;
	return -1;
}

static int
renumber(const struct conf *conf, int64_t *number, const char *key,
    const struct conf_account *list, size_t count, struct errmsg *err)
{
	const struct conf_account *account = &conf->accounts[*number];
	int64_t place = find_account(list, count, account);

	if (place < 0)
		return errmsg_set(err, ERR_CONFLICT, "%s: account \"%s\" was "
		    "not there at the start; it needs a restart", key,
		    account->name);
	*number = place;
	return 0;
}

static int
renumber_all(struct conf *conf, const struct conf_account *list, size_t count,
    struct errmsg *err)
{
	char key[CONF_NAME_MAX + 16];
	int rc;

	rc = renumber(conf, &conf->daemon.user_account, "[daemon] user", list,
	    count, err);
	if (rc == 0)
		rc = renumber(conf, &conf->daemon.worker_account,
		    "[daemon] worker_user", list, count, err);
	for (size_t i = 0; rc == 0 && i < conf->pool_count; i++) {
		snprintf(key, sizeof(key), "[pool %.31s] user",
		    conf->pools[i].name);
		rc = renumber(conf, &conf->pools[i].account, key, list, count,
		    err);
	}
	return rc;
}

int
conf_renumber_accounts(struct conf *conf, const uint32_t *uids,
    const uint32_t *gids, size_t count, struct errmsg *err)
{
	struct conf_account *list;
	int rc;

	if (conf->account_count == 0 || count == 0)
		return errmsg_set(err, ERR_FORMAT, "a list without accounts");
	list = calloc(CONF_ACCOUNTS_MAX, sizeof(*list));
	if (list == NULL || count > CONF_ACCOUNTS_MAX) {
		free(list);
		return errmsg_set(err, ERR_MEMORY, "no room for accounts");
	}
	for (size_t i = 0; i < count; i++) {
		list[i].uid = uids[i];
		list[i].gid = gids[i];
		list[i].name = "";
	}
	rc = renumber_all(conf, list, count, err);
	for (size_t i = 0; rc == 0 && i < conf->account_count; i++) {
		int64_t place = find_account(list, count, &conf->accounts[i]);

		if (place >= 0)
			list[place] = conf->accounts[i];
	}
	if (rc != 0) {
		free(list);
		return rc;
	}
	free(conf->accounts);
	conf->accounts = list;
	conf->account_count = count;
	return 0;
}
