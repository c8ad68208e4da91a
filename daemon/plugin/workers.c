/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* workers.c: the roster, as plugins see it; see workers.h. */
#include "daemon/plugin/workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/table/keys.h"
#include "common/table/worker.h"
#include "daemon/plugin/host.h"
#include "daemon/proto/mail_target.h"
#include "daemon/scoreboard/roster.h"

_Static_assert((int)CLUSTER_STATE_DOWN == (int)WS_DOWN &&
    (int)CLUSTER_STATE_READY == (int)WS_READY &&
    (int)CLUSTER_STATE_DRAINING == (int)WS_DRAINING &&
    (int)CLUSTER_STATE_WAITING == (int)WS_WAITING &&
    (int)CLUSTER_STATE_FAILED == (int)WS_HELD &&
    (int)CLUSTER_STATE_FAILED + 1 == (int)WS__COUNT, "states");

/* The newest one; free() it. */
static int
read_roster(const struct host *host, struct roster_copy **out)
{
	struct roster_copy *copy;
	int rc;

	if (host->roster == NULL)
		return -ESRCH;
	if ((copy = malloc(sizeof(*copy))) == NULL)
		return -ENOMEM;
	if ((rc = roster_read(host->roster, copy)) != 0) {
		free(copy);
		return rc == -ENOENT ? -ESRCH : rc;
	}
	*out = copy;
	return 0;
}

static unsigned
ms_since(uint64_t then_ns)
{
	uint64_t now_ns = clock_now_ns();

	return now_ns > then_ns ? (unsigned)((now_ns - then_ns) / NS_PER_MS) :
	    0;
}

/* ---- workers -------------------------------------------------------------------- */

static bool
is_meant(const struct mail_target *target, const struct roster_copy *copy,
    const struct roster_worker *row)
{
	const char *pool;

	if (row->pool >= copy->pools)
		return false;
	pool = copy->pool[row->pool].name;
	switch (target->kind) {
	case MAIL_TO_ALL:
		return true;
	case MAIL_TO_POOL:
		return strcmp(pool, target->pool) == 0;
	case MAIL_TO_SLOT:
		return strcmp(pool, target->pool) == 0 &&
		    row->slot == target->slot;
	case MAIL_TO_ID:
		return row->id == target->id;
	case MAIL_TO_MASTER:
		break;
	}
	return false;
}

static int
show(const struct host *host, const struct roster_copy *copy,
    const struct roster_worker *row, cluster_each_fn *each, void *arg)
{
	const char *pool = copy->pool[row->pool].name;
	char name[MEMO_NAME + 12];
	struct cluster_worker_info info = {
		.size = sizeof(info), .id = row->id,
		.generation = row->generation, .restarts = row->restarts,
		.requests = row->requests, .name = name, .pool = pool,
		.slot = row->slot, .connections = row->connections,
		.age_ms = ms_since(copy->at_ns), .pid = row->pid,
		.role = CLUSTER_ROLE_WORKER,
		.state = (enum cluster_state)row->state,
		.connected = row->connected != 0,
		.leader = roster_leads(host->roster, row->id),
	};

	snprintf(name, sizeof(name), "%s/%u", pool, row->slot);
	if (row->forked_ns != 0)
		info.uptime_ms = ms_since(row->forked_ns);
	return each(&info, arg);
}

static int
parse_which(const char *which, struct mail_target *target)
{
	int rc = mail_target_parse(which != NULL ? which : "all", target);

	if (rc == 0 && (target->kind == MAIL_TO_MASTER ||
	    target->instance[0] != '\0'))
		rc = -EINVAL;
	return rc;
}

bool
workers_is_word(const char *which)
{
	struct mail_target target;

	return parse_which(which, &target) == 0;
}

int
workers_each(struct host *host, const char *which, cluster_each_fn *each,
    void *arg)
{
	struct mail_target target;
	struct roster_copy *copy;
	bool some = false;
	int rc;

	if (each == NULL || parse_which(which, &target) != 0)
		return -EINVAL;
	/* its own one: each() may ask again */
	if ((rc = read_roster(host, &copy)) != 0)
		return rc;
	for (uint32_t i = 0; rc == 0 && i < copy->workers; i++) {
		if (!is_meant(&target, copy, &copy->worker[i]))
			continue;
		some = true;
		rc = show(host, copy, &copy->worker[i], each, arg);
	}
	free(copy);
	return rc == 0 && !some ? -ESRCH : rc;
}

/* ---- pools ---------------------------------------------------------------------- */

static void
fill_pool(struct workers *texts, const struct roster_copy *copy,
    const struct roster_pool *row, struct cluster_pool_info *info)
{
	memcpy(texts->pool, row->name, sizeof(texts->pool));
	for (uint32_t i = 0; i < row->listens; i++) {
		memcpy(texts->address[i], row->listen[i], ROSTER_ADDRESS);
		texts->listen[i] = texts->address[i];
	}
	*info = (struct cluster_pool_info){ .name = texts->pool,
		.protocol = keys[KEY_POOL_PROTOCOL].list[row->protocol],
		.schedule = keys[KEY_POOL_SCHEDULE].list[row->schedule],
		.listen = texts->listen, .listen_count = row->listens,
		.desired = row->desired, .ready = row->ready,
		.age_ms = ms_since(copy->at_ns),
		.generation = row->generation, .restarts = row->restarts,
		.requests = row->requests, .connections = row->connections,
	};
}

int
workers_pool(struct host *host, const char *pool, struct cluster_pool_info *out)
{
	struct cluster_pool_info info;
	struct roster_copy *copy;
	int rc;

	if (out == NULL || out->size < offsetof(struct cluster_pool_info, name))
		return -EINVAL;
	if ((rc = read_roster(host, &copy)) != 0)
		return rc;
	rc = -ESRCH;
	for (uint32_t i = 0; i < copy->pools; i++) {
		if (strcmp(copy->pool[i].name,
		    pool != NULL ? pool : host->self.pool) != 0)
			continue;
		fill_pool(&host->workers, copy, &copy->pool[i], &info);
		info.size = out->size < sizeof(info) ? out->size : sizeof(info);
		memcpy(out, &info, info.size);
		rc = 0;
		break;
	}
	free(copy);
	return rc;
}
