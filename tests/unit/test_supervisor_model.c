/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_supervisor_model.c: all that can happen to a few slots, explored breadth
 * first over the real code of daemon/supervisor, and what must hold in each
 * state and on each step.
 *
 * A world is explored in layers.  A layer is closed under progress (what healthy
 * processes do, what time brings, a master that dies and is followed by another);
 * one disturbance, a fault or a command, leads to the next.  So every order of
 * up to so many disturbances is tried, at every moment, until nothing new comes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/supervisor/owner.h"
#include "tests/unit/supervisor_model_set.h"
#include "tests/unit/worker_table.h"

enum { STEPS_TO_AN_END = 400 };

struct exploration {
	struct model model;
	struct model_set set;
	uint64_t steps;
};

static bool reached[WS__COUNT][WE__COUNT];	/* in all worlds */

static void
broken(const struct exploration *x, const struct model_node *node,
    const char *what)
{
	model_set_print(&x->set, node);
	fflush(stdout);
	fail_msg("%s: %s", x->model.rules->name, what);
}

/* -- what holds in every state ------------------------------------------------- */

static bool
is_timed(const struct model_state *state, const struct model_row *row)
{
	if (row->state == WS_DOWN)
		return true;
	if (row->state == WS_READY)
		return row->stable || row->deadline;
	/* `quit' waits for the last client, however long that takes. */
	if (row->state == WS_DRAINING && state->stopping == STOP_QUIT)
		return true;
	return row->deadline;
}

static const char *
row_fault(const struct model_state *state, const struct model_slot *slot,
    int which)
{
	const struct model_row *row = &slot->row[which];

	if (!row->used)
		return NULL;
	if (row->state >= WS__COUNT)
		return "a state that is none";
	if (!is_timed(state, row))
		return "a state without a deadline";
	if (which == 0 && row->transaction != SUCCESSOR_NONE)
		return "a current worker that is a successor";
	if (which == 1 && (row->state == WS_WAITING || row->state == WS_HELD ||
	    row->state == WS_DOWN))
		return "an other without a process";
	if (which == 1 && row->state == WS_READY &&
	    row->transaction != SUCCESSOR_CHANGE)
		return "two workers of a slot serve, and none is on trial";
	return NULL;
}

/* Without a change, what is in force is what runs, and starts. */
static const char *
generation_fault(const struct model_state *state, const struct model_slot *slot)
{
	const struct model_row *row = &slot->row[0];

	if (state->kind != TRANS_NONE || state->stopping != 0 || !slot->used)
		return NULL;
	if (slot->generation != MODEL_IN_FORCE)
		return "a slot of a generation that is not in force";
	if (row->used && row->state == WS_READY && !row->taken_back &&
	    row->generation != MODEL_IN_FORCE)
		return "a worker of a generation that is not in force";
	return NULL;
}

/* The workers of the pool as owners of sockets; the id is the row's number. */
static size_t
list_owners(const struct model_state *state, struct owner_worker *list)
{
	size_t count = 0;

	for (uint32_t i = 0; i < MODEL_SLOTS; i++)
		for (int which = 0; which < 2; which++) {
			const struct model_row *row =
			    &state->slot[i].row[which];

			if (state->slot[i].used && row->used)
				list[count++] = (struct owner_worker){
				    .slot = i, .id = 1 + 2u * i + (unsigned)which,
				    .ready = row->state == WS_READY,
				    .paused = row->paused };
		}
	return count;
}

/* One socket a slot, made once: each is polled if anybody may. */
static const char *
owner_fault(const struct model_state *state)
{
	struct owner_worker list[MODEL_ROWS];
	bool may[MODEL_ROWS + 1] = { false }, any = false;
	size_t count = list_owners(state, list);

	for (size_t i = 0; i < count; i++)
		if (list[i].ready && !list[i].paused)
			any = may[list[i].id] = true;
	count = owner_choose(list, count);
	for (uint32_t socket = 0; socket < MODEL_SLOTS; socket++) {
		uint64_t owner = owner_of(socket, list, count);

		if (any && (owner == 0 || owner > MODEL_ROWS || !may[owner]))
			return "a socket that nobody polls who serves";
		if (!any && owner != 0)
			return "a socket is polled by one who does not serve";
	}
	return NULL;
}

