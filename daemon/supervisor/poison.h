/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * poison.h: routes of which requests end workers, a few rows a pool.  Five
 * deaths within a minute are said once; where the pool wants it the route is
 * shut, and after half a minute one request, the probe, decides.  Pure: called
 * by the master on the idle memo copy; times are the caller's.
 */
#ifndef CLUSTERD_SUPERVISOR_POISON_H
#define CLUSTERD_SUPERVISOR_POISON_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/memo.h"

enum { POISON_WINDOW_MS = 60000, POISON_SHUT_MS = 30000 };

enum poison_state {
	POISON_WATCHED,			/* fewer than five so far */
	POISON_SAID,			/* `report': told, until it is quiet */
	POISON_SHUT,			/* `on': 503 */
	POISON_LIFTED,			/* the workers are yet to be told */
};

enum poison_news {
	POISON_NONE,
	POISON_REPORT,			/* the fifth: to be said */
	POISON_BEGIN,			/* the fifth: shut now */
	POISON_AGAIN,			/* the probe died: shut again */
};

struct poison_times {
	uint64_t now_ns, window_ns, shut_ns;
};

/* Of the name of a plugin and the pattern of its route; never 0. */
uint64_t poison_key(const char *plugin, const char *pattern);

/* NULL: nothing is known of it. */
struct memo_poison *poison_find(struct memo_pool *pool, uint64_t key);

/*
 * Worker `id' died in a request of that route.  want_shut: after the fifth it is
 * shut.  Without a row to be had it is not counted: those that are shut are
 * kept, of the others the one goes that was quiet for longest.
 */
enum poison_news poison_note_death(struct memo_pool *pool, uint64_t key,
    uint64_t id, int want_shut, const struct poison_times *times);

/* A worker is gone: its leave to let a probe in is, too. */
void poison_forget_worker(struct memo_pool *pool, uint64_t id);

/* 1: `id' may let one in now, which is noted. */
int poison_grant(struct memo_poison *row, uint64_t id, uint64_t now_ns);

/* Rows that were quiet for a window are freed.  1: something changed. */
int poison_tidy(struct memo_pool *pool, const struct poison_times *times);

#endif
