/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * read.h: the master reads a worker's page: bytes of somebody it does not
 * trust.  Copied once, then judged; nothing in the copy is out of its bounds.
 * Never blocks, never follows an index of the page.
 */
#ifndef DAEMON_SCOREBOARD_READ_H
#define DAEMON_SCOREBOARD_READ_H

#include <stdbool.h>

#include "common/base/errmsg.h"
#include "common/table/metrics.h"
#include "daemon/proto/page.h"

struct page_report {
	uint64_t beat_ns, loops, busy_ns;
	uint64_t callback_since_ns;		/* 0: not in a callback */
	uint64_t busy_until_ns;			/* 0: not said; not judged */
	uint32_t connections, closable, fds, children, requests_open, holds;
	uint64_t counters[METRIC__COUNT];
	uint64_t histogram[PAGE_BUCKETS];
};

/* Upper bounds of the gauges; what is above is cut. */
struct page_limits {
	uint32_t connections, fds, children;
};

/* No worker counts as far, and a reader of JSON not further (2^53). */
#define PAGE_COUNT_MAX ((uint64_t)1 << 53)

enum doing_result {
	DOING_IDLE,		/* nothing is done there */
	DOING_KNOWN,
	DOING_UNKNOWN,		/* written all the time, or incomplete */
};

/*
 * Copy a mapped page (shared).  now_ns: for the bounds of times.
 * 0; ERR_FORMAT with words: a beat over 1 s in the future, a counter over
 * PAGE_COUNT_MAX, or one that went back since `before` (NULL: first time), which
 * is a VIOLATION; *report is set in either case.
 */
int page_read(const struct page *shared, const struct page_limits *limits,
    const struct page_report *before, uint64_t now_ns,
    struct page_report *report, struct errmsg *err);

/* Add a count to a sum of many, which stops at PAGE_COUNT_MAX. */
void page_add(uint64_t *sum, uint64_t count);

/* When it last beat; for a look at the beat alone (also the master's page). */
uint64_t page_read_beat(const struct page *shared);
/* When the callback began that it is in, 0: it is in none. */
uint64_t page_read_callback(const struct page *shared);
/* The master's page: which master wrote it (0: none yet). */
uint32_t page_read_number(const struct page *shared);
/* Has this worker said READY on its channel? */
int page_read_ready(const struct page *shared);
/* Did its plugin end it?  After its end; the words say why. */
int page_read_left(const struct page *shared);

/*
 * Copy entry 0..PAGE_DOING - 1.  path is terminated, not escaped; method and
 * plugin may be any number, and *route, which is 0 where there is none.
 * dead: its writer has ended; an entry that was being written is copied as it
 * is and DOING_UNKNOWN is returned.
 */
enum doing_result page_read_doing(const struct page *shared, unsigned entry,
    int dead, struct page_doing *doing, unsigned *route);

/*
 * Copy row 0..PAGE_CHILDREN - 1 of the children.  False: it is free, or just
 * being written.  command is terminated, not escaped; pid, request and flags
 * may be any number.
 */
bool page_read_child(const struct page *shared, unsigned row,
    struct page_child *child);

#endif
