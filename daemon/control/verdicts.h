/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * verdicts.h: the last verdicts of changes, by the id of the command, so that a
 * client that has lost its connection may ask again.  Older ones are in the
 * database.  In the master's loop; never blocks.
 */
#ifndef CLUSTERD_CONTROL_VERDICTS_H
#define CLUSTERD_CONTROL_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/table/table.h"
#include "daemon/control/host.h"

enum {
	VERDICTS = 256,		/* remembered */
	VERDICT_MAX = 64 * 1024, /* bytes of one; a longer one keeps no result */
};

struct control;

struct verdict {
	char id[COMMAND_ID_MAX + 1];
	const struct command *command;
	char *body;		/* "\"ok\":…" up to the closing brace */
};

/* That of a command that has ended, in the place of the oldest.  id: an array
 * of COMMAND_ID_MAX + 1. */
void verdicts_remember(struct control *control, const char *id,
    const struct command *command, const char *body);
/* NULL: not remembered.  Borrowed until the next is. */
const struct verdict *verdicts_find(const struct control *control,
    const char *id);
/* There were verdicts that are not remembered, too many or for want of memory,
 * or they are not here yet. */
bool verdicts_may_lack(const struct control *control);
/* Bytes of the heap that they take. */
size_t verdicts_memory(const struct control *control);
void verdicts_free_all(struct control *control);

#endif
