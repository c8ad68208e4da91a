/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logfiles.c: files opened for workers; see logfiles.h.  There is one such
 * thread, hence the one static struct.
 */
#include "daemon/journal/logfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "daemon/journal/logfile.h"

enum {
	LOOK_MS = 1000,			/* how often for files that were removed,
					 * or could not be opened */
	STUCK_MS = 2000,
};

struct row {
	struct logfiles_status status;
	bool used, wanted;		/* used and not wanted: to be freed */
	bool pending;			/* to be opened */
	bool is_pipe;
	int fd;				/* changed by the thread alone */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	int wake_fd;			/* -1: it does not run */
	/* under the lock */
	struct row rows[LOGFILES_MAX];
	unsigned asked, answered;
	uint64_t busy_ms;		/* since when in a call; 0: not */
} logfiles = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake_fd = -1 };

/* ---- the thread --------------------------------------------------------------- */

/* The lock is given up for a call that may take its time. */
static void
begin_call(void)
{
	logfiles.busy_ms = clock_now_ms();
	pthread_mutex_unlock(&logfiles.lock);
}

static void
end_call(void)
{
	pthread_mutex_lock(&logfiles.lock);
	logfiles.busy_ms = 0;
}

static int
open_name(const char *what, const char *name, int *fd, struct errmsg *err)
{
	int rc = FP("access.open");

	if (rc > 0)
		return errmsg_set(err, ERR_SYSTEM, "%s: cannot open %s: %s",
		    what, name, strerror(rc));
	if (strcmp(name, "stdout") != 0)
		return logfile_open(what, name, fd, err);
	*fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return *fd >= 0 ? 0 : errmsg_errno(err, "%s: stdout", what);
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 || !file_takes_lines(&st);
}

/* Lock held, given up meanwhile. */
static void
open_row(struct row *row)
{
	struct logfiles_status *status = &row->status;
	struct errmsg err = { 0 };
	const char *what = status->what;
	char name[LOGFILES_NAME];
	bool pipe = false;
	int fd = -1, rc;

	row->pending = false;
	memcpy(name, status->name, sizeof(name));
	begin_call();
	rc = open_name(what, name, &fd, &err);
	if (rc == 0)
		pipe = is_pipe(fd);
	end_call();
	status->refused = rc;
	snprintf(status->trouble, sizeof(status->trouble), "%.255s", err.text);
	if (rc != 0)
		return;
	rc = row->fd;
	row->fd = fd;
	row->is_pipe = pipe;
	status->opened++;
	begin_call();
	fd_close(&rc);
	end_call();
}

static void
free_row(struct row *row)
{
	int fd = row->fd;

	row->fd = -1;
	begin_call();
	fd_close(&fd);
	end_call();
	if (!row->wanted)		/* else somebody wants it again */
		row->used = false;
}

/* Is it open, and would somebody read what goes there? */
static void
look_at(struct row *row)
{
	bool removed;

	if (row->fd < 0) {
		row->pending = true;
		return;
	}
	begin_call();
	removed = logfile_is_removed(row->fd);
	end_call();
	if (removed)
		row->pending = true;
	row->status.made_again = removed;
}

static void
wake_loop(void)
{
	uint64_t one = 1;
	ssize_t ignored = write(logfiles.wake_fd, &one, sizeof(one));

	(void)ignored;
}

/* False: there was nothing to do. */
static bool
do_work(void)
{
	unsigned number = logfiles.asked;
	bool worked = number != logfiles.answered;

	for (int i = 0; i < LOGFILES_MAX; i++) {
		struct row *row = &logfiles.rows[i];

		if (!row->used)
			continue;
		if (!row->wanted)
			free_row(row);
		else if (row->pending)
			open_row(row);
		else
			continue;
		worked = true;
	}
	logfiles.answered = number;
	if (worked)
		wake_loop();
	return worked;
}

