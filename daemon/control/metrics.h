/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * metrics.h: the view, and what the master has in memory, in the Prometheus
 * text format.
 */
#ifndef CLUSTERD_CONTROL_METRICS_H
#define CLUSTERD_CONTROL_METRICS_H

#include "common/base/buf.h"
#include "daemon/control/view.h"

void metrics_add_view(struct buf *buf, const struct view *view);
/* The heap as a whole, and two of its parts; the host tells of others. */
void metrics_add_memory(struct buf *buf, size_t events, size_t verdicts);

#endif
