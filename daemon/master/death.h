/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * death.h: why a worker's process ended, in numbers and in one sentence.
 */
#ifndef CLUSTERD_MASTER_DEATH_H
#define CLUSTERD_MASTER_DEATH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/table/worker.h"
#include "daemon/master/sample.h"
#include "daemon/proto/memo.h"

struct master;
struct process;

struct death {
	char worker[64], pool[MEMO_NAME];
	unsigned slot;
	uint64_t worker_id, generation;
	int pid;
	uint8_t state, cause;
	bool asked;
	char reason[MEMO_REASON];	/* why; "": nobody asked, or not known */
	int code, signal;		/* -1: not that */
	const char *signal_name;	/* "SIGSEGV"; in name_buf or constant */
	char name_buf[16];
	int core;
	uint64_t ended_ns;		/* monotonic */
	int64_t time;			/* the same by the wall clock, ms */
	int64_t uptime_ms, request_ms, beat_age_ms;	/* at its end */
	int64_t lost, recovered, requests, cpu_ms, rss_kb;
	bool has_doing, in_callback;
	struct sample_doing doing;
	unsigned open;			/* requests open besides */
	unsigned suspect;		/* number of the route it died in; 0: not
					 * known, or not in one */
	char evidence[1024], tail[2049];	/* escaped */
	unsigned n;			/* early ones in a row */
	unsigned recent;		/* within ten minutes */
	int64_t next_ms;		/* -1: none */
	char text[600];
};

/*
 * Everything known of the end of a process that is still whole.  row: as it
 * was before, with cause and asked as they were decided; next and wait_ms:
 * what the policy says; recent: deaths of the slot of late.
 */
void death_make(struct master *m, struct process *process,
    const struct memo_worker *row, enum worker_event next, uint64_t wait_ms,
    unsigned recent, struct death *death);
/* Into the state database. */
void death_store(struct master *m, const struct death *death);

#endif
