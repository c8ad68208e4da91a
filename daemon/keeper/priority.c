/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* priority.c: who gets the CPU first; see priority.h. */
#include "daemon/keeper/priority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Ten times the weight of a worker: more would let a master that spins take
 * what the workers need. */
#define AHEAD		(-10)
#define AHEAD_TEXT	"-10"

static int raised, given;	/* niceness that we were started with */

void
priority_raise(void)
{
	given = getpriority(PRIO_PROCESS, 0);
	raised = setpriority(PRIO_PROCESS, 0, given + AHEAD) == 0;
	/* That of a shell is not ours alone. */
	if (getsid(0) == getpid())
		(void)priority_raise_session(getpid());
}

void
priority_leave(void)
{
	if (raised)
		setpriority(PRIO_PROCESS, 0, given);
}

int
priority_raise_session(pid_t pid)
{
	char path[32];
	int fd, again;

	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
		return 0;
	again = write(fd, AHEAD_TEXT, strlen(AHEAD_TEXT)) < 0 &&
	    errno == EAGAIN;
	close(fd);
	return again;
}
