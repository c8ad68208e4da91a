/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* quarantine.c: routes that end workers; see quarantine.h. */
#include "daemon/master/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/journal/journal.h"
#include "daemon/master/death.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/poison.h"

_Static_assert((int)GATES_MAX == (int)MEMO_POISONS, "one gate a row");

enum { LEAVE_MS = 5000 };	/* for a request to come */

static struct poison_times
times_now(void)
{
	return (struct poison_times){
		.now_ns = clock_now_ns(),
		.window_ns = clock_scaled_ms(POISON_WINDOW_MS) * NS_PER_MS,
		.shut_ns = clock_scaled_ms(POISON_SHUT_MS) * NS_PER_MS,
	};
}

/* ---- routes and their numbers ------------------------------------------------------ */

/* What the pool is in the generation of that worker; *conf: all of it. */
static const struct conf_pool *
conf_of(struct master *m, uint64_t generation, uint16_t pool,
    const struct conf **conf)
{
	struct generation *row = master_generation(m, generation);

	if (row == NULL)
		return NULL;
	*conf = row->conf;
	return conf_pool_by_name(row->conf, turn_look(m)->pool[pool].name);
}

/* How many numbers there are: filters are counted behind the routes. */
static unsigned
numbers_of(const struct conf_pool *pool)
{
	return (unsigned)(pool->route_count + pool->filter_count);
}

/* A filter is not the route of its plugin with the same pattern. */
static uint64_t
key_of(const struct conf *conf, const struct conf_pool *pool, unsigned number)
{
	const struct conf_route *row = conf_pool_route(pool, number);
	const char *plugin = conf->plugins[row->plugin].name;
	char name[CONF_NAME_MAX + 8];

	if (number <= pool->route_count)
		return poison_key(plugin, row->pattern);
	snprintf(name, sizeof(name), "filter %.31s", plugin);
	return poison_key(name, row->pattern);
}

/* By its number in a worker of that generation; 0: it has none. */
static uint64_t
key_of_number(struct master *m, uint64_t generation, uint16_t pool,
    unsigned number)
{
	const struct conf *conf = NULL;
	const struct conf_pool *row = conf_of(m, generation, pool, &conf);

	return row == NULL || conf_pool_route(row, number) == NULL ? 0 :
	    key_of(conf, row, number);
}

static const struct conf_route *
route_in(struct master *m, uint64_t generation, uint16_t pool, uint64_t key,
    const char **plugin)
{
	const struct conf *conf = NULL;
	const struct conf_pool *row = conf_of(m, generation, pool, &conf);

	for (unsigned i = 1; row != NULL && i <= numbers_of(row); i++) {
		const struct conf_route *route = conf_pool_route(row, i);

		if (key_of(conf, row, i) != key)
			continue;
		*plugin = conf->plugins[route->plugin].name;
		return route;
	}
	return NULL;
}

/* Its names, in the configuration that the pool's workers have or will. */
static const struct conf_route *
route_of(struct master *m, uint16_t pool, uint64_t key, const char **plugin)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_route *route = route_in(m,
	    copy->pool[pool].generation, pool, key, plugin);

	return route != NULL ? route : route_in(m,
	    copy->globals.trans_generation, pool, key, plugin);
}

static int64_t
mode(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);

	return conf != NULL ? conf->quarantine : QUARANTINE_OFF;
}

/* ---- telling workers ----------------------------------------------------------------- */

static void
say_gate(struct process *process, unsigned route, enum gate_op op,
    uint64_t until_ns)
{
	static struct channel_packet packet;

	channel_begin(&packet, CHANNEL_GATE, 0);
	packet.body.gate.route = route;
	packet.body.gate.op = op;
	packet.body.gate.until_ns = until_ns;
	(void)process_say(process, &packet, 0, -1);
}

/* Each route of the worker that is of this row. */
static void
say_row(struct process *process, const struct memo_poison *row,
    enum gate_op op, uint64_t until_ns)
{
	struct master *m = process->master;
	const struct conf *conf = NULL;
	const struct conf_pool *pool;

	if (process->row == MEMO_NONE)
		return;
	pool = conf_of(m, turn_look(m)->worker[process->row].generation,
	    process->pool, &conf);
	for (unsigned i = 1; pool != NULL && i <= numbers_of(pool); i++)
		if (key_of(conf, pool, i) == row->key)
			say_gate(process, i, op, until_ns);
}

static void
say_leave(struct process *process, const struct memo_poison *row)
{
	if (row->state == POISON_SHUT && row->probe_id == process->id)
		say_row(process, row, GATE_OP_LEAVE, clock_now_ns() +
		    clock_scaled_ms(LEAVE_MS) * NS_PER_MS);
}

