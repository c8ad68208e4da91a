/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * api_parts.h: what the files api_*.c share.  Handles are looked up, never
 * followed; what is refused is counted as misuse and changes nothing.
 */
#ifndef DAEMON_PLUGIN_API_PARTS_H
#define DAEMON_PLUGIN_API_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/plugin/api.h"
#include "daemon/plugin/host.h"

/* Each function has the type of its member of the table. */
#define API_OWN(name) \
	extern __typeof__(*((struct cluster_api *)0)->name) api_##name;
#define API_ANYWHERE(name) API_OWN(name)
#define API_VOID(name, ...) API_OWN(name)
#define API(type, name, ...) API_OWN(name)
#include "daemon/plugin/api.def"

/* The host that is served.  Every call goes through this: the child of a fork()
 * gets none of them. */
struct host *api_here(void);

/* The plugin whose callback runs. */
const char *api_caller(void);

/* Is there something of that length?  Nothing is that long, so it is no want of memory,
 * which would end the request. */
static inline bool
api_is_data(const void *data, size_t len)
{
	return len == 0 || (data != NULL && len <= PTRDIFF_MAX / 2);
}

/* The connection of an open request; NULL: stale. */
struct conn *api_find(struct cluster_request *req);

/* Count what is refused, and give it back; -EAGAIN is no misuse. */
int api_answered(int rc);

#endif
