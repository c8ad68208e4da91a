/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cgroup.h: what our control group tells: whether somebody was killed for want
 * of memory.  Without one that counts, the whole machine's count.
 */
#ifndef CLUSTERD_MASTER_CGROUP_H
#define CLUSTERD_MASTER_CGROUP_H

#include <stdbool.h>

struct master;

/* Every few seconds. */
void cgroup_look(struct master *m);
/* A worker died of a SIGKILL that is not ours: was it for want of memory? */
bool cgroup_explains_kill(struct master *m);

#endif
