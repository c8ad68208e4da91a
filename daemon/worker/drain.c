/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* drain.c: how a worker ends: drained, told to stop, or without its keeper. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/forked.h"
#include "daemon/child/session.h"
#include "daemon/plugin/children.h"
#include "daemon/worker/clients.h"
#include "daemon/worker/crash.h"
#include "daemon/worker/worker.h"

enum {
	PERSON_MS = 1000, FINISH_MS = 1000,
	LAST_MS = 250,			/* of an orphan's grace: to tidy up */
};

static int term_fd = -1;		/* SIGTERM came, for the loop */
static unsigned orphan_s = 5;

_Noreturn void
drain_stop(struct worker *worker)
{
	worker->phase = PHASE_STOP;
	self_set_state(&worker->host, CLUSTER_STATE_STOPPING);
	accept_update(worker);
	worker->aborted += clients_abort_all(worker);
	host_stop(&worker->host);
	if (worker->keeper_lost)
		session_end_others();
	else
		talk_finish(worker, clock_scaled_ms(FINISH_MS));
	access_stop(worker, clock_scaled_ms(FINISH_MS));
	beat_now(worker);
	check_leaks();
	_exit(0);
}

_Noreturn void
drain_exit(struct worker *worker, const char *plugin, const char *reason)
{
	uint64_t end_ns = clock_now_ns() + clock_scaled_ms(FINISH_MS) *
	    NS_PER_MS, now_ns;
	char text[PAGE_WORDS];

	snprintf(text, sizeof(text), "%s: %s", plugin, reason);
	crash_leave_words(text);
	board_set_left(&worker->board);
	lines_say(LL_ERROR, "ended by its plugin %s", text);
	talk_finish(worker, clock_scaled_ms(FINISH_MS));
	now_ns = clock_now_ns();
	access_stop(worker, now_ns < end_ns ?
	    (unsigned)((end_ns - now_ns) / NS_PER_MS) : 0);
	beat_now(worker);
	_exit(0);
}

static _Noreturn void
finish(struct worker *worker)
{
	worker->aborted += clients_abort_all(worker);
	if (worker->aborted > 0)
		lines_say(LL_WARNING, "%u connections cut at the end of the drain",
		    worker->aborted);
	beat_now(worker);
	talk_say_drained(worker);
	(void)FP("worker.drained");
	drain_stop(worker);
}

static uint64_t
end_of_drain(const struct worker *worker)
{
	return worker->drain_deadline_ns > worker->drain_excused_ns ?
	    worker->drain_deadline_ns : worker->drain_excused_ns;
}

static void
arm_deadline(struct worker *worker)
{
	uint64_t now_ns = clock_now_ns(), left_us = 0;
	struct timeval time;

	if (worker->drain_deadline_ns == 0)
		return;
	if (end_of_drain(worker) > now_ns)
		left_us = (end_of_drain(worker) - now_ns) / 1000 + 1;
	time.tv_sec = (time_t)(left_us / 1000000);
	time.tv_usec = (suseconds_t)(left_us % 1000000);
	event_add(&worker->drain_event, &time);
}

/* A request may have come to a connection meanwhile, and is served yet.  Once; the
 * master was away with us, or ends us as it has said. */
static bool
excuse(struct worker *worker, uint64_t now_ns)
{
	if (worker->drain_excused_ns > 0 || clients_count(worker) == 0 ||
	    worker->keeper_lost || now_ns - worker->drain_deadline_ns <
	    clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS)
		return false;
	worker->drain_excused_ns = now_ns +
	    clock_scaled_ms(CLOCK_EXCUSE_MS) * NS_PER_MS;
	return true;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	uint64_t now_ns = clock_now_ns();

	(void)fd;
	(void)what;
	/* the clock of the loop moves in steps, and may be ahead */
	if (now_ns < end_of_drain(worker) || excuse(worker, now_ns))
		arm_deadline(worker);
	else
		finish(worker);
}

