/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * keys.c: a program of the build: the rows of keys.def as text.
 *   keys mdoc daemon|pool|plugin   a list for clusterd.ini(5)
 *   keys mdoc access             fields of access_log_format, the same way
 *   keys sample                    a sample with every key at its default
 *   keys list                      "SCOPE KEY", one a line, for tests
 */
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/table/keys.h"

static const char *const scopes[SCOPE__COUNT] = { "daemon", "pool", "plugin" };

/* What a list, which has no default, has in the sample. */
static const struct { enum key_id key; const char *value; int wanted; }
examples[] = {
	{ KEY_DAEMON_INCLUDE, "conf.d/*.ini", 0 },
	{ KEY_POOL_LISTEN, "127.0.0.1:8080", 1 },
	{ KEY_POOL_ROUTE, "/ hello", 1 },
	{ KEY_POOL_FILTER, "/ NAME", 0 },
	{ KEY_POOL_ERROR_PAGE, "404 /etc/clusterd/404.html", 0 },
	{ KEY_POOL_ENV, "NAME=VALUE", 0 },
};

/* ---- manual page ---------------------------------------------------------------- */

static void
print_range(const struct key *key)
{
	char range[256];

	key_format_range(key, range, sizeof(range));
	if (range[0] != '\0')
		printf("Values: %s%s%s.\n", range,
		    key->unit != NULL ? " " : "",
		    key->unit != NULL ? key->unit : "");
	if (key->may_auto != NULL)
		printf("auto: %s.\n", key->may_auto);
}

static void
print_item(const struct key *key)
{
	printf(".It Ic %s\n%s.\n", key->name, key->help);
	if (key->absent)
		printf("It has no effect in this version.\n");
	if (key->preset != NULL && key->preset[0] != '\0')
		printf("Default: %s.\n", key->preset);
	print_range(key);
	if (key->only == ONLY_HTTP)
		printf("With protocol http alone.\n");
	else if (key->only == ONLY_CONNECTIONS)
		printf("Not with protocol udp.\n");
	if (key->repeatable)
		printf("May be repeated.\n");
	if (key->required)
		printf("Required.\n");
	printf("Applies: %s.\n",
	    key_applies_name((enum key_applies)key->applies));
}

static void
print_mdoc(enum key_scope scope)
{
	printf(".Bl -tag -width Ds\n");
	for (const struct key *key = keys; key < keys + KEY__COUNT; key++)
		if (key->scope == scope && key_is_written(key))
			print_item(key);
	printf(".El\n");
}

static void
print_access_fields(void)
{
	static const struct { const char *name, *other, *help; } fields[] = {
#define ACCESS_FIELD(id, name, other, help) { name, other, help },
#include "common/table/access_fields.def"
	};

	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; i < COUNT(fields); i++)
		printf(".It Li $%s%s%s\n%s.\n", fields[i].name,
		    fields[i].other != NULL ? " , $" : "",
		    fields[i].other != NULL ? fields[i].other : "",
		    fields[i].help);
	printf(".El\n");
}

/* ---- sample ------------------------------------------------------------------------ */

static void
print_line(const struct key *key)
{
	const char *value = key->preset;
	int wanted = 0;

	for (size_t i = 0; i < COUNT(examples); i++) {
		if (&keys[examples[i].key] != key)
			continue;
		value = examples[i].value;
		wanted = examples[i].wanted;
	}
	printf("; %s%s\n%s%s =%s%s\n", key->help,
	    key->absent ? " (no effect in this version)" : "",
	    wanted ? "" : "#", key->name, value[0] != '\0' ? " " : "", value);
}

static void
print_sample(void)
{
	static const char *const heads[SCOPE__COUNT] = { "[daemon]",
	    "[pool web]", "[plugin hello]" };

	printf("; Every key of clusterd.ini with its default; clusterd.ini(5) "
	    "says more.\n; Without its \"#\" a line changes nothing.\n");
	for (int scope = 0; scope < SCOPE__COUNT; scope++) {
		printf("\n%s\n", heads[scope]);
		for (const struct key *key = keys; key < keys + KEY__COUNT;
		    key++)
			if (key->scope == scope && key_is_written(key))
				print_line(key);
	}
	printf("; any other key is the plugin's own\n"
	    "#greeting = Hello, World!\n");
}

static void
print_list(void)
{
	for (const struct key *key = keys; key < keys + KEY__COUNT; key++)
		if (key_is_written(key))
			printf("%s %s\n", scopes[key->scope], key->name);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "sample") == 0 && argc == 2)
		return print_sample(), 0;
	if (strcmp(what, "list") == 0 && argc == 2)
		return print_list(), 0;
	for (int scope = 0; scope < SCOPE__COUNT; scope++)
		if (argc == 3 && strcmp(what, "mdoc") == 0 &&
		    strcmp(argv[2], scopes[scope]) == 0)
			return print_mdoc((enum key_scope)scope), 0;
	if (argc == 3 && strcmp(what, "mdoc") == 0 &&
	    strcmp(argv[2], "access") == 0)
		return print_access_fields(), 0;
	fprintf(stderr, "usage: keys mdoc daemon|pool|plugin|access|sample|list\n");
	return 2;
}
