/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * watches.h: descriptors of plugins on the worker's loop.  What is watched is a
 * duplicate: a plugin that closes its own one, and a client that then gets its
 * number, do not meet in the loop.
 */
#ifndef DAEMON_PLUGIN_WATCHES_H
#define DAEMON_PLUGIN_WATCHES_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/types.h>

#include <clusterd/timer.h>

#include "daemon/conf/conf.h"

typedef void cluster_ready_fn(int fd, unsigned flags, void *arg);

struct watch;

struct watches {
	struct event_base *base;
	/* Runs the function as a callback of its plugin. */
	void (*run)(unsigned plugin, cluster_ready_fn *fn, int fd,
	    unsigned flags, void *arg, void *ctx);
	void *ctx;
	struct watch **rows;
	uint32_t count, free_first;	/* free_first: index + 1, 0 none */
	uint64_t number;		/* of the last one */
	uint32_t of_plugin[CONF_PLUGINS_MAX];
};

/* As cluster_watch(), for this plugin; 0 and *handle, or -errno. */
int watches_add(struct watches *watches, unsigned plugin, int fd,
    unsigned flags, cluster_ready_fn *fn, void *arg, uint64_t *handle);
/* 0 or -ESTALE. */
int watches_end(struct watches *watches, uint64_t handle);
/* Now and then: end those whose descriptor was closed. */
void watches_look(struct watches *watches);

#endif
