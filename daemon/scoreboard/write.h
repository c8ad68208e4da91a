/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * write.h: a process writes its page: beat, gauges, counters, latency, what it
 * is doing and its children.  Worker (and, beat only, master); one thread;
 * never blocks, never fails.  Readers see whole words; an entry of `doing` and
 * a row of the children is a seqlock.
 */
#ifndef DAEMON_SCOREBOARD_WRITE_H
#define DAEMON_SCOREBOARD_WRITE_H

#include <stddef.h>

#include "common/table/metrics.h"
#include "daemon/proto/page.h"
#include "daemon/scoreboard/word.h"

#define BOARD_BEAT_OLD_NS (50 * 1000000ull)

enum { BOARD_CHILDREN = 4096 };	/* the most of max_children */

struct board {
	struct page *page;
	uint8_t path_words[PAGE_DOING];		/* in use, of each path */
	uint64_t awake_ns;	/* the loop works since then; 0: it waits */
	uint64_t beat_ns;	/* the last beat */
	uint64_t busy_ns;	/* how long it has worked before that */
	uint64_t child_rows[BOARD_CHILDREN / 64];	/* a bit each: in use */
};

/* Begin with a mapped page, all but its head zero. */
void board_init(struct board *board, struct page *page);

static inline void
board_add(struct board *board, enum metric_id metric, uint64_t count)
{
	uint64_t *word = &board->page->counters[metric];

	WORD_SET(*word, WORD_GET(*word) + count);
}

/* One request took ns; 4 buckets an octave from 16 microseconds. */
void board_add_latency(struct board *board, uint64_t ns);
/* Bucket of a latency, 0..PAGE_BUCKETS - 1; its upper end in ns. */
unsigned board_bucket(uint64_t ns);
uint64_t board_bucket_end_ns(unsigned bucket);

/*
 * Busy time is that of the loop not spent waiting, blocked or runnable as it
 * may be.  Whoever does something in a pass says so, with the time that it has
 * read anyway: the first one counts.  The end of the pass ends it.
 */
static inline void
board_wake(struct board *board, uint64_t now_ns)
{
	if (board->awake_ns == 0)
		board->awake_ns = now_ns;
}

static inline void
board_rest(struct board *board, uint64_t now_ns)
{
	board->busy_ns += now_ns - board->awake_ns;
	board->awake_ns = 0;
}

/* loops: passes since the last beat. */
void board_beat(struct board *board, uint64_t now_ns, uint64_t loops);

/*
 * Into a callback (now), out of it (0).  That a callback begins is a beat, where
 * the last one is a while ago: several that are slow may run in one pass of the
 * loop, and each has its own handler_timeout.
 */
static inline void
board_set_callback(struct board *board, uint64_t now_ns)
{
	if (now_ns != 0) {
		board_wake(board, now_ns);
		if (now_ns - board->beat_ns >= BOARD_BEAT_OLD_NS)
			board_beat(board, now_ns, 0);
	}
	WORD_SET(board->page->beat.callback_since_ns, now_ns);
}

/* READY was sent: a master that did not keep it sees it here. */
static inline void
board_set_ready(struct board *board)
{
	__atomic_store_n(&board->page->gauges.ready, 1, __ATOMIC_RELEASE);
}

/* A plugin ends the worker; why is in its words. */
static inline void
board_set_left(struct board *board)
{
	WORD_SET(board->page->gauges.left, 1);
}

struct board_work {
	enum page_doing_kind kind;
	unsigned plugin, route, method;
	uint64_t since_ns, request;
	const char *path;
	size_t path_len;
};

/* Entry 0 is what runs now; 1.. are what is open besides. */
void board_do(struct board *board, unsigned entry,
    const struct board_work *work);
void board_do_nothing(struct board *board, unsigned entry);

struct board_child {
	int pid;
	unsigned flags;			/* enum page_child_flag */
	uint64_t since_ns;
	uint64_t request;		/* its number, as in board_work */
	const char *command;
};

/* What entry 0 says, kept while a callback runs inside of another. */
struct board_kept {
	struct page_doing doing;
	uint16_t route;
};
void board_keep(const struct board *board, struct board_kept *kept);
void board_put_back(struct board *board, const struct board_kept *kept);

/*
 * A child process has begun, or what is said of it changes; it has ended.  Its
 * row, below BOARD_CHILDREN, is the caller's choice, the lowest that is free:
 * those from PAGE_CHILDREN on are counted, but not shown.  Clearing a free row
 * does nothing.
 */
void board_child_set(struct board *board, unsigned row,
    const struct board_child *child);
void board_child_clear(struct board *board, unsigned row);

#endif
