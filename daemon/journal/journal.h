/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * journal.h: an event, told to followers, log and store.
 * Followers are fed from memory (the last 4096 events); only what is older is
 * read from the store.  Loop thread of the master; never waits.
 */
#ifndef CLUSTERD_JOURNAL_H
#define CLUSTERD_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "common/table/events.h"

struct store;
struct journal;
struct journal_follower;

enum {
	JOURNAL_RING = 4096,
	JOURNAL_BLOCK = 10000,		/* seqs reserved at a time */
	JOURNAL_LAG_MAX = 1024,		/* a live follower may be so far behind */
	JOURNAL_FOLLOWERS_MAX = 8192,	/* clients, and observers in workers */
};

/*
 * first_seq: the highest mark known (memo and store_load(), the larger); 0:
 * none, then the clock in microseconds.  The store is borrowed and must
 * outlive the journal, which observes it and publishes store.behind and
 * store.recovered.  Returns NULL when memory is short.
 */
struct journal *journal_new(struct store *store, uint64_t first_seq);
/* Followers get no further call. */
void journal_free(struct journal *journal);

/*
 * Every seq that is or soon may be used is below this mark.  The master keeps
 * it in the memo at each flip; it moves 5000 events before it is needed, so
 * there is always a flip in between.
 */
uint64_t journal_seq_mark(const struct journal *journal);
uint64_t journal_last_seq(const struct journal *journal);	/* 0: none yet */
/* Bytes of the heap that the events kept for followers take; NULL: 0. */
size_t journal_memory(const struct journal *journal);

/* ---- publishing ------------------------------------------------------------ */

struct event_member {
	const char *name;	/* NULL ends the list */
	enum { EVENT_MEMBER_TEXT, EVENT_MEMBER_NUMBER, EVENT_MEMBER_JSON } kind;
	const char *text;	/* NULL: null.  JSON: taken as it is */
	int64_t number;
};
#define EVENT_TEXT(name_, text_)					\
	{ .name = (name_), .kind = EVENT_MEMBER_TEXT, .text = (text_) }
#define EVENT_NUMBER(name_, number_)					\
	{ .name = (name_), .kind = EVENT_MEMBER_NUMBER, .number = (number_) }
#define EVENT_JSON(name_, json_)					\
	{ .name = (name_), .kind = EVENT_MEMBER_JSON, .text = (json_) }
#define EVENT_END { .name = NULL }

/*
 * What an event says besides its name.  All may be left out.  JSON of an event:
 * {"seq","time","event","worker","pid","pool","slot","id","generation","text",
 * then the members of more}; what is left out is null.
 */
struct event_fields {
	const char *pool;		/* with slot: "worker" is "pool/slot" */
	int has_slot;
	unsigned slot;
	uint64_t id;			/* of the worker, 0: none */
	int64_t pid;			/* 0: none */
	uint64_t generation;		/* 0: none */
	const char *text;		/* words for the log and `events' */
	int quiet;			/* no line in the log: one of many */
	const struct event_member *more;	/* up to EVENT_END, or NULL */
};

/* Returns the event's seq.  Everything is copied.  fields may be NULL. */
uint64_t journal_publish(struct journal *journal, enum event_id id,
    const struct event_fields *fields);

/* ---- following ------------------------------------------------------------- */

struct journal_event {
	uint64_t seq;
	int64_t time_ms;
	int id;			/* enum event_id, -1: a name of another release */
	const char *json;	/* one object, without newline; not terminated */
	size_t len;
	uint64_t lost;		/* JOURNAL_LOST: so many, seq is the last one's */
};

enum journal_news {
	JOURNAL_EVENT,		/* event is set */
	JOURNAL_CURRENT,	/* history is told, from here on it is live */
	JOURNAL_DONE,		/* the range is complete; the follower is gone */
	JOURNAL_LAGGED,		/* too far behind; the follower is gone */
	JOURNAL_GAP,		/* history cannot be read: goes on behind seq */
	JOURNAL_LOST,		/* too far behind: goes on with what comes now */
};
enum journal_reply {
	JOURNAL_MORE,
	JOURNAL_WAIT,		/* taken, but no more until journal_resume() */
	JOURNAL_STOP,		/* the follower is gone, no further call */
};
/* Returns an enum journal_reply. */
typedef int (*journal_callback)(void *arg, enum journal_news news,
    const struct journal_event *event);

struct journal_range {
	uint64_t since_seq;	/* first seq wanted; 0: any */
	int64_t since_ms;	/* first time wanted; 0: any */
	int live_only;		/* no history */
	int until;		/* enum event_id that ends the range, -1: none */
	int follow;		/* 0: JOURNAL_DONE instead of JOURNAL_CURRENT */
	int lossy;		/* JOURNAL_LOST instead of JOURNAL_LAGGED */
	uint64_t events;	/* bits of enum event_id; 0: all of them */
};

/* In range.events. */
#define JOURNAL_BIT(id) ((uint64_t)1 << (id))

/*
 * Tell the callback every event of the range, in order of seq, each once.
 * Calls may come before this returns (the history in memory), later ones from
 * journal_publish(), store_poll() and journal_resume().  The callback may end
 * other followers and publish, but not free the journal.  *out is set before
 * the first call and is NULL if the range was over before the return.
 * Returns 0, ERR_FULL (JOURNAL_FOLLOWERS_MAX) or ERR_MEMORY.
 */
int journal_follow(struct journal *journal, const struct journal_range *range,
    journal_callback callback, void *arg, struct journal_follower **out,
    struct errmsg *err);
/* After JOURNAL_WAIT. */
void journal_resume(struct journal_follower *follower);
/* End it from outside; NULL is legal.  Not after DONE, LAGGED or STOP. */
void journal_unfollow(struct journal_follower *follower);

/* Of which worker an event tells: "web/0" and its id, or "" and 0. */
void journal_event_worker(const struct journal_event *event, char *name,
    size_t size, uint64_t *id);

/* Seq of the last event told to it: what `lagged' names. */
uint64_t journal_follower_seq(const struct journal_follower *follower);

#endif
