/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * notify.h: what service managers are told (sd_notify, by hand).  Never waits;
 * what does not fit is lost.  Without NOTIFY_SOCKET all of it does nothing.
 */
#ifndef CLUSTERD_KEEPER_NOTIFY_H
#define CLUSTERD_KEEPER_NOTIFY_H

#include "daemon/keeper/state.h"

/* Read and unset NOTIFY_SOCKET and WATCHDOG_USEC. */
void notify_init(struct keeper *k);
void notify_show(struct keeper *k, const struct keeper_msg_show *show);
/* The end has begun and may take that long. */
void notify_stopping(struct keeper *k, uint64_t ms);
/* Into the manager's store, for a keeper after us; and out again, or its copy
 * would go on listening for nobody. */
void notify_store_listener(struct keeper *k, const struct listener *listener);
void notify_forget_listener(struct keeper *k, const struct listener *listener);
/* Is that a name of its store; and out with it. */
int notify_is_stored(const char *name);
void notify_forget(struct keeper *k, const char *name);
/* WATCHDOG=1 when it is time; when it is next (0: never). */
uint64_t notify_tick(struct keeper *k, uint64_t now_ns);

#endif
