/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * leader.h: which worker of a pool should lead it.  Pure: the caller shows all
 * workers of the pool, in any order, and asks for the answer.
 */
#ifndef CLUSTERD_SUPERVISOR_LEADER_H
#define CLUSTERD_SUPERVISOR_LEADER_H

#include <stdbool.h>
#include <stdint.h>

struct leader_worker {
	uint64_t id;
	uint32_t slot;
	bool ready;		/* its state is READY */
	bool current;		/* of its slot; not one on trial */
	bool well;		/* neither stalled nor paused */
};

struct leader_pick {
	uint64_t now;		/* who leads; 0: nobody */
	bool stays, is_well;	/* it is READY; and well */
	uint64_t best;		/* of the others; 0: nobody */
	uint32_t best_slot;
};

void leader_begin(struct leader_pick *pick, uint64_t now);
void leader_see(struct leader_pick *pick, const struct leader_worker *worker);
/*
 * Its id, or 0: nobody can.  Who leads goes on while it is READY; where it is not
 * well another one takes over, if there is one that is.  Else it is the well one
 * of the lowest slot, so that a roll through the pool moves it once.
 */
uint64_t leader_end(const struct leader_pick *pick);

/*
 * May another one be named?  The one before is gone, or it is in no callback that
 * began before it was told to stop: since_ns is when its present one began, 0:
 * it is in none.
 */
bool leader_is_out(bool gone, uint64_t since_ns, uint64_t stopped_ns);

#endif