static void
say_state(struct process *process, const struct memo_poison *row)
{
	if (row->state == POISON_SHUT)
		say_row(process, row, GATE_OP_SHUT, row->until_ns);
	say_leave(process, row);
	if (row->state == POISON_LIFTED)
		say_row(process, row, GATE_OP_OPEN, 0);
}

static void
tell_pool(struct master *m, uint64_t pool)
{
	const struct memo_pool *row = &turn_look(m)->pool[pool];

	for (size_t i = 0; i < MEMO_POISONS; i++) {
		if (row->poison[i].key == 0)
			continue;
		for (size_t w = 0; w < MEMO_WORKERS; w++)
			if (m->process[w] != NULL &&
			    m->process[w]->pool == pool)
				say_state(m->process[w], &row->poison[i]);
		if (row->poison[i].state == POISON_LIFTED)
			memset(&turn_change(m)->pool[pool].poison[i], 0,
			    sizeof(row->poison[i]));
	}
}

static void
tell_new(struct master *m, uint64_t id)
{
	struct process *process = process_find(m, id);

	for (size_t i = 0; process != NULL && i < MEMO_POISONS; i++)
		say_state(process,
		    &turn_look(m)->pool[process->pool].poison[i]);
}

/* about: a worker's id, and in its upper byte the row of which it may let a
 * probe in. */
enum { ROW_SHIFT = 56 };

static void
tell_leave(struct master *m, uint64_t about)
{
	struct process *process = process_find(m,
	    about & ((1ULL << ROW_SHIFT) - 1));

	if (process != NULL)
		say_leave(process, &turn_look(m)->pool[process->pool].
		    poison[about >> ROW_SHIFT]);
}

void
quarantine_tell_worker(struct process *process)
{
	const struct memo_pool *pool =
	    &turn_look(process->master)->pool[process->pool];

	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (pool->poison[i].state == POISON_SHUT) {
			turn_later(process->master, tell_new, process->id);
			return;
		}
}

void
quarantine_adopt(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		turn_later(m, tell_pool, i);
}

/* ---- telling people ------------------------------------------------------------------- */

/* What it comes to; a route that is shut and that nobody asks for any more is no
 * reason for worry. */
static enum quarantine_news
say_what(const struct memo_poison *row, char *out, size_t size)
{
	uint64_t now = clock_now_ns();

	switch ((enum poison_state)row->state) {
	case POISON_WATCHED:
		return QUARANTINE_SILENT;
	case POISON_SAID:
		snprintf(out, size, "nothing is blocked (quarantine = report)");
		return QUARANTINE_NOTE;
	case POISON_SHUT:
		if (row->until_ns > now)
			snprintf(out, size, "it answers 503, for %llu s more",
			    (unsigned long long)((row->until_ns - now) /
			    NS_PER_S) + 1);
		else
			snprintf(out, size, row->probe_id != 0 ?
			    "it answers 503, but for one probe" :
			    "it answers 503 until somebody asks, then a probe");
		return row->until_ns > now || row->probe_id != 0 ?
		    QUARANTINE_SHUT : QUARANTINE_NOTE;
	case POISON_LIFTED:
		break;
	}
	snprintf(out, size, "it is open again");
	return QUARANTINE_NOTE;
}

enum quarantine_news
quarantine_describe(struct master *m, uint16_t pool, size_t index, char *out,
    size_t size)
{
	const struct memo_poison *row = &turn_look(m)->pool[pool].poison[index];
	const struct conf_route *route;
	enum quarantine_news news;
	const char *plugin = NULL;
	char what[80] = "";

	if (row->key == 0 ||
	    (news = say_what(row, what, sizeof(what))) == QUARANTINE_SILENT ||
	    (route = route_of(m, pool, row->key, &plugin)) == NULL)
		return QUARANTINE_SILENT;
	snprintf(out, size, "requests to route %.128s of plugin %s ended %d "
	    "workers within %d s: %s", route->pattern, plugin,
	    MEMO_POISON_DEATHS, POISON_WINDOW_MS / 1000, what);
	return news;
}

static void
tell_people(struct master *m, uint16_t pool, const struct memo_poison *row,
    enum event_id event, const char *more_words)
{
	struct event_fields fields = { .pool = turn_look(m)->pool[pool].name };
	const char *plugin = NULL;
	const struct conf_route *route = route_of(m, pool, row->key, &plugin);
	char text[500] = "";
	const struct event_member more[] = {
		EVENT_TEXT("plugin", plugin),
		EVENT_TEXT("route", route != NULL ? route->pattern : NULL),
		EVENT_END
	};

	(void)quarantine_describe(m, pool, (size_t)(row -
	    turn_look(m)->pool[pool].poison), text, sizeof(text));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
	    more_words);
	fields.text = text;
	fields.more = more;
	turn_tell(m, event, &fields);
}

