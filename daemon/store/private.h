/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * private.h: the store, inside.  store.c has the loop thread's side, thread.c
 * the store thread's, jobs.c the lists of jobs between them.
 */
#ifndef CLUSTERD_STORE_PRIVATE_H
#define CLUSTERD_STORE_PRIVATE_H

#include <pthread.h>

#include "daemon/store/database.h"
#include "daemon/store/queue.h"
#include "daemon/store/read.h"
#include "daemon/store/store.h"

enum {
	STORE_BATCH_MS = 250, STORE_BATCH_ROWS = 256,
	STORE_BEHIND_MS = 1000,		/* failing so long: store.behind */
	STORE_STUCK_MS = 2000,		/* one write, or sync, so long: the same */
	STORE_RETRY_MS = 1000,
	STORE_CHECK_MS = 5000,		/* still the same file? */
	STORE_BUSY_MS = 2000,		/* one attempt at a locked file */
	STORE_ANSWER_MS = 5000,		/* a question waits so long */
	STORE_WAL_LIMIT = 4 << 20,	/* folded back when it is larger */
	STORE_TRIM_ROWS = 1000,		/* written: time for retention */
};

enum job_kind { JOB_QUERY, JOB_BACKUP, JOB_SYNC };

struct job {
	struct job *next;
	int number;
	enum job_kind kind;
	int cancelled;
	store_done done;
	void *arg;
	struct store_query query;
	char *file;			/* JOB_BACKUP */
	uint64_t upto;			/* JOB_SYNC */
	uint64_t deadline_ms;		/* all but JOB_BACKUP */
	struct store_answer answer;
	struct read_answer rows;
};

struct job_list {
	struct job *first, **end;
};

struct store {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* for the store thread */
	pthread_cond_t done;		/* for who waits in store.c */
	int wake_fd;

	/* Under the lock. */
	struct queue queue;
	struct store_keep keep;
	struct store_status status;	/* but waiting and lost */
	unsigned changes;		/* of the status */
	uint64_t first_put_ms;		/* of what waits; 0: nothing does */
	uint64_t stored_upto, synced_upto;	/* of queue.puts */
	uint64_t flush_upto;		/* store_flush() waits for it */
	int sync_owed;			/* one has failed, none has succeeded since */
	uint64_t failing_since_ms;	/* 0: not */
	uint64_t writing_since_ms;	/* SQLite is at work; 0: not */
	uint64_t lost_before;		/* queue.lost when it fell behind */
	int tried, opened;		/* the first attempts */
	int started;			/* loaded does not change any more */
	struct errmsg first_error;
	int stopping, ended;
	uint64_t stop_ms;		/* deadline of the stopping */
	struct job_list pending, syncs, finished;
	struct job *running;
	unsigned jobs;			/* open ones */
	int last_job;
	struct store_loaded loaded;

	/* The loop thread's. */
	int has_thread;			/* 0 for ever: closed, all is dropped */
	pthread_t thread;
	struct job_list delivering;
	unsigned reported;
	void (*on_change)(void *arg, const struct store_status *status);
	void *on_change_arg;

	/* The store thread's. */
	char dir[4096];
	struct database base;
	struct batch batch;
	int thorough;			/* check page by page at the next open */
	uint64_t attempt_ms, retry_ms, check_ms;
	unsigned untrimmed;		/* rows written since the last trim */
};

/* thread.c */
void *store_thread(void *store);
/* Lock held, the loop's thread: the other may be stuck in a system call. */
void store_note_stuck(struct store *store, uint64_t now_ms);

/* store.c; lock held: something for store_poll(). */
void store_wake(struct store *store);

/* jobs.c; lock held for all of them. */
void jobs_init(struct job_list *list);
void jobs_append(struct job_list *list, struct job *job);
struct job *jobs_take(struct job_list *list);	/* the first, or NULL */
void jobs_finish(struct store *store, struct job *job, int rc);
/* Those that are stored, and those whose time is up. */
void jobs_settle_syncs(struct store *store, uint64_t now_ms);
/* Questions whose time is up, the thread being stuck. */
void jobs_give_up(struct store *store, uint64_t now_ms);
void jobs_cancel(struct store *store, int number);
void job_free(struct job *job);
void jobs_free(struct job_list *list);
/* Without the lock, store thread: query or backup. */
int job_run(struct job *job, struct database *base);

#endif
