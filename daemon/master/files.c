/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* files.c: files that workers write to; see files.h. */
#include "daemon/master/files.h"

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

_Static_assert((int)FILES_TROUBLES == (int)LOGFILES_MAX, "rows");

enum { WHICH__COUNT = REOPEN__LAST + 1 };

/* ---- whose file is which --------------------------------------------------------- */

static const char *const what[WHICH__COUNT] = {
	[REOPEN_ACCESS] = "access log", [REOPEN_STDOUT] = "stdout",
	[REOPEN_STDERR] = "stderr",
};

/* As the file has it; NULL without a pool. */
static const char *
value_of(const struct conf_pool *pool, enum reopen_which which)
{
	if (pool == NULL)
		return NULL;
	return which == REOPEN_STDOUT ? pool->stdout_to :
	    which == REOPEN_STDERR ? pool->stderr_to : pool->access_log;
}

/* A word that is no file, of whichever key. */
static bool
is_off(const char *name)
{
	return strcmp(name, "off") == 0 || strcmp(name, "log") == 0 ||
	    strcmp(name, "null") == 0;
}

/* NULL: that generation is not loaded any more, or its pool was not there. */
static const char *
value_in(const struct process *process, uint64_t number,
    enum reopen_which which)
{
	struct master *m = process->master;
	const struct generation *generation = master_generation(m, number);

	return generation == NULL ? NULL : value_of(conf_pool_by_name(
	    generation->conf, turn_look(m)->pool[process->pool].name), which);
}

/* What its snapshot says, which it begins with: a commit may have given its row
 * another generation since. */
static const char *
first_log_of(const struct process *process)
{
	return value_in(process, process->generation, REOPEN_ACCESS);
}

/* With a snapshot that is on trial what that one says; else what is in force,
 * as the key is a live one.  NULL: its pool has left. */
static const char *
log_of(const struct process *process)
{
	struct master *m = process->master;

	if (process->generation == turn_look(m)->globals.trans_generation)
		return first_log_of(process);
	return value_of(master_pool_now(m, process->pool), REOPEN_ACCESS);
}

/* NULL: it is not known. */
static const char *
name_of(const struct process *process, enum reopen_which which)
{
	if (which == REOPEN_ACCESS)
		return log_of(process);
	/* a reload that changes it replaces the worker, or else its row is of
	 * a generation that says the same */
	return process->row == MEMO_NONE ? NULL : value_in(process,
	    turn_look(process->master)->worker[process->row].generation, which);
}

static bool
has_name(const struct process *process, enum reopen_which which,
    const char *name)
{
	const char *wanted = process == NULL ? NULL : name_of(process, which);

	return wanted != NULL && strcmp(wanted, name) == 0;
}

/* ---- handing round ------------------------------------------------------------- */

/* To whom, and as what. */
struct receiver {
	struct process *process;
	enum reopen_which which;
};

static void
say_reopen(int fd, bool is_pipe, void *arg)
{
	static struct channel_packet packet;
	const struct receiver *to = arg;
	uint8_t bit = (uint8_t)(1U << to->which);

	channel_begin(&packet, CHANNEL_REOPEN, 0);
	packet.body.reopen.is_pipe = is_pipe;
	packet.body.reopen.which = to->which;
	to->process->untold_files &= (uint8_t)~bit;
	if (!process_say(to->process, &packet, 0, fd))
		to->process->untold_files |= bit;
}

static int
find(struct master *m, const char *name, enum reopen_which which)
{
	struct errmsg err;

	if (logs_wake_fd(m) < 0)
		return -1;
	if (logfiles_start(logs_wake_fd(m), &err) != 0) {
		log_error("%s", err.text);
		return -1;
	}
	return logfiles_find(name, what[which]);
}

/* With its file, if that is open; else it will be handed round.  What is no file
 * a worker knows by itself, but that its access log was switched off. */
static void
tell(struct process *process, enum reopen_which which, const char *name)
{
	struct receiver to = { process, which };
	int row;

	if (is_off(name)) {
		if (which == REOPEN_ACCESS)
			say_reopen(-1, false, &to);
		return;
	}
	row = find(process->master, name, which);
	if (row >= 0)
		logfiles_use(row, say_reopen, &to);
}

static void
tell_log(struct process *process)
{
	const char *name = log_of(process), *first = first_log_of(process);

	/* switched off while it was on its way, or so it may be */
	if (name != NULL && (!is_off(name) || first == NULL || !is_off(first)))
		tell(process, REOPEN_ACCESS, name);
}

static void
tell_output(struct process *process, enum reopen_which which)
{
	const char *name = name_of(process, which);

	if (name != NULL)
		tell(process, which, name);
}

void
files_tell_worker(struct process *process)
{
	if (process->fd[PFD_CHANNEL] < 0)
		return;
	tell_log(process);
	tell_output(process, REOPEN_STDOUT);
	tell_output(process, REOPEN_STDERR);
}

void
files_say_again(struct process *process)
{
	uint8_t untold = process->untold_files;

	process->untold_files = 0;
	for (int i = 0; i < WHICH__COUNT; i++) {
		const char *name = name_of(process, (enum reopen_which)i);

		if ((untold & 1U << i) != 0 && name != NULL &&
		    process->fd[PFD_CHANNEL] >= 0)
			tell(process, (enum reopen_which)i, name);
	}
}

void
files_tell_change(struct master *m, const struct conf *before,
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
			tell(process, REOPEN_ACCESS, new->access_log);
		else if (process->fd[PFD_CHANNEL] >= 0)
			tell_log(process);
	}
}

static void
hand_round(struct master *m, int row, const char *name)
{
	for (size_t i = 0; i < MEMO_WORKERS; i++)
		for (int k = 0; k < WHICH__COUNT; k++) {
			struct receiver to = { m->process[i],
			    (enum reopen_which)k };

			if (has_name(to.process, to.which, name))
				logfiles_use(row, say_reopen, &to);
		}
}

void
files_settle(struct master *m)
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
			log_notice("%s: %s was removed; there is a new one",
			    status.what, status.name);
		hand_round(m, i, status.name);
	}
}

/* ---- which files --------------------------------------------------------------- */

void
files_apply(struct master *m)
{
	for (size_t i = 0; i < m->conf->pool_count; i++)
		for (int k = 0; k < WHICH__COUNT; k++) {
			enum reopen_which which = (enum reopen_which)k;
			const char *name = value_of(&m->conf->pools[i], which);

			if (!is_off(name))
				(void)find(m, name, which);
		}
}

static bool
is_in_force(const struct master *m, const char *name)
{
	for (size_t i = 0; m->conf != NULL && i < m->conf->pool_count; i++)
		for (int k = 0; k < WHICH__COUNT; k++)
			if (strcmp(value_of(&m->conf->pools[i],
			    (enum reopen_which)k), name) == 0)
				return true;
	return false;
}

static bool
is_wanted(const struct master *m, const char *name)
{
	if (is_in_force(m, name))
		return true;
	for (size_t i = 0; i < MEMO_WORKERS; i++)
		for (int k = 0; k < WHICH__COUNT; k++)
			if (has_name(m->process[i], (enum reopen_which)k, name))
				return true;
	return false;
}

void
files_tidy(struct master *m)
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
files_look(struct process *process)
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
files_trouble(size_t n, char *text, size_t size)
{
	struct logfiles_status status;

	if (!logfiles_status((int)n, &status) || status.refused == 0)
		return false;
	snprintf(text, size, "%s%s", status.opened > 0 ?
	    "lines go where they went before: " : "", status.trouble);
	return true;
}
