/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* timers.h: timers of plugins, by handles that are never used twice. */
#ifndef DAEMON_PLUGIN_TIMERS_H
#define DAEMON_PLUGIN_TIMERS_H

#include <event2/event.h>
#include <stdint.h>

#include <clusterd/api.h>

enum { TIMERS_MAX = 65536 };

struct timer;

struct timers {
	struct event_base *base;
	/* Runs a timer's function as a callback of its plugin. */
	void (*run)(unsigned plugin, cluster_timer_fn *fn, void *arg, void *ctx);
	void *ctx;
	struct timer **rows;
	uint32_t count, free_first;	/* free_first: index + 1, 0 none */
	uint64_t number;		/* of the last one */
};

/* A handle, or 0: no memory, or TIMERS_MAX of them. */
uint64_t timers_add(struct timers *timers, unsigned plugin, unsigned ms,
    cluster_timer_fn *fn, void *arg);
/* 0 or -ESTALE. */
int timers_cancel(struct timers *timers, uint64_t handle);

#endif
