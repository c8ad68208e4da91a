/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * store.h: the state database, state_dir/state.db: what was, for the next
 * start and for people.  It is a report: the master's truth is its memo.
 *
 * One thread owns SQLite.  All functions here are for the loop thread of the
 * master; none touches the disk, and none waits except store_start(),
 * store_flush() and store_stop(), each for a bounded time.  What is put is
 * copied.  Nothing here logs.  Words of failures are in struct store_status.
 */
#ifndef CLUSTERD_STORE_H
#define CLUSTERD_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "daemon/store/rows.h"

struct store;

enum {
	STORE_QUEUE_MAX = 10000,	/* records that wait for the thread */
	STORE_JOBS_MAX = 64,		/* queries and the like that wait */
	STORE_ROWS_MAX = 1000,		/* of one query */
	STORE_OPEN_MS = 5000,		/* store_start() waits so long */
	STORE_ADOPTED_MS = 200,		/* or so long, see store_options */
	STORE_LOADED_DEATHS = 100,
};

/* Rows that are kept; the keys keep_* of [daemon].  0: the default of the key. */
struct store_keep {
	unsigned events, deaths, commands, generations;
};

struct store_options {
	struct store_keep keep;
	int closed;		/* safe_mode: no thread, no file, all is dropped */
	int adopted;		/* a memo was adopted, it knows better: wait 200 ms
				 * at most; then store_load() stays empty */
	int serving;		/* so is somebody: a newer schema is a state, and
				 * not an error */
};

/*
 * Start the thread and wait up to 5 s for the database to be open.  Whatever
 * is wrong with the file does not fail the start: garbage is moved aside, a
 * locked or unwritable file is tried again every second (store_status()).
 * state_dir is absolute and exists.  wake_fd is an eventfd of the caller that
 * becomes readable when store_poll() has something to do; it must outlive the
 * store.  Returns 0, ERR_VERSION when the schema is newer than this program
 * (exit status 5), ERR_MEMORY or ERR_SYSTEM.  The thread has all signals
 * blocked.
 */
int store_start(const char *state_dir, const struct store_options *options,
    int wake_fd, struct store **out, struct errmsg *err);

/* Write what waits (at most timeout_ms), fold the WAL into the file, close.
 * NULL is legal.  Jobs that are open are not called back any more. */
void store_stop(struct store *store, unsigned timeout_ms);

/*
 * What the database knew at the start.  Belongs to the store, unchanged until
 * store_stop().  Never NULL; without a database everything in it is zero.
 */
struct store_loaded {
	int present;		/* 1: a database with a past was read */
	uint64_t seq_mark;	/* every seq that was used is below */
	uint64_t id_mark;	/* every worker id that was used is below */
	uint64_t generation;	/* highest number ever, refused ones included */
	uint64_t committed;	/* last one in force, 0: none */
	uint64_t previous;	/* in force before that one, 0: none */
	struct store_pool *pools;
	size_t pool_count;
	struct store_slot *slots;
	size_t slot_count;
	uint64_t *dead;		/* workers that have a record, newest first, of 100 */
	size_t dead_count;
};
const struct store_loaded *store_load(const struct store *store);

/*
 * Records.  Copied, queued and written in batches (250 ms or 256 of them).
 * Never fail and never wait: when 10 000 wait, the oldest events go first, and
 * what goes is counted (store_status.lost).  A record with the key of an older
 * one replaces it, so repeating one after a crash is harmless.
 *   key of an event: seq · a death: worker_id · a generation: number ·
 *   a command: command_id · a pool: name · a slot: pool and slot
 * Pools, slots and marks are the present state: only their last value waits.
 */
void store_put_event(struct store *store, const struct store_event *event);
void store_put_death(struct store *store, const struct store_death *death);
void store_put_generation(struct store *store,
    const struct store_generation *generation);
void store_put_command(struct store *store,
    const struct store_command *command);
void store_put_pool(struct store *store, const struct store_pool *pool);
void store_put_slot(struct store *store, const struct store_slot *slot);
/* Marks as in struct store_loaded; 0 leaves one as it is. */
void store_put_marks(struct store *store, uint64_t seq_mark,
    uint64_t id_mark);
