/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * children.h: the children of a worker by handles that are never used twice, and
 * what is done to all of them.  Knows no plugins but by their index: what a child
 * says is told to functions handed down.  One thread, the loop's.
 */
#ifndef DAEMON_CHILD_CHILDREN_H
#define DAEMON_CHILD_CHILDREN_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include <clusterd/process.h>

#include "common/base/oom.h"

struct child;

enum {
	CHILDREN_DEFAULT = 64, CHILDREN_MOST = 65536,
	CHILDREN_READ = 65536,		/* bytes read at once */
};

struct children_ops {
	void (*output)(struct child *child, int fd, const void *data,
	    size_t len, void *ctx);
	void (*room)(struct child *child, int fd, void *ctx);
	void (*ended)(struct child *child, void *ctx);
	/* The last one: it is freed on return. */
	void (*closed)(struct child *child, void *ctx);
	/* On its channel; fds: -1 where it was taken. */
	void (*message)(struct child *child, const struct cluster_message *m,
	    int *fds, void *ctx);
	/* The same of a task, for somebody else. */
	void (*pass_on)(struct child *child, const char *to,
	    const struct cluster_message *m, int *fds, void *ctx);
	void (*disconnected)(struct child *child, void *ctx);
	/* What became of a message to it: done() of cluster_send. */
	void (*sent)(struct child *child, void (*done)(void *arg, int error,
	    unsigned taken), void *arg, int error, void *ctx);
	/* A line of its output for the log. */
	void (*line)(struct child *child, int fd, const char *text, void *ctx);
};

struct children {
	struct event_base *base;
	const struct children_ops *ops;
	void *ctx;
	struct child **rows;		/* NULL: free */
	uint32_t size, count;
	uint32_t limit;			/* of count */
	uint32_t awaited;		/* by a drain */
	uint64_t number;		/* of the last one */
	bool draining, shut;
	struct oom_watch oom;		/* kills for want of memory */
	uint64_t oom_looked_ns;
	char *buffer;			/* CHILDREN_READ bytes, from the first
					 * child on */
};

void children_init(struct children *table, struct event_base *base,
    const struct children_ops *ops, void *ctx);
void children_done(struct children *table);	/* count is 0 */

/* Is there room for one more?  0, -EPERM (none is allowed), -EAGAIN, -ENOMEM,
 * -ESHUTDOWN.  After 0 children_add() does not fail. */
int children_reserve(struct children *table);
void children_add(struct children *table, struct child *child);
void children_remove(struct children *table, struct child *child);

uint64_t children_handle(const struct child *child);
/* NULL: it has ended. */
struct child *children_find(const struct children *table, uint64_t handle);

/* That request has ended, that token was used: who is bound to it is stopped. */
void children_end_request(struct children *table, uint64_t request);
void children_cancel(struct children *table, uint64_t cancel);
/* A token is no more: who was bound to it goes on. */
void children_forget_cancel(struct children *table, uint64_t cancel);

/* Each beat. */
void children_tick(struct children *table, uint64_t now_ns);

void children_set_referenced(struct child *child, bool referenced);
/* The worker drains: those that are not awaited are stopped. */
void children_drain(struct children *table);
/* The worker stops: end all but the detached ones, at most grace_ms for them to
 * end by themselves.  Blocks; no child is left in the table. */
void children_stop(struct children *table, unsigned grace_ms);

#endif
