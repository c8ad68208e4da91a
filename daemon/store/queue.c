/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* queue.c: what waits for the store thread; see queue.h. */
#include "daemon/store/queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/store/store.h"

/* ---- lists ------------------------------------------------------------------ */

static void
list_init(struct record_list *list)
{
	list->first = NULL;
	list->end = &list->first;
	list->count = 0;
}

static void
list_append(struct record_list *list, struct record *record)
{
	record->next = NULL;
	*list->end = record;
	list->end = &record->next;
	list->count++;
}

static void
list_drop_first(struct record_list *list)
{
	struct record *record = list->first;

	list->first = record->next;
	if (list->first == NULL)
		list->end = &list->first;
	list->count--;
	free(record);
}

static void
list_free(struct record_list *list)
{
	while (list->first != NULL)
		list_drop_first(list);
}

/* All of from, in front of what is in to. */
static void
list_prepend(struct record_list *to, struct record_list *from)
{
	if (from->first == NULL)
		return;
	*from->end = to->first;
	if (to->first == NULL)
		to->end = from->end;
	to->first = from->first;
	to->count += from->count;
	list_init(from);
}

static void
list_move(struct record_list *to, struct record_list *from)
{
	list_init(to);
	list_prepend(to, from);
}

/* ---- records ---------------------------------------------------------------- */

void
queue_init(struct queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	list_init(&queue->events);
	list_init(&queue->others);
}

void
queue_done(struct queue *queue)
{
	list_free(&queue->events);
	list_free(&queue->others);
}

size_t
queue_waiting(const struct queue *queue)
{
	return queue->events.count + queue->others.count +
	    queue->present.dirty;
}

/* Too much: events go first, the oldest of them first. */
static void
limit(struct queue *queue)
{
	while (queue->events.count + queue->others.count > STORE_QUEUE_MAX) {
		list_drop_first(queue->events.count > 0 ? &queue->events :
		    &queue->others);
		queue->lost++;
	}
}

void
queue_put(struct queue *queue, struct record *record)
{
	queue->puts++;
	if (record == NULL) {
		queue->lost++;
		return;
	}
	list_append(record->kind == RECORD_EVENT ? &queue->events :
	    &queue->others, record);
	limit(queue);
}

/* ---- the present state ------------------------------------------------------- */

static void
mark(struct present *present, uint8_t *dirty)
{
	present->dirty += *dirty == 0;
	*dirty = 1;
}

static unsigned
hash_slot(const char *pool, unsigned slot)
{
	unsigned hash = 2166136261u ^ slot * 2654435761u;

	for (; *pool != '\0'; pool++)
		hash = (hash ^ (unsigned char)*pool) * 16777619u;
	return (hash ^ hash >> 15) % QUEUE_HASH;
}

/* Place in slot_at of that slot, or the free place where it belongs. */
static unsigned
find_slot(const struct present *present, const char *pool, unsigned slot)
{
	unsigned at = hash_slot(pool, slot);

	for (; present->slot_at[at] != 0; at = (at + 1) % QUEUE_HASH) {
		const struct store_slot *row =
		    &present->slots[present->slot_at[at] - 1];

		if (row->slot == slot && strcmp(row->pool, pool) == 0)
			break;
	}
	return at;
}

static void
rebuild_hash(struct present *present)
{
	memset(present->slot_at, 0, sizeof(present->slot_at));
	for (size_t i = 0; i < present->slot_count; i++) {
		const struct store_slot *row = &present->slots[i];

		if (row->pool[0] != '\0')
			present->slot_at[find_slot(present, row->pool,
			    row->slot)] = (uint16_t)(i + 1);
	}
}

static size_t
free_slot(struct present *present)
{
	size_t i = 0;

	while (i < present->slot_count && present->slots[i].pool[0] != '\0')
		i++;
	return i;
}

void
queue_put_slot(struct queue *queue, const struct store_slot *slot)
{
	struct present *present = &queue->present;
	unsigned at = find_slot(present, slot->pool, slot->slot);
	size_t row;

	queue->puts++;
	if (present->slot_at[at] == 0) {
		row = present->slot_count < STORE_SLOTS_MAX ?
		    present->slot_count : free_slot(present);
		if (row == STORE_SLOTS_MAX) {
			queue->lost++;
			return;
		}
		present->slot_at[at] = (uint16_t)(row + 1);
		if (row == present->slot_count)
			present->slot_count++;
	}
	row = present->slot_at[at] - 1u;
	present->slots[row] = *slot;
	mark(present, &present->slot_dirty[row]);
}

