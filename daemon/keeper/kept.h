/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* kept.h: named descriptors that the keeper holds for the next master. */
#ifndef CLUSTERD_KEEPER_KEPT_H
#define CLUSTERD_KEEPER_KEPT_H

#include "daemon/keeper/state.h"

void kept_init(struct keeper *k);
struct kept *kept_find(struct keeper *k, uint32_t kind, uint64_t number);

/* Take fd over, also on failure.  A snapshot must be a sealed memfd. */
int kept_add(struct keeper *k, uint32_t kind, uint64_t number, int fd);
int kept_drop(struct keeper *k, uint32_t kind, uint64_t number);

#endif
