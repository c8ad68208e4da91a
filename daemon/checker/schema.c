/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * schema.c: sections and entries become struct conf; see schema.h.  What a
 * text may be is in text_key.c.
 */
#include "daemon/checker/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/checker/address.h"
#include "daemon/checker/must.h"
#include "daemon/checker/pages.h"
#include "daemon/checker/text_key.h"
#include "daemon/conf/snapshot.h"
#include "daemon/plugin/routes.h"

/* ---- where things are ------------------------------------------------------- */

static const struct schema_section *
find_section(const struct schema *schema, enum key_scope scope, size_t index)
{
	for (size_t i = 0; i < schema->section_count; i++) {
		const struct schema_section *section = &schema->sections[i];

		if (section->known && section->scope == scope &&
		    section->index == index)
			return section;
	}
	return NULL;
}

static struct place
find_place(const struct schema *schema, enum key_scope scope, size_t index,
    enum key_id key)
{
	const struct schema_section *section = find_section(schema, scope,
	    index);

	if (section == NULL)
		return (struct place){ schema->source->name, 0 };
	if (section->keys[key].line > 0)
		return section->keys[key];
	return section->place;
}

struct place
schema_daemon_place(const struct schema *schema, enum key_id key)
{
	return find_place(schema, SCOPE_DAEMON, 0, key);
}

struct place
schema_pool_place(const struct schema *schema, size_t pool, enum key_id key)
{
	return find_place(schema, SCOPE_POOL, pool, key);
}

struct place
schema_plugin_place(const struct schema *schema, size_t plugin,
    enum key_id key)
{
	return find_place(schema, SCOPE_PLUGIN, plugin, key);
}

struct place
schema_listen_place(const struct schema *schema, size_t pool, size_t nth)
{
	return find_section(schema, SCOPE_POOL, pool)->listens[nth];
}

struct place
schema_route_place(const struct schema *schema, size_t pool, size_t nth)
{
	return find_section(schema, SCOPE_POOL, pool)->routes[nth];
}

struct place
schema_filter_place(const struct schema *schema, size_t pool, size_t nth)
{
	return find_section(schema, SCOPE_POOL, pool)->filters[nth];
}

struct place
schema_page_place(const struct schema *schema, size_t pool, size_t nth)
{
	return find_section(schema, SCOPE_POOL, pool)->pages[nth];
}

const char *
schema_pool_title(const struct schema *schema, size_t pool)
{
	return find_section(schema, SCOPE_POOL, pool)->title;
}

const char *
schema_plugin_title(const struct schema *schema, size_t plugin)
{
	return find_section(schema, SCOPE_PLUGIN, plugin)->title;
}

/* ---- sections ----------------------------------------------------------------- */

/* The name after "pool " or "plugin ", or NULL. */
static const char *
name_after(const char *title, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(title, word, len) != 0 || title[len] != ' ')
		return NULL;
	return title + len + strspn(title + len, " ");
}

static void
report_unknown_section(struct schema *schema,
    const struct schema_section *section)
{
	static const char *const words[] = { "daemon", "pool", "plugin" };
	char first[SOURCE_NAME_MAX + 1];
	size_t len = strcspn(section->title, " ");

	snprintf(first, sizeof(first), "%.*s", (int)len, section->title);
	for (size_t i = 0; i < COUNT(words); i++) {
		if (word_distance(first, words[i], 2) > 2)
			continue;
		report_error(schema->report, section->place, section->title,
		    NULL, "unknown section; did you mean [%s%s]?", words[i],
		    i == 0 ? "" : section->title[len] == ' ' ?
		    section->title + len : " NAME");
		return;
	}
	report_error(schema->report, section->place, section->title, NULL,
	    "unknown section; there are [daemon], [pool NAME] and "
	    "[plugin NAME]");
}

