/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* verdict.c: is the service well?  See verdict.h. */
#include "daemon/master/files.h"
#include "daemon/master/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/journal/logfiles.h"
#include "daemon/journal/logthread.h"
#include "daemon/master/change.h"
#include "daemon/master/link.h"
#include "daemon/master/listeners.h"
#include "daemon/master/logs.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/sources.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/policy.h"
#include "daemon/supervisor/state.h"

enum {
	SHORT_MS = 5000, EMPTY_MS = 2000, AGAIN_MS = 30000,
	LOSING_MS = 10000,
};

static struct {
	enum view_state state;
	struct view_reason reasons[VERDICT_REASONS];
	char text[VERDICT_REASONS][VERDICT_TEXT];
	char worker[VERDICT_REASONS][64];
	size_t count;
} now;

static void add(enum view_state state, enum reason_id id, const char *pool,
    const char *worker, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static void
add(enum view_state state, enum reason_id id, const char *pool,
    const char *worker, const char *fmt, ...)
{
	struct view_reason *reason;
	va_list args;

	if (state > now.state)
		now.state = state;
	if (now.count == VERDICT_REASONS)
		return;
	reason = &now.reasons[now.count];
	va_start(args, fmt);
	vsnprintf(now.text[now.count], VERDICT_TEXT, fmt, args);
	va_end(args);
	snprintf(now.worker[now.count], 64, "%s", worker != NULL ? worker :
	    "");
	reason->id = id;
	reason->text = now.text[now.count];
	reason->pool = pool;
	reason->worker = worker != NULL ? now.worker[now.count] : NULL;
	now.count++;
}

static bool
since(const struct master *m, uint64_t *mark, bool holds, unsigned ms)
{
	uint64_t t = tick_awake_ns(m);

	if (!holds) {
		*mark = 0;
		return false;
	}
	if (*mark == 0)
		*mark = t;
	return t - *mark >= (uint64_t)clock_scaled_ms(ms) * NS_PER_MS;
}

static uint64_t
start_timeout_ms(struct master *m, const char *pool)
{
	const struct conf_pool *conf = m->conf == NULL ? NULL :
	    conf_pool_by_name(m->conf, pool);

	return conf != NULL ? (uint64_t)conf->start_timeout_ms : 60000;
}

/*
 * Is there a worker to count on?  In a crash loop one counts when it has lived
 * as long as a pool may be without any: else each of the short lives would be
 * two changes of the verdict, and two lines of the log.
 */
static bool
has_capacity(const struct memo_copy *copy, uint16_t pool)
{
	uint64_t t = clock_now_ns();

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];
		const struct memo_worker *worker;

		if (slot->pool != pool || slot->current == MEMO_NONE)
			continue;
		worker = &copy->worker[slot->current];
		if (worker->state == WS_READY &&
		    (slot->early < POLICY_CRASH_LOOP || t - worker->ready_ns >=
		    (uint64_t)clock_scaled_ms(EMPTY_MS) * NS_PER_MS))
			return true;
	}
	return false;
}

static void
look_at_routes(struct master *m, uint16_t index)
{
	const char *pool = turn_look(m)->pool[index].name;
	char text[VERDICT_TEXT];

	for (size_t i = 0; i < MEMO_POISONS; i++) {
		enum quarantine_news news = quarantine_describe(m, index, i,
		    text, sizeof(text));

		if (news != QUARANTINE_SILENT)
			add(news == QUARANTINE_SHUT ? VIEW_DEGRADED : VIEW_OK,
			    REASON_QUARANTINE, pool, NULL, "%s", text);
	}
}

