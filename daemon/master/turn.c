/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * turn.c: decide on the idle copy, flip, act.  A death of this process before
 * the flip leaves the old state, after it the new one, whole; its successor
 * repeats the actions, which are all idempotent.
 */
#include "daemon/master/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/actions.h"
#include "daemon/master/change.h"
#include "daemon/master/leader.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/owners.h"
#include "daemon/master/report.h"
#include "daemon/master/roster.h"
#include "daemon/proto/page.h"
#include "daemon/supervisor/policy.h"
#include "daemon/supervisor/state.h"

enum { TELL_MEMBERS = 16, EFFECTS = 1024 };

struct told {
	enum event_id id;
	struct event_fields fields;
	struct event_member more[TELL_MEMBERS + 1];
};

enum effect_kind { EFFECT_ACTIONS, EFFECT_EVENT, EFFECT_CALL };

struct effect {
	enum effect_kind kind;
	uint16_t row;
	uint32_t actions;
	uint64_t about;			/* id of the worker; argument */
	struct told *told;
	void (*call)(struct master *m, uint64_t about);
};

struct effects {
	struct effect *row;
	size_t count, size;
};

struct turn {
	struct memo *memo;
	struct memo_copy *copy;		/* idle one, being changed; NULL */
	/* What follows from this turn; and from the last, being performed.  Both
	 * are there from the start: nothing that was decided is forgotten for
	 * want of memory. */
	struct effects effects[2];
	unsigned now;
	bool ending;
};

/* Keep a copy of what a memo says that is about to be made anew. */
static void
salvage(struct master *m)
{
	const struct memo_copy *copy = state_salvage(m->turn->memo, MEMO_SIZE);

	if (copy == NULL || (m->salvage = malloc(sizeof(*copy))) == NULL)
		return;
	*m->salvage = *copy;
}

int
turn_open(struct master *m, int memo_fd, int fresh, int *recovered,
    struct errmsg *err)
{
	struct errmsg why;
	struct stat st;