static const char *
state_fault(const struct exploration *x, const struct model_state *state)
{
	for (size_t i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *slot = &state->slot[i];

		const char *words = generation_fault(state, slot);

		for (int which = 0; which < 2 && words == NULL; which++)
			words = row_fault(state, slot, which);
		if (words != NULL)
			return words;
		if (slot->used && slot->wanted != (i < state->desired))
			return "the wanted slots are not the first ones";
		if (slot->used && !slot->row[0].used && !slot->row[1].used)
			return "a slot without a row";
		if (!slot->used && i < state->desired)
			return "a wanted slot is missing";
	}
	if (state->tokens > x->model.rules->burst)
		return "more tokens than the bucket holds";
	return owner_fault(state);
}

/* -- what holds on every step -------------------------------------------------- */

static unsigned
count_serving(const struct model_state *state)
{
	unsigned count = 0;

	for (size_t i = 0; i < MODEL_SLOTS; i++)
		count += state->slot[i].used && state->slot[i].row[0].used &&
		    state->slot[i].row[0].state == WS_READY;
	return count;
}

static const char *
step_fault(const struct exploration *x, const struct model_state *from,
    struct model_event event, const struct model_state *to)
{
	const struct model *m = &x->model;

	if (m->fault != NULL)
		return m->fault;
	/* `stop' and `scale' are wishes for less; all else is new before old. */
	if (model_is_progress(from, event) && from->stopping == 0 &&
	    count_serving(to) < count_serving(from))
		return "a worker less, and nobody failed";
	for (size_t i = 0; i < MODEL_SLOTS; i++)
		if (to->slot[i].early > from->slot[i].early + 1)
			return "one death is counted twice";
	return NULL;
}

/* -- exploring ----------------------------------------------------------------- */

static void
arrive(struct exploration *x, size_t parent, struct model_event event,
    bool adopted, const struct model_state *to)
{
	struct model_node node = { *to, (uint32_t)parent, event, adopted };
	const struct model_state *from = &x->set.nodes[parent].state;
	const char *words = adopted ? x->model.fault :
	    step_fault(x, from, event, to);

	x->steps++;
	if (words == NULL)
		words = state_fault(x, to);
	if (words != NULL)
		broken(x, &node, words);
	model_set_add(&x->set, &node);
}

static void
follow(struct exploration *x, size_t i, bool progress)
{
	struct model_event events[MODEL_EVENTS];
	struct model_state from = x->set.nodes[i].state, to;
	size_t count = model_events(&from, x->model.rules, events);

	for (size_t n = 0; n < count; n++) {
		if (model_is_progress(&from, events[n]) != progress)
			continue;
		model_step(&x->model, &from, events[n], &to);
		arrive(x, i, events[n], false, &to);
	}
}

/* -- a master dies, and the next one goes on ----------------------------------- */

/* A row whose SPAWN was not answered: whether there is a process, only the
 * keeper knows. */
static bool
is_certain(const struct model_state *state)
{
	for (size_t i = 0; i < MODEL_SLOTS; i++)
		for (int which = 0; which < 2; which++) {
			const struct model_row *row =
			    &state->slot[i].row[which];

			if (row->used && !row->forked &&
			    (row->state == WS_STOPPING ||
			    row->state == WS_KILLING))
				return false;
		}
	return true;
}

/* Nothing but the master died: the next one finds what was. */
static void
check_same(struct exploration *x, size_t i, struct model_event event,
    const struct model_state *want, const struct model_state *got)
{
	struct model_node node = { *got, (uint32_t)i, event, true };

	if (want->kind == TRANS_NONE && got->kind == TRANS_NONE &&
	    is_certain(want) && memcmp(want, got, sizeof(*want)) != 0) {
		printf("wanted:\n");
		model_print(want);
		broken(x, &node, "another master, another state");
	}
}

static void
adopt(struct exploration *x, size_t i, struct model_event event, bool flipped,
    int exits)
{
	const struct model_state from = x->set.nodes[i].state;
	struct model_state to;

	model_adopt(&x->model, &from, event, flipped, exits, &to);
	if (x->model.fault == NULL &&
	    model_counted_ends(&x->model) != x->model.ends)
		x->model.fault = "an end is counted twice, or not at all";
	arrive(x, i, event, true, &to);
	if (event.what == MODEL_NOTHING && exits < 0)
		check_same(x, i, event, &from, &to);
}