/* ---- what happens -------------------------------------------------------------------------- */

void
quarantine_note_death(struct process *process, uint64_t generation,
    const struct death *death)
{
	struct master *m = process->master;
	struct memo_pool *pool = &turn_change(m)->pool[process->pool];
	struct poison_times times = times_now();
	uint64_t key = key_of_number(m, generation, process->pool,
	    death->suspect);
	int64_t wanted = mode(m, process->pool);
	const struct memo_poison *row;

	if (key == 0 || wanted == QUARANTINE_OFF)
		return;
	switch (poison_note_death(pool, key, process->id,
	    wanted == QUARANTINE_ON, &times)) {
	case POISON_NONE:
		return;
	case POISON_REPORT:
		row = poison_find(pool, key);
		tell_people(m, process->pool, row, EVENT_QUARANTINE_REPORTED,
		    "");
		return;
	case POISON_BEGIN:
		row = poison_find(pool, key);
		tell_people(m, process->pool, row, EVENT_QUARANTINE_BEGAN, "");
		break;
	case POISON_AGAIN:
		row = poison_find(pool, key);
		tell_people(m, process->pool, row, EVENT_QUARANTINE_BEGAN,
		    "; the probe ended one, too");
		break;
	}
	turn_later(m, tell_pool, process->pool);
}

void
quarantine_worker_gone(struct process *process)
{
	poison_forget_worker(&turn_change(process->master)->
	    pool[process->pool], process->id);
}

/* row: of the idle copy. */
static void
lift(struct master *m, uint16_t pool, struct memo_poison *row,
    const char *why)
{
	row->state = POISON_LIFTED;
	row->probe_id = 0;
	tell_people(m, pool, row, EVENT_QUARANTINE_LIFTED, why);
	turn_later(m, tell_pool, pool);
}

static void
on_ask(struct process *process, struct memo_poison *row)
{
	struct master *m = process->master;

	if (!poison_grant(row, process->id, clock_now_ns()))
		return;
	tell_people(m, process->pool, row, EVENT_QUARANTINE_PROBED, "");
	turn_later(m, tell_leave, process->id | (uint64_t)(row -
	    turn_look(m)->pool[process->pool].poison) << ROW_SHIFT);
}

void
quarantine_on_probe(struct process *process,
    const struct channel_msg_probe *probe)
{
	struct master *m = process->master;
	struct memo_pool *pool = &turn_change(m)->pool[process->pool];
	uint64_t key = key_of_number(m,
	    turn_look(m)->worker[process->row].generation, process->pool,
	    probe->route);
	struct memo_poison *row;

	if (key == 0) {
		life_violation(process, "a probe of no route");
		return;
	}
	row = poison_find(pool, key);
	if (row == NULL || row->state != POISON_SHUT) {
		/* Its master knew better, or died before its flip. */
		say_gate(process, probe->route, GATE_OP_OPEN, 0);
		return;
	}
	switch ((enum probe_word)probe->word) {
	case PROBE_ASK:
		on_ask(process, row);
		break;
	case PROBE_LIVED:
		if (row->probe_id == process->id)
			lift(m, process->pool, row, ": the probe was answered");
		break;
	case PROBE_UNUSED:
		if (row->probe_id == process->id)
			row->probe_id = 0;
		break;
	}
}

/* Why the row is over although nobody showed that the route is well; NULL: it
 * is not. */
static const char *
end_of(struct master *m, uint16_t pool, const struct memo_poison *row)
{
	const char *plugin;

	if (mode(m, pool) != QUARANTINE_ON)
		return ": the key `quarantine' was changed";
	if (turn_look(m)->pool[pool].generation != row->generation)
		return ": after a reload it has a new start";
	return route_of(m, pool, row->key, &plugin) == NULL ?
	    ": it is no more" : NULL;
}

static void
look_at_pool(struct master *m, uint16_t pool)
{
	struct memo_pool *row = &turn_change(m)->pool[pool];
	struct poison_times times = times_now();
	const char *why;

	(void)poison_tidy(row, &times);
	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (row->poison[i].key != 0 &&
		    row->poison[i].state == POISON_SHUT &&
		    (why = end_of(m, pool, &row->poison[i])) != NULL)
			lift(m, pool, &row->poison[i], why);
}

static int
has_rows(const struct memo_pool *pool)
{
	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (pool->poison[i].key != 0)
			return 1;
	return 0;
}

void
quarantine_look(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		if (has_rows(&turn_look(m)->pool[i]))
			look_at_pool(m, i);
}

void
quarantine_lift(struct master *m, uint16_t pool)
{
	struct memo_pool *row = &turn_change(m)->pool[pool];

	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (row->poison[i].state == POISON_SHUT)
			lift(m, pool, &row->poison[i], ": by command");
}
