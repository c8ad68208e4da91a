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
	const void *base;		/* where its module is */
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

/* The name of the callback without which it cannot serve a pool of that protocol
 * (common/table/words.def); NULL: it can.  One of http has handle or on_head; or
 * it is no filter and serves no other protocol, but starts, gets messages or has
 * tasks: such a one is in a pool by its route, and passes all requests. */
const char *plugin_lacks(const struct plugin *plugin, int64_t protocol);

/* Make self and fill the options.  FATAL_NONE or FATAL_CONFIG with words. */
enum fatal_class plugin_fill(struct plugin *plugin,
    const struct option_text *given, size_t count, struct errmsg *err);

/* Where the module is that has this address; NULL: none.  From any thread. */
const void *plugin_base_of(const void *address);

#endif
