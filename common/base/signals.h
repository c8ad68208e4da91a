/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* signals.h: what master and workers have no use for. */
#ifndef CLUSTERD_BASE_SIGNALS_H
#define CLUSTERD_BASE_SIGNALS_H

/*
 * Ignore SIGPIPE and SIGXFSZ, of which a return value says as much, and what a
 * terminal or a `kill' by name sends: HUP, INT, QUIT, USR1, USR2, TTIN, TTOU.
 * They are commands to the keeper alone.  A program that is executed from here
 * must have its defaults again.
 */
void signals_ignore(void);

#endif
