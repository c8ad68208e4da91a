/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* guard.c: speaks for a checker that a constructor has ended; see guard.h. */
#include "daemon/checker/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"

/* Shared by both processes. */
struct guard {
	int finished;		/* run() has returned */
	char who[1024];		/* "FILE:LINE: … the constructor of X"; or "" */
};

static struct guard *guard;

void
guard_set(struct place place, const char *plugin, const char *module)
{
	if (guard != NULL)
		snprintf(guard->who, sizeof(guard->who), "%s:%u: [plugin %s] "
		    "module: the constructor of %s", place.file, place.line,
		    plugin, module);
}

void
guard_clear(void)
{
	if (guard != NULL)
		guard->who[0] = '\0';
}

void
guard_finish(void)
{
	if (guard != NULL)
		guard->finished = 1;
}

static void
say_how(int status)
{
	const char *who = guard->who[0] != '\0' ? guard->who : "the checker";

	if (!WIFSIGNALED(status))
		fprintf(stderr, "%s ended the checker with status %d\n", who,
		    WEXITSTATUS(status));
	else if (WTERMSIG(status) == SIGXCPU)
		fprintf(stderr, "%s used more than 5 s of CPU time\n", who);
	else if (WTERMSIG(status) == SIGALRM)
		fprintf(stderr, "%s did not return within 10 s\n", who);
	else
		fprintf(stderr, "%s crashed (SIG%s)\n", who,
		    sigabbrev_np(WTERMSIG(status)));
}

static _Noreturn void
run_in_child(int (*run)(void *arg), void *arg)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = run(arg);
	guard_finish();
	fflush(NULL);
	check_leaks();
	_exit(status);		/* without the destructors of plugins */
}

int
guard_run(int (*run)(void *arg), void *arg, int otherwise)
{
	int status;
	pid_t pid;

	guard = mmap(NULL, sizeof(*guard), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guard == MAP_FAILED || (pid = fork()) < 0) {
		perror("checker");
		return EXIT_FAILURE;
	}
	if (pid == 0)
		run_in_child(run, arg);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	if (guard->finished && WIFEXITED(status))
		return WEXITSTATUS(status);
	say_how(status);
	return otherwise;
}
