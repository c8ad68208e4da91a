/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stdio.c: where stdout and stderr of the plugins go: the output pipe, nowhere,
 * or a file that the master has opened, from when that comes on.  What the worker
 * itself says goes to the pipes, whatever is at 1 and 2.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/worker/worker.h"

static const char *const names[] = { "stdin", "stdout", "stderr" };

/* Another name for fd. */
static void
put(struct worker *worker, int number, int fd)
{
	struct stat status;

	if (dup2(fd, number) < 0 || fstat(number, &status) != 0)
		lines_say(LL_ERROR, "%s stays where it was: %s", names[number],
		    strerror(errno));
	else
		worker->stdio[number] = file_id_of(&status);
}

static void
begin(struct worker *worker, int number, const char *to)
{
	/* what we have as standard input, which may be written to as well */
	put(worker, number, strcmp(to, "null") == 0 ? STDIN_FILENO : number);
}

void
stdio_init(struct worker *worker)
{
	begin(worker, STDOUT_FILENO, worker->pool->stdout_to);
	begin(worker, STDERR_FILENO, worker->pool->stderr_to);
	/* each line when it is printed, and whole: nobody flushes at our end */
	(void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

void
stdio_reopen(struct worker *worker, int number, int fd)
{
	if (fd < 0)
		return;
	/* what a plugin has put there stays: it may be its socket */
	if (file_is_at(number, &worker->stdio[number]))
		put(worker, number, fd);
	else
		lines_say(LL_WARNING, "%s is no longer ours: it stays as a "
		    "plugin has left it", names[number]);
	close(fd);
}
