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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"

enum { NOTICE_MS = 10000, TO_SYSLOG = -2 };

struct line {
	enum log_level level;
	size_t len;
	char text[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t thread;
	int running;			/* the loop thread's */
	/* under the lock */
	struct line *ring[LOGTHREAD_RING];
	unsigned first, count;
	size_t bytes;
	int next_fd;			/* to be taken by the thread; -1: none */
	int stopping, ended;
	uint64_t written, dropped;
	uint64_t dropped_ms;		/* when the last one was */
	char reason[128];
	/* the thread's */
	int fd;				/* or TO_SYSLOG */
	uint64_t told;			/* of dropped, in the log itself */
	uint64_t notice_ms;		/* next one on stderr */
} logthread = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .next_fd = -1, .fd = -1,
};

/* ---- targets --------------------------------------------------------------------- */

static int
open_file(const char *path, int *out, struct errmsg *err)
{
	/* Not waiting for the reader of a FIFO, which is refused below. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0640);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "log: %s is a symbolic link", path);
	if (fd < 0)
		return errmsg_errno(err, "log: cannot open %s", path);
	if (fstat(fd, &st) != 0 || !((S_ISREG(st.st_mode) &&
	    st.st_nlink == 1) || S_ISCHR(st.st_mode))) {
		close(fd);
		return errmsg_set(err, ERR_BAD_ARGUMENT, "log: %s is neither a "
		    "regular file with one name nor a device", path);
	}
	*out = fd;
	return 0;
}

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
		return open_file(target, out, err);
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
	snprintf(logthread.reason, sizeof(logthread.reason), "%s", why);
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

static int
write_line(enum log_level level, const char *text, size_t len)
{
	if (logthread.fd != TO_SYSLOG)
		return write_text(text, len);
	syslog(priority_of(level), "%.*s", (int)len, text);
	return 0;
}

/* Lines are missing: said on the other channel, at most every 10 s, and only
 * if that takes it at once. */
static void
notice_elsewhere(int error)
{
	struct pollfd ready = { 2, POLLOUT, 0 };
	uint64_t now = clock_now_ms();
	char text[160];
	ssize_t ignored;
	int n;

	if (now < logthread.notice_ms)
		return;
	logthread.notice_ms = now + clock_scaled_ms(NOTICE_MS);
	n = snprintf(text, sizeof(text),
	    "clusterd: the log cannot be written: %s\n", strerror(error));
	if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT)) {
		ignored = write(2, text, (size_t)n);
		(void)ignored;
	}
}

/* Lines are missing: said in the log itself, as soon as it takes a line. */
static void
tell_dropped(uint64_t dropped)
{
	char text[96];
	int n;

	if (dropped == logthread.told)
		return;
	n = snprintf(text, sizeof(text), "clusterd: %llu lines of log were "
	    "dropped\n", (unsigned long long)(dropped - logthread.told));
	if (write_line(LL_WARNING, text, (size_t)n) == 0)
		logthread.told = dropped;
}

/* Lock held, given up meanwhile. */
static void
write_first(void)
{
	struct line *line = logthread.ring[logthread.first];
	uint64_t dropped = logthread.dropped;
	int error;

	logthread.first = (logthread.first + 1) % LOGTHREAD_RING;
	logthread.count--;
	logthread.bytes -= line->len;
	pthread_mutex_unlock(&logthread.lock);
	error = write_line(line->level, line->text, line->len);
	if (error != 0)
		notice_elsewhere(error);
	else
		tell_dropped(dropped);
	free(line);
	pthread_mutex_lock(&logthread.lock);
	if (error != 0)
		count_dropped(strerror(error));
	else
		logthread.written++;
}

static void
take_target(void)
{
	if (logthread.next_fd == -1)
		return;
	close_target(&logthread.fd);
	logthread.fd = logthread.next_fd;
	logthread.next_fd = -1;
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&logthread.lock);
	for (;;) {
		take_target();
		if (logthread.count > 0)
			write_first();
		else if (logthread.stopping)
			break;
		else
			pthread_cond_wait(&logthread.work, &logthread.lock);
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
logthread_start(const char *target, struct errmsg *err)
{
	sigset_t all, before;
	int fd, rc;

	if ((rc = open_target(target, &fd, err)) != 0)
		return rc;
	init_conditions();
	logthread.fd = fd;
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

int
logthread_reopen(const char *target, struct errmsg *err)
{
	int fd, rc;

	if ((rc = open_target(target, &fd, err)) != 0)
		return rc;
	pthread_mutex_lock(&logthread.lock);
	close_target(&logthread.next_fd);
	logthread.next_fd = fd;
	pthread_cond_signal(&logthread.work);
	pthread_mutex_unlock(&logthread.lock);
	return 0;
}

void
logthread_stop(unsigned timeout_ms)
{
	uint64_t end = clock_now_ms() + timeout_ms;
	struct timespec until = {
		(time_t)(end / 1000), (long)(end % 1000) * 1000000,
	};
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

void
logthread_status(struct logthread_status *status)
{
	pthread_mutex_lock(&logthread.lock);
	status->written = logthread.written;
	status->dropped = logthread.dropped;
	status->waiting = logthread.count;
	status->failing = logthread.dropped > 0 && clock_now_ms() -
	    logthread.dropped_ms < clock_scaled_ms(NOTICE_MS);
	snprintf(status->reason, sizeof(status->reason), "%s",
	    logthread.reason);
	pthread_mutex_unlock(&logthread.lock);
}
