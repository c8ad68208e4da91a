/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* clock.c: the clocks; see clock.h. */
#include "common/base/clock.h"

#include <stdlib.h>
#include <time.h>

static uint64_t
clock_read_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t
clock_now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_now_ms(void)
{
	return clock_read_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

uint64_t
clock_boot_ms(void)
{
	return clock_read_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

int64_t
clock_wall_ms(void)
{
	return (int64_t)(clock_read_ns(CLOCK_REALTIME) / NS_PER_MS);
}

unsigned
clock_scaled_ms(unsigned ms)
{
#ifdef CLUSTERD_FAILPOINTS
	static unsigned scale;

	if (scale == 0) {
		const char *text = getenv("CLUSTERD_TEST_SCALE");
		long value = text != NULL ? strtol(text, NULL, 10) : 1;

		scale = value >= 1 && value <= 1000 ? (unsigned)value : 1;
	}
	return ms / scale > 0 ? ms / scale : 1;
#else
	return ms;
#endif
}
