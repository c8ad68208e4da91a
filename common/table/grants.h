/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * grants.h: which commands a plugin may give the daemon: those that only read,
 * and of the others what its key `may' names.  Pure; checker, worker and master.
 */
#ifndef CLUSTERD_TABLE_GRANTS_H
#define CLUSTERD_TABLE_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/errmsg.h"

struct command;

/* "scale, restart", or with blanks alone: a bit for each, as command_is_granted()
 * takes them.  0, or ERR_BAD_ARGUMENT with words. */
int grants_parse(const char *text, uint64_t *grants, struct errmsg *err);

bool command_is_granted(const struct command *command, uint64_t grants);

#endif
