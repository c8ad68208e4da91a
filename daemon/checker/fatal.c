/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fatal.c: last words of a checker that a constructor ends; see fatal.h. */
#include "daemon/checker/fatal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"

enum { EXIT_CONFIG = 78 };

/* Made beforehand, so that a handler only writes. */
static char words[1024];
static size_t words_len;
static volatile sig_atomic_t armed;

static const struct { int signal; const char *what; } ends[] = {
	{ SIGSEGV, "crashed (SIGSEGV)\n" },
	{ SIGBUS, "crashed (SIGBUS)\n" },
	{ SIGILL, "crashed (SIGILL)\n" },
	{ SIGFPE, "crashed (SIGFPE)\n" },
	{ SIGABRT, "aborted\n" },
	{ SIGXCPU, "used more than 5 s of CPU time\n" },
	{ SIGALRM, "did not return within 10 s\n" },
};

static void
say(const char *what)
{
	ssize_t n;

	if (words_len == 0)
		return;
	n = write(2, words, words_len);
	if (n >= 0)
		n = write(2, what, strlen(what));
	(void)n;
}

static void
on_signal(int signal)
{
	for (size_t i = 0; i < COUNT(ends); i++)
		if (ends[i].signal == signal)
			say(ends[i].what);
	_exit(EXIT_CONFIG);
}

static void
on_exit_called(void)
{
	if (!armed)
		return;
	say("called exit()\n");
	_exit(EXIT_CONFIG);
}

void
fatal_arm(int spoken)
{
	static char stack[65536];
	stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_signal,
	    .sa_flags = SA_ONSTACK | SA_RESETHAND };

	armed = 1;
	if (!spoken)
		return;		/* the signal itself tells the master most */
	sigaltstack(&own, NULL);
	for (size_t i = 0; i < COUNT(ends); i++)
		sigaction(ends[i].signal, &action, NULL);
	atexit(on_exit_called);
}

void
fatal_disarm(void)
{
	armed = 0;
}

void
fatal_set(struct place place, const char *plugin, const char *module)
{
	int n = snprintf(words, sizeof(words), "%s:%u: [plugin %s] module: "
	    "the constructor of %s ", place.file, place.line, plugin, module);

	words_len = n > 0 && (size_t)n < sizeof(words) ? (size_t)n : 0;
}
