/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * ctl.h: what the files of clusterctl share.  The program knows no command by
 * itself: names, arguments and columns come from common/table/commands.def.
 */
#ifndef CLUSTERD_CTL_CTL_H
#define CLUSTERD_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

#include "common/table/table.h"

/* Exit status; that of `status' is 0 ok, 1 degraded, 2 failed. */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3,
	CTL_DENIED = 4,
	CTL_TIMEOUT = 5,
};

struct ctl {
	const char *program;	/* as called, for messages */
	const char *socket;
	bool json;
	bool color;		/* of stdout */
	bool progress_line;	/* stderr is a terminal: rewrite one line */
	unsigned width;		/* of the terminal; 0: not one */
	const struct command *command;
	json_t *args;
};

/* size bytes of 0; without memory the program says so, and ends as CTL_FAILED:
 * half an answer would look like another one. */
void *ctl_take(size_t size);

/* One line to stderr, "clusterctl: …"; what is not printable is escaped. */
void ctl_complain(const struct ctl *ctl, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
