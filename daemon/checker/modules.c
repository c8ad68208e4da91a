/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* modules.c: finds, copies, opens and judges plugins; see modules.h. */
#include "daemon/checker/modules.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "daemon/checker/instance.h"
#include "daemon/checker/must.h"

enum { MODULE_SIZE_MAX = 256 << 20 };

void
report_breach(struct report *report, const struct path_policy *policy,
    struct place place, const char *section, const char *key,
    const struct errmsg *breach)
{
	if (breach->code == 0)
		return;
	if (policy->strict)
		report_error(report, place, section, key, "%s", breach->text);
	else
		report_warning(report, place, section, key, "%s",
		    breach->text);
}

/* ---- finding -------------------------------------------------------------------- */

/* The nth directory of plugin_dir, or 0. */
static int
nth_directory(const char *paths, unsigned n, char *out, size_t size)
{
	for (; n > 0; n--) {
		paths += strcspn(paths, ":");
		if (*paths == '\0')
			return 0;
		paths++;
	}
	snprintf(out, size, "%.*s", (int)strcspn(paths, ":"), paths);
	return 1;
}

/* A module of the directory that is nearly called so. */
static int
find_near(const char *directory, const char *name, char *near, size_t size)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	int found = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (found || len < 4 || strcmp(entry->d_name + len - 3,
		    ".so") != 0 || word_distance(name, entry->d_name, 2) > 2)
			continue;
		snprintf(near, size, "%s", entry->d_name);
		found = 1;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void
report_not_found(struct schema *schema, size_t index, const char *name)
{
	const char *paths = schema->conf->daemon.plugin_dir;
	char directory[PATH_MAX], near[NAME_MAX + 1];

	for (unsigned n = 0; nth_directory(paths, n, directory,
	    sizeof(directory)); n++) {
		if (!find_near(directory, name, near, sizeof(near)))
			continue;
		report_error(schema->report, schema_plugin_place(schema, index,
		    KEY_PLUGIN_MODULE), schema_plugin_title(schema, index),
		    "module", "%s is not in plugin_dir (%s); did you mean "
		    "\"%s\"?", name, paths, near);
		return;
	}
	report_error(schema->report, schema_plugin_place(schema, index,
	    KEY_PLUGIN_MODULE), schema_plugin_title(schema, index), "module",
	    "%s is not in plugin_dir (%s)", name, paths);
}

/* The path of an instance's module, or NULL after a finding. */
static const char *
find_module(struct schema *schema, size_t index)
{
	const struct conf_plugin *plugin = &schema->conf->plugins[index];
	char name[PATH_MAX], directory[PATH_MAX], path[2 * PATH_MAX];

	if (plugin->module[0] == '/')
		return plugin->module;
	if (strcmp(plugin->module, "auto") == 0)
		snprintf(name, sizeof(name), "%s.so", plugin->name);
	else
		snprintf(name, sizeof(name), "%s", plugin->module);
	for (unsigned n = 0; nth_directory(schema->conf->daemon.plugin_dir, n,
	    directory, sizeof(directory)); n++) {
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		if (access(path, F_OK) == 0)
			return must_text(schema->conf, path, strlen(path));
	}
	report_not_found(schema, index, name);
	return NULL;
}

/* ---- copying ---------------------------------------------------------------------- */

/* All of fd into a sealed memfd.  0 or an ERR_ code. */
static int
copy_file(struct module *module, int fd, struct errmsg *err)
{
	static char block[65536];
	struct sha256 sha;
	ssize_t n;

	module->fd = fd_memfd("plugin");
	if (module->fd < 0) {
		errno = -module->fd;
		return errmsg_errno(err, "cannot make a memory file");
	}
	sha256_init(&sha);
	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errmsg_errno(err, "cannot read %s",
			    module->path);
		module->size += (uint64_t)n;
		if (module->size > MODULE_SIZE_MAX)
			return errmsg_set(err, ERR_TOO_LARGE,
			    "%s has more than %d bytes", module->path,
			    MODULE_SIZE_MAX);
		sha256_add(&sha, block, (size_t)n);
		if (fd_write_all(module->fd, block, (size_t)n) != 0)
			return errmsg_set(err, ERR_MEMORY,
			    "no memory for %s", module->path);
	}
	sha256_end(&sha, module->sha256);
	if (fd_seal(module->fd) != 0)
		return errmsg_errno(err, "cannot seal the copy of %s",
		    module->path);
	return 0;
}

