/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * owners.h: schedule = reuseport: the workers are told which of their sockets
 * they poll.  Nothing of it is stored: it follows from who is READY.
 */
#ifndef CLUSTERD_MASTER_OWNERS_H
#define CLUSTERD_MASTER_OWNERS_H

#include <stdint.h>

struct listener;
struct master;

/* After each turn that changed something, and each tick: whoever is to poll
 * another socket now is told. */
void owners_follow(struct master *m);

/* Slot of the worker that polls it, its own or a neighbour, "web/2"; NULL:
 * nobody, or it is not of that kind. */
const char *owners_name(const struct listener *listener);
/* Sockets that the worker of this id polls. */
unsigned owners_count(struct master *m, uint64_t id);

#endif
