/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners_missed.c: what a worker on its way did not hear.  It has the sockets
 * that its SPAWN named; until the keeper's answer there is no channel to tell it
 * of others.  So each word to all of them has a number, and a SPAWN notes which
 * was the last before it.
 */
#include <string.h>

#include "common/base/memory.h"
#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/slots.h"

/* One that is no more, for as long as somebody may hold it unawares. */
struct gone {
	struct gone *next;
	uint32_t id;
	uint64_t told;
};

/* One loop thread. */
static struct {
	uint64_t told;			/* the last word */
	uint64_t asked[MEMO_WORKERS];	/* at the SPAWN of each row; 0: not ours */
	struct gone *gone;
} words;

static bool
is_on_its_way(struct master *m, uint16_t row)
{
	return m->process[row] == NULL &&
	    slots_has_process(&turn_look(m)->worker[row]);
}

static bool
is_anybody_on_his_way(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (is_on_its_way(m, i))
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
	if (!is_anybody_on_his_way(l->master))
		forget_gone();
	else if (op == LISTENER_DROP)
		note_gone(l->id);
}

void
listeners_note_spawn(uint16_t row)
{
	words.asked[row] = ++words.told;
}

void
listeners_tell_missed(struct process *process)
{
	struct master *m = process->master;
	const char *pool = turn_look(m)->pool[process->pool].name;
	uint64_t asked = words.asked[process->row];

	/* first, as an address that has come back has its id again */
	for (const struct gone *gone = words.gone; gone != NULL;
	    gone = gone->next)
		if (gone->told > asked)
			process_say_listener(process, gone->id, LISTENER_DROP,
			    -1);
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !l->adding && strcmp(l->pool, pool) == 0 &&
		    (asked == 0 || l->told > asked))
			process_say_listener(process, l->id, LISTENER_ADD,
			    l->fd);
	if (!is_anybody_on_his_way(m))
		forget_gone();
}