static const struct model_event nothing = { MODEL_NOTHING, 0, 0 };

/* The master dies in this state, and each process while there is none. */
static void
lose_both(struct exploration *x, size_t i)
{
	for (int row = 0; row < MODEL_ROWS; row++) {
		const struct model_row *it =
		    &x->set.nodes[i].state.slot[row / 2].row[row % 2];

		if (it->used && it->forked)
			adopt(x, i, nothing, false, row);
	}
}

/* True if the keeper has something else after it, or more than one turn may
 * follow; of all else what was there before and what is there after is tried
 * when those states are. */
static bool
is_worth_a_flip(struct model_event event)
{
	return event.what == MODEL_SPAWNED || event.what == MODEL_EXITED ||
	    event.what == MODEL_KILLED || event.what == MODEL_READY ||
	    event.what == MODEL_DEADLINE || event.what >= MODEL_DRAIN;
}

/* It dies of what led to this state, before the flip and after it. */
static void
lose_master_at_flip(struct exploration *x, size_t i)
{
	struct model_node node = x->set.nodes[i];
	struct model_state to;

	if (node.parent == MODEL_NO_PARENT || node.adopted ||
	    !is_worth_a_flip(node.event))
		return;
	for (int flipped = 0; flipped < 2; flipped++) {
		const struct model_state *from = &x->set.nodes[node.parent].state;

		model_adopt(&x->model, from, node.event, flipped != 0, -1,
		    &to);
		if (x->model.fault == NULL &&
		    model_counted_ends(&x->model) != x->model.ends)
			x->model.fault = "an end is counted twice, or not at all";
		arrive(x, node.parent, node.event, true, &to);
		if (flipped && x->set.nodes[node.parent].state.kind == 0)
			check_same(x, node.parent, node.event, &node.state,
			    &to);
	}
}

/* Closed under progress, from the first state that is not yet. */
static void
close_layer(struct exploration *x, size_t from)
{
	for (size_t i = from; i < x->set.count; i++) {
		follow(x, i, true);
		adopt(x, i, nothing, false, -1);
		lose_master_at_flip(x, i);
	}
}

static unsigned
layers(const struct model_rules *rules)
{
	const char *all = getenv("CLUSTERD_TEST_ALL");

	return all != NULL && strcmp(all, "yes") == 0 ? rules->more_layers :
	    rules->layers;
}

static void
explore(struct exploration *x)
{
	struct model_node root = { .parent = MODEL_NO_PARENT };
	size_t begin = 0, end = 0;

	model_begin(&x->model, &root.state);
	model_set_add(&x->set, &root);
	close_layer(x, 0);
	for (unsigned n = layers(x->model.rules); n > 0 &&
	    x->set.count > end; n--) {
		begin = end;
		end = x->set.count;
		for (size_t i = begin; i < end; i++) {
			follow(x, i, false);
			lose_both(x, i);
		}
		close_layer(x, end);
	}
	printf("%s: %zu states, %llu steps%s\n", x->model.rules->name,
	    x->set.count, (unsigned long long)x->steps,
	    x->set.count == end ? ", and no other" : "");
}

/* -- everything ends ----------------------------------------------------------- */

/* What goes wrong from here on, each time that it can. */
enum weather { FAIR, NO_FORK, DYING, FATAL, HANGING, WEATHERS };

static bool
happens(const struct model_state *state, struct model_event event,
    enum weather weather)
{
	const struct model_row *row =
	    &state->slot[event.slot].row[event.which];
	bool starts = row->state == WS_STARTING;
	bool waits = row->state == WS_WAITING || row->state == WS_HELD;

	switch ((enum model_what)event.what) {
	case MODEL_SPAWNED:
		return weather != NO_FORK;
	case MODEL_SPAWN_FAILED:
		return weather == NO_FORK;
	case MODEL_READY:
		return starts && (weather == FAIR || weather == NO_FORK);
	case MODEL_EXITED:
		return starts ? weather == DYING : weather != HANGING &&
		    row->state != WS_READY && row->state != WS_DRAINING;
	case MODEL_FATAL:
		return starts && weather == FATAL;
	case MODEL_DRAINED:
		return row->state == WS_DRAINING && weather != HANGING;
	case MODEL_DEADLINE:
		return waits || (weather == HANGING && row->state != WS_READY);
	case MODEL_REFILL:
		return state->tokens == 0;
	case MODEL_TRIAL_PASSES:
	case MODEL_BOUND:
	case MODEL_STORED:
	case MODEL_STOP_LIMIT:
		return true;
	default:
		return false;
	}
}