/* Add the pool or plugin of a section.  0: it cannot be. */
static int
add_named(struct schema *schema, struct schema_section *section,
    const char *name)
{
	struct conf *conf = schema->conf;

	if (!conf_name_is_legal(name)) {
		report_error(schema->report, section->place, section->title,
		    NULL, "\"%s\" is not a name: up to %d letters, digits, "
		    "\"-\" and \"_\", a letter or digit first", name,
		    CONF_NAME_MAX - 1);
		return 0;
	}
	if (section->scope == SCOPE_POOL) {
		if (must_row(conf_add_pool(conf, name)) == NULL) {
			report_error(schema->report, section->place,
			    section->title, NULL, "more than %d pools",
			    CONF_POOLS_MAX);
			return 0;
		}
		section->index = conf->pool_count - 1;
		if (strcmp(name, "sorry") == 0 || strcmp(name, "all") == 0 ||
		    strcmp(name, "master") == 0)
			report_error(schema->report, section->place,
			    section->title, NULL, "the name \"%s\" is reserved",
			    name);
		return 1;
	}
	if (must_row(conf_add_plugin(conf, name)) == NULL) {
		report_error(schema->report, section->place, section->title,
		    NULL, "more than %d plugins", CONF_PLUGINS_MAX);
		return 0;
	}
	section->index = conf->plugin_count - 1;
	return 1;
}

static void
take_section(struct schema *schema, struct schema_section *section)
{
	const char *name;

	if (strcmp(section->title, "daemon") == 0) {
		section->scope = SCOPE_DAEMON;
		section->known = 1;
	} else if ((name = name_after(section->title, "pool")) != NULL) {
		section->scope = SCOPE_POOL;
		section->known = add_named(schema, section, name);
	} else if ((name = name_after(section->title, "plugin")) != NULL) {
		section->scope = SCOPE_PLUGIN;
		section->known = add_named(schema, section, name);
	} else if (name_after(section->title, "hook") != NULL ||
	    strcmp(section->title, "hook") == 0) {
		report_error(schema->report, section->place, section->title,
		    NULL, "\"hook\" is not in this version");
	} else {
		report_unknown_section(schema, section);
	}
}

/* ---- entries ------------------------------------------------------------------- */

static void *
section_struct(struct schema *schema, const struct schema_section *section)
{
	switch (section->scope) {
	case SCOPE_DAEMON:
		return &schema->conf->daemon;
	case SCOPE_POOL:
		return &schema->conf->pools[section->index];
	case SCOPE_PLUGIN:
		return &schema->conf->plugins[section->index];
	}
	return NULL;
}

static void
report_full(struct schema *schema, const struct schema_section *section,
    const struct source_entry *entry, int max)
{
	report_error(schema->report, entry->place, section->title, entry->key,
	    "more than %d of them", max);
}

static void
take_listen(struct schema *schema, struct schema_section *section,
    const struct source_entry *entry)
{
	struct conf_pool *pool = &schema->conf->pools[section->index];
	struct conf_listen listen = { 0 }, *new;
	struct errmsg err;

	if (address_parse(schema->conf, entry->value, &listen, &err) != 0) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "%s", err.text);
		return;
	}
	new = must_row(conf_add_listen(pool));
	if (new == NULL) {
		report_full(schema, section, entry, CONF_LISTENS_MAX);
		return;
	}
	*new = listen;
	section->listens[pool->listen_count - 1] = entry->place;
}

static void
report_unknown_plugin(struct schema *schema,
    const struct schema_section *section, const struct source_entry *entry,
    const char *name)
{
	const struct conf *conf = schema->conf;

	for (size_t i = 0; i < conf->plugin_count; i++) {
		if (word_distance(name, conf->plugins[i].name, 2) > 2)
			continue;
		report_error(schema->report, entry->place, section->title,
		    entry->key, "there is no [plugin %s]; did you mean "
		    "\"%s\"?", name, conf->plugins[i].name);
		return;
	}
	report_error(schema->report, entry->place, section->title, entry->key,
	    "there is no [plugin %s]", name);
}

