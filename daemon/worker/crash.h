/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * crash.h: last words of a worker that dies by a signal, or because somebody
 * called exit(): the frames go to its page, where the death record has them
 * from, and with the registers to the output pipe.  From a stack of their own,
 * with async-signal-safe calls only; then the signal takes its default course.
 */
#ifndef DAEMON_WORKER_CRASH_H
#define DAEMON_WORKER_CRASH_H

#include "daemon/proto/page.h"

/* name: of the worker, page: its own; borrowed for ever.  0 or -errno. */
int crash_install(const char *name, struct page *page);

/* For the death record, of a worker that goes with a reason. */
void crash_leave_words(const char *text);

#endif
