/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* watches.c: descriptors of plugins; see watches.h. */
#include "daemon/plugin/watches.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/handle.h"

enum { ROW_BITS = 16, ROWS_MAX = 1 << ROW_BITS };

struct watch {
	struct event event;
	struct watches *watches;
	cluster_ready_fn *fn;
	void *arg;
	uint64_t number;		/* 0: free */
	uint32_t row, next_free;
	unsigned plugin;
	int fd, own;			/* the plugin's; our duplicate of it */
	dev_t dev;
	ino_t ino;
};

static void
free_row(struct watch *watch)
{
	struct watches *watches = watch->watches;

	if (watch->plugin < CONF_PLUGINS_MAX)
		watches->of_plugin[watch->plugin]--;
	fd_close(&watch->own);
	watch->number = 0;
	watch->next_free = watches->free_first;
	watches->free_first = watch->row + 1;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	unsigned flags = 0;

	(void)fd;
	flags |= what & EV_READ ? CLUSTER_WATCH_READ : 0;
	flags |= what & EV_WRITE ? CLUSTER_WATCH_WRITE : 0;
	watch->watches->run(watch->plugin, watch->fn, watch->fd, flags,
	    watch->arg, watch->watches->ctx);
}

static struct watch *
new_row(struct watches *watches)
{
	struct watch **rows, *watch;

	rows = realloc(watches->rows, (watches->count + 1) * sizeof(rows[0]));
	if (rows == NULL)
		return NULL;
	watches->rows = rows;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return NULL;
	watch->watches = watches;
	watch->row = watches->count;
	rows[watches->count++] = watch;
	return watch;
}

/* Can it be waited for?  The loop would only say so in the log. */
static int
probe(int fd)
{
	struct epoll_event event = { .events = 0 };
	int set = epoll_create1(EPOLL_CLOEXEC), rc;

	if (set < 0)
		return -errno;
	rc = epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
	close(set);
	return rc;
}

/* Our duplicate of it. */
static int
duplicate(int fd, int *own, struct stat *status)
{
	int copy, rc;

	if (fstat(fd, status) != 0)
		return -EBADF;
	if ((rc = probe(fd)) != 0)
		return rc;
	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	*own = copy;
	return 0;
}

static struct watch *
take_row(struct watches *watches)
{
	struct watch *watch;

	if (watches->free_first == 0)
		return watches->count < ROWS_MAX ? new_row(watches) : NULL;
	watch = watches->rows[watches->free_first - 1];
	watches->free_first = watch->next_free;
	return watch;
}

int
watches_add(struct watches *watches, unsigned plugin, int fd, unsigned flags,
    cluster_ready_fn *fn, void *arg, uint64_t *handle)
{
	struct watch *watch;
	struct stat status;
	short what = EV_PERSIST;
	int own = -1, rc;

	if (plugin < CONF_PLUGINS_MAX &&
	    watches->of_plugin[plugin] >= CLUSTER_WATCHES_MAX)
		return -ENOSPC;
	if ((rc = duplicate(fd, &own, &status)) != 0)
		return rc;
	if ((watch = take_row(watches)) == NULL) {
		close(own);
		return -ENOMEM;
	}
	watch->fn = fn;
	watch->arg = arg;
	watch->plugin = plugin;
	watch->fd = fd;
	watch->own = own;
	watch->dev = status.st_dev;
	watch->ino = status.st_ino;
	watch->number = handle_number(HANDLE_WATCH, ++watches->number);
	if (plugin < CONF_PLUGINS_MAX)
		watches->of_plugin[plugin]++;
	what |= flags & CLUSTER_WATCH_READ ? EV_READ : 0;
	what |= flags & CLUSTER_WATCH_WRITE ? EV_WRITE : 0;
	event_assign(&watch->event, watches->base, own, what, on_ready, watch);
	if (event_add(&watch->event, NULL) != 0) {
		free_row(watch);
		return -ENOMEM;
	}
	*handle = watch->number << ROW_BITS | watch->row;
	return 0;
}

int
watches_end(struct watches *watches, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & (ROWS_MAX - 1));
	struct watch *watch;

	if (row >= watches->count || handle >> ROW_BITS == 0 ||
	    watches->rows[row]->number != handle >> ROW_BITS)
		return -ESTALE;
	watch = watches->rows[row];
	event_del(&watch->event);
	free_row(watch);
	return 0;
}

static bool
was_closed(const struct watch *watch)
{
	struct stat status;

	return fstat(watch->fd, &status) != 0 ||
	    status.st_dev != watch->dev || status.st_ino != watch->ino;
}

void
watches_look(struct watches *watches)
{
	for (uint32_t i = 0; i < watches->count; i++) {
		struct watch *watch = watches->rows[i];
		struct watch gone = *watch;

		if (watch->number == 0 || !was_closed(watch))
			continue;
		event_del(&watch->event);
		free_row(watch);
		watches->run(gone.plugin, gone.fn, gone.fd,
		    CLUSTER_WATCH_CLOSED, gone.arg, watches->ctx);
	}
}
