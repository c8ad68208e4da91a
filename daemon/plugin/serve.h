/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * serve.h: requests of a worker and the plugins that answer them: routes, gates,
 * verdicts, bodies.  What the connections (daemon/http) call; in the loop.
 */
#ifndef DAEMON_PLUGIN_SERVE_H
#define DAEMON_PLUGIN_SERVE_H

#include "daemon/plugin/host.h"

/* For http_init(); its ctx is the host. */
extern const struct http_ops serve_ops;

#endif
