/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* owner.c: which worker polls which socket; see owner.h. */
#include "daemon/supervisor/owner.h"

static int
may_own(const struct owner_worker *worker, int stalled_too)
{
	return worker->ready && !worker->paused &&
	    (stalled_too || !worker->stalled);
}

static size_t
keep(struct owner_worker *workers, size_t count, int stalled_too)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (!may_own(&workers[i], stalled_too))
			continue;
		if (kept > 0 && workers[kept - 1].slot == workers[i].slot)
			kept--;		/* its successor is here */
		workers[kept++] = workers[i];
	}
	return kept;
}

size_t
owner_choose(struct owner_worker *workers, size_t count)
{
	int stalled_too = 1;

	for (size_t i = 0; i < count; i++)
		if (may_own(&workers[i], 0))
			stalled_too = 0;
	return keep(workers, count, stalled_too);
}

uint64_t
owner_of(uint32_t socket, const struct owner_worker *workers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (workers[i].slot == socket)
			return workers[i].id;
	return count > 0 ? workers[socket % count].id : 0;
}
