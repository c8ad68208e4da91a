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
#include "common/base/clock.h"

enum { HISTORY_ROWS = 256 };	/* read from the store at a time */

struct journal_follower {
	struct journal *journal;
	struct journal_range range;
	journal_callback callback;
	void *arg;
	uint64_t next;		/* seq it wants */
	uint64_t told;		/* last seq it got */
	uint64_t lost, lost_seq;	/* passed over, and not told of yet */
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
	for (size_t i = 0; i < journal->follower_count; i++)
		if (journal->followers[i] == follower)
			journal->followers[i] = NULL;
	while (journal->follower_count > 0 &&
	    journal->followers[journal->follower_count - 1] == NULL)
		journal->follower_count--;
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

static int
is_wanted(const struct journal_follower *follower, int id, int64_t time_ms)
{
	uint64_t events = follower->range.events;

	return time_ms >= follower->range.since_ms && (events == 0 ||
	    (id >= 0 && (events & JOURNAL_BIT(id)) != 0));
}

static void
tell_event(struct journal_follower *follower, const struct journal_event *event)
{
	follower->next = event->seq + 1;
	if (event->json == NULL ||
	    !is_wanted(follower, event->id, event->time_ms))
		return;
	follower->told = event->seq;
	tell(follower, JOURNAL_EVENT, event);
	if (!follower->gone && follower->range.until >= 0 &&
	    event->id == follower->range.until)
		tell(follower, JOURNAL_DONE, NULL);
}

/* ---- history ------------------------------------------------------------------- */

/* What follows key in the text of an event.  Its first members are in one order
 * (make_json), and nothing before "text" holds a quote: the first is the one. */
static const char *
member_of(const char *json, size_t len, const char *key)
{
	const char *at = memmem(json, len, key, strlen(key));

	return at == NULL ? NULL : at + strlen(key);
}

/* False: it is null, or longer than that. */
static int
text_of(const char *json, size_t len, const char *key, char *out, size_t size)
{
	const char *at = member_of(json, len, key), *end;

	if (at == NULL)
		return 0;
	end = memchr(at, '"', len - (size_t)(at - json));
	if (end == NULL || (size_t)(end - at) >= size)
		return 0;
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
	return 1;
}

static int
id_of(const char *json, size_t len)
{
	char name[64];

	return text_of(json, len, "\"event\":\"", name, sizeof(name)) ?
	    event_by_name(name) : -1;
}

void
journal_event_worker(const struct journal_event *event, char *name,
    size_t size, uint64_t *id)
{
	const char *at = member_of(event->json, event->len, "\"id\":");
	const char *end = event->json + event->len;

	name[0] = '\0';
	(void)text_of(event->json, event->len, "\"worker\":\"", name, size);
	*id = 0;
	for (; at != NULL && at < end && *at >= '0' && *at <= '9'; at++)
		*id = *id * 10 + (uint64_t)(*at - '0');
}

static void
tell_gap(struct journal_follower *follower)
{
	const struct journal_event event = {
		.seq = journal_oldest(follower->journal) - 1, .id = -1,
	};

	tell(follower, JOURNAL_GAP, &event);
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
		tell_gap(follower);
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
	tell_gap(follower);
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

static void
tell_lost(struct journal_follower *follower)
{
	const struct journal_event event = {
		.seq = follower->lost_seq, .time_ms = clock_wall_ms(),
		.id = -1, .lost = follower->lost,
	};

	follower->lost = 0;
	tell(follower, JOURNAL_LOST, &event);
}

/* It was not further behind than the ring goes back: this is looked at with each
 * event. */
static void
pass_over(struct journal_follower *follower)
{
	const struct journal *journal = follower->journal;

	for (; follower->next < journal->next; follower->next++) {
		const struct journal_entry *entry =
		    &journal->ring[follower->next % JOURNAL_RING];

		if (!is_wanted(follower, (int)entry->id, entry->time_ms))
			continue;
		follower->lost++;
		follower->lost_seq = entry->seq;
	}
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
	if (follower->lost > 0) {
		tell_lost(follower);
		return 1;
	}
	if (follower->next < journal_oldest(journal)) {
		ask_store(follower);
		return 1;
	}
	if (follower->next >= journal->next) {
		tell_current(follower);
		return 0;
	}
	entry = &journal->ring[follower->next % JOURNAL_RING];
	event = (struct journal_event){ .seq = entry->seq,
	    .time_ms = entry->time_ms, .id = (int)entry->id,
	    .json = entry->json, .len = entry->len };
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
	    follower->journal->next > follower->next + JOURNAL_LAG_MAX) {
		if (follower->range.lossy)
			pass_over(follower);
		else
			tell(follower, JOURNAL_LAGGED, NULL);
	}
	release(follower);
}

void
followers_feed(struct journal *journal)
{
	for (size_t i = 0; i < journal->follower_count; i++)
		if (journal->followers[i] != NULL)
			feed(journal->followers[i]);
}

/* ---- coming and going ------------------------------------------------------------ */

/* The first free one. */
static int
find_place(struct journal *journal, size_t *place, struct errmsg *err)
{
	size_t room = journal->follower_room == 0 ? 64 :
	    2 * journal->follower_room;
	struct journal_follower **followers;

	*place = 0;
	while (*place < journal->follower_count &&
	    journal->followers[*place] != NULL)
		(*place)++;
	if (*place == JOURNAL_FOLLOWERS_MAX)
		return errmsg_set(err, ERR_FULL, "too many followers of events");
	if (*place < journal->follower_room)
		return 0;
	followers = realloc(journal->followers, room * sizeof(*followers));
	if (followers == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	journal->followers = followers;
	journal->follower_room = room;
	return 0;
}

int
journal_follow(struct journal *journal, const struct journal_range *range,
    journal_callback callback, void *arg, struct journal_follower **out,
    struct errmsg *err)
{
	struct journal_follower *follower;
	size_t place;
	int rc = find_place(journal, &place, err);

	if (rc != 0)
		return rc;
	follower = calloc(1, sizeof(*follower));
	if (follower == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	follower->journal = journal;
	follower->range = *range;
	follower->callback = callback;
	follower->arg = arg;
	follower->next = range->live_only ? journal->next : range->since_seq;
	journal->followers[place] = follower;
	if (place == journal->follower_count)
		journal->follower_count++;
	*out = follower;
	feed(follower);
	if (place >= journal->follower_count ||
	    journal->followers[place] != follower)
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
	for (size_t i = 0; i < journal->follower_count; i++)
		journal_unfollow(journal->followers[i]);
	free(journal->followers);
}
