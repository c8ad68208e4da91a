/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* store.c: the loop thread's side of the store; see store.h. */
#include "daemon/store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/store/private.h"

static const struct store_keep keep_default = { 100000, 1000, 10000, 10 };

const char *
store_state_name(enum store_state state)
{
	switch (state) {
	case STORE_OPENING:
		return "opening";
	case STORE_OK:
		return "ok";
	case STORE_BEHIND:
		return "behind";
	case STORE_NEWER:
		return "newer";
	case STORE_CLOSED:
		return "closed";
	}
	return "unknown";
}

/* ---- start and stop -------------------------------------------------------------- */

static void
set_keep(struct store *store, const struct store_keep *keep)
{
#define KEEP(name)							\
	store->keep.name = keep->name != 0 ? keep->name : keep_default.name
	KEEP(events);
	KEEP(deaths);
	KEEP(commands);
	KEEP(generations);
#undef KEEP
}

static struct store *
store_new(const char *dir, const struct store_options *options, int wake_fd)
{
	struct store *store = calloc(1, sizeof(*store));
	pthread_condattr_t attr;

	if (store == NULL)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->work, &attr);
	pthread_cond_init(&store->done, &attr);
	pthread_condattr_destroy(&attr);
	store->wake_fd = wake_fd;
	queue_init(&store->queue);
	jobs_init(&store->pending);
	jobs_init(&store->syncs);
	jobs_init(&store->finished);
	jobs_init(&store->delivering);
	set_keep(store, &options->keep);
	snprintf(store->dir, sizeof(store->dir), "%s", dir);
	return store;
}

static void
store_free(struct store *store)
{
	queue_done(&store->queue);
	jobs_free(&store->pending);
	jobs_free(&store->syncs);
	jobs_free(&store->finished);
	read_loaded_done(&store->loaded);
	pthread_cond_destroy(&store->work);
	pthread_cond_destroy(&store->done);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static int
start_thread(struct store *store, struct errmsg *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&store->thread, NULL, store_thread, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		errno = rc;
		return errmsg_errno(err, "store: cannot start its thread");
	}
	store->has_thread = 1;
	return 0;
}

/* Lock held.  0: the time is up. */
static int
wait_done(struct store *store, uint64_t deadline_ms)
{
	struct timespec until = {
		(time_t)(deadline_ms / 1000),
		(long)(deadline_ms % 1000) * 1000000,
	};

	return pthread_cond_timedwait(&store->done, &store->lock, &until) !=
	    ETIMEDOUT;
}

