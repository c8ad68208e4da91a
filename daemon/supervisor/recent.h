/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * recent.h: how often has a slot died of late?  Ten minutes, counted by the
 * minute, so that it is exact for nine of them and no list of times.  Pure;
 * called by the master on the idle memo copy.
 */
#ifndef CLUSTERD_SUPERVISOR_RECENT_H
#define CLUSTERD_SUPERVISOR_RECENT_H

#include <stdint.h>

#include "daemon/proto/memo.h"

/* A death at now_ns; a minute is minute_ns long.  How many, with this one. */
unsigned recent_note_death(struct memo_slot *slot, uint64_t now_ns,
    uint64_t minute_ns);

#endif
