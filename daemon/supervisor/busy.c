/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* busy.c: how busy the workers of a pool are; see busy.h. */
#include "daemon/supervisor/busy.h"

#include "common/base/clock.h"

enum {
	STALLED_MS = 1000,	/* a beat so old: as the rest of the master has it */
	GAP_MS = 1500,		/* three ticks */
};

static uint64_t
scaled_ns(unsigned ms)
{
	return clock_scaled_ms(ms) * NS_PER_MS;
}

struct busy_round
busy_begin(const struct busy_mean *mean, uint64_t now_ns)
{
	struct busy_round round = { .now_ns = now_ns };

	if (mean->at_ns != 0 && mean->at_ns < now_ns)
		round.elapsed_ns = now_ns - mean->at_ns;
	round.begins = round.elapsed_ns == 0 ||
	    round.elapsed_ns > scaled_ns(GAP_MS);
	return round;
}

void
busy_add(struct busy_round *round, struct busy_mark *mark, uint64_t beat_ns,
    uint64_t busy_ns)
{
	int stalled = beat_ns + scaled_ns(STALLED_MS) <= round->now_ns;
	uint64_t until = stalled || beat_ns > round->now_ns ?
	    round->now_ns : beat_ns;
	uint64_t span, busy;

	round->workers++;
	if (round->begins || mark->at_ns == 0) {
		mark->at_ns = round->now_ns;
		mark->busy_ns = busy_ns;
		return;
	}
	if (until <= mark->at_ns)
		return;			/* its next beat will tell */
	span = until - mark->at_ns;
	busy = busy_ns > mark->busy_ns ? busy_ns - mark->busy_ns : 0;
	round->span_ns += span;
	round->busy_ns += stalled || busy > span ? span : busy;
	mark->at_ns = until;
	mark->busy_ns = busy_ns;
}

void
busy_end(const struct busy_round *round, struct busy_mean *mean)
{
	uint64_t most = scaled_ns(BUSY_MEAN_MS), old = mean->measured_ns;
	uint64_t share, time;

	mean->at_ns = round->now_ns;
	mean->workers = round->workers;
	if (round->begins || round->workers == 0) {
		mean->measured_ns = old > round->elapsed_ns ?
		    old - round->elapsed_ns : 0;
		return;
	}
	/* Not the time since the last round: the beats that were new then, or
	 * will be next time, are not in this one. */
	time = round->span_ns / round->workers;
	if (time == 0)
		return;
	/* A round is short: nothing here comes near 64 bits. */
	share = round->busy_ns * BUSY_ALL / round->span_ns;
	/* As long as there is less than the constant it is a plain mean. */
	mean->share = (uint32_t)((mean->share * old + share * time) /
	    (old + time));
	mean->measured_ns = old + time < most ? old + time : most;
}

uint64_t
busy_known_ns(const struct busy_mean *mean, uint64_t now_ns)
{
	uint64_t most = scaled_ns(BUSY_MEAN_MS);

	return now_ns + (mean->measured_ns < most ?
	    most - mean->measured_ns : 0);
}
