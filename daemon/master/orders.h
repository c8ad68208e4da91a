/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* orders.h: signals of the main process, which are commands like any other. */
#ifndef CLUSTERD_MASTER_ORDERS_H
#define CLUSTERD_MASTER_ORDERS_H

#include <stdint.h>

struct master;

/* Carry out an order of the keeper (enum keeper_order), and say so. */
void orders_take(struct master *m, uint32_t order);

#endif
