/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logthread.c: the log, written by a thread of its own; see logthread.h.  The
 * sink has no argument and there is one log, hence the one static struct.
 */
#include "daemon/journal/logthread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/journal/logfile.h"

enum {
	NOTICE_MS = 10000,
	STUCK_MS = 2000,	/* one call so long: it takes no lines */
	AGAIN_MS = 1000,	/* what could not be opened is tried again */
	TO_SYSLOG = -2,
};

struct line {
	enum log_level level;
	size_t len;
	char text[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t thread;
	int running, wake_fd;		/* the loop thread's */
	/* under the lock */
	struct line *ring[LOGTHREAD_RING];
	unsigned first, count;
	size_t bytes;
	char wanted[LOGTHREAD_TARGET];	/* to be opened by the thread */
	unsigned asked, answered;	/* how often; the same: nothing to do */
	int refused;			/* the answer */
	uint64_t again_ms;		/* when it is tried again */
	char trouble[256];
	uint64_t busy_ms;		/* since when it is in a call; 0: not */
	int stopping, ended;
	uint64_t written, dropped;
	uint64_t dropped_ms;		/* when the last one was */
	char reason[256];
	/* the thread's */
	int fd;				/* or TO_SYSLOG */
	char path[LOGTHREAD_TARGET];	/* of a file; "": it is none */
	uint64_t told;			/* of dropped, in the log itself */
	uint64_t notice_ms;		/* next one on stderr */
} logthread = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .wake_fd = -1,
};

/* ---- targets --------------------------------------------------------------------- */