/* The protocol may be written below its route. */
static int
has_patterns(const struct schema *schema, const struct source_entry *route)
{
	const struct source *source = schema->source;

	for (size_t i = 0; i < source->entry_count; i++) {
		const struct source_entry *entry = &source->entries[i];

		if (entry->section == route->section &&
		    strcmp(entry->key, "protocol") == 0)
			return strcmp(entry->value, "tcp") != 0 &&
			    strcmp(entry->value, "udp") != 0;
	}
	return 1;
}

/* PLUGIN: of a pool whose connections or datagrams are all for one. */
static void
take_plain_route(struct schema *schema, struct schema_section *section,
    const struct source_entry *entry)
{
	struct conf_pool *pool = &schema->conf->pools[section->index];
	int plugin = conf_plugin_index(schema->conf, entry->value);
	struct conf_route *route;

	if (entry->value[0] == '\0' || strpbrk(entry->value, " \t") != NULL) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "\"%.64s\" is not \"PLUGIN\": with protocol = "
		    "tcp or udp a route has no pattern", entry->value);
		return;
	}
	if (plugin < 0) {
		report_unknown_plugin(schema, section, entry, entry->value);
		return;
	}
	route = must_row(conf_add_route(pool));
	if (route == NULL) {
		report_full(schema, section, entry, CONF_ROUTES_MAX);
		return;
	}
	section->routes[pool->route_count - 1] = entry->place;
	route->pattern = "";
	route->plugin = (uint32_t)plugin;
}

/* The words of a route, with blanks between them. */
struct route_words {
	const char *at[3];		/* methods (or NULL), pattern, plugin */
	size_t len[3];
};

/* 0, or -1: not two of them, nor three of which the first is no pattern. */
static int
split_route(const char *value, struct route_words *words)
{
	const char *at[4];
	size_t len[4];
	int count = 0, from;

	for (value += strspn(value, " \t"); *value != '\0' && count < 4;
	    value += strspn(value, " \t")) {
		at[count] = value;
		len[count] = strcspn(value, " \t");
		value += len[count++];
	}
	if (count != 2 && (count != 3 || memchr(at[0], '/', len[0]) != NULL ||
	    memchr(at[0], '*', len[0]) != NULL))
		return -1;
	from = count - 2;
	words->at[0] = from == 1 ? at[0] : NULL;
	words->len[0] = from == 1 ? len[0] : 0;
	for (int i = 0; i < 2; i++) {
		words->at[i + 1] = at[from + i];
		words->len[i + 1] = len[from + i];
	}
	return 0;
}

/* In the form that routes.h reads, the methods in the order of their table.  NULL
 * with words. */
static const char *
canonical_pattern(struct conf *conf, const struct route_words *words,
    struct errmsg *err)
{
	char methods[96] = "", text[SOURCE_LINE_MAX + sizeof(methods)];
	unsigned mask;

	if (words->at[0] != NULL) {
		if (routes_parse_methods(words->at[0], words->len[0], &mask,
		    err) != 0)
			return NULL;
		routes_write_methods(mask, ",", methods, sizeof(methods));
	}
	snprintf(text, sizeof(text), "%s%s%.*s", methods,
	    methods[0] != '\0' ? " " : "", (int)words->len[1], words->at[1]);
	if (routes_check_pattern(text, err) != 0)
		return NULL;
	return must_text(conf, text, strlen(text));
}

