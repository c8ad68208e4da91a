/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * access.h: the access logs of the pools: which worker writes to which file.
 * The files are opened by a thread (journal/logfiles.h), once for all, and
 * handed round; workers cannot open them.
 */
#ifndef CLUSTERD_MASTER_ACCESS_H
#define CLUSTERD_MASTER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct master;
struct process;

/* Ask for the files of the configuration in force, which are handed round when
 * they are open. */
void access_apply(struct master *m);
/* A process is ours now: it gets its file, now or when that is open. */
void access_tell_worker(struct process *process);
/* Each tick: what its channel did not take (untold_log). */
void access_say_again(struct process *process);
/* After a commit: those whose pool has another file now. */
void access_tell_change(struct master *m, const struct conf *before,
    const struct conf *after);
/* Something was opened, or refused. */
void access_settle(struct master *m);
/* Each tick: has it lost lines of late? */
void access_look(struct process *process);
/* Now and then: files that nobody wants any more. */
void access_tidy(struct master *m);

/* What is wrong with the n-th of them; false: nothing.  For `status' and the
 * answer of `log reopen'. */
bool access_trouble(size_t n, char *text, size_t size);
enum { ACCESS_TROUBLES = 160 };

#endif
