/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * files.h: files that workers write to: access logs of the pools, and what their
 * stdout and stderr are.  They are opened by a thread (journal/logfiles.h), once
 * for all, and handed round; workers cannot open them.
 */
#ifndef CLUSTERD_MASTER_FILES_H
#define CLUSTERD_MASTER_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct master;
struct process;

/* Ask for the files of the configuration in force, which are handed round when
 * they are open. */
void files_apply(struct master *m);
/* A process is ours now: it gets its files, now or when they are open. */
void files_tell_worker(struct process *process);
/* Each tick: what its channel did not take (untold_files). */
void files_say_again(struct process *process);
/* After a commit: those whose pool has another access log now. */
void files_tell_change(struct master *m, const struct conf *before,
    const struct conf *after);
/* Something was opened, or refused. */
void files_settle(struct master *m);
/* Each tick: has it lost lines of its access log of late? */
void files_look(struct process *process);
/* Now and then: files that nobody wants any more. */
void files_tidy(struct master *m);

/* What is wrong with the n-th of them; false: nothing.  For `status' and the
 * answer of `log reopen'. */
bool files_trouble(size_t n, char *text, size_t size);
enum { FILES_TROUBLES = 400 };

#endif
