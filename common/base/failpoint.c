/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * failpoint.c: see failpoint.h.  The rows of all FP() of an executable lie in
 * one linker section, which is how --list-failpoints finds them.  No heap: the
 * keeper has failpoints too.
 */
#include "common/base/failpoint.h"

#ifdef CLUSTERD_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"

enum { RULES_SIZE = 1024 };

static const char *slot_name = "";

/* Keeps the section alive where nothing else of it is linked. */
static struct failpoint anchor
    __attribute__((section("failpoints"), used)) = { NULL, 0 };

extern struct failpoint __start_failpoints[] __attribute__((weak));
extern struct failpoint __stop_failpoints[] __attribute__((weak));

void
failpoint_set_slot(const char *name)
{
	slot_name = name;
}

static const struct { const char *name; int number; } errnos[] = {
	{ "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
	{ "ENFILE", ENFILE }, { "ENOBUFS", ENOBUFS }, { "EIO", EIO },
	{ "ENOSPC", ENOSPC }, { "EACCES", EACCES }, { "EPERM", EPERM },
	{ "EINVAL", EINVAL }, { "EPIPE", EPIPE }, { "ENOENT", ENOENT },
	{ "ETOOMANYREFS", ETOOMANYREFS }, { "EADDRINUSE", EADDRINUSE },
};

static int
errno_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(errnos); i++)
		if (strlen(errnos[i].name) == len &&
		    memcmp(errnos[i].name, name, len) == 0)
			return errnos[i].number;
	return strtol(name, NULL, 10) > 0 ? (int)strtol(name, NULL, 10) : EIO;
}

static void
nap(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}

static int
act(const char *action, size_t len)
{
	if (len == 4 && memcmp(action, "kill", 4) == 0)
		kill(getpid(), SIGKILL);	/* also between clone and exec */
	if (len == 5 && memcmp(action, "abort", 5) == 0)
		abort();
	if (len == 4 && memcmp(action, "exit", 4) == 0)
		_exit(0);
	if (len == 4 && memcmp(action, "spin", 4) == 0)
		for (volatile int forever = 1; forever;)
			continue;
	if (len == 4 && memcmp(action, "skip", 4) == 0)
		return FP_SKIP;
	if (len > 6 && memcmp(action, "sleep=", 6) == 0)
		nap(strtol(action + 6, NULL, 10));
	if (len > 4 && memcmp(action, "err=", 4) == 0)
		return errno_by_name(action + 4, len - 4);
	return 0;
}

/* One rule "name:action[@n][/slot]" of len bytes against a hit. */
static int
apply(const char *rule, size_t len, const char *name, unsigned hits)
{
	const char *end = rule + len, *action, *tail, *at, *slash;
	size_t name_len = strlen(name);

	if (len <= name_len || memcmp(rule, name, name_len) != 0 ||
	    rule[name_len] != ':')
		return 0;
	action = rule + name_len + 1;
	slash = memchr(action, '/', (size_t)(end - action));
	tail = slash != NULL ? slash : end;
	if (slash != NULL && (strlen(slot_name) != (size_t)(end - slash - 1) ||
	    memcmp(slot_name, slash + 1, (size_t)(end - slash - 1)) != 0))
		return 0;
	at = memchr(action, '@', (size_t)(tail - action));
	if (at != NULL && strtoul(at + 1, NULL, 10) != hits)
		return 0;
	return act(action, (size_t)((at != NULL ? at : tail) - action));
}

/* The rules in a file, as far as they fit; none where there is no file. */
static const char *
read_rules(const char *path, char *text, size_t size)
{
	int kept = errno, fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	errno = kept;
	return text;
}

int
failpoint_hit(struct failpoint *failpoint)
{
	const char *rules = getenv("CLUSTERD_FP");
	char text[RULES_SIZE];
	unsigned hits = __atomic_add_fetch(&failpoint->hits, 1,
	    __ATOMIC_RELAXED);

	if (rules != NULL && rules[0] == '@')
		rules = read_rules(rules + 1, text, sizeof(text));
	while (rules != NULL && *rules != '\0') {
		size_t len = strcspn(rules, ",");
		int rc = apply(rules, len, failpoint->name, hits);

		if (rc != 0)
			return rc;
		rules += len + (rules[len] == ',');
	}
	return 0;
}

void
failpoint_list(void)
{
	for (struct failpoint *f = __start_failpoints; f < __stop_failpoints;
	    f++)
		if (f->name != NULL && f != &anchor)
			puts(f->name);
}

#else

#include <stdio.h>

void
failpoint_set_slot(const char *name)
{
	(void)name;
}

int
failpoint_hit(struct failpoint *failpoint)
{
	(void)failpoint;
	return 0;
}

void
failpoint_list(void)
{
	fputs("this build has no failpoints (--enable-failpoints)\n", stderr);
}

#endif
