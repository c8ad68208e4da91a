/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch_choose.c: who gets a connection, and the sending of it.  Nothing that
 * a worker says of itself decides, but its beat and its number of connections.
 */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/dispatch_parts.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/choose.h"
#include "daemon/supervisor/state.h"

enum { CALLBACK_MS = 1 };

struct candidates {
	struct choice choice[MEMO_SLOTS];
	struct process *process[MEMO_SLOTS];
	size_t count;
};

static struct candidates candidates;	/* one loop thread */

static bool
beat_is_fresh(const struct page *page)
{
	uint64_t now = clock_now_ns(), beat = page_read_beat(page);

	return now <= beat || now - beat < clock_scaled_ms(STALE_MS) * NS_PER_MS;
}

static bool
is_in_service(struct master *m, const struct process *process, uint16_t pool)
{
	return process != NULL && process->on && process->pool == pool &&
	    !process->stalled && !process->deaf &&
	    !turn_look(m)->worker[process->row].paused;
}

bool
dispatch_lacks_room_only(struct master *m, const struct process *process,
    uint16_t pool)
{
	return is_in_service(m, process, pool) &&
	    (process->page == NULL || beat_is_fresh(process->page));
}

static void
consider(struct master *m, struct process *process, const struct conf_pool *conf,
    unsigned window)
{
	struct choice *c = &candidates.choice[candidates.count];
	const struct page *page = process->page;
	uint64_t now = clock_now_ns(), callback, waiting;
	uint32_t open, closable;

	if (candidates.count == MEMO_SLOTS)
		return;
	memset(c, 0, sizeof(*c));
	/* A slot that is being replaced may have two in service. */
	c->slot = 2u * process->slot +
	    turn_look(m)->worker[process->row].is_other;
	waiting = conf != NULL && conf->schedule == SCHEDULE_LEAST_CONNECTIONS ?
	    dispatch_waiting(m, process) :
	    dispatch_waiting_most(m, process, window);
	c->room = waiting < window;
	if (page != NULL) {
		callback = __atomic_load_n(&page->beat.callback_since_ns,
		    __ATOMIC_RELAXED);
		open = __atomic_load_n(&page->gauges.connections,
		    __ATOMIC_RELAXED);
		closable = __atomic_load_n(&page->gauges.closable,
		    __ATOMIC_RELAXED);
		if (!beat_is_fresh(page))
			c->room = 0;
		c->busy = callback != 0 && now > callback &&
		    now - callback > CALLBACK_MS * NS_PER_MS;
		if (open > 1000000)
			open = 1000000;
		c->load = open;
		c->full = conf != NULL && closable <= open &&
		    (int64_t)(open - closable) >= conf->max_connections;
	}
	c->load += (uint32_t)waiting;
	candidates.process[candidates.count++] = process;
}

static int
by_slot(size_t a, size_t b)
{
	return candidates.choice[a].slot < candidates.choice[b].slot;
}

/* Slots in order; rows are in the order they were made. */
static void
sort_last(void)
{
	size_t i = candidates.count;

	for (i = i > 0 ? i - 1 : 0; i > 0 && by_slot(i, i - 1); i--) {
		struct choice c = candidates.choice[i];
		struct process *p = candidates.process[i];

		candidates.choice[i] = candidates.choice[i - 1];
		candidates.process[i] = candidates.process[i - 1];
		candidates.choice[i - 1] = c;
		candidates.process[i - 1] = p;
	}
}

void
dispatch_collect(struct master *m, uint16_t pool, const struct process *except)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = master_pool_now(m, pool);
	unsigned window = dispatch_window(m, pool);

	candidates.count = 0;
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *process = m->process[i];

		if (process == except || !is_in_service(m, process, pool))
			continue;
		dispatch_set_window(m, process, window);
		consider(m, process, conf, window);
		sort_last();
	}
}

int
dispatch_choose(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);
	uint32_t last = m->pool[pool].last_slot;

	if (conf != NULL && conf->schedule == SCHEDULE_LEAST_CONNECTIONS)
		return choose_least(candidates.choice, candidates.count, last);
	return choose_round_robin(candidates.choice, candidates.count, last);
}

static int
send_connection(const struct process *process,
    const struct connection_passed *message, int fd)
{
	int rc = FP("dispatch.send");

	return rc > 0 ? -rc : fd_send(process->fd[PFD_CONNECTIONS], message,
	    sizeof(*message), &fd, 1);
}

/* Where it is one of several the turn is fair only if the kernel is asked; where it
 * is the only one, it will tell. */
static bool
has_room_still(struct master *m, struct process *process, unsigned window)
{
	return (candidates.count > 1 ? dispatch_waiting_most(m, process,
	    window) : process->waiting_most) < window;
}

bool
dispatch_pass(struct master *m, uint16_t pool,
    const struct connection_passed *message, int fd)
{
	int i, rc;

	m->pool[pool].pass_error = 0;
	while ((i = dispatch_choose(m, pool)) >= 0) {
		struct process *process = candidates.process[i];

		rc = send_connection(process, message, fd);
		if (rc == 0) {
			m->pool[pool].last_slot = candidates.choice[i].slot;
			process->passed++;
			m->pool[pool].passed++;
			candidates.choice[i].load++;
			process->waiting_most++;
			candidates.choice[i].room = has_room_still(m, process,
			    dispatch_window(m, pool));
			return true;
		}
		candidates.choice[i].room = 0;
		if (rc == -ENOBUFS || rc == -ENOMEM || rc == -ETOOMANYREFS)
			m->pool[pool].pass_error = -rc;
		if (rc == -EPIPE || rc == -ECONNRESET) {
			/* Its end is ours too: only it can have shut it. */
			process->on = false;
			life_violation(process,
			    "its connections socket is shut");
		}
	}
	return false;
}
