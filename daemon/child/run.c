/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* run.c: one child that is waited for, on a loop of its own; see run.h. */
#include "daemon/child/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "daemon/child/child.h"

struct wait {
	const struct run *run;
	struct cluster_result *out;
	bool closed;
	int error;
};

/* ---- results ---------------------------------------------------------------------------- */

void
run_show_result(struct child *child, struct cluster_result *result)
{
	size_t lost[2];

	*result = (struct cluster_result){ .size = sizeof(*result),
	    .exit = child->ended };
	capture_show(&child->captures[0], &result->out, &result->out_len,
	    &lost[0], &result->spill_fd[0]);
	capture_show(&child->captures[1], &result->err, &result->err_len,
	    &lost[1], &result->spill_fd[1]);
	result->lost = lost[0] + lost[1];
}

static const void *
copy(const void *data, size_t len)
{
	char *block = malloc(len + 1);

	if (block == NULL)
		return NULL;
	memcpy(block, data, len);
	block[len] = '\0';
	return block;
}

/* It outlives its child. */
static int
keep(struct child *child, struct cluster_result *out)
{
	struct cluster_result shown;

	run_show_result(child, &shown);
	shown.out = copy(shown.out, shown.out_len);
	shown.err = copy(shown.err, shown.err_len);
	if (shown.out == NULL || shown.err == NULL) {
		run_free_result(&shown);
		return -ENOMEM;
	}
	*out = shown;
	return 0;
}

void
run_free_result(struct cluster_result *result)
{
	free((void *)(uintptr_t)result->out);
	free((void *)(uintptr_t)result->err);
	fd_close_all(result->spill_fd, 2);
	*result = (struct cluster_result){ .size = sizeof(*result),
	    .spill_fd = { -1, -1 } };
}

/* ---- the loop ----------------------------------------------------------------------------- */

static void
on_output(struct child *child, int fd, const void *data, size_t len, void *ctx)
{
	(void)child;
	(void)fd;
	(void)data;
	(void)len;
	(void)ctx;
}

static void
on_room(struct child *child, int fd, void *ctx)
{
	(void)child;
	(void)fd;
	(void)ctx;
}

static void
on_ended(struct child *child, void *ctx)
{
	(void)child;
	(void)ctx;
}

static void
on_closed(struct child *child, void *ctx)
{
	struct wait *wait = ctx;

	wait->error = keep(child, wait->out);
	wait->closed = true;
}

static void
on_line(struct child *child, int fd, const char *text, void *ctx)
{
	const struct wait *wait = ctx;

	wait->run->line(child, fd, text, wait->run->ctx);
}

static const struct children_ops ops = {
	.output = on_output, .room = on_room, .ended = on_ended,
	.closed = on_closed, .line = on_line,
};

int
run_child(const struct run *run, const struct cluster_spawn *order,
    struct cluster_result *out)
{
	struct event_base *base = event_base_new();
	struct wait wait = { .run = run, .out = out };
	struct children table;
	enum cluster_stage stage;
	struct child *child;
	int rc;

	if (base == NULL)
		return -ENOMEM;
	children_init(&table, base, &ops, &wait);
	rc = child_start(&table, order, run->plugin, &child, &stage);
	while (rc == 0 && !wait.closed)
		if (event_base_loop(base, EVLOOP_ONCE) < 0) {
			children_stop(&table, 0);
			rc = -EIO;
		}
	children_done(&table);
	event_base_free(base);
	return rc != 0 ? rc : wait.error;
}