static bool
is_over(const struct model_state *state)
{
	if (state->stopping == 0)
		return state->kind == TRANS_NONE || state->step == TRANS_HELD;
	for (size_t i = 0; i < MODEL_SLOTS; i++)
		for (int which = 0; which < 2; which++) {
			const struct model_row *row =
			    &state->slot[i].row[which];

			if (row->used && row->state != WS_DOWN)
				return false;
		}
	return true;
}

/* Of these events the first one of that weather that concerns the row, or none
 * (-1), and changes something. */
static bool
go_on_with(struct exploration *x, struct model_state *state, int row,
    const struct model_event *events, size_t count, enum weather weather)
{
	struct model_state to;

	for (size_t i = 0; i < count; i++) {
		int whose = events[i].what >= MODEL_REFILL ? -1 :
		    2 * events[i].slot + events[i].which;

		if (whose != row || !happens(state, events[i], weather))
			continue;
		model_step(&x->model, state, events[i], &to);
		if (memcmp(state, &to, sizeof(to)) == 0)
			continue;
		*state = to;
		return true;
	}
	return false;
}

/* One step, the rows in turn; false: nothing can happen. */
static bool
go_on(struct exploration *x, struct model_state *state, int *turn,
    enum weather weather)
{
	struct model_event events[MODEL_EVENTS];
	size_t count = model_events(state, x->model.rules, events);

	if (go_on_with(x, state, -1, events, count, weather))
		return true;
	for (int n = 0; n < MODEL_ROWS; n++) {
		int row = (*turn + n) % MODEL_ROWS;

		if (go_on_with(x, state, row, events, count, weather)) {
			*turn = row + 1;
			return true;
		}
	}
	return false;
}

/* Moments that are known to lead to an end. */
struct ends {
	uint64_t *known;
	size_t count, slots;
};

static uint64_t *
find_end(const struct ends *ends, uint64_t moment)
{
	size_t i = moment & (ends->slots - 1);

	while (ends->known[i] != 0 && ends->known[i] != moment)
		i = (i + 1) & (ends->slots - 1);
	return &ends->known[i];
}

static void
check_end(struct exploration *x, size_t i, enum weather weather,
    struct ends *ends)
{
	struct model_state state = x->set.nodes[i].state;
	uint64_t path[STEPS_TO_AN_END];
	int turn = 0, steps = 0;

	while (!is_over(&state)) {
		uint64_t moment = (model_hash(&state) +
		    (unsigned)turn * WEATHERS + weather) * 0x9e3779b97f4a7c15ULL | 1;

		if (*find_end(ends, moment) == moment)
			break;
		if (steps == STEPS_TO_AN_END ||
		    !go_on(x, &state, &turn, weather)) {
			model_print(&state);
			broken(x, &x->set.nodes[i], "it never ends");
		}
		path[steps++] = moment;
	}
	while (steps-- > 0)
		*find_end(ends, path[steps]) = path[steps];
}

/* Every change and every stop ends, whatever the weather. */
static void
check_ends(struct exploration *x)
{
	struct ends ends = { .slots = 1 };
	unsigned weather;

	while (ends.slots < x->set.count * WEATHERS * 3)
		ends.slots *= 2;
	ends.known = calloc(ends.slots, sizeof(*ends.known));
	assert_non_null(ends.known);
	for (size_t i = 0; i < x->set.count; i++)
		for (weather = FAIR; weather < WEATHERS; weather++)
			if (x->set.nodes[i].state.stopping != STOP_QUIT ||
			    weather != HANGING)
				check_end(x, i, (enum weather)weather, &ends);
	free(ends.known);
}

/* -- worlds -------------------------------------------------------------------- */

static void
run(const struct model_rules *rules)
{
	struct exploration x = { .steps = 0 };

	model_init(&x.model, rules);
	explore(&x);
	check_ends(&x);
	for (size_t s = 0; s < WS__COUNT; s++)
		for (size_t e = 0; e < WE__COUNT; e++)
			reached[s][e] |= x.model.reached[s][e];
	model_done(&x.model);
	model_set_done(&x.set);
}

