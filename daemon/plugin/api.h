/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api.h: the table that plugins call (host_api), and whom it serves. */
#ifndef DAEMON_PLUGIN_API_H
#define DAEMON_PLUGIN_API_H

struct host;

/* Its functions have no other way to know: one host a process. */
void api_set_host(struct host *host);

#endif
