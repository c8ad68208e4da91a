/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_verdict.h: verdicts of commands from before this master.
 */
#ifndef CLUSTERD_CONTROL_CMD_VERDICT_H
#define CLUSTERD_CONTROL_CMD_VERDICT_H

struct control;

/* Begin to fetch the last verdicts from the store, so that an id that was used
 * before a restart is known again. */
void verdict_load(struct control *control);
void verdict_load_cancel(struct control *control);

#endif
