/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* checks.h: rules between keys, and what follows from them.  Only the checker. */
#ifndef CLUSTERD_CHECKER_CHECKS_H
#define CLUSTERD_CHECKER_CHECKS_H

#include "daemon/checker/schema.h"

/* What the machine has. */
struct machine {
	int cpus;
	int64_t nofile;		/* hard RLIMIT_NOFILE; INT64_MAX: no limit */
};

/*
 * Fill the derived numbers (CPUs, workers_min, workers_max), what one key's
 * default takes from another, and the types of listeners; then check all rules
 * between keys.  Findings go to the report.  Pure.
 */
void checks_run(struct schema *schema, const struct machine *machine);

#endif
