/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * show.h: answers for people: aligned tables, one line for an event, verdicts,
 * the screen of `status'.  What came from the daemon may be foreign text: it
 * is escaped before it reaches a terminal.
 */
#ifndef CLUSTERD_CTL_SHOW_H
#define CLUSTERD_CTL_SHOW_H

#include <jansson.h>

#include "ctl/ctl.h"

/* An array of objects, under the columns (members, with blanks between). */
void show_table(const struct ctl *ctl, const json_t *rows, const char *columns);
/* One event. */
void show_event(const struct ctl *ctl, const json_t *event);
/* Text as it is, but for what would move the cursor. */
void show_text(const char *text);
/* The result of a command without a form of its own. */
void show_result(const struct ctl *ctl, const json_t *result);
/* One line of progress to stderr. */
void show_progress(const struct ctl *ctl, const json_t *progress);
/* The line of progress has ended. */
void show_progress_end(const struct ctl *ctl);
/* The screen of `status'; returns the exit status. */
int show_status(const struct ctl *ctl, const json_t *status);

/* A member as people read it, by the unit in its name ("uptime_ms").  The
 * caller frees it. */
char *show_value(const char *name, const json_t *value);

#endif
