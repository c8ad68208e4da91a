/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * busy.h: how busy the workers of a pool are: the share of time in which their
 * loops do not wait, as an exponential mean over about ten seconds.  Pure; the
 * master looks at each tick, a round for each pool, with what the pages say.
 * Those are not trusted: whatever is in them counts for no more than the time
 * that has passed.
 */
#ifndef CLUSTERD_SUPERVISOR_BUSY_H
#define CLUSTERD_SUPERVISOR_BUSY_H

#include <stdint.h>

enum { BUSY_MEAN_MS = 10000, BUSY_ALL = 1000000 };

/* Up to where a worker is counted; zero: not yet. */
struct busy_mark {
	uint64_t at_ns, busy_ns;
};

struct busy_mean {
	uint32_t share;		/* of BUSY_ALL */
	unsigned workers;	/* that were counted in the last round */
	uint64_t at_ns;		/* of the last round; 0: there was none */
	uint64_t measured_ns;	/* time that is in it, at most the constant */
};

struct busy_round {
	uint64_t now_ns, elapsed_ns;
	int begins;		/* nothing to compare with: marks are set */
	uint64_t span_ns, busy_ns;	/* of all workers together */
	unsigned workers;
};

/* After a gap (we were stopped, or the machine was) nobody is judged for it. */
struct busy_round busy_begin(const struct busy_mean *mean, uint64_t now_ns);
/* A READY worker: its beat, and its busy time up to there.  One that stalls is
 * in something that holds its loop: busy, although it cannot say so. */
void busy_add(struct busy_round *round, struct busy_mark *mark,
    uint64_t beat_ns, uint64_t busy_ns);
/* What is not renewed, for want of workers or in a gap, is forgotten as it
 * came. */
void busy_end(const struct busy_round *round, struct busy_mean *mean);

/* When as much is measured as the mean is made of; not before now_ns. */
uint64_t busy_known_ns(const struct busy_mean *mean, uint64_t now_ns);

#endif