void
queue_put_pool(struct queue *queue, const struct store_pool *pool)
{
	struct present *present = &queue->present;
	size_t row = 0, unused = present->pool_count;

	queue->puts++;
	for (; row < present->pool_count; row++) {
		if (strcmp(present->pools[row].pool, pool->pool) == 0)
			break;
		if (present->pools[row].pool[0] == '\0')
			unused = row;
	}
	if (row == present->pool_count)
		row = unused;
	if (row == STORE_POOLS_MAX) {
		queue->lost++;
		return;
	}
	if (row == present->pool_count)
		present->pool_count++;
	present->pools[row] = *pool;
	mark(present, &present->pool_dirty[row]);
}

void
queue_put_marks(struct queue *queue, uint64_t seq_mark, uint64_t id_mark)
{
	struct present *present = &queue->present;

	queue->puts++;
	if (seq_mark != 0)
		present->seq_mark = seq_mark;
	if (id_mark != 0)
		present->id_mark = id_mark;
	present->dirty += present->marks_dirty == 0;
	present->marks_dirty = 1;
}

void
queue_remove_pool(struct queue *queue, const char *pool)
{
	struct present *present = &queue->present;

	for (size_t i = 0; i < present->slot_count; i++)
		if (strcmp(present->slots[i].pool, pool) == 0) {
			present->slots[i].pool[0] = '\0';
			present->dirty -= present->slot_dirty[i];
			present->slot_dirty[i] = 0;
		}
	for (size_t i = 0; i < present->pool_count; i++)
		if (strcmp(present->pools[i].pool, pool) == 0) {
			present->pools[i].pool[0] = '\0';
			present->dirty -= present->pool_dirty[i];
			present->pool_dirty[i] = 0;
		}
	rebuild_hash(present);
	queue_put(queue, record_remove_pool(pool));
}

void
queue_remove_slot(struct queue *queue, const char *pool, unsigned slot)
{
	struct present *present = &queue->present;
	unsigned at = present->slot_at[find_slot(present, pool, slot)];

	if (at != 0) {
		present->slots[at - 1].pool[0] = '\0';
		present->dirty -= present->slot_dirty[at - 1];
		present->slot_dirty[at - 1] = 0;
		rebuild_hash(present);
	}
	queue_put(queue, record_remove_slot(pool, slot));
}

void
queue_repeat_present(struct queue *queue)
{
	struct present *present = &queue->present;

	for (size_t i = 0; i < present->slot_count; i++)
		if (present->slots[i].pool[0] != '\0')
			mark(present, &present->slot_dirty[i]);
	for (size_t i = 0; i < present->pool_count; i++)
		if (present->pools[i].pool[0] != '\0')
			mark(present, &present->pool_dirty[i]);
	if (present->seq_mark != 0 || present->id_mark != 0) {
		present->dirty += present->marks_dirty == 0;
		present->marks_dirty = 1;
	}
}

/* ---- batches ----------------------------------------------------------------- */

static void
take_present(struct present *present, struct batch *batch)
{
	batch->slot_count = batch->pool_count = 0;
	for (size_t i = 0; i < present->slot_count; i++)
		if (present->slot_dirty[i])
			batch->slots[batch->slot_count++] = present->slots[i];
	for (size_t i = 0; i < present->pool_count; i++)
		if (present->pool_dirty[i])
			batch->pools[batch->pool_count++] = present->pools[i];
	batch->seq_mark = present->marks_dirty ? present->seq_mark : 0;
	batch->id_mark = present->marks_dirty ? present->id_mark : 0;
	memset(present->slot_dirty, 0, present->slot_count);
	memset(present->pool_dirty, 0, present->pool_count);
	present->marks_dirty = 0;
	present->dirty = 0;
}

void
queue_take(struct queue *queue, struct batch *batch)
{
	list_move(&batch->events, &queue->events);
	list_move(&batch->others, &queue->others);
	take_present(&queue->present, batch);
	batch->upto = queue->puts;
}

void
queue_return(struct queue *queue, struct batch *batch)
{
	list_prepend(&queue->events, &batch->events);
	list_prepend(&queue->others, &batch->others);
	limit(queue);
	queue_repeat_present(queue);
}

void
batch_free(struct batch *batch)
{
	list_free(&batch->events);
	list_free(&batch->others);
}

size_t
batch_count(const struct batch *batch)
{
	return batch->events.count + batch->others.count +
	    batch->slot_count + batch->pool_count +
	    (batch->seq_mark != 0 || batch->id_mark != 0);
}
