/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * supervisor.h: what the decisions about workers see of their surroundings:
 * the idle copy of the memo, the time, and a host.  The host of the program is
 * daemon/master/life.c; the model of the tests is another.  With the same copy,
 * time and answers of the host the same is decided: nothing else is read.
 */
#ifndef CLUSTERD_SUPERVISOR_SUPERVISOR_H
#define CLUSTERD_SUPERVISOR_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

#include "common/table/events.h"
#include "common/table/worker.h"
#include "daemon/proto/memo.h"
#include "daemon/supervisor/policy.h"

/* What a row is timed by. */
struct supervisor_times {
	uint64_t start_ms, stable_ms, stop_ms, drain_ms;
};

/* A successor on trial (canary). */
enum trial { TRIAL_GOES_ON, TRIAL_PASSED, TRIAL_FAILED };

struct supervisor_host {
	/* by the configuration */
	void (*times)(void *arg, uint16_t row, struct supervisor_times *times);
	void (*limits)(void *arg, uint16_t pool, struct policy_limits *limits);
	size_t (*surge)(void *arg, uint16_t pool);
	/* A worker id that was never used before. */
	uint64_t (*new_id)(void *arg);

	/* To be done, and to be told, after the flip. */
	void (*act)(void *arg, uint16_t row, uint32_t actions);
	void (*tell)(void *arg, enum event_id id, uint16_t row);

	/* An event is about to be fed to a row; its cell may be EDGE_NEVER. */
	void (*stepped)(void *arg, uint16_t row, enum worker_event event);
	/* The row's process cannot be ended and leaves it: the host calls
	 * slots_end() with WE_UNKILLABLE. */
	void (*detach)(void *arg, uint16_t row);

	/* What is known of the row's process.  fault: words, of TRIAL_FAILED. */
	int (*is_stalled)(void *arg, uint16_t row);
	enum trial (*trial)(void *arg, uint16_t row, const char **fault);
};

struct supervisor {
	struct memo_copy *copy;		/* the idle one */
	uint64_t now_ns, boot_ms;
	uint32_t random;		/* 32 random bits */
	uint32_t cpus;			/* so many may be in STARTING at once */
	const struct supervisor_host *host;
	void *arg;			/* the host's */
};

#endif
