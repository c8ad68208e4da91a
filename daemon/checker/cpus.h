/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* cpus.h: how many CPUs this process may use.  Only the checker. */
#ifndef CLUSTERD_CHECKER_CPUS_H
#define CLUSTERD_CHECKER_CPUS_H

/* At least 1: those of its affinity, no more than the quota of its cgroup (v2
 * or v1) rounded up. */
int cpus_usable(void);

#endif
