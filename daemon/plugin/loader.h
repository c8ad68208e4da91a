/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * loader.h: opens plugins.  The only code that calls dlopen; used by the worker
 * (from the plugin store) and by the checker (from a sealed memfd).  A plugin
 * is never closed again.
 */
#ifndef DAEMON_PLUGIN_LOADER_H
#define DAEMON_PLUGIN_LOADER_H

#include <stdbool.h>

#include <clusterd/plugin.h>

#include "common/base/errmsg.h"
#include "daemon/plugin/options.h"
#include "daemon/proto/messages.h"

struct plugin {
	char instance[64];		/* name of the section */
	struct cluster_note note;
	struct cluster_plugin desc;	/* a copy; what the plugin lacks is NULL */
	void *self;			/* NULL until plugin_fill() */
	void *handle;			/* of dlopen */
	int started;
	bool late;			/* started, and to say that it is ready */
	bool said_ready;
	bool wants_room;		/* for messages: it was refused one */
	uint64_t may;			/* commands it is granted (grants.h) */
};

/*
 * Open a plugin by its path ("/proc/self/fd/9" for a memfd): note read and
 * judged, RTLD_NOW | RTLD_LOCAL (its constructors run here), magic, sizes and
 * option rows checked, the host's table set.  host may be NULL (checker:
 * nothing of the plugin but constructors runs then).
 * FATAL_NONE and *plugin filled, or the class with words.  May block (disk).
 */
enum fatal_class plugin_open(struct plugin *plugin, const char *instance,
    const char *path, const struct cluster_api *host, struct errmsg *err);

/* Make self and fill the options.  FATAL_NONE or FATAL_CONFIG with words. */
enum fatal_class plugin_fill(struct plugin *plugin,
    const struct option_text *given, size_t count, struct errmsg *err);

#endif
