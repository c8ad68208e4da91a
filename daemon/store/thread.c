/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * thread.c: the store thread: opens the file, writes batches, answers jobs,
 * notices when the file is gone.  It holds the lock only between its steps,
 * never while SQLite works.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "daemon/store/private.h"
#include "daemon/store/sql.h"
#include "daemon/store/write.h"

/* ---- state, lock held ---------------------------------------------------------- */

static void
set_state(struct store *store, enum store_state state, const char *reason)
{
	snprintf(store->status.reason, sizeof(store->status.reason), "%s",
	    reason);
	store->status.state = state;
	store->changes++;
	store_wake(store);
}

static void
set_note(struct store *store, const char *words, const char *where)
{
	snprintf(store->status.note, sizeof(store->status.note), "%s%s", words,
	    where);
	store->changes++;
	store_wake(store);
}

static void
fall_behind(struct store *store, const char *reason)
{
	if (store->status.state == STORE_OK ||
	    store->status.state == STORE_OPENING) {
		store->lost_before = store->queue.lost;
		set_state(store, STORE_BEHIND, reason);
	} else if (store->status.state == STORE_BEHIND) {
		snprintf(store->status.reason, sizeof(store->status.reason),
		    "%s", reason);
	}
}

static void
note_failing(struct store *store, const char *reason)
{
	uint64_t now = clock_now_ms();

	if (store->failing_since_ms == 0)
		store->failing_since_ms = now;
	if (now - store->failing_since_ms >= clock_scaled_ms(STORE_BEHIND_MS))
		fall_behind(store, reason);
}

/* A disk that stands still lets no call return, so nothing here fails: who
 * waits for us must be able to see it. */
void
store_note_stuck(struct store *store, uint64_t now_ms)
{
	if (store->writing_since_ms != 0 && store->status.state != STORE_BEHIND &&
	    now_ms - store->writing_since_ms >= clock_scaled_ms(STORE_STUCK_MS))
		fall_behind(store, "the disk does not answer");
}

static void
note_fine(struct store *store)
{
	store->failing_since_ms = 0;
	store->retry_ms = 0;
	if (store->status.state == STORE_OK)
		return;
	if (store->status.state == STORE_BEHIND)
		store->status.lost_behind = store->queue.lost -
		    store->lost_before;
	set_state(store, STORE_OK, "");
}

/* SQLite asks from within an attempt whether to wait on for another process. */
static int
on_locked(void *arg)
{
	struct store *store = arg;
	uint64_t now = clock_now_ms();
	int wait = now - store->attempt_ms < clock_scaled_ms(STORE_BUSY_MS);

	pthread_mutex_lock(&store->lock);
	note_failing(store, "locked by another process");
	jobs_settle_syncs(store, now);
	if (store->stopping && now >= store->stop_ms)
		wait = 0;
	pthread_mutex_unlock(&store->lock);
	return wait;
}

/* ---- opening, lock not held ----------------------------------------------------- */

/* What was loaded becomes the present state: not to be written, but there if
 * all of it has to be written again. */
static void
preload(struct store *store)
{
	const struct store_loaded *loaded = &store->loaded;
	struct present *present = &store->queue.present;

	for (size_t i = 0; i < loaded->pool_count; i++)
		queue_put_pool(&store->queue, &loaded->pools[i]);
	for (size_t i = 0; i < loaded->slot_count; i++)
		queue_put_slot(&store->queue, &loaded->slots[i]);
	queue_put_marks(&store->queue, loaded->seq_mark, loaded->id_mark);
	memset(present->slot_dirty, 0, sizeof(present->slot_dirty));
	memset(present->pool_dirty, 0, sizeof(present->pool_dirty));
	present->marks_dirty = 0;
	present->dirty = 0;
	store->queue.puts = 0;
}

