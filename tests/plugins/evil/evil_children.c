/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_children.c: processes that nobody gets rid of easily. */
#include "evil.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* It is where it wants to be: a byte says so.  No signal but KILL ends it. */
static _Noreturn void
stay(int pipe)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)!write(pipe, "", 1);
	for (;;)
		pause();
}

/* A child of five kinds, and what it has itself. */
static _Noreturn void
live(unsigned kind, int pipe)
{
	switch (kind) {
	case 1:				/* left the group */
		setpgid(0, 0);
		break;
	case 2:				/* has a child, in another group */
		if (fork() == 0)
			setpgid(0, 0);
		break;
	case 3:				/* nobody's any more */
		if (fork() != 0)
			_exit(0);
		setpgid(0, 0);
		break;
	case 4:				/* left the session, its child did not */
		if (fork() != 0)
			setsid();
		else
			setpgid(0, 0);
		break;
	}
	stay(pipe);
}

/* So many children, of each kind a fifth; the answer is how many processes that
 * makes, of which those that left the session are one in seven. */
enum cluster_verdict
do_brood(struct cluster_request *req, struct evil *evil, const char *arg)
{
	static const int makes[] = { 1, 1, 2, 1, 2 };
	unsigned count = (unsigned)strtoul(arg, NULL, 10);
	int pipes[2], all = 0;
	char byte;

	if (pipe(pipes) != 0)
		return CLUSTER_FAIL;
	for (unsigned i = 0; i < count; i++) {
		pid_t child = fork();

		if (child == 0)
			live(i % 5, pipes[1]);
		if (child > 0 && i % 5 == 3)
			waitpid(child, NULL, 0);
		all += child > 0 ? makes[i % 5] : 0;
	}
	close(pipes[1]);
	for (int i = 0; i < all; i++)
		while (read(pipes[0], &byte, 1) < 0 && errno == EINTR)
			continue;
	close(pipes[0]);
	return say_result(req, all);
}

/* One that is left of a session whose leader has ended; the answer is its number
 * and that of its session. */
enum cluster_verdict
do_heir(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int pipes[2];
	pid_t leader, heir = 0;
	char text[48];

	if (pipe(pipes) != 0 || (leader = fork()) < 0)
		return CLUSTER_FAIL;
	if (leader == 0) {
		setsid();
		heir = fork();
		if (heir == 0)
			for (;;)
				pause();
		(void)!write(pipes[1], &heir, sizeof(heir));
		_exit(heir < 0);
	}
	waitpid(leader, NULL, 0);
	(void)!read(pipes[0], &heir, sizeof(heir));
	close(pipes[0]);
	close(pipes[1]);
	snprintf(text, sizeof(text), "%d %d\n", (int)heir, (int)leader);
	return say(req, text);
}