/* The pool left the configuration: its row and those of its slots go. */
void store_remove_pool(struct store *store, const char *pool);
/* One that is no more, its counts being the pool's. */
void store_remove_slot(struct store *store, const char *pool, unsigned slot);

void store_set_keep(struct store *store, const struct store_keep *keep);

/* Wait up to timeout_ms until all that was put is committed and on the disk.
 * 1: it is, 0: not yet.  Blocks: for stop and upgrade; else store_sync(). */
int store_flush(struct store *store, unsigned timeout_ms);

enum store_state {
	STORE_OPENING,		/* not yet open, still within its 5 s */
	STORE_OK,
	STORE_BEHIND,		/* cannot write for 1 s; tried again every second */
	STORE_NEWER,		/* found newer after the start: stays closed */
	STORE_CLOSED,		/* safe_mode, or stopped */
};
const char *store_state_name(enum store_state state);

struct store_status {
	enum store_state state;
	size_t waiting;		/* records not yet written */
	uint64_t lost;		/* records dropped since the start */
	uint64_t stored;	/* records written since the start */
	uint64_t lost_behind;	/* dropped since store.behind */
	uint64_t wal_bytes;
	uint64_t memory;	/* bytes that SQLite has in use */
	unsigned moved_aside;	/* files replaced because they were unusable */
	char reason[512];	/* why behind or newer; "" when ok */
	char note[512];		/* "" or what was moved aside, and where to */
};
/* Cheap, does not wait for the thread's work. */
void store_status(const struct store *store, struct store_status *status);

/*
 * Deliver what the thread has finished: callbacks of jobs and of on_change run
 * in here, on the caller's thread.  Call it when wake_fd is readable (it reads
 * it), and every half second besides: while the thread is stuck in a system
 * call of its disk, it is here that deadlines pass and that this is noticed.
 * A callback may put records and start jobs, but not stop the store.
 */
void store_poll(struct store *store);

/* on_change(arg, status) is called by store_poll() after each change of
 * state or note.  One observer; NULL: none. */
void store_observe(struct store *store,
    void (*on_change)(void *arg, const struct store_status *status),
    void *arg);

/* ---- jobs ------------------------------------------------------------------ */

/* Rows as JSON text, one object each, owned by the store, gone after the
 * callback. */
struct store_text {
	uint64_t key;		/* seq, rowid or number */
	int64_t time_ms;
	const char *json;
	size_t len;
};

/*
 * End of a job.  rc: 0, or an ERR_ code with words in err.  Queries: rows in
 * ascending order of key; more: the limit cut the answer.  store_backup() and
 * store_sync() have no rows.
 */
struct store_answer {
	int rc;
	struct errmsg err;
	const struct store_text *rows;
	size_t count;
	int more;
};
typedef void (*store_done)(void *arg, const struct store_answer *answer);

enum store_table {
	STORE_EVENTS, STORE_DEATHS, STORE_GENERATIONS, STORE_COMMANDS,
};

struct store_query {
	enum store_table table;
	uint64_t since;		/* key >= since; 0: any */
	int64_t since_ms;	/* time >= since_ms; 0: any */
	char worker[96];	/* "web/0", "web" or "": events and deaths */
	char command_id[36];	/* commands; "": any */
	unsigned limit;		/* 1..STORE_ROWS_MAX; 0: STORE_ROWS_MAX */
	int last;		/* the last `limit' of them, not the first */
};

/*
 * Start a job.  Returns its number (> 0), or ERR_FULL when 64 are open, or
 * ERR_FAILED when there is no database and will be none.  `done' is called
 * exactly once, unless the job is cancelled or the store stopped; rc is
 * ERR_FAILED when the database cannot be read now, ERR_TIMEOUT when it has not
 * answered for 5 s.
 */
int store_query(struct store *store, const struct store_query *query,
    store_done done, void *arg);
/* A copy of the database into a new file (absolute path, must not exist). */
int store_backup(struct store *store, const char *file, store_done done,
    void *arg);
/* All that was put before is on the disk (rc 0), or ERR_TIMEOUT after
 * timeout_ms: the verdict's "stored". */
int store_sync(struct store *store, unsigned timeout_ms, store_done done,
    void *arg);
/* The job's `done' will not be called.  Unknown numbers are ignored. */
void store_cancel(struct store *store, int job);

#endif
