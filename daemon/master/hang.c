/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* hang.c: a worker whose beat is old, or that takes nothing; see hang.h. */
#include "daemon/master/hang.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/sample.h"
#include "daemon/master/turn.h"

enum { STARVED_FACTOR = 4, BUSY_FACTOR = 10, DEAF_MS = 5000 };

static uint64_t
age_ms(const struct process *process, uint64_t now)
{
	uint64_t beat = process->page != NULL ?
	    page_read_beat(process->page) : 0;

	if (beat < process->clock_from_ns)
		beat = process->clock_from_ns;
	return beat < now ? (now - beat) / NS_PER_MS : 0;
}

static void
describe_doing(const struct process *process, char *out, size_t size)
{
	struct sample_doing doing;
	char path[300];

	out[0] = '\0';
	if (!sample_doing(process, 0, false, &doing))
		return;
	escape_string(path, sizeof(path), doing.path, strlen(doing.path));
	snprintf(out, size, "%s%s%s%s%.200s",
	    doing.plugin[0] != '\0' ? "in plugin " : "", doing.plugin,
	    doing.method[0] != '\0' ? ", " : "", doing.method,
	    doing.method[0] != '\0' ? " " : "");
	snprintf(out + strlen(out), size - strlen(out), "%.200s", path);
}

static void
begin_stall(struct process *process)
{
	struct master *m = process->master;
	char doing[512];

	process->stalled = true;
	m->stalls++;
	turn_change(m)->slot[turn_look(m)->worker[process->row].slot]
	    .had_trouble = 1;
	life_await_stable(m, process->row);
	describe_doing(process, doing, sizeof(doing));
	turn_tell_worker(m, EVENT_WORKER_STALLED, process->row, doing, NULL);
	turn_later(m, dispatch_take_back_later, 0);
}

static void
end_stall(struct process *process)
{
	process->stalled = process->starved = false;
	process->hung_since_ns = 0;
	process->evidence[0] = '\0';
	life_await_stable(process->master, process->row);
	dispatch_kick(process->master, process->pool);
}

/*
 * What it has been at since its beat is missing, and how many times
 * handler_timeout it may be.  Who ran, or would have, for half of the time is
 * not blocked: the larger part says which.
 */
static const char *
kind_of_hang(const struct process *process, unsigned *factor)
{
	const struct sample_time *from = &process->silent;
	uint64_t run_ns, delay_ns;
	struct sample_time now;

	*factor = 1;
	if (from->at_ns == 0 || !sample_take_time(process, &now))
		return "blocked";
	if (now.state == 'T' || now.state == 't')
		return "stopped";
	if (now.state == 'D')
		return "uninterruptible";
	run_ns = now.run_ns - from->run_ns;
	delay_ns = now.delay_ns - from->delay_ns;
	if (run_ns + delay_ns < (now.at_ns - from->at_ns) / 2)
		return "blocked";
	if (run_ns >= delay_ns)
		return "spinning";
	*factor = STARVED_FACTOR;
	return "starved of CPU";
}

/* limit_ms: what it still has, or 0 when its time is over. */
static void
tell_hung(struct process *process, const char *kind, uint64_t age,
    uint64_t limit_ms)
{
	char doing[512], until[64] = "", text[900];

	describe_doing(process, doing, sizeof(doing));
	if (limit_ms > 0)
		snprintf(until, sizeof(until), ", left alone until %llu.%llu s",
		    (unsigned long long)(limit_ms / 1000),
		    (unsigned long long)(limit_ms % 1000 / 100));
	snprintf(process->evidence, sizeof(process->evidence),
	    "%s for %llu.%llu s", kind, (unsigned long long)(age / 1000),
	    (unsigned long long)(age % 1000 / 100));
	snprintf(text, sizeof(text), "%s%s %s", process->evidence, until,
	    doing);
	turn_tell_worker(process->master, EVENT_WORKER_HUNG, process->row,
	    text, NULL);
}