int
store_start(const char *state_dir, const struct store_options *options,
    int wake_fd, struct store **out, struct errmsg *err)
{
	struct store *store = store_new(state_dir, options, wake_fd);
	unsigned wait_ms = options->adopted ? STORE_ADOPTED_MS :
	    clock_scaled_ms(STORE_OPEN_MS);
	uint64_t deadline = clock_now_ms() + wait_ms;
	int rc, newer;

	if (store == NULL)
		return errmsg_set(err, ERR_MEMORY, "store: out of memory");
	if (options->closed) {
		store->status.state = STORE_CLOSED;
		*out = store;
		return 0;
	}
	if ((rc = start_thread(store, err)) != 0) {
		store_free(store);
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	while (!store->tried && wait_done(store, deadline))
		continue;
	store->started = 1;
	newer = store->status.state == STORE_NEWER && !options->serving;
	if (newer && err != NULL)
		*err = store->first_error;
	pthread_mutex_unlock(&store->lock);
	if (newer) {
		store_stop(store, STORE_OPEN_MS);
		return ERR_VERSION;
	}
	*out = store;
	return 0;
}

void
store_stop(struct store *store, unsigned timeout_ms)
{
	uint64_t deadline = clock_now_ms() + timeout_ms;
	int ended = 1;

	if (store == NULL)
		return;
	if (store->has_thread) {
		pthread_mutex_lock(&store->lock);
		store->stopping = 1;
		store->stop_ms = deadline;
		pthread_cond_signal(&store->work);
		while (!store->ended && wait_done(store, deadline + 100))
			continue;
		ended = store->ended;
		pthread_mutex_unlock(&store->lock);
	}
	if (!ended) {
		/* Stuck in a system call: it keeps its memory, the process is
		 * about to end. */
		pthread_detach(store->thread);
		return;
	}
	if (store->has_thread)
		pthread_join(store->thread, NULL);
	store_free(store);
}

const struct store_loaded *
store_load(const struct store *store)
{
	return &store->loaded;
}

/* ---- records ---------------------------------------------------------------------- */

/* Lock held; wakes the thread only when it has a reason to look at the clock. */
static void
after_put(struct store *store)
{
	size_t waiting = queue_waiting(&store->queue);

	if (store->first_put_ms == 0) {
		store->first_put_ms = clock_now_ms();
		pthread_cond_signal(&store->work);
	} else if (waiting == STORE_BATCH_ROWS) {
		pthread_cond_signal(&store->work);
	}
}

static void
put(struct store *store, struct record *record)
{
	if (!store->has_thread) {
		free(record);
		return;
	}
	pthread_mutex_lock(&store->lock);
	queue_put(&store->queue, record);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_put_event(struct store *store, const struct store_event *event)
{
	put(store, record_event(event));
}

void
store_put_death(struct store *store, const struct store_death *death)
{
	put(store, record_death(death));
}

void
store_put_generation(struct store *store,
    const struct store_generation *generation)
{
	put(store, record_generation(generation));
}

void
store_put_command(struct store *store, const struct store_command *command)
{
	put(store, record_command(command));
}

void
store_put_pool(struct store *store, const struct store_pool *pool)
{
	if (!store->has_thread)
		return;
	pthread_mutex_lock(&store->lock);
	queue_put_pool(&store->queue, pool);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_put_slot(struct store *store, const struct store_slot *slot)
{
	if (!store->has_thread)
		return;
	pthread_mutex_lock(&store->lock);
	queue_put_slot(&store->queue, slot);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_put_marks(struct store *store, uint64_t seq_mark, uint64_t id_mark)
{
	if (!store->has_thread)
		return;
	pthread_mutex_lock(&store->lock);
	queue_put_marks(&store->queue, seq_mark, id_mark);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_remove_pool(struct store *store, const char *pool)
{
	if (!store->has_thread)
		return;
	pthread_mutex_lock(&store->lock);
	queue_remove_pool(&store->queue, pool);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_remove_slot(struct store *store, const char *pool, unsigned slot)
{
	if (!store->has_thread)
		return;
	pthread_mutex_lock(&store->lock);
	queue_remove_slot(&store->queue, pool, slot);
	after_put(store);
	pthread_mutex_unlock(&store->lock);
}

void
store_set_keep(struct store *store, const struct store_keep *keep)
{
	pthread_mutex_lock(&store->lock);
	set_keep(store, keep);
	pthread_mutex_unlock(&store->lock);
}

int
store_flush(struct store *store, unsigned timeout_ms)
{
	uint64_t deadline = clock_now_ms() + timeout_ms, upto;
	int stored;

	if (!store->has_thread)
		return 0;
	pthread_mutex_lock(&store->lock);
	upto = store->queue.puts;
	if (store->flush_upto < upto)
		store->flush_upto = upto;
	pthread_cond_signal(&store->work);
	while (store->synced_upto < upto && wait_done(store, deadline))
		continue;
	stored = store->synced_upto >= upto;
	pthread_mutex_unlock(&store->lock);
	return stored;
}

void
store_status(const struct store *store, struct store_status *status)
{
	struct store *mine = (struct store *)store;	/* for the lock only */

	pthread_mutex_lock(&mine->lock);
	*status = store->status;
	status->waiting = queue_waiting(&store->queue);
	status->lost = store->queue.lost;
	pthread_mutex_unlock(&mine->lock);
	status->memory = (uint64_t)sqlite3_memory_used();
}

/* ---- jobs -------------------------------------------------------------------------- */

void
store_wake(struct store *store)
{
	const uint64_t one = 1;
	ssize_t ignored = write(store->wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* Takes the job over; its number. */
static int
submit(struct store *store, struct job *job, struct job_list *list)
{
	int rc;

	pthread_mutex_lock(&store->lock);
	if (!store->has_thread || store->status.state == STORE_NEWER) {
		rc = ERR_FAILED;
	} else if (store->jobs >= STORE_JOBS_MAX) {
		rc = ERR_FULL;
	} else {
		store->last_job = store->last_job == INT32_MAX ? 1 :
		    store->last_job + 1;
		rc = job->number = store->last_job;
		job->upto = store->queue.puts;
		store->jobs++;
		jobs_append(list, job);
		pthread_cond_signal(&store->work);
		job = NULL;
	}
	pthread_mutex_unlock(&store->lock);
	if (job != NULL)
		job_free(job);
	return rc;
}

static struct job *
job_new(enum job_kind kind, store_done done, void *arg)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->kind = kind;
		job->done = done;
		job->arg = arg;
	}
	return job;
}

int
store_query(struct store *store, const struct store_query *query,
    store_done done, void *arg)
{
	struct job *job = job_new(JOB_QUERY, done, arg);

	if (job == NULL)
		return ERR_MEMORY;
	job->query = *query;
	job->deadline_ms = clock_now_ms() + clock_scaled_ms(STORE_ANSWER_MS);
	return submit(store, job, &store->pending);
}

int
store_backup(struct store *store, const char *file, store_done done, void *arg)
{
	struct job *job = job_new(JOB_BACKUP, done, arg);

	if (job != NULL && (job->file = strdup(file)) == NULL) {
		job_free(job);
		job = NULL;
	}
	if (job == NULL)
		return ERR_MEMORY;
	return submit(store, job, &store->pending);
}

int
store_sync(struct store *store, unsigned timeout_ms, store_done done, void *arg)
{
	struct job *job = job_new(JOB_SYNC, done, arg);

	if (job == NULL)
		return ERR_MEMORY;
	job->deadline_ms = clock_now_ms() + timeout_ms;
	return submit(store, job, &store->syncs);
}

void
store_cancel(struct store *store, int job)
{
	pthread_mutex_lock(&store->lock);
	jobs_cancel(store, job);
	pthread_mutex_unlock(&store->lock);
}

void
store_observe(struct store *store,
    void (*on_change)(void *arg, const struct store_status *status),
    void *arg)
{
	store->on_change = on_change;
	store->on_change_arg = arg;
}

static void
report_change(struct store *store)
{
	struct store_status status;
	unsigned changes;

	pthread_mutex_lock(&store->lock);
	changes = store->changes;
	pthread_mutex_unlock(&store->lock);
	if (changes == store->reported)
		return;
	store->reported = changes;
	store_status(store, &status);
	if (store->on_change != NULL)
		store->on_change(store->on_change_arg, &status);
}

void
store_poll(struct store *store)
{
	struct job *job;
	uint64_t count;
	ssize_t ignored = read(store->wake_fd, &count, sizeof(count));

	(void)ignored;
	pthread_mutex_lock(&store->lock);
	store_note_stuck(store, clock_now_ms());
	jobs_settle_syncs(store, clock_now_ms());
	jobs_give_up(store, clock_now_ms());
	while ((job = jobs_take(&store->finished)) != NULL) {
		jobs_append(&store->delivering, job);
		store->jobs--;
	}
	pthread_mutex_unlock(&store->lock);
	while ((job = jobs_take(&store->delivering)) != NULL) {
		if (!job->cancelled)
			job->done(job->arg, &job->answer);
		job_free(job);
	}
	report_change(store);
}