static void
look_at_pool(struct master *m, uint16_t index)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_pool *pool = &copy->pool[index];
	struct pool_run *run = &m->pool[index];
	uint32_t wanted = state_count_wanted(copy, index);
	uint32_t ready = state_count_ready(copy, index);
	enum view_state before = now.state, worst;
	bool first = run->started_ns != 0 && !run->was_ready &&
	    tick_awake_ns(m) - run->started_ns <
	    start_timeout_ms(m, pool->name) * NS_PER_MS &&
	    state_sum_restarts(copy, index) == run->restarts_at_start;
	bool empty = since(m, &run->empty_since_ns, wanted > 0 &&
	    !has_capacity(copy, index), EMPTY_MS);
	bool few = since(m, &run->short_since_ns, ready < wanted, SHORT_MS);

	now.state = VIEW_OK;
	if (ready > 0 && ready >= wanted)
		run->was_ready = true;
	if (ready < wanted && first)
		add(VIEW_DEGRADED, REASON_STARTING, pool->name, NULL,
		    "pool %s is starting: %u of %u ready", pool->name, ready,
		    wanted);
	else if (empty)
		add(VIEW_FAILED, REASON_NO_CAPACITY, pool->name, NULL,
		    "pool %s has no worker %s, %u wanted", pool->name,
		    ready > 0 ? "that lives on" : "ready", wanted);
	else if (few)
		add(VIEW_DEGRADED, REASON_SHORT_OF_WORKERS, pool->name, NULL,
		    "pool %s has %u of %u workers ready", pool->name, ready,
		    wanted);
	look_at_routes(m, index);
	if (pool->drained)
		add(VIEW_OK, REASON_DRAINED, pool->name, NULL,
		    "pool %s is drained by %s", pool->name,
		    pool->drained_by[0] != '\0' ? pool->drained_by :
		    "an operator");
	worst = now.state;
	run->verdict = (int)worst;
	now.state = worst > before ? worst : before;
}

static void
look_at_slot(struct master *m, uint16_t index)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[index];
	const char *pool = copy->pool[slot->pool].name;
	const struct memo_worker *row;
	char name[64];

	if (slot->current == MEMO_NONE || !slot->wanted || slot->drained)
		return;
	row = &copy->worker[slot->current];
	state_slot_name(copy, index, name, sizeof(name));
	if (slot->early >= POLICY_CRASH_LOOP)
		add(VIEW_DEGRADED, REASON_CRASH_LOOP, pool, name,
		    "%s died early %u times in a row", name, slot->early);
	if (row->state == WS_HELD)
		add(VIEW_DEGRADED, REASON_FAILED, pool, name,
		    "%s cannot start: %s", name, slot->fatal_text);
	if (slot->spawn_failures > 0)
		add(VIEW_DEGRADED, REASON_SPAWN_FAILING, pool, name,
		    "%s cannot be started: %s", name,
		    strerror(slot->spawn_errno));
	if (m->process[slot->current] != NULL &&
	    m->process[slot->current]->stalled)
		add(VIEW_DEGRADED, REASON_STALLED, pool, name,
		    "%s does not answer%s", name,
		    m->process[slot->current]->starved ?
		    ": starved of CPU" : "");
}

/* Nothing is wrong: workers have what was accepted, until a reload. */
static void
look_at_sources(struct master *m)
{
	for (size_t i = 0; m->conf != NULL && i < m->conf->plugin_count; i++)
		if (sources_is_changed(m->sources, m->conf, i))
			add(VIEW_OK, REASON_SOURCE_CHANGED, NULL, NULL,
			    "source of plugin %s changed: reload",
			    m->conf->plugins[i].name);
}

static void
look_at_listeners(struct master *m)
{
	for (const struct listener *l = m->listeners; l != NULL; l = l->next) {
		int64_t most = 0, queued = listeners_queued(l, &most);
		char socket[32] = "";

		if (!l->overflow || queued < 0)
			continue;
		if (l->reuseport)
			snprintf(socket, sizeof(socket), ", socket %u",
			    KEEPER_LISTENER_SOCKET(l->id));
		add(VIEW_DEGRADED, REASON_QUEUE_OVERFLOW, l->pool, NULL,
		    "%lld connections wait at %s%s, whose queue holds %lld",
		    (long long)queued, l->address, socket, (long long)most);
	}
}

