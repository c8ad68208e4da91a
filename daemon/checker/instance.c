/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* instance.c: the options of one [plugin NAME]; see instance.h. */
#include "daemon/checker/instance.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "daemon/checker/modules.h"
#include "daemon/checker/must.h"
#include "daemon/plugin/options.h"

enum { SECRET_MAX = 65536 };

struct instance {
	struct schema *schema;
	size_t index;
	const char *title;
	const struct cluster_option *rows;
	const struct path_policy *policy;
};

static void
report_unknown(const struct instance *instance,
    const struct source_entry *entry)
{
	const struct cluster_option *near = options_suggest(instance->rows,
	    entry->key);
	const char *name = near != NULL ? near->name :
	    key_nearest(SCOPE_PLUGIN, entry->key);

	if (name != NULL)
		report_error(instance->schema->report, entry->place,
		    instance->title, entry->key,
		    "unknown key; did you mean \"%s\"?", name);
	else
		report_error(instance->schema->report, entry->place,
		    instance->title, entry->key,
		    "unknown key; the plugin has no such option");
}

/* The contents of file:PATH without its last newline, or NULL after a
 * finding, which names the path and never the contents. */
static const char *
read_secret(const struct instance *instance, const struct source_entry *entry)
{
	static char text[SECRET_MAX + 1];
	const char *path = entry->value + strlen("file:");
	struct report *report = instance->schema->report;
	struct errmsg breach, err;
	int fd = path_open(path, &instance->policy->owners, &breach, &err);
	ssize_t n;

	report_breach(report, instance->policy, entry->place, instance->title,
	    entry->key, &breach);
	if (fd < 0) {
		report_error(report, entry->place, instance->title, entry->key,
		    "%s", err.text);
		return NULL;
	}
	do
		n = read(fd, text, sizeof(text));
	while (n < 0 && errno == EINTR);
	fd_close(&fd);
	if (n < 0 || n > SECRET_MAX || (n > 0 && memchr(text, '\0',
	    (size_t)n) != NULL)) {
		report_error(report, entry->place, instance->title, entry->key,
		    "%s is not a text of at most %d bytes", path, SECRET_MAX);
		return NULL;
	}
	if (n > 0 && text[n - 1] == '\n')
		n--;
	return must_text(instance->schema->conf, text, (size_t)n);
}

static void
take_option(const struct instance *instance, const struct source_entry *entry,
    const struct cluster_option *row)
{
	struct conf_plugin *plugin =
	    &instance->schema->conf->plugins[instance->index];
	int secret = row->type == CLUSTER_TYPE_SECRET;
	const char *value = entry->value;
	struct conf_option *option;
	struct errmsg err;

	if (secret && strncmp(value, "file:", 5) == 0)
		value = read_secret(instance, entry);
	if (value == NULL)
		return;
	if (options_check(row, value, &err) != 0) {
		/* its words begin with the name, which is there already */
		size_t name = strlen(row->name);
		int named = strncmp(err.text, row->name, name) == 0 &&
		    strncmp(err.text + name, ": ", 2) == 0;

		report_error(instance->schema->report, entry->place,
		    instance->title, entry->key, "%s",
		    err.text + (named ? name + 2 : 0));
		return;
	}
	option = must_row(conf_add_option(plugin));
	if (option == NULL) {
		report_error(instance->schema->report, entry->place,
		    instance->title, entry->key, "more than %d options",
		    CONF_OPTIONS_MAX);
		return;
	}
	option->name = must_text(instance->schema->conf, entry->key,
	    strlen(entry->key));
	option->value = must_text(instance->schema->conf, value,
	    strlen(value));
	option->secret = secret;
}

static const struct source_entry *
find_entry(const struct instance *instance, const char *key,
    const struct source_entry *before)
{
	const struct source *source = instance->schema->source;

	for (size_t i = 0; i < source->entry_count; i++) {
		const struct source_entry *entry = &source->entries[i];

		if (entry == before)
			return NULL;
		if (strcmp(source->sections[entry->section].title,
		    instance->title) == 0 && strcmp(entry->key, key) == 0)
			return entry;
	}
	return NULL;
}

static void
check_entry(const struct instance *instance, const struct source_entry *entry)
{
	const struct source_entry *first;
	const struct cluster_option *row;

	if (key_by_name(SCOPE_PLUGIN, entry->key) != NULL)
		return;
	row = options_find(instance->rows, entry->key);
	first = find_entry(instance, entry->key, entry);
	if (row == NULL)
		report_unknown(instance, entry);
	else if (first != NULL)
		report_error(instance->schema->report, entry->place,
		    instance->title, entry->key,
		    "is there already, in line %u", first->place.line);
	else
		take_option(instance, entry, row);
}

void
instance_check(struct schema *schema, size_t index,
    const struct cluster_option *rows, const struct path_policy *policy)
{
	const struct source *source = schema->source;
	struct instance instance = { schema, index,
	    schema_plugin_title(schema, index), rows, policy };
	const struct cluster_option *row;

	for (size_t i = 0; i < source->entry_count; i++) {
		const struct source_entry *entry = &source->entries[i];

		if (strcmp(source->sections[entry->section].title,
		    instance.title) == 0)
			check_entry(&instance, entry);
	}
	for (row = rows; row != NULL && row->type != CLUSTER_TYPE_END; row++)
		if (row->fallback == NULL &&
		    find_entry(&instance, row->name, NULL) == NULL)
			report_error(schema->report, schema_plugin_place(schema,
			    index, KEY_PLUGIN_SHA256), instance.title,
			    row->name, "is required");
}
