/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * life.c: the master as the host of what daemon/supervisor decides about
 * workers; see life.h.  Called by commands, the tick, the timer and the parts
 * that hear from keeper and workers.  Changes the idle copy of the memo alone;
 * see turn.h.
 */
#include "daemon/master/life.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/master/cells.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/sample.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"

enum { ID_BLOCK = 1000 };

uint64_t
life_new_id(struct master *m)
{
	struct memo_globals *globals = &turn_change(m)->globals;
	uint64_t id = globals->next_id++;

	if (globals->next_id >= m->id_mark) {
		m->id_mark = globals->next_id + ID_BLOCK;
		if (m->store != NULL)
			store_put_marks(m->store, 0, m->id_mark);
	}
	return id;
}

void
life_skip_known_ids(struct master *m)
{
	struct memo_globals *globals = &turn_change(m)->globals;

	if (globals->next_id <= m->highest_id)
		globals->next_id = m->highest_id + 1;
}

const struct conf_pool *
life_conf(struct master *m, uint16_t row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	const char *pool = copy->pool[copy->slot[worker->slot].pool].name;
	const struct conf_pool *conf = NULL;

	/* What we time are live keys: those in force, also for a worker that
	 * was there before them.  One on trial has its own. */
	if (worker->generation != copy->globals.trans_generation &&
	    m->conf != NULL)
		conf = conf_pool_by_name(m->conf, pool);
	return conf != NULL ? conf :
	    master_pool_conf(m, worker->generation, pool);
}

/* -- the host ------------------------------------------------------------------ */

static void
host_times(void *master, uint16_t row, struct supervisor_times *times)
{
	const struct conf_pool *conf = life_conf(master, row);

	*times = (struct supervisor_times){ 60000, 60000, 10000, 30000 };
	if (conf == NULL)
		return;
	times->start_ms = (uint64_t)conf->start_timeout_ms;
	times->stable_ms = (uint64_t)conf->stable_after_ms;
	times->stop_ms = (uint64_t)conf->stop_timeout_ms;
	times->drain_ms = (uint64_t)conf->drain_timeout_ms;
}

static void
host_limits(void *master, uint16_t pool, struct policy_limits *limits)
{
	const struct conf_pool *conf = master_pool_now(master, pool);
	uint32_t slots = turn_look(master)->pool[pool].desired;

	limits->stable_after_ms = 60000;
	limits->backoff_min_ms = 250;
	limits->backoff_max_ms = 30000;
	limits->restart_burst = policy_auto_burst(slots);
	limits->restart_rate = policy_auto_rate(slots);
	if (conf == NULL)
		return;
	limits->stable_after_ms = (uint64_t)conf->stable_after_ms;
	limits->backoff_min_ms = (uint64_t)conf->backoff_min_ms;
	limits->backoff_max_ms = (uint64_t)conf->backoff_max_ms;
	limits->restart_burst = (uint32_t)conf_restart_burst(conf, slots);
	limits->restart_rate = (uint32_t)conf_restart_rate(conf, slots);
}

static size_t
host_surge(void *master, uint16_t pool)
{
	struct master *m = master;
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = conf_pool_by_name(m->conf,
	    copy->pool[pool].name);
	int64_t surge = conf == NULL ? 1 : conf_max_surge(conf,
	    copy->pool[pool].desired);

	return surge > 0 ? (size_t)surge : 1;
}

static uint64_t
host_new_id(void *master)
{
	return life_new_id(master);
}

static void
host_act(void *master, uint16_t row, uint32_t actions)
{
	turn_act(master, row, actions);
}

static void
host_tell(void *master, enum event_id id, uint16_t row)
{
	turn_tell_worker(master, id, row, NULL, NULL);
}

static void
host_stepped(void *master, uint16_t row, enum worker_event event)
{
	cells_note(turn_look(master)->worker[row].state, event);
}

static int
host_is_stalled(void *master, uint16_t row)
{
	const struct process *process = ((struct master *)master)->process[row];

	return process != NULL && process->stalled;
}

static const struct supervisor_host host = {
	.times = host_times,
	.limits = host_limits,
	.surge = host_surge,
	.new_id = host_new_id,
	.act = host_act,
	.tell = host_tell,
	.stepped = host_stepped,
	.detach = life_detach,
	.is_stalled = host_is_stalled,
	.trial = change_try_canary,
};