static void
look_at_files(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t since_ns = (uint64_t)clock_scaled_ms(LOSING_MS) * NS_PER_MS;
	char text[VERDICT_TEXT];

	for (size_t i = 0; i < FILES_TROUBLES; i++)
		if (files_trouble(i, text, sizeof(text)))
			add(VIEW_DEGRADED, REASON_LOG_REFUSED, NULL, NULL,
			    "%s", text);
	for (uint16_t i = 0; i < copy->pools; i++)
		if (m->pool[i].access_lost_ns != 0 && clock_now_ns() -
		    m->pool[i].access_lost_ns < since_ns)
			add(VIEW_DEGRADED, REASON_LOGS_DROPPED,
			    copy->pool[i].name, NULL, "pool %s: lines of the "
			    "access log are lost", copy->pool[i].name);
	if (logfiles_are_stuck())
		add(VIEW_DEGRADED, REASON_LOG_REFUSED, NULL, NULL,
		    "a file of workers is not open: its disk does not "
		    "answer");
}

static void
look_at_log(const struct master *m)
{
	const char *trouble = logs_trouble(m);
	struct logthread_status log;

	logthread_status(&log);
	if (trouble[0] != '\0')
		add(VIEW_DEGRADED, REASON_LOG_REFUSED, NULL, NULL,
		    "lines go where they went before: %.200s", trouble);
	if (log.losing)
		add(VIEW_DEGRADED, REASON_LOGS_DROPPED, NULL, NULL,
		    "lines of log are lost: %.200s", log.reason);
	else if (log.stuck)
		add(VIEW_DEGRADED, REASON_LOGS_DROPPED, NULL, NULL,
		    "the log takes no lines: %u wait", log.waiting);
}

static void
look_at_store(struct master *m)
{
	struct store_status status;

	if (m->store_fault[0] != '\0')
		add(VIEW_DEGRADED, REASON_STORE_BEHIND, NULL, NULL,
		    "the store is closed: %s", m->store_fault);
	else if (m->flags & WELCOME_SAFE_MODE)
		add(VIEW_DEGRADED, REASON_SAFE_MODE, NULL, NULL,
		    "the store stays closed: ten masters in a row died early");
	if (m->store == NULL || m->flags & WELCOME_SAFE_MODE)
		return;
	store_status(m->store, &status);
	if (status.state == STORE_BEHIND)
		add(VIEW_DEGRADED, REASON_STORE_BEHIND, NULL, NULL, "%.*s",
		    VERDICT_TEXT - 1, status.reason);
	if (status.state == STORE_BEHIND && status.lost > 0)
		add(VIEW_DEGRADED, REASON_QUEUE_OVERFLOW, NULL, NULL,
		    "%llu records did not fit into memory",
		    (unsigned long long)status.lost);
	/* Nothing is wrong any more, but what came before is not in there. */
	if (status.moved_aside > 0)
		add(VIEW_OK, REASON_STORE_REPLACED, NULL, NULL, "%.*s",
		    VERDICT_TEXT - 1, status.note);
	if (status.state == STORE_NEWER)
		add(VIEW_DEGRADED, REASON_STORE_NEWER, NULL, NULL, "%.*s",
		    VERDICT_TEXT - 1, status.reason);
}

void
verdict_find(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	now.state = VIEW_OK;
	now.count = 0;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0')
			look_at_pool(m, i);
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE)
			look_at_slot(m, i);
	for (const struct process *p = m->graves; p != NULL; p = p->next)
		if (!p->exited)
			add(VIEW_DEGRADED, REASON_UNKILLABLE, NULL, p->name,
			    "process %d of %s does not end by SIGKILL",
			    p->pid, p->name);
	if (change_is_held(m))
		add(VIEW_DEGRADED, REASON_RELOAD_HELD, NULL, NULL,
		    "a reload is held: `reload --continue' or `rollback'");
	if (copy->globals.taken_back != 0)
		add(VIEW_DEGRADED, REASON_ROLLED_BACK, NULL, NULL,
		    "generation %llu failed and was taken back; %llu is in "
		    "force", (unsigned long long)copy->globals.taken_back,
		    (unsigned long long)copy->globals.generation);
	look_at_listeners(m);
	look_at_log(m);
	look_at_files(m);
	look_at_sources(m);
	look_at_store(m);
}

