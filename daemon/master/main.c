/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * main.c: clusterd-master: policy and bookkeeping, started by the keeper and
 * restarted when it dies.  Its own death stops nothing: what it knows is in
 * the memo and in the keeper's hands.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/signals.h"
#include "common/base/stamp.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/disk.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/life.h"
#include "daemon/master/link.h"
#include "daemon/master/logs.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/start.h"
#include "daemon/master/sources.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"

enum { ENDED_MS = 2000 };

static struct master master;

static void
on_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	_exit(1);		/* the keeper did not end us in time */
}

static void
on_end_taken(struct master *m, uint64_t unused,
    const struct link_packet *answer)
{
	(void)m;
	(void)unused;
	(void)answer;
	_exit(0);
}

void
master_end(struct master *m, int status, const char *fmt, ...)
{
	struct keeper_packet packet;
	struct timeval limit = { ENDED_MS / 1000, 0 };
	va_list args;

	if (m->ending)
		return;
	m->ending = true;
	if (m->control != NULL)
		control_stop(m->control);
	m->control = NULL;
	for (size_t i = 0; i < MEMO_WORKERS; i++)
		if (m->process[i] != NULL)
			observe_lose(m->process[i]);
	if (m->journal != NULL)
		journal_free(m->journal);
	m->journal = NULL;
	if (m->wake != NULL)
		event_free(m->wake);
	m->wake = NULL;
	store_stop(m->store, 2000);
	logs_stop(m, 1000);
	m->store = NULL;
	check_leaks();
	keeper_begin(&packet, KEEPER_EXIT, 0);
	packet.body.exit.status = (uint32_t)status;
	va_start(args, fmt);
	vsnprintf(packet.body.exit.text, sizeof(packet.body.exit.text), fmt,
	    args);
	va_end(args);
	link_request(m->link, &packet, NULL, 0, on_end_taken, 0);
	event_base_once(m->base, -1, EV_TIMEOUT, on_ended, m, &limit);
}

static void
leave_if_orphan(void)
{
	char byte;
	int flags = fcntl(MASTER_FD_LIFELINE, F_GETFL);

	if (flags < 0 || fcntl(MASTER_FD_LIFELINE, F_SETFL,
	    flags | O_NONBLOCK) < 0 ||
	    read(MASTER_FD_LIFELINE, &byte, 1) == 0)
		_exit(1);
}

_Noreturn void
master_give_up(const char *what)
{
	log_error("%s: out of memory, or of descriptors; another one is "
	    "started", what);
	_exit(1);
}

static void
enter_role(void)
{
	prctl(PR_SET_NAME, "clusterd: maste", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	leave_if_orphan();
#ifdef CLUSTERD_FAILPOINTS
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#else
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	signals_ignore();
	fd_set_cloexec(MASTER_FD_KEEPER, 1);
	fd_set_cloexec(MASTER_FD_LIFELINE, 1);
	umask(027);
}

/* What libevent has to say would stand in the log as it is. */
static void
loop_says(int severity, const char *text)
{
	(void)severity;
	log_warn("loop: %s", text);
}

static void
init(struct master *m)
{
	struct event_config *config;

	event_set_log_callback(loop_says);
	event_set_mem_functions(memory_take, memory_grow, memory_free);
	config = event_config_new();
	CHECK(config != NULL);
	event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV |
	    EVENT_BASE_FLAG_NOLOCK);
	m->base = event_base_new_with_config(config);
	event_config_free(config);
	CHECK(m->base != NULL);
	m->began_ns = clock_now_ns();
	m->began_ms = clock_wall_ms();
	m->control_fd = m->store_wake_fd = -1;
	m->verdict = -1;
	for (size_t i = 0; i < MEMO_POOLS; i++)
		m->pool[i].hand_fd = -1;
	m->deadline = evtimer_new(m->base, life_on_deadline, m);
	CHECK(m->deadline != NULL);
	m->disk = disk_new(m);
	m->sources = sources_new();
	srandom((unsigned)m->began_ns ^ (unsigned)getpid());
	m->connection_number = (uint64_t)m->began_ms << 16;
	dispatch_init(m);
	tick_init(m);
}

static int
option(const char *text)
{
	if (strcmp(text, "--version") == 0) {
		printf("clusterd-master %s\nlibevent %s\n", build_stamp,
		    event_get_version());
		return 0;
	}
	if (strcmp(text, "--list-failpoints") == 0) {
		failpoint_list();
		return 0;
	}
	fprintf(stderr, "clusterd-master is started by clusterd\n");
	return 2;
}

int
main(int argc, char *argv[])
{
	if (argc > 1)
		return option(argv[1]);
	log_set_name("master");
	enter_role();
	init(&master);
	start_attach(&master);
	for (;;) {
		if (event_base_loop(master.base, EVLOOP_ONCE) < 0)
			_exit(1);
		(void)FP("master.loop");
		if (master.turn == NULL)
			continue;	/* the keeper has not answered yet */
		dispatch_refill(&master);
		turn_end(&master);
	}
}