/* The copy of a path, made if there is none yet; NULL after a finding. */
static const struct module *
copy_module(struct modules *modules, struct schema *schema, size_t index,
    const char *path, const struct path_policy *policy)
{
	struct place place = schema_plugin_place(schema, index,
	    KEY_PLUGIN_MODULE);
	const char *title = schema_plugin_title(schema, index);
	struct module *module;
	struct errmsg breach, err;
	int fd, rc;

	for (size_t i = 0; i < modules->file_count; i++)
		if (strcmp(modules->files[i].path, path) == 0)
			return modules->files[i].fd >= 0 ?
			    &modules->files[i] : NULL;
	module = &modules->files[modules->file_count++];
	memset(module, 0, sizeof(*module));
	module->path = path;
	module->fd = -1;
	fd = path_open(path, &policy->owners, &breach, &err);
	report_breach(schema->report, policy, place, title, "module", &breach);
	if (fd < 0) {
		report_error(schema->report, place, title, "module", "%s",
		    err.text);
		return NULL;
	}
	rc = copy_file(module, fd, &err);
	fd_close(&fd);
	if (rc == 0)
		return module;
	fd_close(&module->fd);
	report_error(schema->report, place, title, "module", "%s", err.text);
	return NULL;
}

void
modules_copy(struct modules *modules, struct schema *schema,
    const struct path_policy *policy)
{
	struct conf *conf = schema->conf;

	modules->file_count = 0;
	for (size_t i = 0; i < conf->plugin_count; i++) {
		const char *path = find_module(schema, i);
		const struct module *module;
		char hex[SHA256_HEX];

		if (path == NULL)
			continue;
		conf->plugins[i].module = path;
		module = copy_module(modules, schema, i, path, policy);
		if (module == NULL)
			continue;
		sha256_hex(module->sha256, hex);
		conf->plugins[i].sha256 = must_text(conf, hex,
		    SHA256_HEX - 1);
	}
}

/* ---- opening ----------------------------------------------------------------------- */

static const struct module *
module_of(const struct modules *modules, const struct conf_plugin *plugin)
{
	for (size_t i = 0; i < modules->file_count; i++)
		if (modules->files[i].fd >= 0 &&
		    strcmp(modules->files[i].path, plugin->module) == 0)
			return &modules->files[i];
	return NULL;
}

/* A plugin of each filter has something to do there. */
static void
check_filters(const struct modules *modules, struct schema *schema)
{
	const struct conf *conf = schema->conf;

	for (size_t p = 0; p < conf->pool_count; p++)
		for (size_t i = 0; i < conf->pools[p].filter_count; i++) {
			uint32_t at = conf->pools[p].filters[i].plugin;
			const struct cluster_plugin *desc =
			    &modules->plugins[at].desc;

			if (!modules->opened[at] || desc->on_request != NULL ||
			    desc->on_response != NULL)
				continue;
			report_error(schema->report, schema_filter_place(schema,
			    p, i), schema_pool_title(schema, p), "filter",
			    "the plugin \"%s\" is no filter: it has neither "
			    "on_request nor on_response",
			    conf->plugins[at].name);
		}
}

/* A plugin of each route can serve the pool. */
static void
check_routes(const struct modules *modules, struct schema *schema, size_t at)
{
	const struct conf *conf = schema->conf;
	const struct conf_pool *pool = &conf->pools[at];

	for (size_t i = 0; i < pool->route_count; i++) {
		uint32_t plugin = pool->routes[i].plugin;
		struct place place = schema_route_place(schema, at, i);
		const char *title = schema_pool_title(schema, at);
		const char *lacks;

		if (!modules->opened[plugin])
			continue;
		lacks = plugin_lacks(&modules->plugins[plugin], pool->protocol);
		if (lacks == NULL)
			continue;
		if (pool->protocol == PROTOCOL_HTTP)
			report_error(schema->report, place, title, "route",
			    "the plugin \"%s\" handles no requests: it has "
			    "neither handle nor on_head",
			    conf->plugins[plugin].name);
		else
			report_error(schema->report, place, title, "route",
			    "%s has no %s, as protocol = %s needs",
			    conf->plugins[plugin].name, lacks,
			    keys[KEY_POOL_PROTOCOL].list[pool->protocol]);
	}
}

void
modules_open(struct modules *modules, struct schema *schema,
    const struct path_policy *policy,
    void (*before)(const struct conf_plugin *plugin, void *arg), void *arg)
{
	struct conf *conf = schema->conf;

	for (size_t i = 0; i < conf->plugin_count; i++) {
		const struct module *module = module_of(modules,
		    &conf->plugins[i]);
		struct errmsg err;
		char path[64];

		if (module == NULL)
			continue;
		/* descriptors stay open: the loader knows files by name */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", module->fd);
		before(&conf->plugins[i], arg);
		if (plugin_open(&modules->plugins[i], conf->plugins[i].name,
		    path, NULL, &err) != FATAL_NONE) {
			report_error(schema->report, schema_plugin_place(schema,
			    i, KEY_PLUGIN_MODULE), schema_plugin_title(schema,
			    i), "module", "%s: %s", module->path, err.text);
			continue;
		}
		modules->opened[i] = 1;
		instance_check(schema, i, modules->plugins[i].desc.options,
		    policy);
	}
	check_filters(modules, schema);
	for (size_t i = 0; i < conf->pool_count; i++)
		check_routes(modules, schema, i);
}
