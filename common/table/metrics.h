/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* metrics.h: the list of counters, expanded from metrics.def.  Constant. */
#ifndef CLUSTERD_TABLE_METRICS_H
#define CLUSTERD_TABLE_METRICS_H

enum metric_id {
#define METRIC(id, name, help) METRIC_##id,
#include "common/table/metrics.def"
};
enum { METRIC__COUNT = 0
#define METRIC(id, name, help) + 1
#include "common/table/metrics.def"
};

struct metric {
	const char *name, *help;
};
extern const struct metric metrics[METRIC__COUNT];

#endif
