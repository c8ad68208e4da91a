/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * crash.h: last words of a worker that dies by a signal: registers and frames
 * to fd 2, from a stack of their own, with async-signal-safe calls only; then
 * the signal takes its default course.
 */
#ifndef DAEMON_WORKER_CRASH_H
#define DAEMON_WORKER_CRASH_H

/* name: of the worker, borrowed for ever.  0 or -errno. */
int crash_install(const char *name);

#endif
