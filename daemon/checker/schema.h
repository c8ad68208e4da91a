/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * schema.h: sections and entries become struct conf, by the rows of keys.def.
 * Remembers where each key was written, for the checks that come later.
 * Only the checker.
 */
#ifndef CLUSTERD_CHECKER_SCHEMA_H
#define CLUSTERD_CHECKER_SCHEMA_H

#include "daemon/checker/report.h"
#include "daemon/checker/source.h"
#include "daemon/conf/conf.h"

/* What a section of the file is, and where its keys are. */
struct schema_section {
	const char *title;
	enum key_scope scope;
	int known;			/* 0: not a section that there is */
	size_t index;			/* of the pool or plugin in conf */
	struct place place;
	struct place keys[KEY__COUNT];	/* line 0: not written */
	struct place listens[CONF_LISTENS_MAX];	/* as those of the pool */
	struct place routes[CONF_ROUTES_MAX];
	struct place filters[CONF_FILTERS_MAX];
	struct place pages[CONF_PAGES_MAX];
};

struct schema {
	const struct source *source;
	struct report *report;
	struct conf *conf;
	struct schema_section *sections;	/* as those of source */
	size_t section_count;
};

/*
 * Make schema->conf (its presets, then what the file says), without what needs
 * the world outside: accounts, CPUs, modules, options of plugins.  Findings go
 * to the report.  0 or ERR_MEMORY.
 */
int schema_init(struct schema *schema, const struct source *source,
    struct report *report);
void schema_done(struct schema *schema);

/* Where a key was written, or its section where it was not. */
struct place schema_daemon_place(const struct schema *schema, enum key_id key);
struct place schema_pool_place(const struct schema *schema, size_t pool,
    enum key_id key);
struct place schema_plugin_place(const struct schema *schema, size_t plugin,
    enum key_id key);
/* Where the nth address, route, filter or page of a pool was written. */
struct place schema_listen_place(const struct schema *schema, size_t pool,
    size_t nth);
struct place schema_route_place(const struct schema *schema, size_t pool,
    size_t nth);
struct place schema_filter_place(const struct schema *schema, size_t pool,
    size_t nth);
struct place schema_page_place(const struct schema *schema, size_t pool,
    size_t nth);
/* "pool web" */
const char *schema_pool_title(const struct schema *schema, size_t pool);
const char *schema_plugin_title(const struct schema *schema, size_t plugin);

#endif