static void
judge_hang(struct process *process, uint64_t age, uint64_t limit)
{
	const char *kind;
	unsigned factor;

	kind = kind_of_hang(process, &factor);
	if (age < limit * factor) {
		if (!process->starved)
			tell_hung(process, kind, age, limit * factor);
		process->starved = true;
		return;
	}
	tell_hung(process, kind, age, 0);
	process->hung_since_ns = clock_now_ns();
	life_kill(process->master, process->row, CAUSE_HANG);
}

static uint64_t
handler_timeout_ms(struct process *process)
{
	const struct conf_pool *conf = life_conf(process->master, process->row);

	return conf != NULL ? (uint64_t)conf->handler_timeout_ms : 30000;
}

/* A tick without a beat may become a hang: what it is at is counted from here. */
static void
watch_silence(struct process *process, uint64_t age)
{
	if (age < clock_scaled_ms(TICK_MS))
		process->silent.at_ns = 0;
	else if (process->silent.at_ns == 0)
		(void)sample_take_time(process, &process->silent);
}

/* cluster_busy(): it said so, and no more than it may say. */
static bool
said_busy(const struct process *process, uint64_t now, uint64_t limit)
{
	uint64_t until = process->has_report ? process->report.busy_until_ns :
	    0;

	return until > now && until - now <= BUSY_FACTOR * limit * NS_PER_MS;
}

/* -- deaf ---------------------------------------------------------------------- */

/* Connections that this one should take. */
static bool
somebody_waits(struct process *process)
{
	struct master *m = process->master;
	const char *pool = turn_look(m)->pool[process->pool].name;

	if (dispatch_is_balanced(m, process->pool))
		return dispatch_waiting(m, process) > 0;
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (strcmp(l->pool, pool) == 0 && (!l->reuseport ||
		    l->owner == process->id) && listeners_queued(l, NULL) > 0)
			return true;
	return false;
}

static bool
is_full(struct process *process)
{
	const struct conf_pool *conf = life_conf(process->master, process->row);
	const struct page_report *report = &process->report;

	return conf != NULL && (int64_t)report->connections -
	    (int64_t)report->closable >= conf->max_connections;
}

/* Its loop turns, and it takes nothing nor fails to: no descriptor is left, or
 * its event was deleted by a plugin.  Killing it would cost those that it
 * serves; where the machine has no means, another one would have none either. */
static void
look_for_deaf(struct process *process, uint64_t now)
{
	uint64_t since, taken;

	if (!process->on || !process->has_report)
		return;
	taken = process->report.counters[METRIC_TAKEN] +
	    process->report.counters[METRIC_ACCEPTED] +
	    process->report.counters[METRIC_ACCEPT_ERRORS];
	if (taken != process->deaf_taken || is_full(process) ||
	    (!process->deaf && !somebody_waits(process))) {
		process->deaf_taken = taken;
		process->deaf_since_ns = 0;
		process->deaf = false;
		return;
	}
	if (process->deaf_since_ns == 0)
		process->deaf_since_ns = now;
	since = process->deaf_since_ns > process->clock_from_ns ?
	    process->deaf_since_ns : process->clock_from_ns;
	if (process->deaf ||
	    now < since + clock_scaled_ms(DEAF_MS) * NS_PER_MS)
		return;
	process->deaf = true;		/* recycle_look() sees it */
	turn_later(process->master, dispatch_take_back_later, 0);
}

void
hang_look(struct process *process, uint64_t now)
{
	struct master *m = process->master;
	const struct memo_worker *row = &turn_look(m)->worker[process->row];
	uint64_t age = age_ms(process, now), limit;

	/* A start has its own deadline; what is being ended has the ladder. */
	if ((row->state != WS_READY && row->state != WS_DRAINING) ||
	    row->paused)
		return;
	watch_silence(process, age);
	if (age < clock_scaled_ms(STALE_MS)) {
		if (process->stalled)
			end_stall(process);
		else
			look_for_deaf(process, now);
		return;
	}
	if (!process->stalled)
		begin_stall(process);
	limit = handler_timeout_ms(process);
	if (said_busy(process, now, limit))
		return;
	if (age >= limit && process->hung_since_ns == 0 &&
	    process->silent.at_ns + clock_scaled_ms(TICK_MS) / 2 * NS_PER_MS <=
	    now)
		judge_hang(process, age, limit);
}
