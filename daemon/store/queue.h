/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * queue.h: what waits for the store thread: records, each once, and the
 * present state, of which only the last value counts.  Plain memory, no lock:
 * the store holds its mutex around every call.
 */
#ifndef CLUSTERD_STORE_QUEUE_H
#define CLUSTERD_STORE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/store/rows.h"

enum record_kind {
	RECORD_EVENT, RECORD_DEATH, RECORD_GENERATION, RECORD_COMMAND,
	RECORD_REMOVE_POOL,
	RECORD_REMOVE_SLOT,
};

/* One allocation; borrowed text of the row points into its own tail. */
struct store_place {
	char pool[STORE_NAME];
	unsigned slot;
};

struct record {
	struct record *next;
	enum record_kind kind;
	union {
		struct store_event event;
		struct store_death death;
		struct store_generation generation;
		struct store_command command;
		char pool[STORE_NAME];
		struct store_place place;
	};
};

struct record_list {
	struct record *first, **end;
	size_t count;
};

enum { QUEUE_HASH = 4096 };	/* a power of two over STORE_SLOTS_MAX */

/* What is now.  A free row has an empty name. */
struct present {
	struct store_slot slots[STORE_SLOTS_MAX];
	uint8_t slot_dirty[STORE_SLOTS_MAX];
	uint16_t slot_at[QUEUE_HASH];	/* row + 1; 0: free */
	size_t slot_count;		/* rows used, free ones between included */
	struct store_pool pools[STORE_POOLS_MAX];
	uint8_t pool_dirty[STORE_POOLS_MAX];
	size_t pool_count;
	uint64_t seq_mark, id_mark;
	int marks_dirty;
	size_t dirty;			/* number of dirty rows */
};

struct queue {
	struct record_list events;	/* may be dropped, the oldest first */
	struct record_list others;
	struct present present;
	uint64_t puts;			/* counts every put */
	uint64_t lost;
};

/* A part of the queue on its way to the disk. */
struct batch {
	struct record_list events, others;
	struct store_slot slots[STORE_SLOTS_MAX];
	size_t slot_count;
	struct store_pool pools[STORE_POOLS_MAX];
	size_t pool_count;
	uint64_t seq_mark, id_mark;	/* 0: not changed */
	uint64_t upto;			/* queue.puts when it was taken */
};

void queue_init(struct queue *queue);
void queue_done(struct queue *queue);

/* Number of things that wait. */
size_t queue_waiting(const struct queue *queue);

/* A copy of a row as a record, or NULL. */
struct record *record_event(const struct store_event *event);
struct record *record_death(const struct store_death *death);
struct record *record_generation(const struct store_generation *generation);
struct record *record_command(const struct store_command *command);
struct record *record_remove_pool(const char *pool);
struct record *record_remove_slot(const char *pool, unsigned slot);

/* Takes the record over; NULL (no memory for it) is counted as lost. */
void queue_put(struct queue *queue, struct record *record);
void queue_put_slot(struct queue *queue, const struct store_slot *slot);
void queue_put_pool(struct queue *queue, const struct store_pool *pool);
void queue_put_marks(struct queue *queue, uint64_t seq_mark, uint64_t id_mark);
void queue_remove_pool(struct queue *queue, const char *pool);
void queue_remove_slot(struct queue *queue, const char *pool, unsigned slot);

/* Everything that waits goes into the batch, which was empty. */
void queue_take(struct queue *queue, struct batch *batch);
/* It was not written: its records wait again, in front; all of the present
 * state will be written again. */
void queue_return(struct queue *queue, struct batch *batch);
/* It was written. */
void batch_free(struct batch *batch);
size_t batch_count(const struct batch *batch);

/* All of the present state is to be written again. */
void queue_repeat_present(struct queue *queue);

#endif
