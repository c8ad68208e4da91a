/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* children.c: the children of a worker; see children.h. */
#include "daemon/child/children.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/handle.h"
#include "daemon/child/child.h"
#include "daemon/child/proc.h"

enum {
	ROW_BITS = 16,
	KILLED_MS = 1000,		/* from SIGKILL until all are reaped */
	STEP_MS = 10,
	OOM_MS = 1000,			/* between two looks */
};

void
children_init(struct children *table, struct event_base *base,
    const struct children_ops *ops, void *ctx)
{
	*table = (struct children){ .base = base, .ops = ops, .ctx = ctx,
	    .limit = CHILDREN_DEFAULT };
}

void
children_done(struct children *table)
{
	free(table->rows);
	free(table->buffer);
	table->rows = NULL;
	table->buffer = NULL;
	table->size = 0;
}

/* ---- rows and handles -------------------------------------------------------------- */

static int
grow(struct children *table)
{
	uint32_t size = table->size == 0 ? 8 : table->size * 2;
	struct child **rows = realloc(table->rows, size * sizeof(rows[0]));

	if (rows == NULL)
		return -ENOMEM;
	memset(rows + table->size, 0, (size - table->size) * sizeof(rows[0]));
	table->rows = rows;
	table->size = size;
	return 0;
}

int
children_reserve(struct children *table)
{
	if (table->limit == 0)
		return -EPERM;
	if (table->shut)
		return -ESHUTDOWN;
	if (table->count >= table->limit || table->count >= CHILDREN_MOST)
		return -EAGAIN;
	if (table->buffer == NULL &&
	    (table->buffer = malloc(CHILDREN_READ)) == NULL)
		return -ENOMEM;
	return table->count < table->size ? 0 : grow(table);
}

static void
look_for_oom(struct children *table, uint64_t now_ns)
{
	if (table->oom_looked_ns != 0 &&
	    now_ns - table->oom_looked_ns < OOM_MS * NS_PER_MS)
		return;
	table->oom_looked_ns = now_ns;
	oom_look_now(&table->oom);
}

void
children_tick(struct children *table, uint64_t now_ns)
{
	if (table->count > 0)
		look_for_oom(table, now_ns);
}

void
children_add(struct children *table, struct child *child)
{
	uint32_t row = 0;

	look_for_oom(table, child->since_ns);
	while (table->rows[row] != NULL)
		row++;
	table->rows[row] = child;
	table->count++;
	table->awaited += child_is_awaited(child);
	child->row = row;
	child->number = handle_number(HANDLE_CHILD, ++table->number);
}

void
children_remove(struct children *table, struct child *child)
{
	table->rows[child->row] = NULL;
	table->count--;
	table->awaited -= child_is_awaited(child);
}

uint64_t
children_handle(const struct child *child)
{
	return child->number << ROW_BITS | child->row;
}

struct child *
children_find(const struct children *table, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & ((1u << ROW_BITS) - 1));
	struct child *child = row < table->size ? table->rows[row] : NULL;

	return child != NULL && child->number == handle >> ROW_BITS ?
	    child : NULL;
}

/* ---- all of them ------------------------------------------------------------------- */

void
children_end_request(struct children *table, uint64_t request)
{
	for (uint32_t i = 0; i < table->size; i++) {
		struct child *child = table->rows[i];

		if (child != NULL && child->request == request)
			child_stop(child, CLUSTER_CAUSE_CANCELLED);
	}
}

void
children_cancel(struct children *table, uint64_t cancel)
{
	for (uint32_t i = 0; i < table->size; i++) {
		struct child *child = table->rows[i];

		if (child != NULL && child->cancel == cancel)
			child_stop(child, CLUSTER_CAUSE_CANCELLED);
	}
}

void
children_forget_cancel(struct children *table, uint64_t cancel)
{
	for (uint32_t i = 0; i < table->size; i++) {
		struct child *child = table->rows[i];

		if (child != NULL && child->cancel == cancel)
			child->cancel = 0;
	}
}

static void
stop_if_unwanted(struct child *child)
{
	if (child->table->draining && !child->referenced && !child->detached)
		child_stop(child, CLUSTER_CAUSE_STOPPING);
}

void
children_set_referenced(struct child *child, bool referenced)
{
	struct children *table = child->table;

	table->awaited -= child_is_awaited(child);
	child->referenced = referenced;
	table->awaited += child_is_awaited(child);
	stop_if_unwanted(child);
}

void
children_drain(struct children *table)
{
	table->draining = true;
	for (uint32_t i = 0; i < table->size; i++)
		if (table->rows[i] != NULL)
			stop_if_unwanted(table->rows[i]);
}

/* ---- the end of the worker --------------------------------------------------------- */

/* Reap those that have ended; how many still run. */
static unsigned
reap_all(struct children *table)
{
	unsigned running = 0;

	for (uint32_t i = 0; i < table->size; i++) {
		struct child *child = table->rows[i];

		if (child == NULL || !child->running || child->detached)
			continue;
		child_reap(child);
		running += child->running;
	}
	return running;
}

static void
reap_until(struct children *table, unsigned ms)
{
	uint64_t until_ns = clock_now_ns() + ms * NS_PER_MS;

	while (reap_all(table) > 0 && clock_now_ns() < until_ns)
		poll(NULL, 0, STEP_MS);
}

/* Those that have left their group end as well, and have to be known before
 * their parents do: one look for all. */
static void
widen_all(struct children *table)
{
	size_t count;
	struct proc *all = proc_read_all(&count);

	for (uint32_t i = 0; i < table->size && all != NULL; i++)
		if (table->rows[i] != NULL && !table->rows[i]->detached)
			scope_widen(&table->rows[i]->scope, all, count);
	free(all);
}

void
children_stop(struct children *table, unsigned grace_ms)
{
	table->shut = true;
	if (table->count == 0)
		return;
	widen_all(table);
	for (uint32_t i = 0; i < table->size; i++)
		if (table->rows[i] != NULL && !table->rows[i]->detached)
			child_stop(table->rows[i], CLUSTER_CAUSE_STOPPING);
	reap_until(table, grace_ms);
	widen_all(table);
	for (uint32_t i = 0; i < table->size; i++)
		if (table->rows[i] != NULL && !table->rows[i]->detached)
			scope_signal(&table->rows[i]->scope, SIGKILL);
	reap_until(table, KILLED_MS);
	for (uint32_t i = 0; i < table->size; i++)
		if (table->rows[i] != NULL)
			child_close_all(table->rows[i]);
}