static int
open_target(const char *target, int *out, struct errmsg *err)
{
	int fd;

	if (strcmp(target, "syslog") == 0) {
		openlog("clusterd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
		*out = TO_SYSLOG;
		return 0;
	}
	if (strcmp(target, "stderr") != 0)
		return logfile_open("log", target, out, err);
	fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return errmsg_errno(err, "log: stderr");
	*out = fd;
	return 0;
}

static void
close_target(int *fd)
{
	if (*fd == TO_SYSLOG)
		*fd = -1;
	fd_close(fd);
}

/* ---- the loop's side ---------------------------------------------------------------- */

/* Lock held. */
static void
count_dropped(const char *why)
{
	logthread.dropped++;
	logthread.dropped_ms = clock_now_ms();
	snprintf(logthread.reason, sizeof(logthread.reason), "%.255s", why);
}

static void
put_line(enum log_level level, const char *text, size_t len)
{
	struct line *line = malloc(sizeof(*line) + len);

	if (line != NULL) {
		line->level = level;
		line->len = len;
		memcpy(line->text, text, len);
	}
	pthread_mutex_lock(&logthread.lock);
	if (line == NULL || logthread.count == LOGTHREAD_RING ||
	    logthread.bytes + len > LOGTHREAD_BYTES) {
		count_dropped("the log is not written fast enough");
		free(line);
	} else {
		logthread.ring[(logthread.first + logthread.count++) %
		    LOGTHREAD_RING] = line;
		logthread.bytes += len;
		pthread_cond_signal(&logthread.work);
	}
	pthread_mutex_unlock(&logthread.lock);
}

/* ---- the thread's side --------------------------------------------------------------- */

static int
priority_of(enum log_level level)
{
	switch (level) {
	case LL_ERROR:
		return LOG_ERR;
	case LL_WARNING:
		return LOG_WARNING;
	case LL_NOTICE:
		return LOG_NOTICE;
	case LL_INFO:
		return LOG_INFO;
	case LL_DEBUG:
		return LOG_DEBUG;
	}
	return LOG_NOTICE;
}

/* Somebody removed the file: nobody would ever read what goes there. */
static int
is_removed(void)
{
	return logthread.path[0] != '\0' && logfile_is_removed(logthread.fd);
}

/* 0 or an ERR_ code. */
static int
make_again(struct errmsg *err)
{
	char text[LOGTHREAD_TARGET + 64];
	int fd, n, rc = logfile_open("log",
	    logthread.path, &fd, err);
	ssize_t ignored;

	if (rc != 0)
		return errmsg_prefix(err, "it was removed; ");
	close_target(&logthread.fd);
	logthread.fd = fd;
	n = snprintf(text, sizeof(text), "clusterd: %s was removed; this is "
	    "a new one\n", logthread.path);
	ignored = write(fd, text, (size_t)n);
	(void)ignored;
	return 0;
}

/* A line in one write, if the target takes it in one.  0 or an errno. */
static int
write_text(const char *text, size_t len)
{
	struct pollfd ready = { logthread.fd, POLLOUT, 0 };
	ssize_t n;

	while (len > 0) {
		n = write(logthread.fd, text, len);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (n == 0) {
			return EIO;
		} else if (errno == EAGAIN) {
			poll(&ready, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

/* 0 or an ERR_ code. */
static int
write_line(enum log_level level, const char *text, size_t len,
    struct errmsg *err)
{
	int rc = FP("log.write");

	if (rc <= 0 && logthread.fd == TO_SYSLOG) {
		syslog(priority_of(level), "%.*s", (int)len, text);
		return 0;
	}
	if (rc <= 0 && is_removed() && (rc = make_again(err)) != 0)
		return rc;
	if (rc <= 0)
		rc = write_text(text, len);
	return rc == 0 ? 0 : errmsg_set(err, ERR_SYSTEM, "%s", strerror(rc));
}

/* Lines are missing: said on the other channel, at most every 10 s, and only
 * if that takes it at once. */
static void
notice_elsewhere(const struct errmsg *err)
{
	struct pollfd ready = { 2, POLLOUT, 0 };
	uint64_t now = clock_now_ms();
	char text[sizeof(err->text) + 64];
	int n;

	if (now < logthread.notice_ms)
		return;
	n = snprintf(text, sizeof(text),
	    "clusterd: the log cannot be written: %s\n", err->text);
	if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) &&
	    write(2, text, (size_t)n) > 0)
		logthread.notice_ms = now + clock_scaled_ms(NOTICE_MS);
}

/* Lines are missing: said in the log itself, as soon as it takes a line. */
static void
tell_dropped(uint64_t dropped)
{
	struct errmsg err;
	char text[96];
	int n;

	if (dropped == logthread.told)
		return;
	n = snprintf(text, sizeof(text), "clusterd: %llu lines of log were "
	    "dropped\n", (unsigned long long)(dropped - logthread.told));
	if (write_line(LL_WARNING, text, (size_t)n, &err) == 0)
		logthread.told = dropped;
}

/* The lock is given up for a call that may take its time. */
static void
begin_call(void)
{
	logthread.busy_ms = clock_now_ms();
	pthread_mutex_unlock(&logthread.lock);
}

static void
end_call(void)
{
	pthread_mutex_lock(&logthread.lock);
	logthread.busy_ms = 0;
}

/* Lock held, given up meanwhile. */
static void
write_first(void)
{
	struct line *line = logthread.ring[logthread.first];
	uint64_t dropped = logthread.dropped;
	struct errmsg err;
	int rc;

	logthread.first = (logthread.first + 1) % LOGTHREAD_RING;
	logthread.count--;
	logthread.bytes -= line->len;
	begin_call();
	rc = write_line(line->level, line->text, line->len, &err);
	if (rc != 0)
		notice_elsewhere(&err);
	else
		tell_dropped(dropped);
	free(line);
	end_call();
	if (rc != 0)
		count_dropped(err.text);
	else
		logthread.written++;
}

/* The same.  What cannot be opened changes nothing. */
static void
open_wanted(void)
{
	char target[LOGTHREAD_TARGET];
	unsigned number = logthread.asked;
	struct errmsg err = { 0 };
	uint64_t one = 1;
	ssize_t ignored;
	int fd, rc;

	memcpy(target, logthread.wanted, sizeof(target));
	begin_call();
	rc = FP("log.open");
	rc = rc > 0 ? errmsg_set(&err, ERR_SYSTEM, "log: cannot open %s: %s",
	    target, strerror(rc)) : open_target(target, &fd, &err);
	if (rc == 0) {
		close_target(&logthread.fd);
		logthread.fd = fd;
		snprintf(logthread.path, sizeof(logthread.path), "%s",
		    target[0] == '/' ? target : "");
	}
	end_call();
	logthread.answered = number;
	logthread.refused = rc;
	logthread.again_ms = clock_now_ms() + clock_scaled_ms(AGAIN_MS);
	snprintf(logthread.trouble, sizeof(logthread.trouble), "%.255s",
	    err.text);
	ignored = write(logthread.wake_fd, &one, sizeof(one));
	(void)ignored;
}

/* What is wanted is not open: it was asked for, or was refused a while ago. */
static bool
is_wanted(void)
{
	return logthread.answered != logthread.asked ||
	    (logthread.refused != 0 && clock_now_ms() >= logthread.again_ms);
}

static struct timespec
timespec_of(uint64_t ms)
{
	return (struct timespec){ (time_t)(ms / 1000),
	    (long)(ms % 1000) * 1000000 };
}

/* For work, or till it is time to try again. */
static void
wait_for_work(void)
{
	struct timespec until = timespec_of(logthread.again_ms);

	if (logthread.refused == 0)
		pthread_cond_wait(&logthread.work, &logthread.lock);
	else
		pthread_cond_timedwait(&logthread.work, &logthread.lock,
		    &until);
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&logthread.lock);
	for (;;) {
		if (is_wanted())
			open_wanted();
		else if (logthread.count > 0)
			write_first();
		else if (logthread.stopping)
			break;
		else
			wait_for_work();
	}
	close_target(&logthread.fd);
	logthread.ended = 1;
	pthread_cond_signal(&logthread.done);
	pthread_mutex_unlock(&logthread.lock);
	return NULL;
}

/* ---- start and stop ------------------------------------------------------------------- */

static void
init_conditions(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&logthread.work, &attr);
	pthread_cond_init(&logthread.done, &attr);
	pthread_condattr_destroy(&attr);
}

int
logthread_start(int wake_fd, struct errmsg *err)
{
	sigset_t all, before;
	int rc;

	if ((rc = open_target("stderr", &logthread.fd, err)) != 0)
		return rc;
	init_conditions();
	logthread.path[0] = '\0';
	logthread.wake_fd = wake_fd;
	logthread.stopping = logthread.ended = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&logthread.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		close_target(&logthread.fd);
		errno = rc;
		return errmsg_errno(err, "log: cannot start its thread");
	}
	logthread.running = 1;
	log_set_sink(put_line);
	return 0;
}