void
drain_begin(struct worker *worker, uint64_t deadline_ns)
{
	if (deadline_ns != 0 && (worker->drain_deadline_ns == 0 ||
	    deadline_ns < worker->drain_deadline_ns)) {
		worker->drain_deadline_ns = deadline_ns;
		arm_deadline(worker);
	}
	if (worker->phase == PHASE_START)	/* for a plugin; nobody has come */
		finish(worker);
	if (worker->phase != PHASE_SERVE)
		return;
	worker->phase = PHASE_DRAIN;
	self_set_state(&worker->host, CLUSTER_STATE_DRAINING);
	accept_update(worker);
	clients_drain(worker);
	host_drain(&worker->host);
	/* looked at from the loop: a callback may be above us */
	event_active(&worker->beat_event, EV_TIMEOUT, 0);
}

void
drain_check(struct worker *worker)
{
	if (worker->phase != PHASE_DRAIN ||
	    clients_count(worker) > 0 ||
	    host_count_holds(&worker->host) > 0 ||
	    host_awaits_children(&worker->host) ||
	    (!worker->keeper_lost && !accept_is_queue_empty(worker)))
		return;
	finish(worker);
}

void
drain_leave(struct worker *worker, enum leaving_why why)
{
	unsigned ms = why == LEAVING_PERSON ? clock_scaled_ms(PERSON_MS) :
	    (unsigned)worker->pool->drain_timeout_ms;

	if (worker->leaving || worker->keeper_lost)
		return;
	worker->leaving = true;
	if (why == LEAVING_LOST_FD)
		lines_say(LL_ERROR, "one of the worker's own descriptors is gone");
	talk_say_leaving(worker, why, ms);
	drain_begin(worker, clock_now_ns() + ms * NS_PER_MS);
}

/* ---- the keeper ------------------------------------------------------------------------ */

/* Ends us in time, also against a handler that spins, and whatever a plugin
 * has made of the signal.  Async-signal-safe. */
static void
set_alarm(void)
{
	sigset_t only;

	sigemptyset(&only);
	sigaddset(&only, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	alarm(orphan_s);
}

void
drain_keeper_lost(struct worker *worker)
{
	if (worker->keeper_lost)
		return;
	worker->keeper_lost = true;
	self_lose_lead(&worker->host);
	set_alarm();
	event_del(&worker->lifeline_event);
	event_del(&worker->channel_event);
	event_del(&worker->channel_write_event);
	/* an open request must not keep us until the alarm */
	drain_begin(worker, clock_now_ns() + NS_PER_MS *
	    ((uint64_t)worker->conf->daemon.orphan_grace_ms - LAST_MS));
	accept_update(worker);
}

bool
drain_is_lifeline_cut(void)
{
	struct pollfd lifeline = { WORKER_FD_LIFELINE, POLLIN, 0 };

	return poll(&lifeline, 1, 0) > 0;
}

static void
on_lifeline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	if (drain_is_lifeline_cut())
		drain_keeper_lost(arg);
}

/* In the signal handler: the loop may be held by a plugin. */
static void
on_sigterm(int number)
{
	int kept = errno;

	/* Not ours: the wake-up would be our parent's, too. */
	if (forked_is_copy()) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	if (drain_is_lifeline_cut()) {
		self_lose_lead(&the_worker.host);
		set_alarm();
	}
	(void)!write(term_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	errno = kept;
}

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	if (drain_is_lifeline_cut())
		drain_keeper_lost(arg);
	else
		drain_leave(arg, LEAVING_PERSON);
}

void
drain_init(struct worker *worker)
{
	struct sigaction action = { .sa_handler = on_sigterm,
	    .sa_flags = SA_RESTART };
	int64_t grace_ms = worker->conf->daemon.orphan_grace_ms;

	orphan_s = (unsigned)((grace_ms + 999) / 1000);
	term_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	evtimer_assign(&worker->drain_event, worker->base, on_deadline, worker);
	event_assign(&worker->lifeline_event, worker->base, WORKER_FD_LIFELINE,
	    EV_READ | EV_PERSIST, on_lifeline, worker);
	event_add(&worker->lifeline_event, NULL);
	event_assign(&worker->signal_event, worker->base, term_fd,
	    EV_READ | EV_PERSIST, on_term, worker);
	event_add(&worker->signal_event, NULL);
	sigaction(SIGTERM, &action, NULL);
}
