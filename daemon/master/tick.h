/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* tick.h: what is looked at every 500 ms, and our own beat and clock. */
#ifndef CLUSTERD_MASTER_TICK_H
#define CLUSTERD_MASTER_TICK_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct master;

/* The beat goes on from the first moment; the tick from tick_start(). */
void tick_init(struct master *m);
void tick_start(struct master *m);
void tick_beat(struct master *m);

/*
 * Who was late himself excuses others: a clock that stands while this master
 * does (SIGSTOP, a machine that is suspended or starved).  What others have to
 * do in time is measured by it; where it is not, as the time is told to others
 * or lies in the memo, tick_wake() moves the ends.  Never goes back.
 */
uint64_t tick_awake_ns(const struct master *m);
/* A timer came: is its end yet to come by this clock?  Then it is set anew. */
bool tick_not_yet(const struct master *m, struct event *timer,
    uint64_t end_ns);
/* First of all wherever such an end is looked for. */
void tick_wake(struct master *m);

#endif