/* Until there is work, or it is time to look. */
static void
wait_for_work(void)
{
	uint64_t end = clock_now_ms() + clock_scaled_ms(LOOK_MS);
	struct timespec until = {
		(time_t)(end / 1000), (long)(end % 1000) * 1000000,
	};

	if (pthread_cond_timedwait(&logfiles.work, &logfiles.lock, &until) !=
	    ETIMEDOUT)
		return;
	for (int i = 0; i < LOGFILES_MAX; i++)
		if (logfiles.rows[i].used)
			look_at(&logfiles.rows[i]);
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&logfiles.lock);
	for (;;)
		if (!do_work())
			wait_for_work();
	return NULL;
}

/* ---- the loop ------------------------------------------------------------------ */

int
logfiles_start(int wake_fd, struct errmsg *err)
{
	sigset_t all, before;
	pthread_condattr_t attr;
	int rc;

	if (logfiles.wake_fd >= 0)
		return 0;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&logfiles.work, &attr);
	pthread_condattr_destroy(&attr);
	logfiles.wake_fd = wake_fd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&logfiles.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return 0;
	logfiles.wake_fd = -1;
	errno = rc;
	return errmsg_errno(err, "no thread to open files of workers");
}

/* Lock held. */
static int
find_row(const char *name, const char *what)
{
	int free_row = -1;

	for (int i = 0; i < LOGFILES_MAX; i++) {
		const struct row *row = &logfiles.rows[i];

		if (row->used && strcmp(row->status.name, name) == 0)
			return i;
		if (!row->used && free_row < 0)
			free_row = i;
	}
	if (free_row >= 0) {
		logfiles.rows[free_row] = (struct row){ .fd = -1 };
		logfiles.rows[free_row].status.what = what;
		snprintf(logfiles.rows[free_row].status.name, LOGFILES_NAME,
		    "%s", name);
	}
	return free_row;
}

int
logfiles_find(const char *name, const char *what)
{
	int index;

	pthread_mutex_lock(&logfiles.lock);
	index = find_row(name, what);
	if (index >= 0 && !logfiles.rows[index].wanted) {
		logfiles.rows[index].used = true;
		logfiles.rows[index].wanted = true;
		logfiles.rows[index].pending = true;
		pthread_cond_signal(&logfiles.work);
	}
	pthread_mutex_unlock(&logfiles.lock);
	return index;
}

void
logfiles_drop(int row)
{
	pthread_mutex_lock(&logfiles.lock);
	logfiles.rows[row].wanted = false;
	pthread_cond_signal(&logfiles.work);
	pthread_mutex_unlock(&logfiles.lock);
}

unsigned
logfiles_reopen(void)
{
	unsigned number;

	pthread_mutex_lock(&logfiles.lock);
	for (int i = 0; i < LOGFILES_MAX; i++)
		logfiles.rows[i].pending |= logfiles.rows[i].used;
	number = logfiles.wake_fd >= 0 ? ++logfiles.asked : logfiles.answered;
	pthread_cond_signal(&logfiles.work);
	pthread_mutex_unlock(&logfiles.lock);
	return number;
}

unsigned
logfiles_answered(void)
{
	unsigned number;

	pthread_mutex_lock(&logfiles.lock);
	number = logfiles.answered;
	pthread_mutex_unlock(&logfiles.lock);
	return number;
}

bool
logfiles_are_stuck(void)
{
	bool stuck;

	pthread_mutex_lock(&logfiles.lock);
	stuck = logfiles.busy_ms != 0 && clock_now_ms() - logfiles.busy_ms >=
	    clock_scaled_ms(STUCK_MS);
	pthread_mutex_unlock(&logfiles.lock);
	return stuck;
}

bool
logfiles_status(int row, struct logfiles_status *status)
{
	bool used;

	pthread_mutex_lock(&logfiles.lock);
	used = logfiles.rows[row].used && logfiles.rows[row].wanted;
	if (used)
		*status = logfiles.rows[row].status;
	pthread_mutex_unlock(&logfiles.lock);
	return used;
}

void
logfiles_use(int row, void (*use)(int fd, bool is_pipe, void *arg), void *arg)
{
	pthread_mutex_lock(&logfiles.lock);
	if (logfiles.rows[row].fd >= 0)
		use(logfiles.rows[row].fd, logfiles.rows[row].is_pipe, arg);
	pthread_mutex_unlock(&logfiles.lock);
}
