/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * link.h: the master's end of the keeper protocol.  Requests are numbered and
 * wait for their one answer; what does not fit waits in line.  Loop thread
 * alone; never blocks.  The keeper is trusted; when it is gone, so are we.
 */
#ifndef CLUSTERD_MASTER_LINK_H
#define CLUSTERD_MASTER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/proto/keeper.h"

struct event_base;
struct link;
struct master;

/*
 * A packet with its descriptors, which the receiver takes by setting them to
 * -1; the rest is closed after the call.
 */
struct link_packet {
	const struct keeper_packet *packet;
	int *fds;
	size_t count;
};

typedef void (*link_answer)(struct master *master, uint64_t about,
    const struct link_packet *answer);

struct link_handler {
	/* A packet that answers nothing: inventory and events. */
	void (*event)(struct master *master, const struct link_packet *event);
	/* The keeper is gone, or speaks nonsense. */
	void (*lost)(struct master *master, const char *why);
};

int link_open(struct event_base *base, int fd,
    const struct link_handler *handler, struct master *master,
    struct link **out, struct errmsg *err);
void link_free(struct link *link);

/* Keep numbers for what SPAWNED brings; before each SPAWN.  False: there are none,
 * and it must not be asked for: its answer would be lost. */
bool link_reserve(struct link *link);
/* As the keeper would have refused it for that; about as in link_request(). */
void link_refuse(struct master *m, link_answer answer, uint64_t about);

/*
 * Send a request begun with keeper_begin(…, 0).  fds are duplicated where the
 * request must wait and stay the caller's; where they cannot be, it is refused in
 * its turn.  answer may be NULL: an ERROR is then logged; about is passed to it.
 * What a change asks for is refused as well when it has waited for buffers for
 * 10 s; all else waits as long as it must.
 */
void link_request(struct link *link, struct keeper_packet *packet,
    const int *fds, size_t count, link_answer answer, uint64_t about);

/* Answers are dropped from now on, requests that wait are still sent. */
size_t link_waiting(const struct link *link);

#endif
