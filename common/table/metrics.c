/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* metrics.c: names and help of the counters; see metrics.h. */
#include "common/table/metrics.h"

const struct metric metrics[METRIC__COUNT] = {
#define METRIC(id, name_, help_) [METRIC_##id] = { #name_, help_ },
#include "common/table/metrics.def"
};
