/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * metrics.h: the view in the Prometheus text format.  Pure.
 */
#ifndef CLUSTERD_CONTROL_METRICS_H
#define CLUSTERD_CONTROL_METRICS_H

#include "common/base/buf.h"
#include "daemon/control/view.h"

void metrics_add_view(struct buf *buf, const struct view *view);

#endif