static void
show(struct master *m, bool ready)
{
	struct keeper_packet packet;
	struct keeper_msg_show *body = &packet.body.show;
	const struct memo_globals *globals = &turn_look(m)->globals;

	keeper_begin(&packet, KEEPER_SHOW, 0);
	body->verdict = (uint8_t)now.state;
	body->ready = ready;
	body->phase = globals->stopping ? PHASE_STOPPING :
	    change_is_reload(m) ? PHASE_RELOADING :
	    ready ? PHASE_RUNNING : PHASE_STARTING;
	record_put_text(body->text, sizeof(body->text),
	    globals->stopping != 0 ? "stopping" :
	    now.count > 0 ? now.text[0] : "ok");
	for (char *c = body->text; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

/* Every pool has a worker that is READY, or has had its time. */
static bool
is_ready(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->pools; i++) {
		uint64_t limit;

		if (copy->pool[i].name[0] == '\0' ||
		    state_count_wanted(copy, i) == 0 ||
		    state_count_ready(copy, i) > 0)
			continue;
		limit = (start_timeout_ms(m, copy->pool[i].name) +
		    clock_scaled_ms(2000)) * NS_PER_MS;
		if (tick_awake_ns(m) - m->began_ns < limit)
			return false;
	}
	return true;
}

static const char *const words[] = { "ok", "degraded", "failed" };

static void
tell(struct master *m)
{
	struct event_fields fields = { .text = now.count > 0 ? now.text[0] :
		words[now.state] };
	const struct event_member more[] = {
		EVENT_TEXT("state", words[now.state]), EVENT_END };

	fields.more = more;
	turn_tell(m, EVENT_STATE_CHANGED, &fields);
}

/* What goes on is said again, all in one line. */
static void
summarise(struct master *m)
{
	uint64_t t = clock_now_ns();
	char text[600] = "";
	size_t used = 0;

	if (now.state == VIEW_OK || m->verdict != (int)now.state) {
		m->summary_ns = t;
		return;
	}
	if (t - m->summary_ns < (uint64_t)clock_scaled_ms(AGAIN_MS) * NS_PER_MS)
		return;
	m->summary_ns = t;
	for (size_t i = 0; i < now.count && used + 100 < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s%.90s", i > 0 ? "; " : "", now.text[i]);
	log_warn("still %s: %s", words[now.state], text);
}

void
verdict_look(struct master *m)
{
	uint32_t reasons = 0;
	bool ready, phase, stopping = turn_look(m)->globals.stopping != 0;

	verdict_find(m);
	ready = m->shown_ready || is_ready(m);
	phase = change_is_reload(m) != m->shown_reload;
	for (size_t i = 0; i < now.count; i++)
		reasons |= 1u << now.reasons[i].id;
	/* Becoming well for the first time is no news, nor is that workers go
	 * when they are told to. */
	if (!stopping && (int)now.state != m->verdict && reasons != 1u << REASON_STARTING
	    && (m->verdict != -1 || now.state != VIEW_OK) &&
	    !(now.state == VIEW_OK &&
	    m->verdict_reasons == 1u << REASON_STARTING))
		tell(m);
	if ((int)now.state != m->verdict || reasons != m->verdict_reasons ||
	    ready != m->shown_ready || phase)
		show(m, ready);
	if (!stopping)
		summarise(m);
	m->verdict = (int)now.state;
	m->verdict_reasons = reasons;
	m->shown_ready = ready;
	m->shown_reload = change_is_reload(m);
}

enum view_state
verdict_state(void)
{
	return now.state;
}

size_t
verdict_reasons(const struct view_reason **reasons)
{
	*reasons = now.reasons;
	return now.count;
}
