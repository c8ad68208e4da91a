/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * follower.c: one reader of the journal.  It is a position, the next seq it
 * wants; what lies there comes from the ring or, when it is older than that,
 * from the store.  So the same few lines serve history, live events, a reader
 * that pauses and one that publishes from its callback.
 */
#include "daemon/journal/follower.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { HISTORY_ROWS = 256 };	/* read from the store at a time */

struct journal_follower {
	struct journal *journal;
	struct journal_range range;
	journal_callback callback;
	void *arg;
	uint64_t next;		/* seq it wants */
	uint64_t told;		/* last seq it got */
	int job;		/* query of the store under way, 0: none */
	int current;		/* history is told */
	int waiting;		/* it said WAIT */
	int gone;		/* no further call */
	int holds;		/* on how many stacks it is */
};

/* ---- telling ------------------------------------------------------------------- */

/* 0: that was its end, it must not be touched any more. */
static int
release(struct journal_follower *follower)
{
	struct journal *journal = follower->journal;

	if (--follower->holds > 0 || !follower->gone)
		return 1;
	for (size_t i = 0; i < COUNT(journal->followers); i++)
		if (journal->followers[i] == follower)
			journal->followers[i] = NULL;
	if (follower->job != 0)
		store_cancel(journal->store, follower->job);
	free(follower);
	return 0;
}

static void
tell(struct journal_follower *follower, enum journal_news news,
    const struct journal_event *event)
{
	int reply = follower->callback(follower->arg, news, event);

	if (reply == JOURNAL_STOP || news == JOURNAL_DONE ||
	    news == JOURNAL_LAGGED)
		follower->gone = 1;
	else if (reply == JOURNAL_WAIT)
		follower->waiting = 1;
}

static void
tell_event(struct journal_follower *follower, const struct journal_event *event)
{
	follower->next = event->seq + 1;
	if (event->time_ms < follower->range.since_ms || event->json == NULL)
		return;
	follower->told = event->seq;
	tell(follower, JOURNAL_EVENT, event);
	if (!follower->gone && follower->range.until >= 0 &&
	    event->id == follower->range.until)
		tell(follower, JOURNAL_DONE, NULL);
}

/* ---- history ------------------------------------------------------------------- */

/* The id from the text of an event: its name is its third member. */
static int
id_of(const char *json, size_t len)
{
	static const char key[] = "\"event\":\"";
	const char *at = memmem(json, len, key, sizeof(key) - 1);
	char name[64];
	const char *end;

	if (at == NULL)
		return -1;
	at += sizeof(key) - 1;
	end = memchr(at, '"', len - (size_t)(at - json));
	if (end == NULL || (size_t)(end - at) >= sizeof(name))
		return -1;
	memcpy(name, at, (size_t)(end - at));
	name[end - at] = '\0';
	return event_by_name(name);
}

/* What is between here and the ring is not to be had. */
static void
skip_to_ring(struct journal_follower *follower)
{
	uint64_t oldest = journal_oldest(follower->journal);

	if (follower->next < oldest)
		follower->next = oldest;
}

static void feed(struct journal_follower *follower);

static void
on_history(void *arg, const struct store_answer *answer)
{
	struct journal_follower *follower = arg;

	follower->job = 0;
	follower->holds++;
	for (size_t i = 0; i < answer->count && !follower->gone &&
	    !follower->waiting; i++) {
		const struct store_text *row = &answer->rows[i];
		const struct journal_event event = {
			.seq = row->key, .time_ms = row->time_ms,
			.id = id_of(row->json, row->len),
			.json = row->json, .len = row->len,
		};

		tell_event(follower, &event);
	}
	if (answer->rc != 0 && !follower->gone)
		tell(follower, JOURNAL_GAP, NULL);
	if (answer->rc != 0 || (!answer->more && !follower->waiting))
		skip_to_ring(follower);
	if (release(follower))
		feed(follower);
}

static void
ask_store(struct journal_follower *follower)
{
	const struct store_query query = {
		.table = STORE_EVENTS,
		.since = follower->next,
		.since_ms = follower->range.since_ms,
		.limit = HISTORY_ROWS,
	};
	int job = store_query(follower->journal->store, &query, on_history,
	    follower);

	if (job > 0) {
		follower->job = job;
		return;
	}
	tell(follower, JOURNAL_GAP, NULL);
	skip_to_ring(follower);
}

/* ---- feeding ------------------------------------------------------------------- */

static void
tell_current(struct journal_follower *follower)
{
	if (follower->current)
		return;
	follower->current = 1;
	tell(follower, follower->range.follow ? JOURNAL_CURRENT :
	    JOURNAL_DONE, NULL);
}

/* One step; 0 when there is nothing to tell now. */
static int
feed_one(struct journal_follower *follower)
{
	struct journal *journal = follower->journal;
	const struct journal_entry *entry;
	struct journal_event event;

	if (follower->gone || follower->waiting || follower->job != 0)
		return 0;
	if (follower->next < journal_oldest(journal)) {
		ask_store(follower);
		return 1;
	}
	if (follower->next >= journal->next) {
		tell_current(follower);
		return 0;
	}
	entry = &journal->ring[follower->next % JOURNAL_RING];
	event = (struct journal_event){ entry->seq, entry->time_ms,
	    (int)entry->id, entry->json, entry->len };
	tell_event(follower, &event);
	return 1;
}

/* From within its own callback it is fed by the call further down. */
static void
feed(struct journal_follower *follower)
{
	if (follower->holds > 0)
		return;
	follower->holds++;
	while (feed_one(follower))
		continue;
	if (!follower->gone && follower->current && follower->waiting &&
	    follower->journal->next - follower->next > JOURNAL_LAG_MAX)
		tell(follower, JOURNAL_LAGGED, NULL);
	release(follower);
}

void
followers_feed(struct journal *journal)
{
	for (size_t i = 0; i < COUNT(journal->followers); i++)
		if (journal->followers[i] != NULL)
			feed(journal->followers[i]);
}

/* ---- coming and going ------------------------------------------------------------ */

int
journal_follow(struct journal *journal, const struct journal_range *range,
    journal_callback callback, void *arg, struct journal_follower **out,
    struct errmsg *err)
{
	struct journal_follower *follower;
	size_t place = 0;

	while (place < COUNT(journal->followers) &&
	    journal->followers[place] != NULL)
		place++;
	if (place == COUNT(journal->followers))
		return errmsg_set(err, ERR_FULL, "too many followers of events");
	follower = calloc(1, sizeof(*follower));
	if (follower == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	follower->journal = journal;
	follower->range = *range;
	follower->callback = callback;
	follower->arg = arg;
	follower->next = range->live_only ? journal->next : range->since_seq;
	journal->followers[place] = follower;
	*out = follower;
	feed(follower);
	if (journal->followers[place] != follower)
		*out = NULL;
	return 0;
}

void
journal_resume(struct journal_follower *follower)
{
	follower->waiting = 0;
	feed(follower);
}

void
journal_unfollow(struct journal_follower *follower)
{
	if (follower == NULL)
		return;
	follower->gone = 1;
	follower->holds++;
	release(follower);
}

uint64_t
journal_follower_seq(const struct journal_follower *follower)
{
	return follower->told;
}

void
followers_free(struct journal *journal)
{
	for (size_t i = 0; i < COUNT(journal->followers); i++)
		journal_unfollow(journal->followers[i]);
}
