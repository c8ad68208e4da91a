/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* orders.c: signals to the keeper become orders to the master; see orders.h. */
#include "daemon/keeper/orders.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/keeper/notify.h"
#include "daemon/keeper/stop.h"

static const char *const names[ORDER__LAST + 1] = {
	[ORDER_STOP] = "stop", [ORDER_STOP_NOW] = "stop now",
	[ORDER_QUIT] = "quit", [ORDER_RELOAD] = "reload",
	[ORDER_REOPEN] = "reopen", [ORDER_UPGRADE] = "upgrade",
	[ORDER_MORE] = "more", [ORDER_FEWER] = "fewer",
};

static uint64_t
limit_ns(void)
{
	return clock_scaled_ms(5000) * NS_PER_MS;
}

static void
raise_order(struct keeper *k, uint32_t number)
{
	struct order *order = &k->orders[number];

	if (!order->due && !order->open)
		order->deadline_ns = clock_now_ns() + limit_ns();
	order->due = 1;
}

/* The second asking is graver than the first; quit is the mildest. */
static void
raise_stop(struct keeper *k, int quit)
{
	if (k->stop_asked == 0)
		k->stop_asked = quit ? ORDER_QUIT : ORDER_STOP;
	else if (quit || k->stop_asked == ORDER_STOP_NOW)
		return;
	else
		k->stop_asked = k->stop_asked == ORDER_QUIT ? ORDER_STOP :
		    ORDER_STOP_NOW;
	notify_stopping(k, k->backstop_ms);
	if (k->stop.phase == STOP_TERM && k->stop_asked == ORDER_STOP_NOW)
		stop_hurry(k);
	raise_order(k, (uint32_t)k->stop_asked);
}

static void
on_signal(struct keeper *k, uint32_t number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		raise_stop(k, 0);
		break;
	case SIGQUIT:
		raise_stop(k, 1);
		break;
	case SIGHUP:
		raise_order(k, ORDER_RELOAD);
		break;
	case SIGUSR1:
		raise_order(k, ORDER_REOPEN);
		break;
	case SIGUSR2:
		raise_order(k, ORDER_UPGRADE);
		break;
	case SIGTTIN:
		raise_order(k, ORDER_MORE);
		break;
	case SIGTTOU:
		raise_order(k, ORDER_FEWER);
		break;
	default:
		break;
	}
}

int
orders_read_signals(struct keeper *k)
{
	struct signalfd_siginfo infos[16];
	int child = 0;
	ssize_t n;

	while ((n = read(k->signal_fd, infos, sizeof(infos))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(infos[0]); i++) {
			child |= infos[i].ssi_signo == SIGCHLD;
			on_signal(k, infos[i].ssi_signo);
		}
	return child;
}

int
orders_taken(struct keeper *k, uint32_t number)
{
	struct order *order = &k->orders[number];

	if (number == 0 || !order->open)
		return -ENOENT;
	order->open = 0;
	order->deadline_ns = clock_now_ns() + limit_ns();
	/* It may take its time, but not for ever. */
	if (number == ORDER_STOP)
		stop_arm_backstop(k, k->backstop_ms);
	else if (number == ORDER_STOP_NOW)
		stop_arm_backstop(k, clock_scaled_ms(10000));
	return 0;
}

void
orders_on_master_lost(struct keeper *k)
{
	for (uint32_t i = 1; i <= ORDER__LAST; i++) {
		struct order *order = &k->orders[i];

		order->due |= order->open;
		order->open = 0;
	}
	if (k->stop_asked != 0)
		raise_order(k, (uint32_t)k->stop_asked);
}

static int
is_stop(uint32_t number)
{
	return number == ORDER_STOP || number == ORDER_STOP_NOW ||
	    number == ORDER_QUIT;
}

uint64_t
orders_tick(struct keeper *k, uint64_t now_ns)
{
	uint64_t next = 0;

	for (uint32_t i = 1; i <= ORDER__LAST; i++) {
		struct order *order = &k->orders[i];

		if (!order->due && !order->open)
			continue;
		if (now_ns < order->deadline_ns) {
			if (next == 0 || order->deadline_ns < next)
				next = order->deadline_ns;
			continue;
		}
		order->due = order->open = 0;
		if (k->stop.phase != STOP_NONE)
			continue;
		log_warn("the master did not take the order to %s%s", names[i],
		    is_stop(i) ? ": the keeper carries it out" : "");
		if (is_stop(i))
			stop_without_master(k);
	}
	return next;
}