/* [METHODS] PATTERN PLUGIN, of route and of filter. */
static void
take_route(struct schema *schema, struct schema_section *section,
    const struct key *key, const struct source_entry *entry)
{
	struct conf_pool *pool = &schema->conf->pools[section->index];
	int is_filter = key == &keys[KEY_POOL_FILTER];
	const struct conf_route *rows = is_filter ? pool->filters :
	    pool->routes;
	size_t count = is_filter ? pool->filter_count : pool->route_count;
	struct route_words words;
	struct conf_route *route;
	const char *pattern, *name;
	struct errmsg err;
	int plugin;

	if (split_route(entry->value, &words) != 0) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "\"%.64s\" is not \"%s\"", entry->value,
		    key->words);
		return;
	}
	pattern = canonical_pattern(schema->conf, &words, &err);
	if (pattern == NULL) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "%s", err.text);
		return;
	}
	name = must_text(schema->conf, words.at[2], words.len[2]);
	plugin = conf_plugin_index(schema->conf, name);
	if (plugin < 0) {
		report_unknown_plugin(schema, section, entry, name);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].pattern, pattern) == 0 &&
		    rows[i].plugin == (uint32_t)plugin) {
			report_error(schema->report, entry->place,
			    section->title, entry->key, "\"%s\" is there twice",
			    entry->value);
			return;
		}
	}
	route = must_row(is_filter ? conf_add_filter(pool) :
	    conf_add_route(pool));
	if (route == NULL) {
		report_full(schema, section, entry, is_filter ?
		    CONF_FILTERS_MAX : CONF_ROUTES_MAX);
		return;
	}
	if (is_filter)
		section->filters[pool->filter_count - 1] = entry->place;
	else
		section->routes[pool->route_count - 1] = entry->place;
	route->pattern = pattern;
	route->plugin = (uint32_t)plugin;
}

static void
take_page(struct schema *schema, struct schema_section *section,
    const struct source_entry *entry)
{
	struct conf_pool *pool = &schema->conf->pools[section->index];
	struct errmsg err;

	if (pages_take(schema->conf, pool, entry->value, &err) != 0)
		report_error(schema->report, entry->place, section->title,
		    entry->key, "%s", err.text);
	else
		section->pages[pool->page_count - 1] = entry->place;
}

static void
take_env(struct schema *schema, const struct schema_section *section,
    const struct source_entry *entry)
{
	struct conf_pool *pool = &schema->conf->pools[section->index];
	size_t name = strcspn(entry->value, "=");
	const char *wrong = text_check_env(entry->value);

	if (wrong != NULL) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "%s", wrong);
		return;
	}
	for (size_t i = 0; i < pool->env_count; i++) {
		if (strncmp(pool->env[i], entry->value, name + 1) == 0) {
			report_error(schema->report, entry->place,
			    section->title, entry->key, "\"%.*s\" is there "
			    "twice", (int)name, entry->value);
			return;
		}
	}
	if (must_row(conf_add_env(schema->conf, pool, entry->value)) == NULL)
		report_full(schema, section, entry, CONF_ENV_MAX);
}

static void
take_list(struct schema *schema, struct schema_section *section,
    const struct key *key, const struct source_entry *entry)
{
	if (key == &keys[KEY_POOL_LISTEN])
		take_listen(schema, section, entry);
	else if (key == &keys[KEY_POOL_ROUTE] && !has_patterns(schema, entry))
		take_plain_route(schema, section, entry);
	else if (key == &keys[KEY_POOL_ROUTE] || key == &keys[KEY_POOL_FILTER])
		take_route(schema, section, key, entry);
	else if (key == &keys[KEY_POOL_ERROR_PAGE])
		take_page(schema, section, entry);
	else if (key == &keys[KEY_POOL_ENV])
		take_env(schema, section, entry);
	/* include was followed when it was read */
}

/* Whoever sets a key that does nothing yet is told, not left to find out. */
static void
warn_absent(struct schema *schema, const struct schema_section *section,
    const struct key *key, const struct source_entry *entry)
{
	int64_t number, preset;

	if (!key->absent || strcmp(entry->value, key->preset) == 0)
		return;
	if (key_is_number(key) &&
	    key_parse(key, entry->value, &number, NULL) == 0 &&
	    key_parse(key, key->preset, &preset, NULL) == 0 &&
	    number == preset)
		return;
	report_warning(schema->report, entry->place, section->title,
	    entry->key, "has no effect in this version");
}

