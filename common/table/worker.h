/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker.h: names of a worker's states, events and causes of death, made from
 * their rows.  All roles; pure.
 */
#ifndef CLUSTERD_TABLE_WORKER_H
#define CLUSTERD_TABLE_WORKER_H

enum worker_state {
#define WORKER_STATE(id, word) WS_##id,
#include "common/table/worker_states.def"
};
enum { WS__COUNT = 0
#define WORKER_STATE(id, word) + 1
#include "common/table/worker_states.def"
};

enum worker_event {
#define WORKER_EVENT(id, word) WE_##id,
#include "common/table/worker_events.def"
};
enum { WE__COUNT = 0
#define WORKER_EVENT(id, word) + 1
#include "common/table/worker_events.def"
};

enum death_cause {
#define DEATH_CAUSE(id, word) CAUSE_##id,
#include "common/table/causes.def"
};
enum { CAUSE__COUNT = 0
#define DEATH_CAUSE(id, word) + 1
#include "common/table/causes.def"
};

/* The words; "?" for a number outside the list. */
const char *worker_state_name(unsigned state);
const char *worker_event_name(unsigned event);
const char *death_cause_name(unsigned cause);

#endif
