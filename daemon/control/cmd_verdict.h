/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_verdict.h: verdicts of commands from before this master.
 */
#ifndef CLUSTERD_CONTROL_CMD_VERDICT_H
#define CLUSTERD_CONTROL_CMD_VERDICT_H

#include <stdbool.h>

#include "daemon/store/store.h"

struct control;
struct control_call;

/* Ask the store for the command of the id that the client gave.  The number of
 * the job, or an ERR_ code: there is no answer to wait for. */
int verdict_look_up(struct control_call *call, store_done done);
/* Answer call as the command of that row was answered, or that it is another
 * command.  false: it is none, nothing was done. */
bool verdict_answer(struct control_call *call, const struct store_text *row);

/* Begin to fetch the last verdicts from the store, so that an id that was used
 * before a restart is known again. */
void verdict_load(struct control *control);
void verdict_load_cancel(struct control *control);

#endif
