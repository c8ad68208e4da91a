/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * tick.c: the regular look at everything; see tick.h.
 * Workers are judged by the age of their beat; when we ourselves were late,
 * nobody is judged in that round.
 */
#include "daemon/master/files.h"
#include "daemon/master/tick.h"

#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/journal/logthread.h"
#include "daemon/master/actions.h"
#include "daemon/master/change.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/hang.h"
#include "daemon/master/leader.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/output.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/recycle.h"
#include "daemon/master/relay.h"
#include "daemon/master/roster.h"
#include "daemon/master/sample.h"
#include "daemon/master/sorry.h"
#include "daemon/master/sources.h"
#include "daemon/master/start.h"
#include "daemon/master/turn.h"
#include "daemon/master/verdict.h"
#include "daemon/proto/page.h"
#include "daemon/store/store.h"

enum {
	PROC_TICKS = 10,	/* resident size every 5 s */
	SAFE_MODE_MS = 65000,	/* longer than what the keeper calls early */
};

void
tick_beat(struct master *m)
{
	if (m->page != NULL)
		__atomic_store_n(&m->page->beat.beat_ns, clock_now_ns(),
		    __ATOMIC_RELAXED);
}

/* As late as that a beat may be, and nobody is excused. */
static uint64_t
awake_until_ns(const struct master *m)
{
	return m->awake_ns + (clock_scaled_ms(BEAT_MS) +
	    clock_scaled_ms(CLOCK_AWAY_MS)) * NS_PER_MS;
}

uint64_t
tick_awake_ns(const struct master *m)
{
	uint64_t now = clock_now_ns(), until = awake_until_ns(m);

	return (now < until ? now : until) - m->away_ns;
}

bool
tick_not_yet(const struct master *m, struct event *timer, uint64_t end_ns)
{
	uint64_t now = tick_awake_ns(m), left_us;
	struct timeval left;

	if (now >= end_ns)
		return false;
	left_us = (end_ns - now) / 1000 + 1;
	left.tv_sec = (time_t)(left_us / 1000000);
	left.tv_usec = (suseconds_t)(left_us % 1000000);
	event_add(timer, &left);
	return true;
}

void
tick_wake(struct master *m)
{
	uint64_t now = clock_now_ns(), until = awake_until_ns(m);

	m->awake_ns = now;
	if (now <= until)
		return;
	m->away_ns += now - until;
	if (m->attached)
		life_excuse(m, until, now);
}

static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tick_beat(arg);
	tick_wake(arg);
}

static void
look_at_workers(struct master *m, uint64_t now, bool late)
{
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];

		if (process == NULL)
			continue;
		process_flush(process);
		relay_tick(process);
		command_tick(process);
		observe_tick(process);
		if (process->untold != 0)
			actions_say_again(process);
		if (process->untold_files)
			files_say_again(process);
		if (process->untold_listeners)
			listeners_say_again(process);
		if (process->in_doubt)
			life_find_ready(process);
		life_hear_last(process);
		if (m->process[i] != process)
			continue;	/* that was its end */
		sample_page(process);
		files_look(process);
		output_tick(process);
		dispatch_judge_end(process);
		if (m->ticks % PROC_TICKS == 0)
			sample_proc(process);
		if (late)
			process->clock_from_ns = clock_now_ns();
		else
			hang_look(process, now);
	}
}

/* Nobody would lose anything if this master left now. */
static bool
has_nothing_in_hand(const struct master *m)
{
	for (size_t i = 0; i < MEMO_POOLS; i++)
		if (m->pool[i].hand_fd >= 0)
			return false;
	return m->change == NULL && m->check == NULL;
}

/* A master that lives well without the database makes room for one that tries
 * it again: the keeper starts it without the caution of safe_mode. */
static void
leave_safe_mode(const struct master *m)
{
	uint64_t age = clock_now_ns() - m->began_ns;

	if ((m->flags & WELCOME_SAFE_MODE) == 0 || !has_nothing_in_hand(m) ||
	    age < clock_scaled_ms(SAFE_MODE_MS) * NS_PER_MS)
		return;
	log_notice("%s: the next master opens the database",
	    m->store_fault[0] != '\0' ? m->store_fault :
	    "safe_mode is over");
	logthread_stop(1000);
	_exit(0);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now = clock_now_ns();
	bool late = now - m->last_tick_ns >
	    (uint64_t)clock_scaled_ms(TICK_MS + LATE_MS) * NS_PER_MS;

	(void)fd;
	(void)what;
	m->last_tick_ns = now;
	tick_wake(m);
	m->ticks++;
	(void)FP("master.tick");
	if (m->store != NULL)
		store_poll(m->store);	/* its thread may be stuck */
	look_at_workers(m, now, late);
	listeners_check(m);
	recycle_look(m);
	quarantine_look(m);
	relay_look(m);
	dispatch_kick_all(m);
	if (m->ticks % PROC_TICKS == 0) {
		start_look_at_control(m);
		files_tidy(m);
		if (m->conf != NULL)
			sources_look(m->sources, m->conf);
		oom_look_now(&m->oom);
	}
	verdict_look(m);
	rollback_look(m);
	autoscale_look(m);
	sorry_look(m);
	/* What waits for time to pass (a canary) has its turn. */
	if (m->change != NULL)
		turn_change(m);
	turn_end(m);
	leader_follow(m);
	roster_publish(m);
	leave_safe_mode(m);
}

static struct event *
every(struct master *m, unsigned ms, event_callback_fn call)
{
	struct timeval interval = { ms / 1000, ms % 1000 * 1000 };
	struct event *event = event_new(m->base, -1, EV_PERSIST, call, m);

	CHECK(event != NULL);
	event_add(event, &interval);
	return event;
}

void
tick_init(struct master *m)
{
	m->awake_ns = clock_now_ns();
	m->beat = every(m, clock_scaled_ms(BEAT_MS), on_beat);
}

void
tick_start(struct master *m)
{
	oom_look_now(&m->oom);
	m->last_tick_ns = clock_now_ns();	/* the first may be late, too */
	if (m->tick == NULL)
		m->tick = every(m, clock_scaled_ms(TICK_MS), on_tick);
}
