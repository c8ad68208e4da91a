/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* clients.h: the connections of a worker, whatever is spoken on them.  The loop's
 * thread. */
#ifndef DAEMON_WORKER_CLIENTS_H
#define DAEMON_WORKER_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/proto/connection.h"

struct worker;

/* Those that are not HTTP, by the pool's protocol and keys.  0 or ERR_MEMORY. */
int clients_init(struct worker *worker);

uint32_t clients_count(const struct worker *worker);
int64_t clients_max(const struct worker *worker);

/* At the maximum the longest idle connection makes way, where the protocol has
 * such: are there so many; is there one; and close it if it is needed (true:
 * there is room now). */
bool clients_are_full(const struct worker *worker);
bool clients_may_make_room(const struct worker *worker);
bool clients_make_room(struct worker *worker);

/* Can one be told that there are no descriptors, so that the last may be used
 * for it? */
bool clients_can_be_told(const struct worker *worker);

/* fd is ours from here on; scarce: it has the last descriptor. */
void clients_take(struct worker *worker, int fd,
    const struct connection_passed *passed, bool scarce);

/* Sockets where datagrams come; of other protocols these do nothing.  0, or
 * -errno: they can not come there. */
int clients_add_socket(struct worker *worker, uint32_t id, int fd);
void clients_drop_socket(struct worker *worker, uint32_t id);
bool clients_are_datagrams(const struct worker *worker);
/* False: it can not be read any more. */
bool clients_read_socket(struct worker *worker, uint32_t id);

void clients_drain(struct worker *worker);
/* Cut all that is left; returns how many. */
unsigned clients_abort_all(struct worker *worker);
/* Each beat. */
void clients_tick(struct worker *worker, uint64_t now_ns);

#endif