unsigned
logthread_open(const char *target)
{
	unsigned number;

	pthread_mutex_lock(&logthread.lock);
	snprintf(logthread.wanted, sizeof(logthread.wanted), "%s", target);
	number = ++logthread.asked;
	pthread_cond_signal(&logthread.work);
	pthread_mutex_unlock(&logthread.lock);
	return number;
}

void
logthread_stop(unsigned timeout_ms)
{
	uint64_t end = clock_now_ms() + timeout_ms;
	struct timespec until = timespec_of(end);
	int ended;

	if (!logthread.running)
		return;
	log_set_sink(NULL);
	pthread_mutex_lock(&logthread.lock);
	logthread.stopping = 1;
	pthread_cond_signal(&logthread.work);
	while (!logthread.ended && pthread_cond_timedwait(&logthread.done,
	    &logthread.lock, &until) != ETIMEDOUT)
		continue;
	ended = logthread.ended;
	pthread_mutex_unlock(&logthread.lock);
	logthread.running = 0;
	/* Stuck in a write: the process is about to end. */
	if (!ended)
		pthread_detach(logthread.thread);
	else
		pthread_join(logthread.thread, NULL);
}

/* Lock held. */
static void
fill_health(struct logthread_status *status)
{
	uint64_t now = clock_now_ms();

	status->stuck = logthread.busy_ms != 0 &&
	    now - logthread.busy_ms >= clock_scaled_ms(STUCK_MS);
	status->losing = logthread.dropped > 0 &&
	    now - logthread.dropped_ms < clock_scaled_ms(NOTICE_MS);
	snprintf(status->reason, sizeof(status->reason), "%s",
	    logthread.reason);
}

void
logthread_status(struct logthread_status *status)
{
	pthread_mutex_lock(&logthread.lock);
	status->written = logthread.written;
	status->dropped = logthread.dropped;
	status->waiting = logthread.count;
	fill_health(status);
	status->answered = logthread.answered;
	status->refused = logthread.refused;
	snprintf(status->trouble, sizeof(status->trouble), "%s",
	    logthread.trouble);
	pthread_mutex_unlock(&logthread.lock);
}
