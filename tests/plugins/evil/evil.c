/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * evil.c: a plugin that does, by path or by EVIL in its environment, what a bad
 * plugin may do.  For tests only.  Here is what it shows of itself, and its life;
 * what it does is in the files beside, by subject.
 */
#include "evil.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cluster_option options[] = {
	CLUSTER_OPTION_STRING(struct evil, mode, "",
	    "What to do at start and stop, as EVIL in the environment"),
	CLUSTER_OPTION_DURATION(struct evil, ms, "100ms", 0, 3600000,
	    "How long /sleep sleeps"),
	CLUSTER_OPTION_END
};

static const char *
mode(const struct evil *evil)
{
	const char *text = getenv("EVIL");

	return evil->mode[0] != '\0' ? evil->mode : text == NULL ? "" : text;
}

/* ---- answers ----------------------------------------------------------------- */

void
sign(struct cluster_request *req)
{
	const char *id = cluster_header(req, "X-Request-Id");
	static unsigned served;
	char number[24];

	snprintf(number, sizeof(number), "%u", ++served);
	cluster_set_header(req, "X-Served", number);
	snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)cluster_worker_id());
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	cluster_set_header(req, "X-Worker-Id", number);
	if (id != NULL)
		cluster_set_header(req, "X-Request-Id", id);
}

enum cluster_verdict
say(struct cluster_request *req, const char *text)
{
	sign(req);
	return cluster_reply_text(req, 200, text);
}

enum cluster_verdict
say_result(struct cluster_request *req, int rc)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", rc);
	return say(req, text);
}

/* ---- which ------------------------------------------------------------------- */

static const struct {
	const char *path;
	enum cluster_verdict (*run)(struct cluster_request *req,
	    struct evil *evil, const char *arg);
} behaviours[] = {
#define BEHAVIOUR(name) { "/" #name, do_##name },
#include "behaviours.def"
};

static int
is_slot(const char *number)
{
	const char *slot = strrchr(cluster_worker_name(), '/');

	return slot != NULL && strcmp(slot + 1, number) == 0;
}

/* Is this request the last one of this worker? */
static int
dies_now(const char *what)
{
	static unsigned long count;

	count++;
	if (strncmp(what, "segv_request=", 13) == 0)
		return count == strtoul(what + 13, NULL, 10);
	if (strncmp(what, "segv_slot=", 10) == 0)
		return is_slot(what + 10);
	if (strncmp(what, "segv_while=", 11) == 0)
		return access(what + 11, F_OK) == 0;
	return 0;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req), *query = cluster_query(req);
	struct evil *evil = self;

	if (dies_now(mode(evil)))
		*nowhere = 1;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (strcmp(path, behaviours[i].path) == 0)
			return behaviours[i].run(req, evil, query);
	return say(req, "evil\n");
}

/* ---- life -------------------------------------------------------------------- */

static void
on_die(void *arg)
{
	(void)arg;
	abort();
}

/* Is this the first start in its slot?  A directory remembers. */
static int
is_first(const char *directory)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory,
	    strrchr(cluster_worker_name(), '/') + 1);
	return mkdir(path, 0700) == 0;
}

/* Sick as long as there is a file of that name. */
static void
on_die_while(void *arg)
{
	if (access(arg, F_OK) == 0)
		abort();
}

/* The same, as slowly as if a core were written. */
static void
on_die_slowly_while(void *arg)
{
	if (access(arg, F_OK) != 0)
		return;
	poll(NULL, 0, 150);
	abort();
}

static void
hang(void)
{
	for (;;)
		pause();
}

static int
start(void *self)
{
	const char *what = mode(self);

	if (strcmp(what, "init_error") == 0)
		return 1;
	if (strncmp(what, "init_fail_slot=", 15) == 0)
		return is_slot(what + 15);
	if (strncmp(what, "init_fail_once=", 15) == 0)
		return is_first(what + 15);
	/* those after it take their time: the roll lasts until it has died */
	if (strncmp(what, "segv_slot=", 10) == 0 &&
	    strcmp(strrchr(cluster_worker_name(), '/') + 1, what + 10) > 0)
		poll(NULL, 0, 500);
	if (strncmp(what, "init_fatal=", 11) == 0) {
		cluster_fatal((enum cluster_fatal_class)atoi(what + 11),
		    "as the test wished");
		return 1;
	}
	if (strcmp(what, "init_hang") == 0)
		hang();
	if (strcmp(what, "init_block") == 0) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		hang();
	}
	if (strcmp(what, "init_segv") == 0)
		*nowhere = 1;
	if (strcmp(what, "die_after_ready") == 0)
		cluster_timer(50, on_die, NULL);
	if (strncmp(what, "die_while=", 10) == 0)
		cluster_timer(20, on_die_while, (void *)(what + 10));
	if (strncmp(what, "die_slowly_while=", 17) == 0)
		cluster_timer(20, on_die_slowly_while, (void *)(what + 17));
	if (strcmp(what, "ignore_alarm") == 0)
		signal(SIGALRM, SIG_IGN);
	if (strcmp(what, "ignore_lifeline") == 0)
		signal(SIGTERM, SIG_IGN);
	return 0;
}

static void
on_drain(void *self)
{
	if (strcmp(mode(self), "hang_drain") == 0)
		hang();
	told_to_go = strcmp(mode(self), "bye") == 0;
}

static void
stop(void *self)
{
	if (strcmp(mode(self), "hang_stop") == 0)
		hang();
}

CLUSTER_PLUGIN(evil,
	.summary = "Does what it should not, for tests",
	.options = options, .size = sizeof(struct evil),
	.start = start, .stop = stop, .handle = handle, .on_drain = on_drain,
	.on_room = evil_on_room);