	if (fstat(memo_fd, &st) != 0 || st.st_size < (off_t)MEMO_SIZE)
		return errmsg_set(err, ERR_FORMAT, "the memo is too small");
	m->turn = calloc(1, sizeof(*m->turn));
	if (m->turn == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	for (int i = 0; i < 2; i++) {
		struct effects *effects = &m->turn->effects[i];

		effects->size = EFFECTS;
		effects->row = calloc(EFFECTS, sizeof(*effects->row));
		if (effects->row == NULL)
			return errmsg_set(err, ERR_MEMORY, "out of memory");
	}
	m->turn->memo = mmap(NULL, MEMO_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, memo_fd, 0);
	if (m->turn->memo == MAP_FAILED)
		return errmsg_errno(err, "cannot map the memo");
	*recovered = 0;
	if (!fresh && state_recover(m->turn->memo, MEMO_SIZE, &why) != NULL)
		*recovered = 1;
	else {
		salvage(m);
		state_init(m->turn->memo);
	}
	if (!fresh && !*recovered)
		errmsg_set(err, 0, "%s", why.text);
	return 0;
}

void
turn_close(struct master *m)
{
	if (m->turn == NULL)
		return;
	if (m->turn->memo != NULL)
		munmap(m->turn->memo, MEMO_SIZE);
	free(m->turn->effects[0].row);
	free(m->turn->effects[1].row);
	free(m->turn);
	m->turn = NULL;
}

struct memo_copy *
turn_change(struct master *m)
{
	if (m->turn->copy == NULL)
		m->turn->copy = state_begin(m->turn->memo);
	return m->turn->copy;
}

const struct memo_copy *
turn_look(struct master *m)
{
	return m->turn->copy != NULL ? m->turn->copy :
	    state_current(m->turn->memo);
}

static struct effect *
effect_add(struct turn *turn, enum effect_kind kind)
{
	struct effects *effects = &turn->effects[turn->now];
	struct effect *effect;

	if (effects->count == effects->size) {
		size_t size = 2 * effects->size;
		void *more = realloc(effects->row,
		    size * sizeof(*effects->row));

		CHECK(more != NULL);
		effects->row = more;
		effects->size = size;
	}
	effect = &effects->row[effects->count++];
	memset(effect, 0, sizeof(*effect));
	effect->kind = kind;
	return effect;
}

void
turn_act(struct master *m, uint16_t row, uint32_t actions)
{
	struct effect *effect;

	if (actions == 0)
		return;
	effect = effect_add(m->turn, EFFECT_ACTIONS);
	effect->row = row;
	effect->about = turn_look(m)->worker[row].id;
	effect->actions = actions;
}

void
turn_later(struct master *m, void (*call)(struct master *, uint64_t),
    uint64_t about)
{
	struct effect *effect = effect_add(m->turn, EFFECT_CALL);

	effect->call = call;
	effect->about = about;
	turn_change(m);
}

static char *
copied(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

void
turn_tell(struct master *m, enum event_id id, const struct event_fields *fields)
{
	static const struct event_fields none;
	struct told *told = calloc(1, sizeof(*told));
	const struct event_member *more;
	size_t n = 0;

	if (told == NULL)
		return;
	told->id = id;
	told->fields = fields != NULL ? *fields : none;
	more = told->fields.more;
	told->fields.pool = copied(told->fields.pool);
	told->fields.text = copied(told->fields.text);
	for (; more != NULL && more->name != NULL && n < TELL_MEMBERS; more++) {
		told->more[n] = *more;
		told->more[n++].text = copied(more->text);
	}
	told->fields.more = told->more;
	effect_add(m->turn, EFFECT_EVENT)->told = told;
	turn_change(m);
}

/* A crash loop is told when it begins and ends, and every 30 s by the verdict;
 * what each of its processes does is in `events' alone. */
static int
is_one_of_many(const struct memo_slot *slot, enum event_id id)
{
	return slot->early >= POLICY_CRASH_LOOP &&
	    (id == EVENT_WORKER_EXITED || id == EVENT_WORKER_BACKOFF ||
	    id == EVENT_WORKER_READY || id == EVENT_WORKER_STALLED ||
	    id == EVENT_WORKER_RECOVERED);
}

void
turn_tell_worker(struct master *m, enum event_id id, uint16_t row,
    const char *text, const struct event_member *more)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	const struct memo_slot *slot = &copy->slot[worker->slot];
	struct event_fields fields = {
		.pool = copy->pool[slot->pool].name,
		.has_slot = 1, .slot = slot->number, .id = worker->id,
		.pid = worker->pid, .generation = worker->generation,
		.text = text, .more = more,
		.quiet = is_one_of_many(slot, id),
	};

	turn_tell(m, id, &fields);
}

static void
told_publish(struct master *m, struct told *told)
{
	if (m->journal != NULL)
		journal_publish(m->journal, told->id, &told->fields);
	free((void *)told->fields.pool);
	free((void *)told->fields.text);
	for (size_t i = 0; i < TELL_MEMBERS; i++)
		free((void *)told->more[i].text);
	free(told);
}

static void
effect_perform(struct master *m, const struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_ACTIONS:
		actions_perform(m, effect->row, effect->about,
		    effect->actions);
		break;
	case EFFECT_EVENT:
		told_publish(m, effect->told);
		break;
	case EFFECT_CALL:
		effect->call(m, effect->about);
		break;
	}
}

/* Beside the memo, for whoever has to make that anew. */
static void
publish(struct master *m, const struct memo_globals *globals)
{
	if (m->page == NULL)
		return;
	__atomic_store_n(&m->page->beat.in_force, globals->generation,
	    __ATOMIC_RELAXED);
	__atomic_store_n(&m->page->beat.stopping, globals->stopping,
	    __ATOMIC_RELAXED);
}

/* One flip and what follows from it. */
static void
turn_flip(struct master *m)
{
	struct turn *turn = m->turn;
	struct effects *effects = &turn->effects[turn->now];

	life_follow(m);
	change_follow(m);
	life_follow(m);
	turn->now = !turn->now;
	if (turn->copy != NULL) {
		if (m->journal != NULL)
			turn->copy->globals.next_seq =
			    journal_seq_mark(m->journal);
		report_rows(m, state_current(turn->memo), turn->copy);
		(void)FP("master.before_flip");
		state_commit(turn->memo);
		turn->copy = NULL;
		publish(m, &state_current(turn->memo)->globals);
		(void)FP("master.after_flip");
	}
	for (size_t i = 0; i < effects->count; i++)
		effect_perform(m, &effects->row[i]);
	effects->count = 0;
}

static bool
has_effects(const struct turn *turn)
{
	return turn->effects[turn->now].count > 0;
}

void
turn_end(struct master *m)
{
	if (m->turn == NULL || m->turn->ending ||
	    (m->turn->copy == NULL && !has_effects(m->turn)))
		return;
	m->turn->ending = true;
	/* Bounded, so that two parts that wake each other cost a loop, not
	 * the service. */
	for (int i = 0; i < 64 && (m->turn->copy != NULL ||
	    has_effects(m->turn)); i++)
		turn_flip(m);
	m->turn->ending = false;
	life_arm_deadline(m);
	owners_follow(m);
	leader_follow(m);
	roster_follow(m);
}
