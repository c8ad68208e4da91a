/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * accounts.h: the built-in worker account.  Names are looked up by a child
 * that is thrown away: what NSS loads never comes into the keeper.
 */
#ifndef CLUSTERD_KEEPER_ACCOUNTS_H
#define CLUSTERD_KEEPER_ACCOUNTS_H

#include "common/base/errmsg.h"
#include "daemon/proto/checker.h"

#define ACCOUNT_WORKER "clusterd-worker"

/*
 * As root: numbers of the built-in worker account, under which the checker
 * first reads the file.  Where there is none, those of nobody: then the file
 * must name another one, which the checker says.  Blocks for at most 5 s.
 * 0, or an error that names the account.
 */
int accounts_look_up(struct checker_account *account, struct errmsg *err);

#endif
