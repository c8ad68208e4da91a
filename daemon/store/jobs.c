/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * jobs.c: queries, backups and waits for the disk, on their way to the store
 * thread and back.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/store/private.h"
#include "daemon/store/sql.h"

void
jobs_init(struct job_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

void
jobs_append(struct job_list *list, struct job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static void
unlink_next(struct job_list *list, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (list->end == &job->next)
		list->end = at;
}

struct job *
jobs_take(struct job_list *list)
{
	struct job *job = list->first;

	if (job != NULL)
		unlink_next(list, &list->first);
	return job;
}

void
job_free(struct job *job)
{
	read_answer_done(&job->rows);
	free(job->file);
	free(job);
}

void
jobs_free(struct job_list *list)
{
	struct job *job;

	while ((job = jobs_take(list)) != NULL)
		job_free(job);
}

void
jobs_finish(struct store *store, struct job *job, int rc)
{
	job->answer.rc = rc;
	job->answer.rows = job->rows.rows;
	job->answer.count = rc == 0 ? job->rows.count : 0;
	job->answer.more = job->rows.more;
	jobs_append(&store->finished, job);
	store_wake(store);
}

void
jobs_settle_syncs(struct store *store, uint64_t now_ms)
{
	struct job **at = &store->syncs.first;

	while (*at != NULL) {
		struct job *job = *at;

		if (job->upto > store->synced_upto &&
		    now_ms < job->deadline_ms) {
			at = &job->next;
			continue;
		}
		unlink_next(&store->syncs, at);
		jobs_finish(store, job, job->upto <= store->synced_upto ? 0 :
		    errmsg_set(&job->answer.err, ERR_TIMEOUT,
		    "the database has not taken it yet"));
	}
}

static int
is_late(const struct job *job, uint64_t now_ms)
{
	return job != NULL && job->kind == JOB_QUERY && !job->cancelled &&
	    now_ms >= job->deadline_ms;
}

/* The thread has this one: another answers in its place, and what the thread
 * will say is dropped. */
static void
give_up_running(struct store *store)
{
	struct job *job = store->running, *instead = calloc(1, sizeof(*job));

	if (instead == NULL)
		return;			/* the next look tries again */
	instead->kind = job->kind;
	instead->number = job->number;
	instead->done = job->done;
	instead->arg = job->arg;
	job->cancelled = 1;
	store->jobs++;
	jobs_finish(store, instead, errmsg_set(&instead->answer.err,
	    ERR_TIMEOUT, "the database does not answer"));
}

void
jobs_give_up(struct store *store, uint64_t now_ms)
{
	struct job **at = &store->pending.first;

	if (is_late(store->running, now_ms))
		give_up_running(store);
	while (*at != NULL) {
		struct job *job = *at;

		if (!is_late(job, now_ms)) {
			at = &job->next;
			continue;
		}
		unlink_next(&store->pending, at);
		jobs_finish(store, job, errmsg_set(&job->answer.err,
		    ERR_TIMEOUT, "the database does not answer"));
	}
}

void
jobs_cancel(struct store *store, int number)
{
	struct job_list *lists[] = {
		&store->pending, &store->syncs, &store->finished,
		&store->delivering,
	};

	if (store->running != NULL && store->running->number == number)
		store->running->cancelled = 1;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (struct job *job = lists[i]->first; job != NULL;
		    job = job->next)
			if (job->number == number)
				job->cancelled = 1;
}

static int
backup(struct job *job, struct database *base)
{
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", job->file);
	int rc;

	if (sql == NULL)
		return errmsg_set(&job->answer.err, ERR_MEMORY,
		    "out of memory");
	rc = sql_run(base->db, sql, &job->answer.err);
	sqlite3_free(sql);
	return rc;
}

int
job_run(struct job *job, struct database *base)
{
	if (base->db == NULL)
		return errmsg_set(&job->answer.err, ERR_FAILED,
		    "the database cannot be read now");
	if (job->kind == JOB_BACKUP)
		return backup(job, base);
	if (read_answer_init(&job->rows) != 0)
		return errmsg_set(&job->answer.err, ERR_MEMORY,
		    "out of memory");
	return read_query(base->reader, &job->query, &job->rows,
	    &job->answer.err);
}
