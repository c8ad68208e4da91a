/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * output.h: what workers print (output pipe) and log (log pipe), by lines,
 * stamped with slot and pid by us, so that it cannot be forged.  64 KiB a
 * second and pipe; more is dropped and counted.
 */
#ifndef CLUSTERD_MASTER_OUTPUT_H
#define CLUSTERD_MASTER_OUTPUT_H

struct process;

/* Begin to read both pipes. */
void output_watch(struct process *process);
/* Read what is left in them, at its end. */
void output_drain(struct process *process);
/* Each tick: what was dropped in a second that is over is said. */
void output_tick(struct process *process);

#endif
