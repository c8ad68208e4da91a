/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * run.h: one command from its request to its exit status.
 */
#ifndef CLUSTERD_CTL_RUN_H
#define CLUSTERD_CTL_RUN_H

#include "ctl/ctl.h"

/* Returns an enum ctl_exit, or the state for `status'. */
int run_command(struct ctl *ctl);

#endif
