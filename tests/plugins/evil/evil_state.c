/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_state.c: changes of the process itself, and processes of its own. */
#include "evil.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- state ------------------------------------------------------------------- */

static int
set_limits(void)
{
	const struct rlimit none = { 0, 0 }, few = { 48, 48 };

	return setrlimit(RLIMIT_FSIZE, &none) | setrlimit(RLIMIT_CORE, &none) |
	    setrlimit(RLIMIT_NPROC, &none) | setrlimit(RLIMIT_NOFILE, &few);
}

/* Once: after that the number is a client's. */
static int
close_0(void)
{
	static int done;

	return done++ > 0 ? 0 : close(0);
}

static int
change(const char *what)
{
	if (strcmp(what, "chdir") == 0)
		return chdir("/proc/self");
	if (strcmp(what, "umask") == 0)
		return (int)umask(0777) & 0;
	if (strcmp(what, "setlocale") == 0)
		return setlocale(LC_ALL, "C.UTF-8") == NULL;
	if (strcmp(what, "setrlimit") == 0)
		return set_limits();
	if (strcmp(what, "sigpipe") == 0)
		return signal(SIGPIPE, SIG_DFL) == SIG_ERR;
	if (strcmp(what, "close0") == 0)
		return close_0();
	if (strcmp(what, "setenv") == 0)
		return setenv("PATH", "/nowhere", 1) | setenv("TZ", "Mars", 1) |
		    unsetenv("HOME");
	if (strcmp(what, "clearenv") == 0)
		return clearenv();
	if (strcmp(what, "pdeathsig") == 0)
		return prctl(PR_SET_PDEATHSIG, 0);
	return -1;
}

/* Changes it, and leaves it so; answers 0. */
enum cluster_verdict
do_state(struct cluster_request *req, struct evil *evil, const char *arg)
{
	return say_result(req, change(arg));
}

/* The value of that variable, "none" if there is no such. */
enum cluster_verdict
do_env(struct cluster_request *req, struct evil *evil, const char *arg)
{
	const char *value = getenv(arg);

	return say(req, value == NULL ? "none" : value);
}

/* ---- processes ---------------------------------------------------------------- */

/* Both come back and answer: what a plugin's bug would do. */
enum cluster_verdict
do_fork(struct cluster_request *req, struct evil *evil, const char *arg)
{
	pid_t pid = strcmp(arg, "raw") == 0 ? _Fork() : fork();
	char text[32];

	if (pid < 0)
		return CLUSTER_FAIL;
	snprintf(text, sizeof(text), "%s %d\n", pid == 0 ? "child" : "parent",
	    (int)pid);
	return say(req, text);
}

/* A child that is nobody's any more, with all our descriptors: in our group and
 * session, in a group ("group") or a session ("session") of its own.  The answer
 * is its pid; it holds the client's connection. */
enum cluster_verdict
do_daemonize(struct cluster_request *req, struct evil *evil, const char *arg)
{
	int pipes[2];
	pid_t child, pid = 0;

	if (pipe(pipes) != 0 || (child = fork()) < 0)
		return CLUSTER_FAIL;
	if (child == 0) {
		if ((pid = fork()) != 0)
			_exit(pid < 0);
		if (strcmp(arg, "group") == 0)
			setpgid(0, 0);
		if (strcmp(arg, "session") == 0)
			setsid();
		pid = getpid();
		(void)!write(pipes[1], &pid, sizeof(pid));
		for (;;)
			pause();
	}
	waitpid(child, NULL, 0);
	(void)!read(pipes[0], &pid, sizeof(pid));
	close(pipes[0]);
	close(pipes[1]);
	return say_result(req, (int)pid);
}
