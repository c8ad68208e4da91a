/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* worker.c: names of states, events and causes; see worker.h. */
#include "common/table/worker.h"

const char *
worker_state_name(unsigned state)
{
	static const char *const names[] = {
#define WORKER_STATE(id, word) [WS_##id] = word,
#include "common/table/worker_states.def"
	};

	return state < WS__COUNT ? names[state] : "?";
}

const char *
worker_event_name(unsigned event)
{
	static const char *const names[] = {
#define WORKER_EVENT(id, word) [WE_##id] = word,
#include "common/table/worker_events.def"
	};

	return event < WE__COUNT ? names[event] : "?";
}

const char *
death_cause_name(unsigned cause)
{
	static const char *const names[] = {
#define DEATH_CAUSE(id, word) [CAUSE_##id] = word,
#include "common/table/causes.def"
	};

	return cause < CAUSE__COUNT ? names[cause] : "?";
}
