/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* self.c: what a worker says of itself to its plugins; see self.h. */
#include "daemon/plugin/self.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/plugin/host.h"
#include "daemon/scoreboard/roster.h"

void
self_init(struct host *host, const char *name)
{
	struct self *self = &host->self;
	size_t len = strcspn(name, "/");

	snprintf(self->pool, sizeof(self->pool), "%.*s", (int)len, name);
	self->began_ns = clock_now_ns();
	self->info = (struct cluster_worker_info){
		.size = sizeof(self->info), .id = host->worker_id,
		.generation = host->generation, .name = name,
		.pool = self->pool, .pid = getpid(),
		.role = CLUSTER_ROLE_WORKER,
		.state = CLUSTER_STATE_STARTING, .connected = true,
	};
	if (name[len] == '/')
		self->info.slot = (unsigned)strtoul(name + len + 1, NULL, 10);
}

void
self_set_state(struct host *host, enum cluster_state state)
{
	WORD_SET(host->self.info.state, state);
}

/* What the master alone knows of us, where it has written again. */
static void
look_into_roster(struct host *host)
{
	struct self *self = &host->self;
	struct roster_worker row;
	uint64_t number;

	if (host->roster == NULL)
		return;
	number = roster_number(host->roster);
	if (number == WORD_GET(self->roster) ||
	    roster_find(host->roster, host->worker_id, &row) != 0)
		return;
	WORD_SET(self->info.restarts, row.restarts);
	WORD_SET(self->info.generation, row.generation);
	WORD_SET(self->roster, number);
}

const struct cluster_worker_info *
self_look(struct host *host)
{
	struct cluster_worker_info *info = &host->self.info;

	WORD_SET(info->uptime_ms, (clock_now_ns() - host->self.began_ns) /
	    NS_PER_MS);
	WORD_SET(info->requests,
	    WORD_GET(host->board->page->counters[METRIC_REQUESTS]));
	WORD_SET(info->connections,
	    WORD_GET(host->board->page->gauges.connections));
	look_into_roster(host);
	WORD_SET(info->leader, self_leads(host));
	return info;
}

bool
self_leads(const struct host *host)
{
	return !WORD_GET(host->self.orphaned) &&
	    WORD_GET(host->self.info.state) == CLUSTER_STATE_READY &&
	    host->roster != NULL && roster_leads(host->roster, host->worker_id);
}

void
self_lose_lead(struct host *host)
{
	WORD_SET(host->self.orphaned, true);
}
