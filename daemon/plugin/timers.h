/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* timers.h: timers of plugins, by handles that are never used twice. */
#ifndef DAEMON_PLUGIN_TIMERS_H
#define DAEMON_PLUGIN_TIMERS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include <clusterd/timer.h>

#include "daemon/conf/conf.h"

enum { TIMERS_MAX = 65536 };

struct timer;

struct timers {
	struct event_base *base;
	/* Runs a timer's function as a callback of its plugin: false, and
	 * nothing was run, if only the leader may and this is not the leader. */
	bool (*run)(unsigned plugin, bool leader, cluster_timer_fn *fn,
	    void *arg, void *ctx);
	void *ctx;
	struct timer **rows;
	uint32_t count, free_first;	/* free_first: index + 1, 0 none */
	uint64_t number;		/* of the last one */
	uint32_t of_plugin[CONF_PLUGINS_MAX];
	unsigned waiting;		/* for this worker to lead */
	unsigned holding;		/* that a drain awaits */
};

/* What a timer is, besides its time. */
struct timer_plan {
	unsigned plugin, ms;
	bool again;			/* each ms */
	unsigned flags;			/* enum cluster_timer_flag */
	cluster_timer_fn *fn;
	void *arg;
};

/* 0 and *handle, -ENOSPC (TIMERS_MAX of them in all), -ENOMEM. */
int timers_add(struct timers *timers, const struct timer_plan *plan,
    uint64_t *handle);
/* How many this plugin has. */
unsigned timers_of_plugin(const struct timers *timers, unsigned plugin);
/* 0 or -ESTALE. */
int timers_cancel(struct timers *timers, uint64_t handle);
/* This worker may lead by now: those that wait for it are tried again. */
void timers_try_waiting(struct timers *timers);

#endif