/* Without a bound this one comes to an end: 5.8 million states, a few minutes
 * and 2 GB. */
static void
one_slot(void **state)
{
	static const struct model_rules rules = { .name = "one slot",
		.slots = 1, .cpus = 1, .burst = 1, .ages = true, .surge = 1,
		.flips = true, .layers = 3, .more_layers = 6 };

	(void)state;
	run(&rules);
}

static void
two_slots(void **state)
{
	static const struct model_rules rules = { .name = "two slots",
		.slots = 2, .cpus = 1, .burst = 1, .ages = true, .surge = 2,
		.flips = true, .layers = 2, .more_layers = 2 };

	(void)state;
	run(&rules);
}

static void
two_slots_and_a_reload(void **state)
{
	static const struct model_rules rules = { .name = "a reload of two",
		.slots = 2, .cpus = 2, .surge = 2, .only = MODEL_RELOAD,
		.layers = 3, .more_layers = 4 };

	(void)state;
	run(&rules);
}

static void
two_slots_and_a_reload_of_live_keys(void **state)
{
	static const struct model_rules rules = { .name = "live keys of two",
		.slots = 2, .cpus = 2, .surge = 2, .only = MODEL_RELOAD_LIVE,
		.flips = true, .layers = 3, .more_layers = 3 };

	(void)state;
	run(&rules);
}

static void
three_slots(void **state)
{
	static const struct model_rules rules = { .name = "three slots",
		.slots = 3, .cpus = 2, .surge = 1, .layers = 1,
		.more_layers = 2 };

	(void)state;
	run(&rules);
}

static void
three_slots_and_a_reload(void **state)
{
	static const struct model_rules rules = { .name = "a reload of three",
		.slots = 3, .cpus = 2, .surge = 1, .only = MODEL_RELOAD,
		.layers = 2, .more_layers = 3 };

	(void)state;
	run(&rules);
}

/* -- the table ----------------------------------------------------------------- */

/* Cells of the table for which nobody has a use: `retry' is given to what waits
 * or is held, and whoever is killed serves. */
static bool
is_unused(unsigned state, unsigned event)
{
	bool idle = state == WS_WAITING || state == WS_HELD;

	return event == WE_NONE || (event == WE_RETRY && !idle) ||
	    (event == WE_KILL && (idle || state == WS_STARTING));
}

static void
every_cell_is_reached_or_cannot_happen(void **state)
{
	(void)state;
	for (unsigned s = 0; s < WS__COUNT; s++)
		for (unsigned e = 0; e < WE__COUNT; e++) {
			bool can = worker_table_cell(s, e).kind != EDGE_NEVER
			    && !is_unused(s, e);

			if (reached[s][e] != can)
				fail_msg("%s in state %s is %sreached",
				    worker_event_name(e), worker_state_name(s),
				    can ? "not " : "");
		}
}

/* What the system tests compare each daemon with. */
static void
the_list_of_cells_is_true(void **state)
{
	const char *source = getenv("CLUSTERD_SOURCE");
	char path[1000], line[100], want[100];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/unit/supervisor_model.cells",
	    source != NULL ? source : ".");
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("no %s", path);
	for (unsigned s = 0; s < WS__COUNT; s++)
		for (unsigned e = 0; e < WE__COUNT; e++) {
			if (!reached[s][e])
				continue;
			snprintf(want, sizeof(want), "%s: %s\n",
			    worker_state_name(s), worker_event_name(e));
			if (fgets(line, sizeof(line), f) == NULL ||
			    strcmp(line, want) != 0)
				fail_msg("%s lacks %s", path, want);
		}
	if (fgets(line, sizeof(line), f) != NULL)
		fail_msg("%s has too many lines: %s", path, line);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slot),
		cmocka_unit_test(two_slots),
		cmocka_unit_test(two_slots_and_a_reload),
		cmocka_unit_test(two_slots_and_a_reload_of_live_keys),
		cmocka_unit_test(three_slots),
		cmocka_unit_test(three_slots_and_a_reload),
		cmocka_unit_test(every_cell_is_reached_or_cannot_happen),
		cmocka_unit_test(the_list_of_cells_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
