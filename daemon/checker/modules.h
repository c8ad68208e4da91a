/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * modules.h: finds, copies, opens and judges the plugins of a configuration.
 * What is opened is the sealed copy, so what was judged is what will run.
 * From the first plugin_open() on foreign code runs in this process.  Only the
 * checker.
 */
#ifndef CLUSTERD_CHECKER_MODULES_H
#define CLUSTERD_CHECKER_MODULES_H

#include "common/base/digest.h"
#include "daemon/checker/path.h"
#include "daemon/checker/schema.h"
#include "daemon/plugin/loader.h"

/* A file, once, however many instances use it. */
struct module {
	const char *path;
	int fd;				/* sealed memfd; -1: could not be read */
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
};

struct modules {
	struct module files[CONF_PLUGINS_MAX];
	size_t file_count;
	struct plugin plugins[CONF_PLUGINS_MAX];	/* as those of conf */
	uint8_t opened[CONF_PLUGINS_MAX];
};

/* Words for each path rule that is broken: an error when strict. */
struct path_policy {
	struct path_owners owners;
	int strict;
};

/* Find every module and take a sealed copy of it; sets module and sha256 of
 * conf.  No foreign code runs.  Findings go to the report. */
void modules_copy(struct modules *modules, struct schema *schema,
    const struct path_policy *policy);

/*
 * Open each copy and check the options of its instances; they are put into
 * conf.  before() is called in front of each that is opened.
 */
void modules_open(struct modules *modules, struct schema *schema,
    const struct path_policy *policy,
    void (*before)(const struct conf_plugin *plugin, void *arg), void *arg);

/* Report a broken path rule; key may be NULL. */
void report_breach(struct report *report, const struct path_policy *policy,
    struct place place, const char *section, const char *key,
    const struct errmsg *breach);

#endif
