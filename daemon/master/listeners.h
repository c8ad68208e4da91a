/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners.h: the addresses of the pools.  The sockets are the keeper's; the
 * master has copies, arms those it accepts from itself, and heals them.  An id
 * is made of pool and address, so that the next master finds them again.  With
 * schedule = reuseport an address has a socket for each slot, from the slot's
 * first worker on; each is a row, and owners.c says who polls it.
 */
#ifndef CLUSTERD_MASTER_LISTENERS_H
#define CLUSTERD_MASTER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf/conf.h"
#include "daemon/master/link.h"
#include "daemon/proto/memo.h"
#include "daemon/proto/messages.h"

struct event;
struct master;
struct process;

enum { LISTENER_CONTROL = 65535 };	/* id of the control socket */

struct listener {
	struct master *master;
	struct listener *next;
	uint32_t id;
	int fd;				/* -1: not bound yet */
	char pool[MEMO_NAME];
	char configured[160], address[160];	/* as written, as bound */
	int64_t backlog;		/* what the keeper was told of it */
	uint32_t mode, gid;
	bool adopted;			/* by a master before us */
	bool reuseport;			/* one of several of its address */
	uint64_t owner;			/* the worker that was told to poll it */
	bool untold;			/* not all workers may have it */
	struct event *readable;
	bool armed;
	bool adding;			/* bound for a change not committed */
	bool leaving;			/* its address left the configuration */
	bool revived;			/* and comes back with that change */
	bool remaking;			/* the keeper is asked for another socket */
	bool broken;			/* and could not make it: said once */
	bool awaits_data;		/* listener_await_data() */
	/* by tick_awake_ns() */
	uint64_t empty_since_ns;	/* leaving: queue empty since then */
	uint64_t leave_by_ns;
	uint64_t accepted, healed;
	uint64_t told;			/* all workers there were: listeners_missed.c */
	bool overflow;			/* its queue is full, or was just now */
	uint64_t overflows;		/* times that it became so */
};

/* Called when all that was asked for is bound, or one could not be. */
typedef void (*listeners_done)(struct master *m, int code, const char *text);

/*
 * Bind what conf names and is not there yet.  adding: for a change that is not
 * committed; listeners_drop_added() takes them back.
 */
void listeners_bind(struct master *m, const struct conf *conf, bool adding,
    listeners_done done);
void listeners_drop_added(struct master *m);
/* After a commit: added ones stay, those that conf lacks leave. */
void listeners_settle(struct master *m, const struct conf *conf);

/* One of the inventory. */
void listeners_have(struct master *m, const struct link_packet *packet);
/* Give those of the inventory to the pools of conf. */
void listeners_adopt(struct master *m, const struct conf *conf);
/* Of some sockets the master before us may have told nobody. */
void listeners_tell_untold(struct master *m);
/* Close all; for the end. */
void listeners_free(struct master *m);

/* Ask for what the slots that there are need: before a slot's first worker. */
void listeners_bind_slots(struct master *m, uint16_t pool);
/* Ids of a pool's listeners; returns how many (at most max).  Whoever is started
 * from here on can have those that were asked for, too. */
size_t listeners_of_pool(struct master *m, const char *pool, uint32_t *ids,
    size_t max);

/* The addresses of a pool as they are bound, in the order of its configuration:
 * the first is the published one.  Returns how many (at most max). */
size_t listeners_addresses(const struct master *m, const struct conf_pool *conf,
    const char **addresses, size_t max);

/* To the journal: it listens, at each address of its configuration. */
void listeners_publish(struct process *process);

/* Where workers share a socket: may this one accept, or not?  A pool that the
 * master accepts for is left alone, and one whose sockets have owners. */
void listeners_tell_worker(struct process *process, bool on);
/* Who accepts for this pool is another by now. */
void listeners_tell_schedule(struct master *m, uint16_t pool);
/* The addresses there are, to all workers: it is not known what they heard. */
void listeners_tell_again(struct master *m);
/* A worker hears nothing between its SPAWN, which is noted when its listeners are
 * named, and the keeper's answer.  Then it is told what it missed; one whose SPAWN
 * was another master's, of all there are. */
void listeners_note_spawn(uint16_t row);
void listeners_tell_missed(struct process *process);
/* Which sockets it is to poll it heard of another master, if at all. */
void listeners_note_adopted(struct process *process);
/* Each tick: what its channel did not take (untold_listeners), and which of its
 * sockets it polls. */
void listeners_say_again(struct process *process);

/* Accept or not, all of one pool. */
void listeners_arm(struct master *m, uint16_t pool, bool on);

/* For heal.c: the one with that id or NULL; a socket that the keeper made for
 * it; a word to all workers of its pool. */
struct listener *listeners_find(struct master *m, uint32_t id);
void listeners_own(struct listener *listener,
    const struct link_packet *packet, const uint8_t *address, uint32_t len);
void listeners_tell(struct listener *listener, enum listener_op op, int fd);

/* Each tick: repair what somebody broke, close what has left. */
void listeners_check(struct master *m);
void listeners_heal(struct listener *listener);		/* heal.c */
/* Connections in the kernel's queue, -1 if unknown; *most (may be NULL): how
 * many it holds. */
int64_t listeners_queued(const struct listener *listener, int64_t *most);

#endif
