/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* stop.c: the end; see stop.h. */
#include "daemon/keeper/stop.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/keeper/left.h"
#include "daemon/keeper/master.h"

static void
signal_all(struct keeper *k, int number)
{
	for (unsigned i = 0; i < k->table.used; i++)
		(void)process_signal(&k->table.rows[i], number);
}

static void
enter(struct keeper *k, int phase, uint64_t ms)
{
	k->stop.phase = phase;
	k->stop.deadline_ns = clock_now_ns() + ms * NS_PER_MS;
}

static void
kill_all(struct keeper *k)
{
	enter(k, STOP_KILL, clock_scaled_ms(5000));
	signal_all(k, SIGKILL);
	master_kill(k);
}

void
stop_after_master(struct keeper *k, int status)
{
	if (k->stop.phase != STOP_NONE)
		return;
	k->stop.status = status;
	enter(k, STOP_TERM, clock_scaled_ms(5000));
	signal_all(k, SIGKILL);
}

void
stop_without_master(struct keeper *k)
{
	if (k->stop.phase != STOP_NONE)
		return;
	k->stop.status = EXIT_DONE;
	enter(k, STOP_TERM, k->stop_asked == ORDER_STOP_NOW ?
	    clock_scaled_ms(1000) : k->backstop_ms);
	master_kill(k);
	signal_all(k, SIGTERM);
}

void
stop_hurry(struct keeper *k)
{
	enter(k, STOP_TERM, clock_scaled_ms(1000));
}

void
stop_arm_backstop(struct keeper *k, uint64_t ms)
{
	if (k->stop.phase == STOP_NONE)
		k->stop.deadline_ns = clock_now_ns() + ms * NS_PER_MS;
}

void
stop_failed(struct keeper *k, int status)
{
	k->stop.status = status;
	kill_all(k);
}

uint64_t
stop_tick(struct keeper *k, uint64_t now_ns)
{
	if (k->stop.deadline_ns == 0 || now_ns < k->stop.deadline_ns)
		return k->stop.deadline_ns;
	switch (k->stop.phase) {
	case STOP_NONE:
		log_warn("the master took the order to stop but has not "
		    "finished: the keeper carries it out");
		stop_without_master(k);
		break;
	case STOP_TERM:
		kill_all(k);
		break;
	case STOP_KILL:
		log_error("%u processes cannot be ended", k->table.living);
		k->table.living = 0;
		k->master.state = MASTER_ABSENT;
		k->stop.deadline_ns = 0;
		break;
	}
	return k->stop.deadline_ns;
}

int
stop_is_complete(const struct keeper *k)
{
	return k->stop.phase != STOP_NONE && k->table.living == 0 &&
	    k->master.state == MASTER_ABSENT && left_is_over(k);
}

void
stop_tell_starter(struct keeper *k, int status)
{
	unsigned char byte = (unsigned char)status;

	if (k->detach_fd < 0)
		return;
	if (write(k->detach_fd, &byte, 1) == 1 && status == EXIT_DONE) {
		/* The terminal or pipe of the caller is not ours to hold. */
		dup2(k->null_fd, 1);
		dup2(k->null_fd, 2);
	}
	fd_close(&k->detach_fd);
}
