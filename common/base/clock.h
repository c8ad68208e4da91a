/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * clock.h: the clocks.  Deadlines are monotonic, back-off expiry is boot time
 * (it goes on while the machine sleeps), wall time is only shown to people.
 * All roles; never blocks, never fails.
 */
#ifndef CLUSTERD_BASE_CLOCK_H
#define CLUSTERD_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL

/* Who was late himself excuses others: where a process finds the end of a wait
 * past by AWAY_MS it stood still, and so may have those it waited for; they have
 * EXCUSE_MS more.  To be scaled. */
enum { CLOCK_AWAY_MS = 100, CLOCK_EXCUSE_MS = 500 };

uint64_t clock_now_ns(void);		/* CLOCK_MONOTONIC */
uint64_t clock_now_ms(void);
uint64_t clock_boot_ms(void);		/* CLOCK_BOOTTIME */
int64_t clock_wall_ms(void);		/* milliseconds since 1970 */

/*
 * A fixed time of the policies, in ms.  Test builds (--enable-failpoints)
 * divide it by CLUSTERD_TEST_SCALE (1..1000), never below 1 ms; release
 * builds return it as it is.  Configuration values are never scaled.
 */
unsigned clock_scaled_ms(unsigned ms);

#endif
