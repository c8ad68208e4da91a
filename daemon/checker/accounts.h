/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * accounts.h: names of users and groups in a configuration become numbers, once,
 * here; no worker or master asks for them.  Only the checker; may block.
 */
#ifndef CLUSTERD_CHECKER_ACCOUNTS_H
#define CLUSTERD_CHECKER_ACCOUNTS_H

#include <sys/types.h>

struct schema;

/* Is the keeper root?  Its uid is that of our parent; if it cannot be told,
 * 0, which is the strict answer. */
uid_t accounts_keeper_uid(void);

/*
 * Fill the list of accounts, and every number that stands for an account or a
 * group, in schema->conf.  Not root: all is the caller's own account, whatever
 * the file says.  Findings go to the report.
 */
void accounts_resolve(struct schema *schema, uid_t keeper);

#endif
