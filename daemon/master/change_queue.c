/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_queue.c: one change at a time, the others in line.  Reloads that wait
 * are one: the file is read when it begins, so that it serves all who asked
 * before.
 */
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"

enum { QUEUE_MAX = 16 };

struct waiting {
	struct waiting *next;
	struct control_call *call;
	struct change change;
};

static struct waiting *queue;
static size_t queued;

/* They run the checker and change nothing. */
static bool
is_read(const struct change *change)
{
	return change->command == COMMAND_CONFIG_CHECK ||
	    change->command == COMMAND_CONFIG_DIFF;
}

static bool
is_reload(const struct change *change)
{
	return change->command == COMMAND_RELOAD && !change->go_on;
}

/* A reload in line that does what this one would; or NULL. */
static struct waiting *
find_alike(const struct change *change)
{
	struct waiting *waiting = queue;

	if (!is_reload(change))
		return NULL;
	while (waiting != NULL && (!is_reload(&waiting->change) ||
	    waiting->change.plan != change->plan ||
	    waiting->change.hold_percent != change->hold_percent))
		waiting = waiting->next;
	return waiting;
}

bool
change_is_pending(const struct change *change)
{
	return find_alike(change) != NULL;
}

/* On record: should the master die, the next one begins it. */
static void
note_waiting(struct control_call *call, bool waits)
{
	if (call != NULL)
		control_waits(call, waits);
}

static void
enqueue(struct control_call *call, const struct change *change)
{
	struct waiting *waiting = find_alike(change), **at = &queue;

	if (waiting != NULL) {
		note_waiting(call, true);
		if (waiting->call == NULL)
			waiting->call = call;
		else if (call != NULL)
			control_join(call, waiting->call);
		return;
	}
	if (queued >= QUEUE_MAX) {
		change_refuse(call, ERR_BUSY, "%d changes wait already",
		    QUEUE_MAX);
		return;
	}
	waiting = memory_new(sizeof(*waiting));
	waiting->call = call;
	waiting->change = *change;
	waiting->change.text = NULL;
	while (*at != NULL)
		at = &(*at)->next;
	*at = waiting;
	queued++;
	note_waiting(call, true);
}

/* One transaction at a time, and one checker, which a mere check has as well. */
static bool
must_wait(struct master *m, const struct change *change)
{
	if (is_read(change))
		return m->check != NULL;
	return (m->change != NULL && !change_is_held(m)) ||
	    (m->check != NULL && is_reload(change));
}

static bool
may_interrupt_held(const struct change *change)
{
	return (change->command == COMMAND_RELOAD && change->go_on) ||
	    change->command == COMMAND_ROLLBACK || is_read(change);
}

/* For the next master, who reads of what waited in a database that may be
 * behind.  A reload has all of its like with it that have been asked for. */
static void
note_begun(struct master *m, const struct control_call *call,
    const struct change *change)
{
	struct memo_globals *globals = &turn_change(m)->globals;

	if (is_reload(change))
		globals->reload_begun_ms = clock_wall_ms();
	else if (call != NULL &&
	    control_asked_ms(call) > globals->change_begun_ms)
		globals->change_begun_ms = control_asked_ms(call);
}

static void
perform(struct master *m, struct control_call *call,
    const struct change *change)
{
	if (!is_read(change))
		note_begun(m, call, change);
	if (change->command == COMMAND_SCALE)
		scale_start(m, call, change);
	else if (change->command == COMMAND_RESTART)
		restart_start(m, call, change);
	else if (change->command == COMMAND_RELOAD && change->go_on)
		reload_go_on(m, call, change);
	else if (change->command == COMMAND_RELOAD)
		reload_start(m, call, change);
	else if (change->command == COMMAND_ROLLBACK)
		rollback_start(m, call, change);
	else if (is_read(change))
		config_check_start(m, call, change);
	else
		change_refuse(call, ERR_UNKNOWN_COMMAND, "`%s' is not in this "
		    "version", commands[change->command].name);
}

static void
begin(struct master *m, struct control_call *call, const struct change *change)
{
	if (turn_look(m)->globals.stopping != 0)
		change_refuse(call, ERR_CONFLICT, "the daemon is stopping");
	else if (!m->attached)
		change_refuse(call, ERR_CONFLICT, "the daemon is starting");
	else if (change_is_held(m) && !may_interrupt_held(change))
		change_refuse(call, ERR_CONFLICT, "a reload is held: `reload "
		    "--continue' or `rollback' first");
	else if (must_wait(m, change))
		enqueue(call, change);
	else
		perform(m, call, change);
}

/* One that is refused, or is over at once, holds up nobody behind it; one that
 * only reads is held up by no change. */
static void
start_next(struct master *m, uint64_t unused)
{
	struct waiting **at = &queue, *waiting;
	bool blocked = false;

	(void)unused;
	while ((waiting = *at) != NULL) {
		if (must_wait(m, &waiting->change) ||
		    (blocked && !is_read(&waiting->change))) {
			blocked = true;
			at = &waiting->next;
			continue;
		}
		*at = waiting->next;
		queued--;
		note_waiting(waiting->call, false);
		begin(m, waiting->call, &waiting->change);
		memory_free(waiting);
	}
}

void
change_next(struct master *m)
{
	turn_later(m, start_next, 0);
}

void
change_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	if (change->command == COMMAND_STOP)
		change_stop(m, change->now ? STOP_NOW : STOP_DRAIN, call);
	else if (!change_now(m, call, change))
		begin(m, call, change);
	turn_change(m);
	turn_end(m);
}
