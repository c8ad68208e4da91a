/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * master.h: what the parts of the master share.  One struct, made in main.c,
 * used by the loop thread alone.  The supervisor's state is the memo (memo.h);
 * what is here is what a new master gets again from the keeper or can do
 * without.
 */
#ifndef CLUSTERD_MASTER_MASTER_H
#define CLUSTERD_MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/conf/conf.h"
#include "daemon/proto/connection.h"
#include "daemon/proto/keeper.h"
#include "daemon/proto/memo.h"
#include "daemon/supervisor/busy.h"
#include "common/base/oom.h"

struct change_run;
struct check;
struct control;
struct disk;
struct event;
struct event_base;
struct journal;
struct link;
struct listener;
struct process;
struct roster;
struct store;
struct turn;
struct view_pool;

enum {
	MASTER_GENERATIONS = 16,	/* loaded at once: in force, coming … */
	TICK_MS = 500,
	BEAT_MS = 250,
	STALE_MS = 1000,		/* a beat older than this: stalled */
	LATE_MS = 1000,			/* our own lateness that voids a round */
};

/* What the master keeps of a pool besides its memo row; same index. */
struct pool_run {
	unsigned retry_ms;		/* after EMFILE and the like: the pause */
	uint64_t retry_at_ns;		/* and its end; 0: none */
	uint64_t retry_said_ns;		/* when the log was told of it */
	int pass_error;			/* why sending failed; 0: no room */
	uint32_t last_slot;		/* round robin: the last used */
	bool has_room;			/* somebody who was awaited has */
	uint32_t served_listener;	/* the last one that was looked into */
	int hand_fd;			/* the connection that nobody could take */
	struct connection_passed hand;
	/* since this master began */
	uint64_t passed, taken_back, lost;	/* connections */
	uint64_t lines_dropped;		/* of what its workers said */
	/* by tick_awake_ns() */
	uint64_t short_since_ns;	/* ready < wanted since then; 0: not */
	uint64_t empty_since_ns;	/* ready = 0 since then; 0: not */
	uint64_t started_ns;		/* its first start; 0: adopted */
	uint64_t restarts_at_start;
	uint64_t access_lost_ns;	/* when lines of the access log were
					 * last lost; 0: not */
	bool was_ready;
	uint64_t recycle_after_ns;	/* a failed recycle is tried again then */
	int verdict;			/* enum view_state */
	struct busy_mean busy;
};

/* An accepted configuration; its snapshots are with the keeper, or soon. */
struct generation {
	uint64_t number;		/* 0: free */
	struct conf *conf;
	char *text;			/* canonical, secrets masked */
	size_t text_len;
	bool asked;			/* the keeper has it, at least in part */
	size_t parts;			/* so many: the whole one, and of pools */
};

struct master {
	struct event_base *base;
	struct link *link;
	struct turn *turn;		/* the memo and what is decided on it */
	struct store *store;
	struct journal *journal;
	struct control *control;
	struct disk *disk;		/* writes the files of a generation */
	struct logs *logs;		/* where the log goes; NULL: stderr */
	struct sources *sources;	/* looks at the files of plugins */
	struct check *check;		/* the checker that runs now, or NULL */
	struct change_run *change;	/* the transaction that runs, or NULL */

	/* from WELCOME */
	uint32_t flags, keeper_pid, number;
	int64_t keeper_started_ms;
	uint64_t orphan_grace_ms;
	char config_file[256];
	bool attached;			/* the inventory is complete */
	bool adopted;			/* we continue another master's work */
	bool memo_recovered;
	/* Of a memo that is whole and not trusted: its numbers are taken over,
	 * its rows are not.  NULL: none. */
	struct memo_copy *salvage;
	char rebuilt[128];		/* why the memo was made anew, or "" */
	char store_fault[128];		/* why it is closed, if not for the keeper */
	char last_end[200];		/* how the master before us ended */
	uint32_t checker_account;
	uint32_t account_uids[KEEPER_ACCOUNTS_MAX];	/* as SPAWN names them */
	uint32_t account_gids[KEEPER_ACCOUNTS_MAX];
	size_t account_count;
	bool inventory;			/* HAVE_END was read */
	uint64_t highest_id;		/* of the inventory */
	uint64_t began_ns;
	int64_t began_ms;

	struct page *page;		/* ours: beat and number */
	struct roster *roster;		/* behind it, for all workers */
	uint64_t roster_ns;		/* when it was last written */
	/* by its rows of leaders: when the word was taken from the last one;
	 * 0: not by this master */
	uint64_t leaderless_ns[MEMO_POOLS];
	struct generation generations[MASTER_GENERATIONS];
	const struct conf *conf;	/* of the committed one; borrowed */

	struct process *process[MEMO_WORKERS];	/* by memo row; NULL: none */
	struct process *graves;		/* dead ones whose queue is not empty */
	struct pool_run pool[MEMO_POOLS];
	struct listener *listeners;
	int control_fd;
	bool control_deaf;		/* nobody listens to it yet */

	struct event *tick, *beat, *deadline, *wake;
	struct event *retry;		/* the first end of a pause (dispatch) */
	uint64_t last_tick_ns;
	uint64_t awake_ns;		/* the loop turned then; see tick.h */
	uint64_t away_ns;		/* it stood still so long, in all */
	uint64_t ticks;
	int store_wake_fd;
	size_t window_unit;		/* c: bytes a message counts; 0: unknown */
	uint64_t connection_number;	/* of the next one passed */
	int back_fd;			/* the number that is kept for one connection,
					 * taken back or new; 0: none */
	uint64_t id_mark;		/* ids below may be used without asking */

	int verdict;			/* enum view_state, last shown */
	uint32_t verdict_reasons;	/* bit set of what was said with it */
	bool shown_ready, shown_reload;
	uint64_t summary_ns;		/* of the last `still degraded' */
	uint64_t control_inode;		/* of its path; 0: not seen yet */
	struct oom_watch oom;		/* kills for want of memory */
	uint64_t stalls;		/* since this master began */
	bool ending;			/* EXIT was sent */
	bool stop_now;
};

/* Whole generations; NULL if it is not loaded. */
struct generation *master_generation(struct master *m, uint64_t number);
/* Configuration of a pool of a generation, by its name; NULL: not there. */
const struct conf_pool *master_pool_conf(struct master *m, uint64_t number,
    const char *pool);
/* Configuration of a pool of the memo as it serves now: the one in force, or
 * for a pool that left it the last it had.  NULL: none. */
const struct conf_pool *master_pool_now(struct master *m, uint16_t pool);

/* Without memory or descriptors for the start: say so, and leave that to the
 * next one, which the keeper starts. */
_Noreturn void master_give_up(const char *what);

/* Tell the keeper to end the service with this status and these words. */
void master_end(struct master *m, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