static int
open_file(struct store *store, struct errmsg *err)
{
	struct store_loaded loaded = { 0 };
	int rc;

	store->attempt_ms = clock_now_ms();
	rc = database_open(&store->base, store->thorough, err);
	if (rc != 0)
		return rc;
	store->thorough = 0;
	if ((rc = read_loaded(store->base.db, &loaded, err)) != 0) {
		store->thorough = 1;
		database_close(&store->base, 0);
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	if (store->base.aside[0] != '\0') {
		store->status.moved_aside++;
		set_note(store, "the database was unusable; what it knew is in ",
		    store->base.aside);
	}
	if (!store->started && !store->opened) {
		store->loaded = loaded;
		preload(store);
	} else {
		read_loaded_done(&loaded);
		queue_repeat_present(&store->queue);
	}
	store->opened = 1;
	pthread_mutex_unlock(&store->lock);
	return 0;
}

/* Lock held.  The first attempts are what store_start() waits for. */
static void
note_attempt(struct store *store, int rc, const struct errmsg *err)
{
	if (rc == ERR_VERSION) {
		set_state(store, STORE_NEWER, err->text);
	} else if (rc != 0) {
		note_failing(store, err->text);
		store->retry_ms = clock_now_ms() +
		    clock_scaled_ms(STORE_RETRY_MS);
	}
	if (!store->opened || rc == 0)
		store->tried = rc != ERR_BUSY;
	store->first_error = *err;
	store->first_error.code = rc;
	pthread_cond_broadcast(&store->done);
}

/* ---- writing --------------------------------------------------------------------- */

/* After a failure the page cache is not trusted, unless the file was only
 * locked: close, and look at all of it again if it may be damaged. */
static void
distrust(struct store *store, int rc)
{
	if (rc == ERR_BUSY || store->base.db == NULL)
		return;
	if (rc == ERR_FORMAT)
		store->thorough = 1;
	database_discard(&store->base);
}

/* Lock held: what people are told of it. */
static void
note_health(struct store *store, enum database_health health)
{
	switch (health) {
	case DATABASE_FINE:
		break;
	case DATABASE_MOVED:
		set_note(store, "the database was removed or replaced; "
		    "the present state was written anew", "");
		break;
	case DATABASE_DAMAGED:
		store->status.moved_aside++;
		set_note(store, "the database was overwritten; what is left of "
		    "it is in ", store->base.aside);
		break;
	case DATABASE_LOG_LOST:
		set_note(store, "the database's log was removed; what it held "
		    "was saved, and the present state was written anew", "");
		break;
	}
}

/* Open if need be, write the batch, see whether the file is still the one. */
static int
write_out(struct store *store, struct errmsg *err)
{
	enum database_health health;
	int rc;

	if (store->base.db == NULL && (rc = open_file(store, err)) != 0)
		return rc;
	store->attempt_ms = clock_now_ms();
	if (batch_count(&store->batch) > 0) {
		rc = write_batch(&store->base, &store->batch, err);
		if (rc != 0) {
			distrust(store, rc);
			return rc;
		}
	}
	health = database_check(&store->base);
	if (health == DATABASE_FINE)
		return 0;
	store->thorough = 1;
	database_discard(&store->base);
	pthread_mutex_lock(&store->lock);
	note_health(store, health);
	pthread_mutex_unlock(&store->lock);
	return errmsg_set(err, ERR_SYSTEM, "%s is another file now",
	    store->base.path);
}

/* All that was committed is on the disk.  Busy: another process is doing just
 * that. */
static int
sync_file(struct store *store, struct errmsg *err)
{
	int rc;

	(void)FP("store.before_sync");
	rc = sqlite3_wal_checkpoint_v2(store->base.db, NULL,
	    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
		return 0;
	rc = sql_error(store->base.db, "checkpoint", err);
	distrust(store, rc);
	return rc;
}

static int
sync_wanted(const struct store *store)
{
	return store->flush_upto > store->synced_upto ||
	    store->syncs.first != NULL || store->sync_owed;
}

/* Lock held, given up meanwhile. */
static void
write_step(struct store *store)
{
	struct errmsg err = { 0 };
	int sync = sync_wanted(store), rc;
	int first = store->base.db != NULL && store->failing_since_ms == 0;

	queue_take(&store->queue, &store->batch);
	store->first_put_ms = 0;
	store->writing_since_ms = clock_now_ms();
	pthread_mutex_unlock(&store->lock);
	rc = write_out(store, &err);
	if (rc == 0 && sync)
		rc = sync_file(store, &err);
	pthread_mutex_lock(&store->lock);
	store->writing_since_ms = 0;
	/* Whoever asked for it waits a second, the disk may need longer. */
	if (sync)
		store->sync_owed = rc != 0;
	if (rc == 0) {
		size_t count = batch_count(&store->batch);

		store->stored_upto = store->batch.upto;
		store->status.stored += count;
		store->untrimmed += (unsigned)count;
		if (sync)
			store->synced_upto = store->stored_upto;
		batch_free(&store->batch);
		note_fine(store);
	} else {
		queue_return(&store->queue, &store->batch);
		store->first_put_ms = clock_now_ms();
	}
	note_attempt(store, rc, &err);
	if (first && rc != 0 && rc != ERR_BUSY)
		store->retry_ms = 0;	/* at once: perhaps only the handle is bad */
	jobs_settle_syncs(store, clock_now_ms());
}

/* ---- the rest ---------------------------------------------------------------------- */

static void
job_step(struct store *store, struct job *job)
{
	int rc;

	store->running = job;
	pthread_mutex_unlock(&store->lock);
	store->attempt_ms = clock_now_ms();
	rc = job_run(job, &store->base);
	pthread_mutex_lock(&store->lock);
	store->running = NULL;
	jobs_finish(store, job, rc);
}

/* Retention and the size of the log, in quiet moments.  Failing here is not
 * worth a word: if writing is broken, the next batch says so. */
static void
tidy_step(struct store *store)
{
	struct store_keep keep = store->keep;
	struct errmsg err;
	uint64_t bytes;
	int more = 0;

	pthread_mutex_unlock(&store->lock);
	store->attempt_ms = clock_now_ms();
	if (store->untrimmed > 0) {
		(void)write_trim(&store->base, &keep, &more, &err);
		store->untrimmed = more ? STORE_TRIM_ROWS : 0;
	}
	bytes = database_wal_bytes(&store->base);
	if (bytes > STORE_WAL_LIMIT)
		sqlite3_wal_checkpoint_v2(store->base.db, NULL,
		    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	bytes = database_wal_bytes(&store->base);
	pthread_mutex_lock(&store->lock);
	store->status.wal_bytes = bytes;
}

/* Every 5 s, also when nothing is to be written. */
static void
check_step(struct store *store)
{
	store->check_ms = clock_now_ms() + clock_scaled_ms(STORE_CHECK_MS);
	write_step(store);
	if (store->base.db != NULL)
		tidy_step(store);
}

/* When there is something to write: now, or at which time. */
static uint64_t
write_due(const struct store *store)
{
	size_t waiting = queue_waiting(&store->queue);
	uint64_t due = store->check_ms;

	if (store->base.db == NULL || sync_wanted(store))
		due = 0;
	else if (waiting >= STORE_BATCH_ROWS)
		due = 0;
	else if (waiting > 0 && store->first_put_ms +
	    clock_scaled_ms(STORE_BATCH_MS) < due)
		due = store->first_put_ms + clock_scaled_ms(STORE_BATCH_MS);
	return due > store->retry_ms ? due : store->retry_ms;
}

static void
wait_until(struct store *store, uint64_t due_ms)
{
	struct timespec until;

	for (struct job *job = store->syncs.first; job != NULL;
	    job = job->next)
		if (job->deadline_ms < due_ms)
			due_ms = job->deadline_ms;
	until.tv_sec = (time_t)(due_ms / 1000);
	until.tv_nsec = (long)(due_ms % 1000) * 1000000;
	pthread_cond_timedwait(&store->work, &store->lock, &until);
}

static void
step(struct store *store)
{
	uint64_t now = clock_now_ms(), due;
	struct job *job;

	/* A question is answered with what was put before it, if it can be
	 * written: "why did it die" is asked at once. */
	if (store->pending.first != NULL && store->base.db != NULL &&
	    queue_waiting(&store->queue) > 0 &&
	    store->failing_since_ms == 0 && now >= store->retry_ms)
		write_step(store);
	if ((job = jobs_take(&store->pending)) != NULL) {
		job_step(store, job);
		return;
	}
	if (store->status.state == STORE_NEWER) {
		jobs_settle_syncs(store, now);
		wait_until(store, now + STORE_CHECK_MS);
		return;
	}
	due = write_due(store);
	if (now >= due && now >= store->check_ms)
		check_step(store);
	else if (now >= due)
		write_step(store);
	else if (store->untrimmed >= STORE_TRIM_ROWS && store->base.db != NULL)
		tidy_step(store);
	else
		wait_until(store, due);
	jobs_settle_syncs(store, clock_now_ms());
}

void *
store_thread(void *arg)
{
	struct store *store = arg;

	database_init(&store->base, store->dir, on_locked, store);
	pthread_mutex_lock(&store->lock);
	store->thorough = 1;
	while (!store->stopping)
		step(store);
	if (store->status.state != STORE_NEWER &&
	    queue_waiting(&store->queue) > 0)
		write_step(store);
	pthread_mutex_unlock(&store->lock);
	store->attempt_ms = clock_now_ms();
	database_close(&store->base, 1);
	pthread_mutex_lock(&store->lock);
	store->ended = 1;
	pthread_cond_broadcast(&store->done);
	pthread_mutex_unlock(&store->lock);
	return NULL;
}
