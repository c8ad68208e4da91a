/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* logs.c: where the log goes; see logs.h. */
#include "daemon/master/files.h"
#include "daemon/master/logs.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/control/control.h"
#include "daemon/journal/logfiles.h"
#include "daemon/journal/logthread.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"

enum { REOPEN_MS = 1000, WAITING_MAX = 32 };

/* Somebody who waits for the answer to a request. */
struct waiting {
	struct control_call *call;
	unsigned number, files;		/* files: of logfiles_reopen() */
	uint64_t until_ms;
};

struct logs {
	struct master *m;
	int wake_fd;
	struct event *wake, *limit;
	char target[LOGTHREAD_TARGET];	/* what was asked for last */
	unsigned asked, said;		/* numbers of requests */
	char trouble[256];
	struct waiting waiting[WAITING_MAX];
	size_t count;
};

/* ---- answers ------------------------------------------------------------------- */

static bool
is_over(const struct waiting *one, const struct logthread_status *status)
{
	return status->answered >= one->number &&
	    logfiles_answered() >= one->files;
}

static void
answer(const struct waiting *one, const struct logthread_status *status)
{
	struct errmsg err = { 0 };
	char text[400];

	if (!is_over(one, status)) {
		change_refuse(one->call, ERR_TIMEOUT, "%s is not open "
		    "yet: its disk does not answer",
		    status->answered < one->number ? "the log" :
		    "a file of workers");
		return;
	}
	if (status->refused != 0)
		errmsg_set(&err, ERR_FAILED, "%s", status->trouble);
	for (size_t i = 0; i < FILES_TROUBLES && err.code == 0; i++)
		if (files_trouble(i, text, sizeof(text)))
			errmsg_set(&err, ERR_FAILED, "%s", text);
	if (err.code != 0)
		control_fail(one->call, &err, NULL);
	else
		control_done(one->call, "{}");
}

/* For the first, who waits longest.  libevent counts from the begin of its pass: a
 * timer may come before its time, and is set again then. */
static void
arm_limit(struct logs *logs)
{
	uint64_t now = clock_now_ms(), left = 1;
	struct timeval limit;

	if (logs->count == 0)
		return;
	if (logs->waiting[0].until_ms > now)
		left += logs->waiting[0].until_ms - now;
	limit.tv_sec = (time_t)(left / 1000);
	limit.tv_usec = (suseconds_t)(left % 1000 * 1000);
	event_add(logs->limit, &limit);
}

static void
settle(struct logs *logs)
{
	struct logthread_status status;
	uint64_t now = clock_now_ms();
	size_t left = 0;

	logthread_status(&status);
	files_settle(logs->m);		/* handed round before that is said */
	for (size_t i = 0; i < logs->count; i++) {
		struct waiting one = logs->waiting[i];

		if (is_over(&one, &status) || now >= one.until_ms)
			answer(&one, &status);
		else
			logs->waiting[left++] = one;
	}
	logs->count = left;
	arm_limit(logs);
	/* what was refused is tried again: said anew where it has other words */
	if (status.answered == logs->said &&
	    strcmp(status.trouble, logs->trouble) == 0)
		return;
	logs->said = status.answered;
	snprintf(logs->trouble, sizeof(logs->trouble), "%s", status.trouble);
	if (status.refused != 0)
		log_error("%s", status.trouble);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	eventfd_t count;

	(void)what;
	(void)eventfd_read(fd, &count);
	settle(arg);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	settle(arg);
}

/* ---- requests ------------------------------------------------------------------ */

static struct logs *
logs_start(struct master *m)
{
	struct logs *logs = calloc(1, sizeof(*logs));
	struct errmsg err;

	CHECK(logs != NULL);
	logs->m = m;
	logs->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (logs->wake_fd < 0 || logthread_start(logs->wake_fd, &err) != 0) {
		log_error("log: there is no thread for it");
		fd_close(&logs->wake_fd);
		free(logs);
		return NULL;
	}
	logs->wake = event_new(m->base, logs->wake_fd, EV_READ | EV_PERSIST,
	    on_wake, logs);
	logs->limit = evtimer_new(m->base, on_limit, logs);
	CHECK(logs->wake != NULL && logs->limit != NULL);
	event_add(logs->wake, NULL);
	return logs;
}

static bool
ask(struct master *m, const char *target)
{
	if (m->logs == NULL)
		m->logs = logs_start(m);
	if (m->logs == NULL)
		return false;
	snprintf(m->logs->target, sizeof(m->logs->target), "%s", target);
	m->logs->asked = logthread_open(target);
	return true;
}

void
logs_apply(struct master *m)
{
	const char *target = m->conf->daemon.log;

	if (m->logs == NULL || strcmp(target, m->logs->target) != 0)
		(void)ask(m, target);
}

void
logs_reopen(struct master *m, struct control_call *call)
{
	struct logs *logs;
	unsigned files;

	/* A signal may come before the first check is over. */
	if (m->conf == NULL || !ask(m, m->conf->daemon.log)) {
		change_refuse(call, ERR_FAILED, "there is no log yet");
		return;
	}
	logs = m->logs;
	files = logfiles_reopen();
	if (call == NULL)
		return;
	if (logs->count == WAITING_MAX) {
		change_refuse(call, ERR_BUSY, "too many wait for the log");
		return;
	}
	logs->waiting[logs->count++] = (struct waiting){ .call = call,
	    .number = logs->asked, .files = files,
	    .until_ms = clock_now_ms() + clock_scaled_ms(REOPEN_MS) };
	if (logs->count == 1)
		arm_limit(logs);
}

void
logs_stop(struct master *m, unsigned timeout_ms)
{
	if (m->logs == NULL)
		return;
	event_free(m->logs->wake);
	event_free(m->logs->limit);
	logthread_stop(timeout_ms);
	/* A thread that is stuck keeps its wake_fd: the process is at its end. */
	free(m->logs);
	m->logs = NULL;
}

int
logs_wake_fd(const struct master *m)
{
	return m->logs != NULL ? m->logs->wake_fd : -1;
}

const char *
logs_trouble(const struct master *m)
{
	return m->logs != NULL ? m->logs->trouble : "";
}
