/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * supervisor_model.h: a small world around the real code of daemon/supervisor:
 * one pool, a few slots, processes that do anything at any time, and a person
 * who gives commands.  Its state is the memo's without what decides nothing
 * (ids, times, counters), packed so that equal states are equal bytes.
 */
#ifndef CLUSTERD_TESTS_SUPERVISOR_MODEL_H
#define CLUSTERD_TESTS_SUPERVISOR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/supervisor/trans.h"

enum { MODEL_SLOTS = 3, MODEL_ROWS = 2 * MODEL_SLOTS };

/* A world: how large it is, and what its configuration says. */
struct model_rules {
	const char *name;
	unsigned slots;			/* at the start; never more */
	uint32_t cpus;
	uint32_t burst;			/* 0: there is always a token */
	bool ages;			/* a worker's stable_after can pass */
	size_t surge;
	bool flips;			/* in the two copies of a real memo */
	uint8_t only;			/* the one command there is; 0: all */
	/* Disturbances in a row that are tried; and when there is time. */
	unsigned layers, more_layers;
};

/* Generations: one before, the one in force, the one that a reload brings. */
enum { MODEL_OLDER = 1, MODEL_IN_FORCE, MODEL_COMING };

struct model_row {
	uint8_t state, ladder, transaction, generation;
	uint8_t ready;			/* 0 never, 1 young, 2 stable_after ago */
	uint8_t used : 1, asked : 1, caused : 1, fatal : 1, paused : 1,
	    stable : 1, forked : 1;
	uint8_t deadline : 1, drain : 1, taken_back : 1, unused : 5;
};

struct model_slot {
	uint8_t used : 1, wanted : 1, drained : 1, start_is_free : 1,
	    unused : 4;
	uint8_t early, spawn_failures, generation;
	struct model_row row[2];	/* current, other */
};

struct model_roll {
	uint8_t number, state, tries, generation;
	uint8_t canary : 1, ready : 1, unused : 6;
};

struct model_state {
	uint8_t kind, step, hold, stopping, rolls;
	uint8_t pool;			/* enum trans_pool, of a reload */
	uint8_t desired, by_operator, drained, tokens;
	uint8_t from, to, was_by_operator;
	struct model_slot slot[MODEL_SLOTS];
	struct model_roll roll[MODEL_SLOTS];
};

/* What happens.  Progress is what healthy processes do and what time brings;
 * all else is a disturbance: a fault, or a command. */
enum model_what {
#define MODEL_EVENT(id, ...) MODEL_##id,
#include "tests/unit/supervisor_model.def"
};

struct model_event {
	uint8_t what, slot, which;	/* which: 0 current, 1 other */
};

struct model {
	const struct model_rules *rules;
	struct memo *memo;
	struct supervisor s;
	struct trans trans;
	struct roll_slot room[MEMO_SLOTS];
	/* of the step that is under way */
	const char *fault;		/* a promise that was broken; NULL */
	enum trial trial;
	bool stalled;
	bool had_process[MODEL_ROWS];	/* by memo row */
	uint64_t next_id;
	unsigned spawns, ends;
	/* of all */
	bool reached[WS__COUNT][WE__COUNT];
};

/* So many restarts were counted in the memo, and other ends. */
unsigned model_counted_ends(const struct model *m);

void model_init(struct model *m, const struct model_rules *rules);
void model_done(struct model *m);
/* Nothing runs yet. */
void model_begin(struct model *m, struct model_state *out);

/* The events that can happen in a state; returns their number. */
enum { MODEL_EVENTS = 128 };
size_t model_events(const struct model_state *state,
    const struct model_rules *rules, struct model_event *out);
bool model_is_progress(const struct model_state *state,
    struct model_event event);
/* "web/1 current: exits" */
const char *model_event_text(struct model_event event, char out[64]);

/* One event and all the turns that follow from it. */
void model_step(struct model *m, const struct model_state *from,
    struct model_event event, struct model_state *to);

/*
 * The master dies while it does that: before the flip of its first turn, or
 * after it and before anything else.  What the next one makes of the memo and
 * of what the keeper has.  MODEL_NOTHING: it dies in between.  exits: the
 * process of this memo row ends meanwhile; -1: none.
 */
void model_adopt(struct model *m, const struct model_state *from,
    struct model_event event, bool flipped, int exits, struct model_state *to);

/* Every row as a line, for a message. */
void model_print(const struct model_state *state);

/* -- between the files of the model -------------------------------------------- */

enum { MODEL_STABLE_MS = 60000, MODEL_RATE = 60, MODEL_HOLD_PERCENT = 34 };
#define MODEL_NOW_NS (1000 * NS_PER_S)

extern const struct supervisor_host model_host;

/* The first one counts. */
void model_fault(struct model *m, const char *words);
uint32_t model_burst(const struct model *m);
void model_unpack(struct model *m, struct memo_copy *copy,
    const struct model_state *from);
void model_pack(const struct model *m, struct model_state *out);
void model_apply(struct model *m, struct model_event event);
/* The row's process ended, or could not be forked. */
void model_end_row(struct model *m, uint16_t row, enum worker_event event);
/* What the master does at the end of each turn; of all that follow. */
void model_end_turn(struct model *m);
void model_settle(struct model *m, struct model_state *to);

#endif
