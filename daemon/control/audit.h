/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * audit.h: who asked for what, and how it ended: rows of the table `commands',
 * events, and a line of log.
 */
#ifndef CLUSTERD_CONTROL_AUDIT_H
#define CLUSTERD_CONTROL_AUDIT_H

#include <jansson.h>

#include "daemon/control/call.h"

/* who: NULL: its account. */
void audit_denied(struct control *control, const struct peer *peer,
    const char *who, const struct command *command, const json_t *args);
/* Who may nothing at all: it is not asked what it wants.  Its command is
 * "connect". */
void audit_turned_away(struct control *control, const struct peer *peer);
void audit_started(const struct control_call *call);
/* It waits in line, or its turn has come. */
void audit_waits(const struct control_call *call, bool waits);
/* err: NULL when it succeeded.  result: JSON or NULL. */
void audit_ended(const struct control_call *call, const struct errmsg *err,
    const char *result);

#endif
