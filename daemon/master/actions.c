/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* actions.c: what the table of states asks for; see actions.h. */
#include "daemon/master/actions.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "common/base/parse.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/life.h"
#include "daemon/master/link.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/slots.h"
#include "daemon/supervisor/state.h"

/* "0-3,8" into a mask; anything else is any CPU. */
static void
put_affinity(const char *text, uint64_t mask[16])
{
	unsigned from, to;
	int used;

	while (*text != '\0') {
		if (sscanf(text, "%u%n", &from, &used) != 1)
			return;
		text += used;
		to = from;
		if (*text == '-' && sscanf(text + 1, "%u%n", &to, &used) == 1)
			text += 1 + used;
		for (unsigned cpu = from; cpu <= to && cpu < 1024; cpu++)
			mask[cpu / 64] |= 1ULL << cpu % 64;
		if (*text == ',')
			text++;
	}
}

static uint64_t
limit(int64_t value)
{
	return value < 0 ? UINT64_MAX : (uint64_t)value;
}

/* The listeners of the next SPAWN, as many a message as it holds. */
static void
ask_fds(struct master *m, uint64_t id, uint16_t pool)
{
	uint32_t ids[KEEPER_SPAWN_LISTENERS];
	struct keeper_packet packet;
	struct keeper_msg_spawn_fds *fds = &packet.body.spawn_fds;
	size_t count, sent = 0;

	listeners_bind_slots(m, pool);
	count = listeners_of_pool(m, turn_look(m)->pool[pool].name, ids,
	    COUNT(ids));
	do {
		size_t some = count - sent < COUNT(fds->listeners) ?
		    count - sent : COUNT(fds->listeners);

		keeper_begin(&packet, KEEPER_SPAWN_FDS, 0);
		fds->id = id;
		fds->count = (uint32_t)some;
		memcpy(fds->listeners, ids + sent, some * sizeof(ids[0]));
		link_request(m->link, &packet, NULL, 0, NULL, 0);
		sent += some;
	} while (sent < count);
}

static void
on_spawned(struct master *m, uint64_t id, const struct link_packet *answer)
{
	life_spawned(m, id, answer);
}

static void
refuse_spawn(struct master *m, uint64_t id)
{
	link_refuse(m, on_spawned, id);
}

static void
perform_spawn(struct master *m, uint16_t row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	const char *pool = copy->pool[copy->slot[worker->slot].pool].name;
	const struct conf_pool *conf = master_pool_conf(m, worker->generation,
	    pool);
	struct keeper_packet packet;
	struct keeper_msg_spawn *spawn = &packet.body.spawn;

	if (conf == NULL)
		return;		/* its deadline says that it did not start */
	if (!link_reserve(m->link)) {
		turn_later(m, refuse_spawn, worker->id);
		return;
	}
	ask_fds(m, worker->id, copy->slot[worker->slot].pool);
	listeners_note_spawn(row);
	keeper_begin(&packet, KEEPER_SPAWN, 0);
	spawn->id = worker->id;
	spawn->role = ROLE_WORKER;
	spawn->image = worker->image;
	spawn->account = (uint32_t)conf->account;
	spawn->nice = conf->nice;
	spawn->snapshot = KEEPER_SNAPSHOT_NUMBER(worker->generation,
	    conf->index + 1);
	spawn->rlimit_nofile = limit(conf_rlimit_nofile(conf));
	spawn->rlimit_core = limit(conf->rlimit_core);
	spawn->rlimit_as = limit(conf->rlimit_as);
	put_affinity(conf->cpu_affinity, spawn->affinity);
	state_slot_name(copy, worker->slot, spawn->name, sizeof(spawn->name));
	link_request(m->link, &packet, NULL, 0, on_spawned, worker->id);
}

void
actions_signal(struct master *m, uint64_t id, int signal)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_SIGNAL, 0);
	packet.body.signal.id = id;
	packet.body.signal.signal = (uint32_t)signal;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

static void
perform_kill(struct master *m, uint16_t row)
{
	const struct memo_worker *worker = &turn_look(m)->worker[row];

	if (m->process[row] == NULL)
		return;		/* SPAWNED brings it here again */
	if (worker->ladder == 1) {
		(void)FP("ladder.k1");
		actions_signal(m, worker->id, SIGABRT);
	} else {
		actions_signal(m, worker->id, SIGKILL);
	}
}

/* What its channel does not take now is said at a tick. */
static void
say(struct process *process, const struct memo_worker *worker,
    uint32_t actions)
{
	if (process == NULL)
		return;
	process->untold = 0;
	if (actions & ACT_SAY_STOP && !process_say_stop(process))
		process->untold |= ACT_SAY_STOP;
	if (actions & ACT_SAY_DRAIN &&
	    !process_say_drain(process, worker->drain_ns))
		process->untold |= ACT_SAY_DRAIN;
}

void
actions_say_again(struct process *process)
{
	const struct memo_worker *worker = &turn_look(process->master)->
	    worker[process->row];

	say(process, worker, process->untold & slots_implied_actions(worker));
}

void
actions_perform(struct master *m, uint16_t row, uint64_t id, uint32_t actions)
{
	const struct memo_worker *worker = &turn_look(m)->worker[row];
	struct process *process = m->process[row];

	if (worker->id != id)		/* the row has another process now */
		return;
	if (actions & ACT_OFF)
		dispatch_off(m, row);
	if (actions & ACT_SPAWN)
		perform_spawn(m, row);
	if (actions & (ACT_SAY_STOP | ACT_SAY_DRAIN))
		say(process, worker, actions);
	if (actions & ACT_KILL)
		perform_kill(m, row);
	if (actions & ACT_ON)
		dispatch_on(m, row);
}

void
actions_repeat(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id != 0)
			turn_act(m, i,
			    slots_implied_actions(&copy->worker[i]));
}