struct supervisor
life_now(struct master *m)
{
	tick_wake(m);		/* before a new deadline is set */
	return (struct supervisor){
		.copy = turn_change(m), .host = &host, .arg = m,
		.now_ns = clock_now_ns(), .boot_ms = clock_boot_ms(),
		.random = (uint32_t)random() ^
		    (uint32_t)(clock_now_ns() >> 7),
		.cpus = m->conf != NULL && m->conf->daemon.cpus > 0 ?
		    (uint32_t)m->conf->daemon.cpus : 1,
	};
}

/* -- wishes ------------------------------------------------------------------------ */

struct step_result
life_feed(struct master *m, uint16_t row, enum worker_event event,
    struct step_input *input)
{
	struct supervisor s = life_now(m);

	return slots_feed(&s, row, event, input);
}

void
life_kill(struct master *m, uint16_t row, enum death_cause cause)
{
	struct supervisor s = life_now(m);

	slots_kill(&s, row, cause, NULL);
}

void
life_await_stable(struct master *m, uint16_t row)
{
	struct supervisor s = life_now(m);

	slots_await_stable(&s, row);
}

int
life_resize(struct master *m, uint16_t pool, unsigned size,
    const char *reason)
{
	struct supervisor s = life_now(m);

	return slots_resize(&s, pool, size, reason);
}

void
life_take_out(struct master *m, uint16_t slot, const char *reason)
{
	struct supervisor s = life_now(m);

	slots_take_out(&s, slot, reason);
}

void
life_bring_back(struct master *m, uint16_t slot)
{
	struct supervisor s = life_now(m);

	slots_bring_back(&s, slot);
}

/* -- turns ---------------------------------------------------------------------------- */

void
life_follow(struct master *m)
{
	struct supervisor s;

	if (!m->attached || m->ending || m->turn == NULL)
		return;
	s = life_now(m);
	slots_follow(&s);
}

void
life_arm_deadline(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t first = UINT64_MAX, now;
	struct timeval when = { 0, 0 };

	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id != 0 && copy->worker[i].deadline_ns != 0
		    && copy->worker[i].deadline_ns < first)
			first = copy->worker[i].deadline_ns;
	if (first == UINT64_MAX) {
		event_del(m->deadline);
		return;
	}
	now = clock_now_ns();
	if (first > now) {
		when.tv_sec = (time_t)((first - now) / NS_PER_S);
		when.tv_usec = (suseconds_t)((first - now) % NS_PER_S / 1000)
		    + 1;
	}
	event_add(m->deadline, &when);
}

/* A SIGKILL now would leave half a core. */
static bool
awaits_core(struct master *m, uint16_t row, uint64_t now)
{
	const struct memo_worker *worker = &turn_look(m)->worker[row];

	return worker->state == WS_KILLING && worker->ladder == 1 &&
	    m->process[row] != NULL && sample_is_dumping(m->process[row]) &&
	    worker_await_core(&turn_change(m)->worker[row], now);
}

void
life_excuse(struct master *m, uint64_t from_ns, uint64_t now_ns)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (slots_is_awaited(&turn_look(m)->worker[i]))
			worker_excuse(&turn_change(m)->worker[i], from_ns,
			    now_ns);
}

void
life_spare(struct master *m)
{
	uint64_t now = clock_now_ns();

	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (slots_is_awaited(&turn_look(m)->worker[i]))
			worker_spare(&turn_change(m)->worker[i], now);
}

void
life_on_deadline(int fd, short what, void *arg)
{
	struct master *m = arg;
	const struct memo_copy *copy;
	uint64_t now;

	(void)fd;
	(void)what;
	tick_wake(m);
	copy = turn_look(m);
	now = clock_now_ns();
	for (uint16_t i = 0; i < copy->workers; i++) {
		const struct memo_worker *row = &turn_look(m)->worker[i];

		if (row->id != 0 && row->deadline_ns != 0 &&
		    row->deadline_ns <= now && !awaits_core(m, i, now))
			life_feed(m, i, WE_DEADLINE, NULL);
	}
	turn_change(m);
}
