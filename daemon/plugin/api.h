/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api.h: the table that plugins call (host_api), and whom it serves. */
#ifndef DAEMON_PLUGIN_API_H
#define DAEMON_PLUGIN_API_H

#include <stdbool.h>
#include <stdint.h>

struct host;

/* Its functions have no other way to know: one host a process.  Called in the
 * thread that its loop will run in. */
void api_set_host(struct host *host);

/* Each beat: what other threads have called is counted, and said. */
void api_tick(uint64_t now_ns);

/* This is the thread of the loop: the one that api_set_host() was called in. */
extern _Thread_local bool api_in_loop;

/* Note that this function was called in another thread.  True. */
bool api_refuse_elsewhere(const char *name) __attribute__((cold));

/* Is it, and is that to be refused? */
static inline bool
api_is_elsewhere(const char *name)
{
	return __builtin_expect(!api_in_loop, 0) && api_refuse_elsewhere(name);
}

#endif
