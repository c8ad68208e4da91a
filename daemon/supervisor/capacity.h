/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * capacity.h: whether so many workers fit, before one of them is started.  An
 * estimate, and a cautious one: what does not fit would be found by the last of
 * them, in the middle of a scale.  Pure.
 */
#ifndef CLUSTERD_SUPERVISOR_CAPACITY_H
#define CLUSTERD_SUPERVISOR_CAPACITY_H

#include <stdint.h>

#include "common/base/errmsg.h"

struct capacity {
	uint64_t workers;	/* wanted in all, all pools */
	uint64_t successors;	/* that may be there beside them */
	uint64_t others;	/* processes that belong to no slot any more */
	uint64_t sockets;	/* that listen, all pools */
	uint64_t shared_sockets;	/* of the pool that grows: each of its
				 * workers holds them all */
	uint64_t in_flight;	/* connections that may wait in their windows */
	uint64_t nofile;	/* descriptors a process may have */
};

/* 0, or ERR_FAILED with the numbers. */
int capacity_check(const struct capacity *capacity, struct errmsg *err);

#endif
