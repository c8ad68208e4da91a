/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* order.c: what a plugin asks for, checked; see order.h. */
#include "daemon/child/order.h"

#include <errno.h>
#include <string.h>

enum {
	SIZE_1_2 = sizeof(struct cluster_spawn),	/* the first there was */
	SIZE_MAX_GIVEN = 4096,
	RLIMITS_MAX = 32,
	FLAGS = CLUSTER_SPAWN_ENV_ADD | CLUSTER_SPAWN_DETACHED |
	    CLUSTER_SPAWN_UNREF,
};

/* A younger plugin may have members that we do not know, if it does not use
 * them. */
int
order_copy(const struct cluster_spawn *given, struct cluster_spawn *order)
{
	const char *at = (const char *)given;

	if (given == NULL || given->size < SIZE_1_2 ||
	    given->size > SIZE_MAX_GIVEN)
		return -EINVAL;
	for (size_t i = sizeof(*order); i < given->size; i++)
		if (at[i] != 0)
			return -EINVAL;
	memcpy(order, given, sizeof(*order));
	order->size = sizeof(*order);
	return 0;
}

int
order_check_texts(const char *const *list)
{
	size_t count = 0;

	for (; list != NULL && list[count] != NULL; count++)
		if (count == CLUSTER_CHILD_ARGS_MAX)
			return -E2BIG;
	return 0;
}

static int
check_program(const struct cluster_spawn *order)
{
	bool add = (order->flags & CLUSTER_SPAWN_ENV_ADD) != 0;
	int rc;

	if (order->file == NULL || order->file[0] == '\0')
		return -EINVAL;
	if (order->argv != NULL && (order->shell != NULL ||
	    order->argv[0] == NULL))
		return -EINVAL;
	if ((rc = order_check_texts(order->argv)) != 0 ||
	    (rc = order_check_texts(order->env)) != 0)
		return rc;
	for (size_t i = 0; order->env != NULL && order->env[i] != NULL; i++) {
		const char *text = order->env[i];

		if (text[0] == '\0' || text[0] == '=' ||
		    (!add && strchr(text, '=') == NULL))
			return -EINVAL;
	}
	return 0;
}

static int
check_rlimits(const struct cluster_rlimit *row)
{
	for (unsigned i = 0; row != NULL && row[i].resource >= 0; i++) {
		if (i == RLIMITS_MAX)
			return -E2BIG;
		if (row[i].resource >= RLIM_NLIMITS ||
		    row[i].soft > row[i].hard)
			return -EINVAL;
	}
	return 0;
}

static bool
is_stdio_good(const struct cluster_stdio *stdio, int fd, bool captures)
{
	switch (stdio->kind) {
	case CLUSTER_STDIO_DEFAULT:
	case CLUSTER_STDIO_PIPE:
	case CLUSTER_STDIO_SOCKET:
	case CLUSTER_STDIO_NULL:
	case CLUSTER_STDIO_INHERIT:
		return true;
	case CLUSTER_STDIO_FD:
		return stdio->fd >= 0 && (stdio->mode == CLUSTER_FD_MOVE ||
		    stdio->mode == CLUSTER_FD_DUP);
	case CLUSTER_STDIO_FILE:
		return stdio->path != NULL && stdio->path[0] != '\0';
	case CLUSTER_STDIO_DATA:
		return stdio->len <= ORDER_DATA_MAX &&
		    (stdio->data != NULL || stdio->len == 0);
	case CLUSTER_STDIO_LOG:
		return fd > 0;
	case CLUSTER_STDIO_CAPTURE:
		return captures && (fd == 1 || fd == 2);
	}
	return false;
}

/* A descriptor that moves can be only in one place. */
static bool
moves_twice(const struct cluster_stdio *stdio)
{
	for (int i = 0; i < CLUSTER_STDIO_COUNT; i++)
		for (int j = 0; j < CLUSTER_STDIO_COUNT; j++)
			if (i != j && stdio[i].kind == CLUSTER_STDIO_FD &&
			    stdio[i].mode == CLUSTER_FD_MOVE &&
			    stdio[j].kind == CLUSTER_STDIO_FD &&
			    stdio[j].fd == stdio[i].fd)
				return true;
	return false;
}

static void
fill_stdio(struct cluster_spawn *order, bool captures)
{
	bool heard = order->events != NULL && order->events->on_output != NULL;
	struct cluster_stdio *stdio = order->stdio;

	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		if (stdio[fd].kind != CLUSTER_STDIO_DEFAULT)
			continue;
		if (fd == 0 || fd > 2)
			stdio[fd].kind = CLUSTER_STDIO_NULL;
		else if (captures)
			stdio[fd].kind = CLUSTER_STDIO_CAPTURE;
		else
			stdio[fd].kind = heard ? CLUSTER_STDIO_PIPE :
			    CLUSTER_STDIO_LOG;
	}
}

static void
fill(struct cluster_spawn *order, bool captures)
{
	fill_stdio(order, captures);
	if (order->kill_after_ms == 0)
		order->kill_after_ms = ORDER_KILL_AFTER_MS;
	if (order->linger_ms == 0)
		order->linger_ms = ORDER_LINGER_MS;
	if (order->kill_signal == 0)
		order->kill_signal = SIGTERM;
	if (captures && order->max_output == 0)
		order->max_output = ORDER_OUTPUT;
	if (order->shell != NULL && order->shell[0] == '\0')
		order->shell = "/bin/sh";
}

int
order_take(const struct cluster_spawn *given, bool captures,
    struct cluster_spawn *order)
{
	int rc = order_copy(given, order);

	if (rc != 0)
		return rc;
	if ((order->flags & ~(unsigned)FLAGS) != 0 ||
	    order->kill_signal < 0 || order->kill_signal >= NSIG ||
	    (unsigned)order->kill_scope > CLUSTER_KILL_TREE ||
	    (unsigned)order->overflow > CLUSTER_OVERFLOW_SPILL ||
	    (unsigned)order->channel > CLUSTER_CHANNEL_LINES ||
	    (captures && order->max_output > ORDER_OUTPUT_MAX))
		return -EINVAL;
	if (!captures && (order->overflow == CLUSTER_OVERFLOW_TAIL ||
	    order->overflow == CLUSTER_OVERFLOW_SPILL))
		return -EINVAL;
	if ((rc = check_program(order)) != 0 ||
	    (rc = check_rlimits(order->rlimits)) != 0)
		return rc;
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (!is_stdio_good(&order->stdio[fd], fd, captures))
			return -EINVAL;
	if (moves_twice(order->stdio))
		return -EINVAL;
	fill(order, captures);
	return 0;
}
