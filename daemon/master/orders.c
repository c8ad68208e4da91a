/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* orders.c: signals of the main process; see orders.h. */
#include "daemon/master/orders.h"

#include <stdio.h>

#include "common/base/log.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/link.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"

static void
say_taken(struct master *m, uint32_t order)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_ORDER_TAKEN, 0);
	packet.body.order_taken.order = order;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

static void
submit(struct master *m, struct change *change, const char *who)
{
	snprintf(change->who, sizeof(change->who), "%s", who);
	change->hold_percent = -1;
	if (m->control != NULL)
		control_submit(m->control, change);
	else
		change_start(m, NULL, change);
}

static void
scale_first(struct master *m, enum scale_how how, const char *who)
{
	struct change change = { .command = COMMAND_SCALE, .how = how,
		.number = 1 };

	if (m->conf == NULL || m->conf->pool_count == 0)
		return;
	change.target.kind = TARGET_POOL;
	snprintf(change.target.pool, sizeof(change.target.pool), "%s",
	    m->conf->pools[0].name);
	submit(m, &change, who);
}

void
orders_take(struct master *m, uint32_t order)
{
	struct change stop = { .command = COMMAND_STOP };
	struct change reload = { .command = COMMAND_RELOAD };
	struct change reopen = { .command = COMMAND_LOG_REOPEN };

	say_taken(m, order);
	reload.hold_percent = -1;
	switch ((enum keeper_order)order) {
	case ORDER_STOP:
		submit(m, &stop, "signal TERM");
		break;
	case ORDER_STOP_NOW:
		stop.now = true;
		submit(m, &stop, "signal TERM");
		break;
	case ORDER_QUIT:
		change_stop(m, STOP_QUIT, NULL);
		break;
	case ORDER_RELOAD:
		if (change_is_pending(&reload))
			break;		/* its file is not read yet */
		submit(m, &reload, "signal HUP");
		break;
	case ORDER_REOPEN:
		submit(m, &reopen, "signal USR1");
		break;
	case ORDER_UPGRADE:
		log_warn("master: an upgrade is not in this version");
		break;
	case ORDER_MORE:
		scale_first(m, SCALE_UP, "signal TTIN");
		break;
	case ORDER_FEWER:
		scale_first(m, SCALE_DOWN, "signal TTOU");
		break;
	}
}
