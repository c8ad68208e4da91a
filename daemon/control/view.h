/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * view.h: the state of the service as plain data.  The master fills one when a
 * command asks for it; the files of this folder make JSON and tables of it and
 * know nothing else about workers, listeners and configuration.
 *
 * All pointers are borrowed: they hold until control returns to the loop.  All
 * text may be foreign; it is made safe where it is written.  A number that is
 * not known is VIEW_UNKNOWN and a text that is not known NULL: both are shown
 * as null, never as 0.  Times are milliseconds since 1970.
 */
#ifndef CLUSTERD_CONTROL_VIEW_H
#define CLUSTERD_CONTROL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/table/table.h"

#define VIEW_UNKNOWN ((int64_t)-1)

/* In order of gravity; the daemon has its worst pool's. */
enum view_state { VIEW_OK, VIEW_DEGRADED, VIEW_FAILED };

/* Why the state is not `ok', or what an operator should know although it is. */
struct view_reason {
	enum reason_id id;
	const char *text;	/* a sentence with names and numbers */
	const char *pool;	/* NULL: not of one pool */
	const char *worker;	/* NULL: not of one slot */
};

/* What a worker is doing at this moment. */
struct view_doing {
	const char *plugin, *route, *method, *path;
	int64_t since_ms;	/* wall time of its begin */
};

/* Of which workers a view shows the children: each costs a look into /proc. */
enum view_children { CHILDREN_OF_NONE, CHILDREN_OF_DRAINING, CHILDREN_OF_ALL };

/* A child process of a worker. */
struct view_child {
	int64_t pid, since_ms, cpu_ms, rss_kb;
	bool holds;		/* a drain waits for its end */
	bool detached;		/* of a session of its own: it may outlive it */
	bool has_request;
	struct view_doing request;	/* that it is there for */
	const char *command;
};

/* One process, or a slot without one.  A slot that is being replaced has two
 * rows with the same `worker' and different `id'. */
struct view_worker {
	const char *worker;	/* "web/0" */
	const char *pool;
	int64_t slot;
	int64_t id;		/* of the process; VIEW_UNKNOWN: never had one */
	int64_t pid;		/* VIEW_UNKNOWN: no process */
	int64_t generation;
	const char *state;	/* down starting ready draining stopping killing
				 * waiting failed */
	bool current;		/* its state is the slot's */
	bool wanted;		/* false: taken out by drain or scale */
	bool paused;
	bool stalled;		/* beat older than a second */
	int64_t uptime_ms;	/* of this process */
	int64_t restarts;	/* of the slot: exits nobody asked for */
	int64_t replacements;	/* of the slot: exits that were asked for */
	int64_t connections, requests, rss_kb, cpu_ms;	/* of this process */
	int64_t children;	/* that its plugins have started */
	int64_t holds;		/* its plugins have work that a drain awaits */
	int64_t beat_age_ms;
	int64_t sockets;	/* that it polls as their owner (reuseport) */
	int64_t next;		/* `waiting', `failed': time of the next try */
	const char *text;	/* `waiting', `failed': why; last words about it */
	bool has_doing;
	struct view_doing doing;
	const struct view_doing *requests_open;	/* all of them, oldest first */
	size_t requests_open_count;
	const struct view_child *child;	/* as asked for; oldest first */
	size_t child_count;
};

struct view_pool {
	const char *pool;
	enum view_state state;
	const char *protocol, *schedule;
	const char *const *listen;	/* as bound: port 0 resolved */
	size_t listen_count;
	int64_t desired;	/* slots wanted now */
	int64_t ready;		/* current workers in `ready' */
	int64_t min, max;	/* bounds of `desired' by the file */
	int64_t busy_percent;	/* of the time of its workers, of late */
	int64_t next_step;	/* it scales by itself: not before then */
	int64_t generation;
	bool automatic;		/* size from the file, not from `scale' */
	const char *drained_by;	/* NULL: not drained */
	int64_t restarts, replacements;		/* retired slots included */
	int64_t requests, connections;		/* totals; never go back */
	int64_t children;	/* of its workers, now */
};

struct view_listener {
	const char *address;	/* as bound */
	const char *configured;	/* as written, "127.0.0.1:0" */
	const char *pool;
	const char *schedule;
	int64_t socket;		/* which of several (reuseport); VIEW_UNKNOWN:
				 * the only one */
	const char *owner;	/* who polls it, "web/2"; NULL: nobody alone */
	int64_t backlog;
	int64_t queued;		/* connections in the kernel's queue */
	int64_t accepted;	/* total */
	int64_t healed;		/* times it was made again */
};

struct view_plugin {
	const char *plugin;	/* the instance */
	const char *module;	/* file name */
	const char *path;	/* where it was read from */
	const char *version, *summary;
	const char *sha256;	/* hexadecimal */
	const char *abi;	/* "1.0" */
	const char *const *pools;	/* that have routes to it */
	size_t pool_count;
	bool source_changed;	/* the file is not the one that was accepted */
};

struct view {
	enum view_state state;
	const struct view_reason *reasons;
	size_t reason_count;
	const char *version;
	int64_t keeper_pid;
	int64_t started;		/* of the keeper */
	struct {
		int64_t pid, uptime_ms, restarts;
	} master;
	int64_t generation;		/* in force */
	int64_t previous_generation;	/* `rollback' goes there */
	const char *config_file;
	const struct view_pool *pools;
	size_t pool_count;
	const struct view_worker *workers;	/* by pool and slot, current first */
	size_t worker_count;
	const struct view_listener *listeners;
	size_t listener_count;
	const struct view_plugin *plugins;
	size_t plugin_count;
};

#endif
