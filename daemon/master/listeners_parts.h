/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners_parts.h: what the files of the listeners share; see listeners.h. */
#ifndef CLUSTERD_MASTER_LISTENERS_PARTS_H
#define CLUSTERD_MASTER_LISTENERS_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/master/link.h"
#include "daemon/proto/messages.h"

struct conf_pool;
struct listener;
struct master;
struct process;

/* listeners.c: an address that is not bound yet, one more socket of it, and their
 * end; the first socket of a pool with that address as it is written, or NULL. */
struct listener *listener_new(struct master *m, const char *pool,
    const char *configured);
struct listener *listener_new_socket(const struct listener *first,
    uint32_t number);
void listener_free(struct listener *listener);
struct listener *listener_of(const struct master *m, const char *pool,
    const char *configured);
bool listener_has_address_of(const struct listener *listener,
    const struct listener *first);
/* The same for the same pool and address in each life of the master. */
uint32_t listener_id(const char *pool, const char *configured);
/* Keeper, workers and we let go of it. */
void listener_unbind(struct master *m, struct listener *listener);
/* What the keeper was asked for is there, and everybody gets it: workers poll what
 * they hold when there is no master. */
void listener_bound(struct listener *listener,
    const struct link_packet *answer);
/* Clients speak first there (HTTP): the kernel keeps a connection until they have,
 * for a second at most.  No call is wasted on one that has nothing to read yet. */
void listener_await_data(struct listener *listener, bool on);
/* Words for an answer that is not BOUND. */
const char *listener_why_not(const struct keeper_packet *answer);

/* listeners_slots.c: slots that a pool has, or will have at its start; ask for
 * those of so many sockets that are missing, and how many those are. */
uint32_t listener_count_slots(struct master *m, const struct conf_pool *conf);
unsigned listener_ask_sockets(const struct listener *first, uint32_t wanted,
    link_answer answer);
/* Sockets of slots that had just begun when the master before us died. */
void listener_adopt_sockets(struct master *m);

/* listeners_missed.c: all workers there are will be told that it is there, or gone;
 * a word to one of them, which is said again if its channel does not take it. */
void listener_note_told(struct listener *listener, enum listener_op op);
bool listener_say(struct process *process, uint32_t id, enum listener_op op,
    int fd);

/* listeners_bind.c: its address is served on until nobody waits there. */
void listener_leave(struct listener *listener);

#endif
