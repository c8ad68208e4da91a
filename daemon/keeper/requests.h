/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* requests.h: what the master asks of the keeper, one function a message. */
#ifndef CLUSTERD_KEEPER_REQUESTS_H
#define CLUSTERD_KEEPER_REQUESTS_H

#include "daemon/keeper/state.h"

/*
 * Read and serve requests as long as there are some, at most 64 in one turn.
 * 0, or ERR_FORMAT (malformed: the master is at fault) or ERR_SYSTEM (its
 * socket is closed or broken), with words.
 */
int requests_read(struct keeper *k, struct errmsg *err);

#endif
