/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access.c: access logs of the pools; see access.h. */
#include "daemon/master/access.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/logfiles.h"
#include "daemon/master/logs.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"

/* What was handed round, and said, of each row. */
static struct {
	unsigned opened;
	char trouble[256];
} known[LOGFILES_MAX];

_Static_assert((int)ACCESS_TROUBLES == (int)LOGFILES_MAX, "rows");

static bool
is_off(const char *name)
{
	return strcmp(name, "off") == 0;
}

/* What its snapshot says, which it begins with: a commit may have given its row
 * another generation since.  NULL: that is not loaded any more. */
static const char *
first_name_of(const struct process *process)
{
	struct master *m = process->master;
	const struct generation *own = master_generation(m,
	    process->generation);
	const struct conf_pool *pool = own == NULL ? NULL : conf_pool_by_name(
	    own->conf, turn_look(m)->pool[process->pool].name);

	return pool != NULL ? pool->access_log : NULL;
}

/* With a snapshot that is on trial what that one says; else what is in force,
 * as the key is a live one.  NULL: its pool has left. */
static const char *
name_of(const struct process *process)
{
	struct master *m = process->master;
	const struct conf_pool *pool;

	if (process->generation == turn_look(m)->globals.trans_generation)
		return first_name_of(process);
	pool = master_pool_now(m, process->pool);
	return pool != NULL ? pool->access_log : NULL;
}

/* ---- handing round ------------------------------------------------------------- */

static void
say_reopen(int fd, bool is_pipe, void *arg)
{
	static struct channel_packet packet;
	struct process *process = arg;

	channel_begin(&packet, CHANNEL_REOPEN, 0);
	packet.body.reopen.is_pipe = is_pipe;
	process->untold_log = !process_say(process, &packet, 0, fd);
}

static int
find(struct master *m, const char *name)
{
	struct errmsg err;

	if (logs_wake_fd(m) < 0)
		return -1;
	if (logfiles_start(logs_wake_fd(m), &err) != 0) {
		log_error("%s", err.text);
		return -1;
	}
	return logfiles_find(name);
}

/* With its file, if that is open; else it will be handed round. */
static void
tell(struct process *process, const char *name)
{
	int row;

	if (is_off(name)) {
		say_reopen(-1, false, process);
		return;
	}
	row = find(process->master, name);
	if (row >= 0)
		logfiles_use(row, say_reopen, process);
}

void
access_tell_worker(struct process *process)
{
	const char *name = name_of(process), *first = first_name_of(process);

	if (name == NULL || process->fd[PFD_CHANNEL] < 0)
		return;
	/* switched off while it was on its way, or so it may be */
	if (!is_off(name) || first == NULL || !is_off(first))
		tell(process, name);
}

void
access_say_again(struct process *process)
{
	const char *name = name_of(process);

	process->untold_log = false;
	if (name != NULL && process->fd[PFD_CHANNEL] >= 0)
		tell(process, name);
}

void
access_tell_change(struct master *m, const struct conf *before,
    const struct conf *after)
{
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];
		const struct conf_pool *old, *new;
		const char *pool;

		if (process == NULL)
			continue;
		pool = turn_look(m)->pool[process->pool].name;
		old = conf_pool_by_name(before, pool);
		new = conf_pool_by_name(after, pool);
		if (old == NULL || new == NULL ||
		    strcmp(old->access_log, new->access_log) == 0)
			continue;
		if (is_off(new->access_log))
			say_reopen(-1, false, process);
		else
			access_tell_worker(process);
	}
}

static void
hand_round(struct master *m, int row, const char *name)
{
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];
		const char *wanted = process == NULL ? NULL :
		    name_of(process);

		if (wanted != NULL && strcmp(wanted, name) == 0)
			logfiles_use(row, say_reopen, process);
	}
}

void
access_settle(struct master *m)
{
	struct logfiles_status status;

	for (int i = 0; i < LOGFILES_MAX; i++) {
		if (!logfiles_status(i, &status))
			continue;
		if (strcmp(status.trouble, known[i].trouble) != 0) {
			memcpy(known[i].trouble, status.trouble,
			    sizeof(known[i].trouble));
			if (status.refused != 0)
				log_error("%s", status.trouble);
		}
		if (status.opened == known[i].opened)
			continue;
		known[i].opened = status.opened;
		if (status.made_again)
			log_notice("access log: %s was removed; there is a "
			    "new one", status.name);
		hand_round(m, i, status.name);
	}
}

/* ---- which files --------------------------------------------------------------- */

void
access_apply(struct master *m)
{
	for (size_t i = 0; i < m->conf->pool_count; i++)
		if (!is_off(m->conf->pools[i].access_log))
			(void)find(m, m->conf->pools[i].access_log);
}

static bool
is_wanted(struct master *m, const char *name)
{
	for (size_t i = 0; m->conf != NULL && i < m->conf->pool_count; i++)
		if (strcmp(m->conf->pools[i].access_log, name) == 0)
			return true;
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		const char *wanted = m->process[i] == NULL ? NULL :
		    name_of(m->process[i]);

		if (wanted != NULL && strcmp(wanted, name) == 0)
			return true;
	}
	return false;
}

void
access_tidy(struct master *m)
{
	struct logfiles_status status;

	for (int i = 0; i < LOGFILES_MAX; i++)
		if (logfiles_status(i, &status) && !is_wanted(m, status.name)) {
			logfiles_drop(i);
			memset(&known[i], 0, sizeof(known[i]));
		}
}

/* ---- what is wrong ------------------------------------------------------------- */

void
access_look(struct process *process)
{
	uint64_t lost;

	if (!process->has_report)
		return;
	lost = process->report.counters[METRIC_ACCESS_DROPPED];
	/* what another master has seen already is no news */
	if (process->access_seen && lost > process->access_lost)
		process->master->pool[process->pool].access_lost_ns =
		    clock_now_ns();
	process->access_seen = true;
	process->access_lost = lost;
}

bool
access_trouble(size_t n, char *text, size_t size)
{
	struct logfiles_status status;

	if (!logfiles_status((int)n, &status) || status.refused == 0)
		return false;
	snprintf(text, size, "%s%s", status.opened > 0 ?
	    "lines go where they went before: " : "", status.trouble);
	return true;
}
