/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners_missed.c: what a worker did not hear.  One on its way has the sockets
 * that its SPAWN named; until the keeper's answer there is no channel to tell it
 * of others.  And a channel may not take a word.  So each word to all of a pool
 * has a number, and of each row it is noted from which on it may have missed some.
 */
#include <string.h>

#include "common/base/memory.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/slots.h"
#include "daemon/supervisor/worker_fsm.h"

/* One that is no more, for as long as somebody may hold it unawares. */
struct gone {
	struct gone *next;
	uint32_t id;
	uint64_t told;
};

/* One loop thread. */
static struct {
	uint64_t told;			/* the last word */
	uint64_t missed[MEMO_WORKERS];	/* the first; 0: its SPAWN was not ours */
	struct gone *gone;
} words;

/* Its process is on its way, or was not told all. */
static bool
misses_some(struct master *m, uint16_t row)
{
	return m->process[row] != NULL ? m->process[row]->untold_listeners :
	    slots_has_process(&turn_look(m)->worker[row]);
}

static bool
does_anybody_miss_some(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (misses_some(m, i))
			return true;
	return false;
}

static void
forget_gone(void)
{
	struct gone *next;

	for (struct gone *gone = words.gone; gone != NULL; gone = next) {
		next = gone->next;
		memory_free(gone);
	}
	words.gone = NULL;
}

static void
note_gone(uint32_t id)
{
	struct gone *gone = words.gone;

	while (gone != NULL && gone->id != id)
		gone = gone->next;
	if (gone == NULL) {
		gone = memory_new(sizeof(*gone));
		gone->id = id;
		gone->next = words.gone;
		words.gone = gone;
	}
	gone->told = words.told;
}

void
listener_note_told(struct listener *l, enum listener_op op)
{
	l->told = ++words.told;
	if (!does_anybody_miss_some(l->master))
		forget_gone();
	if (op == LISTENER_DROP)	/* somebody may miss it, from now on */
		note_gone(l->id);
}

bool
listener_say(struct process *process, uint32_t id, enum listener_op op, int fd)
{
	if (process_say_listener(process, id, op, fd))
		return true;
	if (!process->untold_listeners)
		words.missed[process->row] = words.told;
	process->untold_listeners = true;
	return false;
}

void
listeners_note_spawn(uint16_t row)
{
	words.missed[row] = words.told + 1;
}

void
listeners_note_adopted(struct process *process)
{
	if (!process->untold_listeners)
		words.missed[process->row] = words.told + 1;
	process->untold_listeners = true;
}

void
listeners_tell_missed(struct process *process)
{
	struct master *m = process->master;
	const char *pool = turn_look(m)->pool[process->pool].name;
	uint64_t missed = words.missed[process->row];

	process->untold_listeners = false;
	/* first, as an address that has come back has its id again */
	for (const struct gone *gone = words.gone; gone != NULL;
	    gone = gone->next)
		if (gone->told >= missed)
			(void)listener_say(process, gone->id, LISTENER_DROP,
			    -1);
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !l->adding && strcmp(l->pool, pool) == 0 &&
		    l->told >= missed)
			(void)listener_say(process, l->id, LISTENER_ADD,
			    l->fd);
	if (process->untold_listeners)
		words.missed[process->row] = missed;
	else if (!does_anybody_miss_some(m))
		forget_gone();
}

static bool
is_due(const struct process *process, const struct listener *l)
{
	const struct memo_copy *copy = turn_look(process->master);
	const struct memo_worker *worker = &copy->worker[process->row];

	if (l->fd < 0 || strcmp(l->pool, copy->pool[process->pool].name) != 0)
		return false;
	return l->reuseport ? l->owner == process->id :
	    worker->state == WS_READY && !worker->paused &&
	    !dispatch_is_balanced(process->master, process->pool);
}

static void
tell_due(struct process *process)
{
	struct master *m = process->master;

	if (master_pool_now(m, process->pool) == NULL)
		return;
	(void)listener_say(process, LISTENER_ALL, LISTENER_DISARM, -1);
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (is_due(process, l))
			(void)listener_say(process, l->id, LISTENER_ARM,
			    l->reuseport ? l->fd : -1);
}

void
listeners_say_again(struct process *process)
{
	listeners_tell_missed(process);
	tell_due(process);
}
