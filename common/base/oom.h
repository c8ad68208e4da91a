/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * oom.h: was it the kernel that killed, for want of memory?  It counts its
 * kills, for our control group or, where that does not count, for the whole
 * machine; a count that rises explains as many deaths by a SIGKILL of nobody's.
 * Master, of workers, and worker, of children.
 */
#ifndef CLUSTERD_BASE_OOM_H
#define CLUSTERD_BASE_OOM_H

#include <stddef.h>
#include <stdint.h>

struct oom_watch {
	uint64_t seen;			/* the count when last looked at */
	/* Kills that explained no death yet, since the last regular look and
	 * since the one before it: a death may be heard of later than its
	 * kill, but not that much. */
	uint64_t fresh, stale;
	uint8_t known;			/* there was a look */
	char path[600];			/* whose count it is */
};

/* The number in the line `oom_kill N' of memory.events or of /proc/vmstat.  0;
 * ERR_FORMAT if there is none. */
int oom_parse(const char *text, uint64_t *count);
/* Our path in the one hierarchy (cgroup v2), of /proc/self/cgroup.  0;
 * ERR_FORMAT if there is none or it does not fit. */
int oom_parse_path(const char *text, char *out, size_t size);

/* A regular look at the count. */
void oom_look(struct oom_watch *watch, uint64_t count);
/* Somebody died of SIGKILL and this is the count now: 1 if it was for want of
 * memory. */
int oom_explains(struct oom_watch *watch, uint64_t count);

/* The same with the count that the kernel has now; nothing is explained by one
 * that cannot be read. */
void oom_look_now(struct oom_watch *watch);
int oom_explains_now(struct oom_watch *watch);

#endif
