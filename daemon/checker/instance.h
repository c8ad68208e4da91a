/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* instance.h: the options of one [plugin NAME].  Only the checker. */
#ifndef CLUSTERD_CHECKER_INSTANCE_H
#define CLUSTERD_CHECKER_INSTANCE_H

#include <clusterd/plugin.h>

#include "daemon/checker/schema.h"

struct path_policy;

/*
 * Check what the file says of this instance against the plugin's own rows
 * (NULL: it has none) and put it into conf; a secret's file is read.  Findings
 * go to the report.
 */
void instance_check(struct schema *schema, size_t index,
    const struct cluster_option *rows, const struct path_policy *policy);

#endif