static void
take_value(struct schema *schema, const struct schema_section *section,
    const struct key *key, const struct source_entry *entry)
{
	void *target = section_struct(schema, section);
	struct errmsg err;
	const char *text;
	int64_t number;
	int rc;

	if (key_is_number(key)) {
		rc = key_parse(key, entry->value, &number, &err);
		if (rc == 0)
			conf_set_number(key, target, number);
	} else {
		rc = text_check(key, entry->value, &err);
		text = must_text(schema->conf, entry->value,
		    strlen(entry->value));
		if (rc == 0)
			conf_set_string(key, target, text);
	}
	if (rc != 0)
		report_error(schema->report, entry->place, section->title,
		    entry->key, "%s", err.text);
	else
		warn_absent(schema, section, key, entry);
}

static void
report_unknown_key(struct schema *schema, const struct schema_section *section,
    const struct source_entry *entry)
{
	static const char *const words[] = { "[daemon]", "[pool NAME]",
	    "[plugin NAME]" };
	const char *near = key_nearest(section->scope, entry->key);

	if (section->scope == SCOPE_POOL && strcmp(entry->key, "exec") == 0) {
		report_error(schema->report, entry->place, section->title,
		    entry->key, "\"exec\" is not in this version");
		return;
	}
	for (int scope = 0; scope < SCOPE__COUNT; scope++) {
		if (key_by_name((enum key_scope)scope, entry->key) == NULL)
			continue;
		report_error(schema->report, entry->place, section->title,
		    entry->key, "unknown key; it belongs in %s", words[scope]);
		return;
	}
	if (near != NULL)
		report_error(schema->report, entry->place, section->title,
		    entry->key, "unknown key; did you mean \"%s\"?", near);
	else
		report_error(schema->report, entry->place, section->title,
		    entry->key, "unknown key");
}

static void
take_entry(struct schema *schema, const struct source_entry *entry)
{
	struct schema_section *section = &schema->sections[entry->section];
	const struct key *key;
	struct place *place;

	if (!section->known)
		return;
	key = key_by_name(section->scope, entry->key);
	if (key == NULL && section->scope == SCOPE_PLUGIN)
		return;		/* the plugin's own; see modules.c */
	if (key == NULL) {
		report_unknown_key(schema, section, entry);
		return;
	}
	place = &section->keys[key - keys];
	if (!key->repeatable && place->line > 0) {
		if (strcmp(place->file, entry->place.file) == 0)
			report_error(schema->report, entry->place,
			    section->title, entry->key,
			    "is there already, in line %u", place->line);
		else
			report_error(schema->report, entry->place,
			    section->title, entry->key,
			    "is there already, in %s:%u", place->file,
			    place->line);
		return;
	}
	if (place->line == 0)
		*place = entry->place;
	if (key->kind == KIND_LIST)
		take_list(schema, section, key, entry);
	else
		take_value(schema, section, key, entry);
}

int
schema_init(struct schema *schema, const struct source *source,
    struct report *report)
{
	memset(schema, 0, sizeof(*schema));
	schema->source = source;
	schema->report = report;
	schema->conf = conf_new();
	schema->section_count = source->section_count;
	schema->sections = calloc(source->section_count + 1,
	    sizeof(*schema->sections));
	if (schema->conf == NULL || schema->sections == NULL) {
		schema_done(schema);
		return ERR_MEMORY;
	}
	for (size_t i = 0; i < source->section_count; i++) {
		schema->sections[i].title = source->sections[i].title;
		schema->sections[i].place = source->sections[i].place;
		take_section(schema, &schema->sections[i]);
	}
	for (size_t i = 0; i < source->entry_count; i++)
		take_entry(schema, &source->entries[i]);
	return 0;
}

void
schema_done(struct schema *schema)
{
	conf_unref(schema->conf);
	free(schema->sections);
	memset(schema, 0, sizeof(*schema));
}
