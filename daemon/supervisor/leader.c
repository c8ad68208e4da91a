/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* leader.c: the leader of a pool; see leader.h. */
#include "daemon/supervisor/leader.h"

void
leader_begin(struct leader_pick *pick, uint64_t now)
{
	*pick = (struct leader_pick){ .now = now };
}

void
leader_see(struct leader_pick *pick, const struct leader_worker *worker)
{
	if (!worker->ready || worker->id == 0)
		return;
	if (worker->id == pick->now) {
		pick->stays = true;
		pick->is_well = worker->well;
	} else if (worker->current && worker->well && (pick->best == 0 ||
	    worker->slot < pick->best_slot)) {
		pick->best = worker->id;
		pick->best_slot = worker->slot;
	}
}

uint64_t
leader_end(const struct leader_pick *pick)
{
	return pick->stays && (pick->is_well || pick->best == 0) ? pick->now :
	    pick->best;
}

bool
leader_is_out(bool gone, uint64_t since_ns, uint64_t stopped_ns)
{
	return gone || since_ns == 0 || since_ns > stopped_ns;
}
